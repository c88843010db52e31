"""What every OCR engine offers, and how one makes itself known."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from textsr.images.grey import Image

BATCH = 64
"""Lines that `read_lines` hands to an engine at once: enough to sort by width, few for memory."""


class OCREngine(Protocol):
    """An OCR engine that reads lines of text.

    What it reads in a line depends on that line alone: neither on the others of the call, nor on
    their order, nor on earlier calls.

    Attributes:
        name: what tables, files and metrics call it: lower-case letters, digits and `_`.
        title: how people write its name.
        version: all that what it reads depends on, in words: versions of packages, hashes of
            models and language data. Results record it, and readings are kept by it.
    """

    name: str
    title: str
    version: str

    def read(self, lines: Sequence[Image]) -> list[str]:
        """Return the texts of grey HxW images of one line each; "" where it sees none."""

    def confidence(self, lines: Sequence[Image]) -> list[float]:
        """Return how sure it is of each text, 0 to 1; 0 where it sees none."""


@dataclass(frozen=True)
class EngineEntry:
    """An engine that may be used; what an entry point of `engines.GROUP` names.

    Attributes:
        title: how people write its name.
        load: makes it, to run in so many threads (0: one per core); returns None where it, or the
            data that it needs, is not installed.
    """

    title: str
    load: Callable[[int], OCREngine | None]


def read_lines(
    engine: OCREngine, lines: Sequence[Image], tick: Callable[[], None] = lambda: None
) -> list[str]:
    """Read lines, `BATCH` at once; call `tick` for each, for progress."""
    texts = []
    for start in range(0, len(lines), BATCH):
        batch = lines[start : start + BATCH]
        texts += engine.read(batch)
        for _ in batch:
            tick()
    return texts
