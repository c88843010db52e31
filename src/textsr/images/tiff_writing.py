"""Writing TIFF, page by page, of 8 and 16 bits: Pillow writes no colour of 16."""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from textsr.images.image import IntImage, LoadedImage
from textsr.images.metadata import tiff_tags

_Base = ExifTags.Base

_CLASSIC = b"II\x2a\0" + bytes(4)
_BIG = b"II\x2b\0\x08\0\0\0" + bytes(8)
_MOST_CLASSIC = 2_000_000_000
"""Bytes of pixels above which places in the file take 64 bits (BigTIFF): 4 GB is the end, and there
are readers that end at 2."""

_DEFLATE, _DIFFERENCES = 8, 2
_GREY, _RGB = 1, 2
_ALPHA = 2  # unassociated
_EXTRA_SAMPLES, _PROFILE, _PREDICTOR = 338, 34675, 317
_STRIP_BYTES = 262_144
_LEVEL = 4  # of zlib: a third of the time of level 6, which is its own; 7% larger at most


class TiffWriter:
    """Writes the pages of a TIFF one after the other; `open_tiff` makes one."""

    def __init__(self, file: BinaryIO, *, is_big: bool) -> None:
        self._file = file
        self._head = _BIG if is_big else _CLASSIC
        self._number, count, entry = ("<Q", 8, 20) if is_big else ("<I", 2, 12)
        self._sizes = count, entry
        file.write(self._head)
        self._link = len(self._head) - struct.calcsize(self._number)
        """Where the place of the next directory is written."""

    def write(self, image: LoadedImage) -> None:
        """Write a page: deflated, with its profile, resolution and metadata."""
        layers = _layers(image)
        rows = max(_STRIP_BYTES // layers[0].nbytes, 1)
        strips = [deflated(layers[top : top + rows]) for top in range(0, len(layers), rows)]
        tags = _tags(self._head, image, layers, rows, [len(strip) for strip in strips])
        place = self._file.seek(0, io.SEEK_END)
        place += self._file.write(bytes(place % 2))
        self._file.write(tags.tobytes(place))
        for strip in strips:
            self._file.write(strip)
        self._file.seek(self._link)
        self._file.write(struct.pack(self._number, place))
        count, entry = self._sizes
        self._link = place + count + entry * len(tags)


@contextmanager
def open_tiff(path: Path, *, pixel_bytes: int) -> Iterator[TiffWriter]:
    """Yield what writes the pages of a TIFF.

    Args:
        path: the file.
        pixel_bytes: of all its pages, before they are deflated.
    """
    with path.open("wb") as file:
        yield TiffWriter(file, is_big=pixel_bytes > _MOST_CLASSIC)


def _tags(
    head: bytes, image: LoadedImage, layers: IntImage, rows: int, strip_bytes: Sequence[int]
) -> ImageFileDirectory_v2:
    height, width, samples = layers.shape
    tags = ImageFileDirectory_v2(head)
    for tag, value in tiff_tags(image.metadata, image.dpi).items():
        tags[tag] = value
    tags[_Base.ImageWidth], tags[_Base.ImageLength] = width, height
    tags[_Base.BitsPerSample] = (image.bit_depth,) * samples
    tags[_Base.Compression], tags[_PREDICTOR] = _DEFLATE, _DIFFERENCES
    tags[_Base.PhotometricInterpretation] = _RGB if samples > 2 else _GREY
    tags[_Base.SamplesPerPixel], tags[_Base.PlanarConfiguration] = samples, 1
    tags[_Base.RowsPerStrip] = rows
    tags[_Base.StripByteCounts] = tuple(strip_bytes)
    # Pillow adds where the first one lies.
    tags[_Base.StripOffsets] = tuple(accumulate(strip_bytes[:-1], initial=0))
    if samples in (2, 4):
        tags[_EXTRA_SAMPLES] = _ALPHA
    if image.icc_profile is not None:
        tags[_PROFILE] = image.icc_profile
    return tags


def _layers(image: LoadedImage) -> IntImage:
    """HxWx1, HxWx2 (grey and alpha), HxWx3 (RGB) or HxWx4 (RGB and alpha)."""
    pixels = image.pixels[..., ::-1] if image.is_colour else image.pixels[..., None]
    if image.alpha is None:
        return pixels
    if image.bit_depth == 16 and not image.is_colour:  # no reader knows the pair of 16 bits
        pixels = pixels.repeat(3, axis=2)
    return np.dstack([pixels, image.alpha])


def deflated(layers: IntImage) -> bytes:
    """Compress HxWxC values, each as the difference to that on its left (TIFF 6.0, section 14).

    A block of rows at a time: beside the bytes that come out, memory does not grow with the image.
    """
    rows = max(_STRIP_BYTES // layers[0].nbytes, 1)
    packer = zlib.compressobj(_LEVEL)
    parts = []
    for top in range(0, len(layers), rows):
        block = layers[top : top + rows]
        differences = block.copy()
        differences[:, 1:] -= block[:, :-1]
        little_endian = differences.astype(differences.dtype.newbyteorder("<"), copy=False)
        parts.append(packer.compress(little_endian.tobytes()))
    return b"".join((*parts, packer.flush()))
