"""Writing images in the format that the file's suffix names."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from PIL import Image

from textsr.errors import TextsrError
from textsr.files import replace_file
from textsr.images.image import (
    IntImage,
    LoadedImage,
    Metadata,
    Resolution,
    flatten,
    to_8_bit,
)
from textsr.images.metadata import jpeg_options, png_options, webp_options
from textsr.images.pdf_writing import open_pdf
from textsr.images.tiff_writing import open_tiff


@dataclass(frozen=True)
class _Format:
    """What a file format can hold and how Pillow is told to write it."""

    name: str
    alpha: bool
    bit_depth: int
    max_side: int | None = None
    metadata: Callable[[Metadata, Resolution | None], dict[str, Any]] = field(
        default=lambda _, dpi: {} if dpi is None else {"dpi": dpi}
    )
    options: dict[str, Any] = field(default_factory=dict)


# A third of the time of Pillow's level 6, which is more than the network takes; 8% larger.
_PNG = _Format("PNG", alpha=True, bit_depth=16, metadata=png_options, options={"compress_level": 3})
_TIFF = _Format("TIFF", alpha=True, bit_depth=16)
_JPEG = _Format(
    "JPEG",
    alpha=False,
    bit_depth=8,
    max_side=65_500,
    metadata=jpeg_options,
    options={"quality": 95, "subsampling": 0},
)
_WEBP = _Format(
    "WEBP",
    alpha=True,
    bit_depth=8,
    max_side=16_383,
    metadata=webp_options,
    options={"lossless": True},
)
_BMP = _Format("BMP", alpha=False, bit_depth=8)
_PDF = _Format("PDF", alpha=True, bit_depth=8)

_FORMATS = {
    ".png": _PNG,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".jpe": _JPEG,
    ".jfif": _JPEG,
    ".webp": _WEBP,
    ".bmp": _BMP,
    ".pdf": _PDF,
}

_AFTER_IHDR = 33  # bytes of a PNG: its signature and the first chunk

_LOSSY: dict[str, dict[str, Any]] = {"JPEG": {}, "WEBP": {"lossless": False}, "PDF": {}}
"""Options of formats that lose something where a quality is given."""

WRITABLE_SUFFIXES = frozenset(_FORMATS)
"""Lower-case suffixes that `write_image` knows. All but JPEG are lossless
where no quality is given."""


def check_writable(path: Path, otherwise: str = "") -> None:
    """Refuse a path whose suffix names no format that can be written.

    Args:
        path: where to write.
        otherwise: another remedy than a suffix that can be written.

    Raises:
        TextsrError: naming the suffix and those that can be written.
    """
    if path.suffix.lower() not in WRITABLE_SUFFIXES:
        remedies = f"use one of {', '.join(sorted(WRITABLE_SUFFIXES))}"
        remedies += f", {otherwise}" if otherwise else ""
        raise TextsrError(f"{path}: cannot write {path.suffix or 'no suffix'}; {remedies}")


def check_fits(path: Path, width: int, height: int) -> None:
    """Refuse an image that is larger than the format of its file allows.

    Raises:
        TextsrError: naming the sizes, and formats that can hold it.
    """
    chosen = _FORMATS[path.suffix.lower()]
    if chosen.max_side is not None and max(width, height) > chosen.max_side:
        raise TextsrError(
            f"{path}: {width}x{height} pixels, and {chosen.name} ends at {chosen.max_side} a side; "
            "write .png or .tif"
        )


def format_of(suffix: str) -> str:
    """Return Pillow's name of the format that a suffix, one of `WRITABLE_SUFFIXES`, names."""
    return _FORMATS[suffix.lower()].name


def suffix_of(file_format: str | None) -> str | None:
    """Return the suffix of a format by Pillow's name; None if it is not written."""
    suffixes = (suffix for suffix, known in _FORMATS.items() if known.name == file_format)
    return next(suffixes, None)


def has_quality(path: Path) -> bool:
    """Whether the format that a path's suffix names can be lossy."""
    return format_of(path.suffix) in _LOSSY


def write_image(path: Path, image: LoadedImage, *, quality: int | None = None) -> None:
    """Write an image, whole or not at all, in the format that the suffix of `path` names.

    16-bit images stay so in PNG and TIFF and are rounded to 8 bits elsewhere. Formats without
    alpha get the image laid over white, with a warning if anything was transparent. Resolution is
    kept, and so are ICC profiles save in BMP, and metadata where the format has a place for them:
    see `textsr.images.metadata`.

    Args:
        path: where to.
        image: what to write.
        quality: 1 to 100, of JPEG, and of WebP and PDF, which are lossless if none is given; other
            formats are lossless.

    Raises:
        TextsrError: if the suffix is unknown, the image is too large for the format, or the disk
            refuses.
    """
    check_writable(path)
    check_fits(path, image.width, image.height)
    with open_pages(path, pixel_bytes=image.nbytes, quality=quality) as writer:
        writer.write(image)


class PageWriter(Protocol):
    """What writes the pages of a file one after the other."""

    def write(self, image: LoadedImage) -> object:
        """Write the next page."""


@contextmanager
def open_pages(path: Path, *, pixel_bytes: int, quality: int | None = None) -> Iterator[PageWriter]:
    """Yield what writes pages into a file, which is there when the block succeeds, else not at all.

    Args:
        path: the file; a TIFF or a PDF takes any number of pages, others take one.
        pixel_bytes: about how many all pages have.
        quality: see `write_image`; of a PDF it is that of the JPEGs in it.

    Raises:
        TextsrError: as `write_image` does.
    """
    check_writable(path)
    chosen = _FORMATS[path.suffix.lower()]
    try:
        with replace_file(path) as temporary:
            if chosen is _TIFF:
                with open_tiff(temporary, pixel_bytes=pixel_bytes) as writer:
                    yield writer
            elif chosen is _PDF:
                with open_pdf(temporary, quality=quality) as writer:
                    yield writer
            else:
                yield _OnePage(path, temporary, chosen, quality)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: Exception) -> TextsrError:
    return TextsrError(f"{path}: cannot be written: {error}")


@dataclass(frozen=True)
class _OnePage:
    """Writes the one page of an image's file."""

    path: Path
    temporary: Path
    format: _Format
    quality: int | None

    def write(self, image: LoadedImage) -> None:
        if image.alpha is not None and not self.format.alpha:
            if (image.alpha < np.iinfo(image.alpha.dtype).max).any():
                said = f"{self.path}: no alpha in {self.format.name}; laid over white"
                warnings.warn(said, stacklevel=2)
            image = flatten(image)
        if image.bit_depth > self.format.bit_depth:
            image = to_8_bit(image)
        try:
            if image.bit_depth == 16:
                _write_deep_png(self.temporary, image)
            else:
                _write_with_pillow(self.temporary, image, self.format, self.quality)
        except (ValueError, cv2.error) as error:
            raise _unwritable(self.path, error) from error


def _write_with_pillow(
    path: Path | BytesIO, image: LoadedImage, chosen: _Format, quality: int | None = None
) -> None:
    pixels = image.pixels[..., ::-1] if image.is_colour else image.pixels
    layers = pixels if image.alpha is None else np.dstack([pixels, image.alpha])
    options = chosen.options
    if quality is not None and chosen.name in _LOSSY:
        options = options | {"quality": quality} | _LOSSY[chosen.name]
    Image.fromarray(np.ascontiguousarray(layers)).save(
        path,
        format=chosen.name,
        icc_profile=image.icc_profile,
        **options,
        **chosen.metadata(image.metadata, image.dpi),
    )


def _write_deep_png(path: Path, image: LoadedImage) -> None:
    """Write with OpenCV, as Pillow has no 16-bit colour, and with metadata as Pillow writes it."""
    ok, encoded = cv2.imencode(".png", _with_alpha(image))
    if not ok:
        raise ValueError("PNG encoder failed")
    small = BytesIO()
    _write_with_pillow(small, replace(image, pixels=np.zeros((1, 1), np.uint8), alpha=None), _PNG)
    chunks = small.getvalue()[_AFTER_IHDR : small.getvalue().rindex(b"IDAT") - 4]
    content = encoded.tobytes()
    with path.open("wb") as file:
        file.writelines([content[:_AFTER_IHDR], chunks, content[_AFTER_IHDR:]])


def _with_alpha(image: LoadedImage) -> IntImage:
    """BGRA where there is alpha, as OpenCV has no pair of grey and alpha."""
    if image.alpha is None:
        return image.pixels
    colour = image.pixels if image.is_colour else np.dstack([image.pixels] * 3)
    return np.dstack([colour, image.alpha])
