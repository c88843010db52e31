"""The one error type that users see, and how values are quoted in its messages."""

import reprlib

from textsr.redaction import redact


class TextsrError(Exception):
    """A problem that the user can mend.

    The message names the file, key or value at fault and the remedy. The CLI prints it without a
    traceback and exits with status 1. It holds no secrets, however it was made: it goes to
    terminals, logs, tags and Prefect's states.
    """

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


_LONGEST = 200  # characters
_REPR = reprlib.Repr()
_REPR.maxlevel = 2
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = 80


def shorten(text: str) -> str:
    """Return `text` for a message; of a long one, its beginning."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def quote(value: object) -> str:
    """Return `repr(value)` for a message; of a long one, some of it."""
    return shorten(_REPR.repr(value))
