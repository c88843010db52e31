"""SROIE receipts (Huang et al. 2019): an image and a text file of quadrilaterals each.

A line of the text file is `x1,y1,x2,y2,x3,y3,x4,y4,text`, clockwise from the top left; the text may
hold commas.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from textsr.errors import TextsrError, quote
from textsr.images.folders import read_grey
from textsr.images.grey import Image
from textsr.imports.folders import list_images
from textsr.imports.sets import Item

_COORDINATES = 8
_MIN_SIDE = 4  # pixels; less holds no letter


def read_receipts(folder: Path) -> Iterator[Item]:
    """Yield the boxes of all receipts of `folder`, each cut out upright.

    Raises:
        TextsrError: if an image has no text file beside it or cannot be decoded, or a line is
            malformed.
    """
    for path in list_images(folder):
        boxes = path.with_suffix(".txt")
        if not boxes.is_file():
            raise TextsrError(f"{boxes}: no such file; every image needs its boxes beside it")
        image = read_grey(path)
        name = "__".join(path.relative_to(folder).with_suffix("").parts)
        for number, line in enumerate(_read_lines(boxes), 1):
            where = f"{boxes}: line {number}"
            if not line.strip():
                continue
            corners, text = _parse(line, where)
            if not text:
                continue  # boxes without text are published, and say nothing
            crop = cut_out(image, corners, where)
            ok, encoded = cv2.imencode(".png", crop)
            assert ok
            yield Item(f"{name}_{number - 1}", where, {"image": encoded.tobytes()}, text)


def _read_lines(path: Path) -> list[str]:
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Some of the published files are in the code page of the annotators' machines.
        try:
            text = raw.decode("cp1252")
        except UnicodeDecodeError as error:
            raise TextsrError(
                f"{path}: neither UTF-8 nor Windows-1252 ({error.reason}); save it as UTF-8"
            ) from error
    return text.splitlines()


def _parse(line: str, where: str) -> tuple[npt.NDArray[np.float32], str]:
    fields = line.split(",", _COORDINATES)
    try:
        corners = np.array([float(value) for value in fields[:_COORDINATES]], np.float32)
    except ValueError as error:
        raise TextsrError(f"{where}: expected eight numbers, found {quote(line)}") from error
    if len(fields) <= _COORDINATES or not np.isfinite(corners).all():
        raise TextsrError(f"{where}: expected eight numbers and a text, found {quote(line)}")
    return corners.reshape(4, 2), fields[_COORDINATES].strip()


def cut_out(image: Image, corners: npt.NDArray[np.float32], where: str) -> Image:
    """Cut a quadrilateral, clockwise from the top left, out of an image as an upright rectangle.

    Raises:
        TextsrError: if it lies outside the image or is too small to hold text.
    """
    height, width = image.shape[:2]
    corners = np.clip(corners, 0, [width - 1, height - 1]).astype(np.float32)
    top, right, bottom, left = (
        float(np.linalg.norm(corners[(i + 1) % 4] - corners[i])) for i in range(4)
    )
    size = (round(max(top, bottom)) + 1, round(max(left, right)) + 1)
    if min(size) < _MIN_SIDE:
        raise TextsrError(
            f"{where}: a box of {size[0]} x {size[1]} pixels inside the image of "
            f"{width} x {height}; correct or remove the line"
        )
    target = np.array(
        [[0, 0], [size[0] - 1, 0], [size[0] - 1, size[1] - 1], [0, size[1] - 1]], np.float32
    )
    matrix = cv2.getPerspectiveTransform(corners, target)
    cut = cv2.warpPerspective(
        image, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cut, np.uint8)
