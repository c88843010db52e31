"""The images that a request brings, of no more bytes and seconds than are allowed."""

import asyncio
import time
from typing import NamedTuple

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from textsr.serving.problems import RefusedError
from textsr.serving.service import Limits

MOST_FILES = 1000
"""Of a request."""

_MULTIPART = "multipart/form-data"
_RAW = "application/octet-stream"


class Upload(NamedTuple):
    """An image's file.

    Attributes:
        name: what messages call it; of a form, the name that the client gave it, as it stands.
        encoded: its content.
    """

    name: str
    encoded: bytes


async def read_uploads(request: Request, limits: Limits, deadline: float) -> list[Upload]:
    """Read a request's body: an image, or a form with several.

    Args:
        request: whose body has not been read.
        limits: what it may have.
        deadline: by `time.monotonic`.

    Raises:
        RefusedError: 415 if it is of no type that is taken, 413 if it is too long, 408 if it does
            not come in time, 400 if the form is damaged or the client has gone, 422 if it has no
            file.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _MULTIPART and kind != _RAW and not kind.startswith("image/"):
        raise RefusedError(
            415,
            f"Content-Type: {kind or 'none'}: send an image as it is, as image/png or the like, or "
            f"several as {_MULTIPART}",
        )
    measured = _measured(request, limits)
    try:
        async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
            if kind == _MULTIPART:
                return await _read_form(measured)
            return [Upload("image", await measured.body())]
    except TimeoutError as error:
        raise RefusedError(
            408, f"the body did not come within {limits.seconds:g} seconds; send it anew"
        ) from error
    except ClientDisconnect as error:  # nobody reads this; the log need not tell it
        raise RefusedError(400, "the body was broken off; send it anew") from error


def _measured(request: Request, limits: Limits) -> Request:
    """Return the request, whose body raises where it becomes too long."""
    too_long = RefusedError(
        413,
        f"the body has more than {limits.megabytes:g} MB; send fewer or smaller images, or start "
        "the server with a higher --max-megabytes",
    )
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > limits.bytes:
        raise too_long
    left = limits.bytes

    async def receive() -> Message:
        nonlocal left
        message = await request.receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise too_long
        return message

    return Request(request.scope, receive)


async def _read_form(request: Request) -> list[Upload]:
    try:
        async with request.form(max_files=MOST_FILES) as form:
            files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
            found = [Upload(file.filename or "image", await file.read()) for file in files]
    except (MultiPartException, HTTPException) as error:
        said = error.message if isinstance(error, MultiPartException) else error.detail
        raise RefusedError(
            400, f"the form cannot be read: {said.rstrip('.')}; send it anew"
        ) from error
    if not found:
        raise RefusedError(
            422, "the form has no file; add images, for example by `curl -F image=@FILE`"
        )
    return found
