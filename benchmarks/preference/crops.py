"""What is shown: small images, drawn fresh or cut out of folders, none of them picked."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.fresh import draw_lines
from textsr.errors import TextsrError
from textsr.images.folders import find_images
from textsr.images.image import LoadedImage, flatten, to_8_bit
from textsr.images.reading import read_image
from textsr.synthesis.sample import Source

PART = (72, 256)
"""Height and width of the largest crop, LR pixels: two of them, enlarged, fit a laptop's screen."""


class Crop(NamedTuple):
    """A small image to be enlarged, and what it is called."""

    name: str
    image: LoadedImage


def fresh_lines(source: Source, seed: int, count: int) -> list[Crop]:
    """Draw so many LR lines of the source's split, which no dataset of another seed holds."""
    return [Crop(line.line_id, LoadedImage(line.lr)) for line in draw_lines(source, seed, count)]


def folder_crops(name: str, folder: Path, count: int) -> list[Crop]:
    """Cut so many crops of at most `PART` out of a folder's images, at equal distances.

    The images, in the order of their names, and the parts of each from its top left to its bottom
    right make one list. Of more images than are wanted, each gives one part.

    Raises:
        TextsrError: if the folder or an image cannot be read, or there are fewer parts.
    """
    paths = find_images(folder)
    crops: dict[str, Crop] = {}
    for number in range(count):
        if not paths:
            break
        place = (number + 0.5) * len(paths) / count
        path = paths[int(place)]
        image = flatten(to_8_bit(read_image(path)))
        rows, columns = (_starts(*sides) for sides in zip(image.pixels.shape, PART, strict=False))
        part = int((place - int(place)) * len(rows) * len(columns))
        top, left = rows[part // len(columns)], columns[part % len(columns)]
        cut = image.pixels[top : top + PART[0], left : left + PART[1]]
        crop = f"{name}/{path.relative_to(folder).as_posix()} at {left},{top}"
        crops[crop] = Crop(crop, LoadedImage(np.ascontiguousarray(cut)))
    if len(crops) < count:
        raise TextsrError(
            f"{name}={folder}: {len(paths)} images have {len(crops)} different parts, and {count} "
            "are needed; add images, or ask for fewer pairs with --pairs"
        )
    return list(crops.values())


def _starts(length: int, part: int) -> list[int]:
    """Return where parts begin that cover a side, the last ending at its end."""
    parts = -(-length // part)
    return [round(start) for start in np.linspace(0, max(length - part, 0), parts)]
