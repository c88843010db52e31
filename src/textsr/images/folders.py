"""The user's image files: finding them, and reading them one way wherever they are used."""

from pathlib import Path

import cv2
import numpy as np

from textsr.errors import TextsrError
from textsr.files import find_files
from textsr.images.grey import Image
from textsr.images.image import flatten, to_8_bit
from textsr.images.reading import read_image

IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}


def find_images(folder: Path) -> list[Path]:
    """Return the images of `folder` and below, by name, but for hidden files and folders.

    Raises:
        TextsrError: if there is no such folder, or as `textsr.files.find_files` does.
    """
    if not folder.is_dir():
        raise TextsrError(f"{folder}: no such folder")
    return find_files(folder, IMAGE_SUFFIXES)


def read_grey(path: Path) -> Image:
    """Read a whole image upright, as 8-bit luma; what is transparent is white.

    Raises:
        TextsrError: as `textsr.images.reading.read_image` does.
    """
    image = to_8_bit(flatten(read_image(path, strict=True)))
    if image.is_colour:
        return np.asarray(cv2.cvtColor(image.pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    return np.asarray(image.pixels, np.uint8)
