"""OCR engines that need no engine."""

from collections.abc import Sequence

from textsr.images.grey import Image


class LineReader:
    """An OCR engine of what a test says of one line."""

    name = "reader"
    title = "Reader"
    version = "reader 1"

    def read_line(self, line: Image) -> str:
        raise NotImplementedError

    def read(self, lines: Sequence[Image]) -> list[str]:
        return [self.read_line(line) for line in lines]

    def confidence(self, lines: Sequence[Image]) -> list[float]:
        return [float(bool(text)) for text in self.read(lines)]
