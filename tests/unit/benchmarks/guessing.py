"""An OCR engine that needs no engine."""

from reading import LineReader

from textsr.images.grey import Image


class Guess(LineReader):
    """Reads by brightness: enough to tell images apart."""

    name = "guess"

    def read_line(self, line: Image) -> str:
        return str(round(float(line.mean())))
