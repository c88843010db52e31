"""The user's image files: finding them, and reading them one way wherever they are used."""

from pathlib import Path

import cv2
import numpy as np

from textsr.datasets.shards import Image
from textsr.errors import TextsrError
from textsr.inference.images import flatten, to_8_bit
from textsr.inference.reading import read_image

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}


def find_images(folder: Path) -> list[Path]:
    """Return the images of `folder` and below, by name, but for hidden files and folders.

    What is hidden is half-written, or another system's notes on its files.

    Raises:
        TextsrError: if there is no such folder.
    """
    if not folder.is_dir():
        raise TextsrError(f"{folder}: no such folder")
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    )


def read_grey(path: Path) -> Image:
    """Read an image upright, as 8-bit luma; what is transparent is white.

    Raises:
        TextsrError: as `inference.reading.read_image` does.
    """
    image = to_8_bit(flatten(read_image(path)))
    if image.is_colour:
        return np.asarray(cv2.cvtColor(image.pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    return np.asarray(image.pixels, np.uint8)
