"""Which format a result has: what the client accepts, what it named, what it sent."""

from typing import Literal, get_args

import mimeparse

from textsr.images.writing import suffix_of
from textsr.serving.problems import RefusedError

ResultFormat = Literal["png", "jpg", "tif", "webp", "bmp", "pdf"]
"""What a client may name."""

MEDIA_TYPES: dict[str, str] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "tif": "image/tiff",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "pdf": "application/pdf",
}
"""Of each `ResultFormat`."""

ZIP = "application/zip"

_OF_TYPES: dict[str, ResultFormat] = {MEDIA_TYPES[name]: name for name in get_args(ResultFormat)}
# What is taken where all are as welcome and what was sent cannot be written: the last of them.
_BY_WELCOME = [*(name for name in get_args(ResultFormat) if name != "png"), "png"]


def is_acceptable(media_type: str, accept: str) -> bool:
    """Whether an `Accept` header lets an answer be of a media type."""
    return bool(_best([media_type], accept))


def check_acceptable(accept: str, named: ResultFormat | None) -> None:
    """Refuse, before any work, what no result will be of.

    Args:
        accept: the `Accept` header.
        named: the format that the client named, if any.

    Raises:
        RefusedError: 406, naming what can be had.
    """
    offered = list(MEDIA_TYPES.values()) if named is None else [MEDIA_TYPES[named]]
    if not _best(offered, accept):
        raise not_acceptable(offered, accept)


def not_acceptable(offered: list[str], accept: str) -> RefusedError:
    """Return the refusal of an `Accept` header that lets none of what is offered be the answer."""
    return RefusedError(406, f"Accept: {accept}: none of {', '.join(offered)}; accept one of them")


def choose_format(given: str, accept: str, named: ResultFormat | None) -> ResultFormat:
    """Return the format of a result.

    It is the one that was named; else the one that is most welcome, and of several that are as
    welcome the image's own, or else PNG.

    Args:
        given: the image's format by Pillow's name.
        accept: the `Accept` header, which has been checked.
        named: the format that the client named, if any.
    """
    if named is not None:
        return named
    own = suffix_of(given)
    order = [*_BY_WELCOME, *(() if own is None else (own.removeprefix("."),))]
    return _OF_TYPES[_best([MEDIA_TYPES[name] for name in order], accept)]


def _best(offered: list[str], accept: str) -> str:
    """Return the one that is most welcome, the last of several that are; "" if none is."""
    try:
        return str(mimeparse.best_match(offered, accept))
    except mimeparse.MimeTypeParseException as error:
        raise RefusedError(
            400, f"Accept: {accept}: cannot be read; name media types, such as image/png"
        ) from error
