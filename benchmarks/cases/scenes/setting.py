"""Setting text, and what cameras, scanners and files do to a page."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from textsr.errors import TextsrError

SCALE = 4
"""HR pixels per LR pixel."""

Values = npt.NDArray[np.float32]
"""HxWx3, red, green and blue, 0 to 255."""


class Fonts:
    """Fonts of the source material, by family and style."""

    def __init__(self, data: Path) -> None:
        """Use the fonts of a folder of source material.

        Args:
            data: the folder.
        """
        self._folder = data / "fonts"

    def __call__(self, name: str, size_px: float) -> ImageFont.FreeTypeFont:
        """Return the font `FAMILY/FILE` at so many LR pixels an em.

        Raises:
            TextsrError: if it is not there.
        """
        path = self._folder / name
        if not path.is_file():
            raise TextsrError(f"{path}: no such font; get it with `textsr fetch-data`")
        return ImageFont.truetype(str(path), size_px * SCALE)


def lines_of(words: Sequence[str], font: ImageFont.FreeTypeFont, width: float) -> Iterator[str]:
    """Break words into lines of at most `width` HR pixels."""
    line = ""
    for word in words:
        longer = f"{line} {word}".strip()
        if line and font.getlength(longer) > width:
            yield line
            line = word
        else:
            line = longer
    if line:
        yield line


def justify(
    pen: ImageDraw.ImageDraw,
    place: tuple[float, float],
    line: str,
    font: ImageFont.FreeTypeFont,
    width: float,
    ink: int | tuple[int, int, int],
) -> None:
    """Write a line with its words spread over `width` HR pixels."""
    words = line.split()
    room = width - sum(font.getlength(word) for word in words)
    gap = room / max(len(words) - 1, 1)
    x, y = place
    for word in words:
        pen.text((x, y), word, font=font, fill=ink)
        x += font.getlength(word) + gap


def see(
    page: Image.Image, rng: np.random.Generator, *, blur: float, noise: float, size: float = SCALE
) -> Image.Image:
    """Return a page as a lens and a sensor see it, so many times smaller.

    Args:
        page: HR, in grey or RGB.
        rng: of the noise.
        blur: standard deviation of the lens, HR pixels.
        noise: of each pixel, grey levels.
        size: HR pixels per pixel of the result.
    """
    soft = cv2.GaussianBlur(np.asarray(page, np.float32), (0, 0), blur)
    width, height = (round(side / size) for side in page.size)
    small = np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA))
    return to_image(small + rng.normal(0, noise, small.shape))


def compress(image: Image.Image, quality: int) -> Image.Image:
    """Return what a JPEG of this quality, with half of the chroma each way, leaves of an image."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    return Image.open(io.BytesIO(stream.getvalue())).convert(image.mode)


def to_image(values: npt.NDArray[np.floating]) -> Image.Image:
    """Return grey levels, HxW or HxWx3, as an image, clipped and rounded."""
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))
