"""What the readers and writers of images warn of, by the image that they warn of."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_notes: ContextVar[list[str] | None] = ContextVar("notes", default=None)


@contextmanager
def heard() -> Iterator[list[str]]:
    """Yield a list that gets what is warned of in this thread, while `hearing` is on."""
    notes: list[str] = []
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)


@contextmanager
def hearing() -> Iterator[None]:
    """Let `heard` hear all that is warned of, in any thread; the rest is shown as before."""
    with warnings.catch_warnings():
        # Python keeps each warning that it has shown, to show it once: one an image, for ever.
        warnings.simplefilter("always")
        show = warnings.showwarning

        def note(message: Warning | str, *more: Any, **rest: Any) -> None:
            notes = _notes.get()
            if notes is None:
                show(message, *more, **rest)
            else:
                notes.append(str(message))

        warnings.showwarning = note
        yield
