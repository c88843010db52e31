"""Holding what a request takes until its answer has been taken, which has a time limit, too."""

import asyncio
import logging
from contextlib import ExitStack

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

_HELD = "textsr.held"
_PIECE = 65_536
"""Bytes that are sent at a time: uvicorn waits before a piece until the last one is taken."""


def held(request: Request) -> ExitStack:
    """Return what ends with a request's answer."""
    stack: ExitStack = request.scope[_HELD]
    return stack


def holding(app: ASGIApp, seconds: float) -> ASGIApp:
    """Return an app whose requests hold what they take until their answers have been taken.

    Args:
        app: asks for `held`.
        seconds: from the beginning of an answer to its end; a connection that takes longer is
            closed.
    """

    async def hold(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        with ExitStack() as stack:
            try:
                async with asyncio.timeout(None) as limit:

                    async def send_in_time(message: Message) -> None:
                        if message["type"] == "http.response.start":
                            limit.reschedule(asyncio.get_running_loop().time() + seconds)
                            await send(message)
                        else:
                            await _send_in_pieces(send, message)

                    await app({**scope, _HELD: stack}, receive, send_in_time)
            except TimeoutError:
                if not limit.expired():
                    raise
                log.info("%s: the answer was not taken in time", scope["path"])

    return hold


async def _send_in_pieces(send: Send, message: Message) -> None:
    body = memoryview(message.get("body", b""))
    for start in range(0, len(body), _PIECE):
        piece = bytes(body[start : start + _PIECE])
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    if not message.get("more_body", False):
        await send({"type": "http.response.body", "body": b"", "more_body": False})
