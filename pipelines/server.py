"""Asking Prefect's server, which may be away for a while: training does not stop for that."""

import time
from collections.abc import Callable
from typing import TypeVar

import httpx
from prefect.settings import PREFECT_API_URL

from textsr.errors import TextsrError

T = TypeVar("T")

_DELAYS = (1, 2, 4, 8, 16, 30, 60, 60, 60, 60)  # seconds, five minutes in all


def ask(question: Callable[[], T], delays: tuple[float, ...] = _DELAYS) -> T:
    """Return the answer to a question that needs Prefect's server; ask again where it is away.

    Args:
        question: asks, and raises httpx's errors.
        delays: seconds to wait after each failure but the last.

    Raises:
        TextsrError: if the server still gives no answer.
    """
    for delay in delays:
        try:
            return question()
        except httpx.HTTPError as error:
            if not _may_pass(error):
                raise
            time.sleep(delay)
    try:
        return question()
    except httpx.HTTPError as error:
        if not _may_pass(error):
            raise
        raise TextsrError(
            f"{PREFECT_API_URL.value()}: Prefect gives no answer ({error}); start it with "
            "`make up`, or correct PREFECT_API_URL"
        ) from error


def _may_pass(error: httpx.HTTPError) -> bool:
    """Tell whether the server is away, or fails itself: a busy database, a proxy before it."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error
    return isinstance(error, httpx.TransportError)
