"""What every OCR engine offers."""

from collections.abc import Callable, Iterable
from typing import Protocol

from textsr.images.grey import Image


class OCREngine(Protocol):
    """An OCR engine that reads one line of text."""

    name: str

    def read(self, line: Image) -> str:
        """Return the text of a grey HxW image of one line."""


def read_lines(
    engine: OCREngine, lines: Iterable[Image], tick: Callable[[], None] = lambda: None
) -> list[str]:
    """Read each line; call `tick` after each, for progress."""
    texts = []
    for line in lines:
        texts.append(engine.read(line))
        tick()
    return texts
