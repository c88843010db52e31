"""How long work says how far it is, whoever shows it."""

from collections.abc import Callable
from typing import Protocol


class Advance(Protocol):
    """Told of work that is done."""

    def __call__(self, count: int = 1, /) -> None:
        """So much more is done."""


Progress = Callable[[str, int], Advance]
"""Takes the name of some work and its amount; returns what is told as it advances."""


def no_progress(name: str, total: int) -> Advance:
    """Show nothing."""
    return lambda count=1: None
