"""What an OCR engine reads, line by line, before and after: where one is installed."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from textsr.images.image import FloatImage, LoadedImage, flatten, luminance, to_integer
from textsr.inference.text_lines import find_lines
from textsr.serving.problems import RefusedError

if TYPE_CHECKING:
    from textsr.images.grey import Image
    from textsr.ocr.engine import OCREngine

MOST_LINES = 40
"""Of an image, that are read."""


@dataclass(frozen=True)
class ReadLine:
    """What was read in a line.

    Attributes:
        bicubic: in the image, enlarged by bicubic interpolation.
        upscaled: in the result.
    """

    bicubic: str
    upscaled: str


class Reader:
    """The first OCR engine that is installed, loaded when it is first asked."""

    def __init__(self) -> None:
        self._door = threading.Lock()  # engines read for one at a time
        self._engine: OCREngine | None = None

    def read(self, image: LoadedImage, upscaled: LoadedImage) -> tuple[str, list[ReadLine]]:
        """Read the lines of an image, both as it is, enlarged, and upscaled.

        Args:
            image: its text runs across.
            upscaled: what came of it, of any size.

        Returns:
            The engine's name as people write it, and the lines from top to bottom, at most
            `MOST_LINES`; none where there is no text.

        Raises:
            RefusedError: 501 if no engine is installed; it names the remedy.
        """
        small, large = (luminance(flatten(each)) for each in (image, upscaled))
        size = (large.shape[1], large.shape[0])
        enlarged = np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_CUBIC), np.float32)
        times = large.shape[0] / small.shape[0]
        places = [_times(part, times) for part in find_lines(small)[:MOST_LINES]]
        with self._door:
            engine = self._load()
            before, after = (
                engine.read([_crop(whole, part) for part in places]) for whole in (enlarged, large)
            )
        return engine.title, list(map(ReadLine, before, after))

    def _load(self) -> "OCREngine":
        if self._engine is None:
            self._engine = _first_engine()
        if self._engine is None:
            raise RefusedError(
                501, "no OCR engine is installed here; install one by `pip install 'textsr[ocr]'`"
            )
        return self._engine


def _times(part: slice, times: float) -> slice:
    return slice(round(part.start * times), round(part.stop * times))


def _crop(whole: FloatImage, rows: slice) -> "Image":
    return np.asarray(to_integer(whole[rows], 8), np.uint8)


def _first_engine() -> "OCREngine | None":
    try:
        from textsr.ocr.engines import known_engines
    except ModuleNotFoundError:  # what engines share is not installed, either
        return None
    # Not by `first_engine`, which keeps what was read: requests are their clients'.
    loaded = (entry.load(1) for entry in known_engines().values())
    return next((engine for engine in loaded if engine is not None), None)
