"""Writing images in the format that the file's suffix names."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from textsr.errors import TextsrError
from textsr.files import replace_file
from textsr.images.image import IntImage, LoadedImage, flatten, to_8_bit


@dataclass(frozen=True)
class _Format:
    """What a file format can hold and how Pillow is told to write it."""

    name: str
    alpha: bool
    bit_depth: int
    max_side: int | None = None
    options: dict[str, Any] = field(default_factory=dict)


# A third of the time of Pillow's level 6, which is more than the network takes; 8% larger.
_PNG = _Format("PNG", alpha=True, bit_depth=16, options={"compress_level": 3})
_TIFF = _Format("TIFF", alpha=True, bit_depth=16, options={"compression": "tiff_adobe_deflate"})
_JPEG = _Format(
    "JPEG", alpha=False, bit_depth=8, max_side=65_500, options={"quality": 95, "subsampling": 0}
)
_WEBP = _Format("WEBP", alpha=True, bit_depth=8, max_side=16_383, options={"lossless": True})
_BMP = _Format("BMP", alpha=False, bit_depth=8)

_FORMATS = {
    ".png": _PNG,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": _WEBP,
    ".bmp": _BMP,
}

WRITABLE_SUFFIXES = frozenset(_FORMATS)
"""Lower-case suffixes that `write_image` knows. All but JPEG are lossless."""


def check_writable(path: Path) -> None:
    """Refuse a path whose suffix names no format that can be written.

    Raises:
        TextsrError: naming the suffix and those that can be written.
    """
    if path.suffix.lower() not in WRITABLE_SUFFIXES:
        known = ", ".join(sorted(WRITABLE_SUFFIXES))
        raise TextsrError(f"{path}: cannot write {path.suffix or 'no suffix'}; use one of {known}")


def write_image(path: Path, image: LoadedImage) -> None:
    """Write an image, whole or not at all, in the format that the suffix of `path` names.

    16-bit images stay so in PNG and TIFF and are rounded to 8 bits elsewhere. Formats without
    alpha get the image laid over white, with a warning if anything was transparent. ICC profiles
    are kept, save in BMP and in 16-bit TIFF.

    Raises:
        TextsrError: if the suffix is unknown, the image is too large for the format, or the disk
            refuses.
    """
    check_writable(path)
    chosen = _FORMATS[path.suffix.lower()]
    if chosen.max_side is not None and max(image.height, image.width) > chosen.max_side:
        raise TextsrError(
            f"{path}: {image.width}x{image.height} pixels, and {chosen.name} ends at "
            f"{chosen.max_side} a side; write .png"
        )
    if image.alpha is not None and not chosen.alpha:
        if (image.alpha < np.iinfo(image.alpha.dtype).max).any():
            warnings.warn(f"{path}: no alpha in {chosen.name}; laid over white", stacklevel=2)
        image = flatten(image)
    if image.bit_depth > chosen.bit_depth:
        image = to_8_bit(image)
    try:
        with replace_file(path) as temporary:
            if image.bit_depth == 16:
                _write_16_bit(temporary, image, chosen)
            else:
                _write_8_bit(temporary, image, chosen)
    except (OSError, ValueError, cv2.error) as error:
        raise TextsrError(f"{path}: cannot be written: {error}") from error


def _write_8_bit(path: Path, image: LoadedImage, chosen: _Format) -> None:
    pixels = image.pixels[..., ::-1] if image.is_colour else image.pixels
    layers = pixels if image.alpha is None else np.dstack([pixels, image.alpha])
    Image.fromarray(np.ascontiguousarray(layers)).save(
        path, format=chosen.name, icc_profile=image.icc_profile, **chosen.options
    )


def _write_16_bit(path: Path, image: LoadedImage, chosen: _Format) -> None:
    """Write with OpenCV: Pillow has no 16-bit colour."""
    kinds, chunks = [], []
    if image.icc_profile is not None and chosen is _PNG:  # OpenCV writes none into TIFF
        kinds.append(cv2.IMAGE_METADATA_ICCP)
        chunks.append(np.frombuffer(image.icc_profile, np.uint8))
    ok, encoded = cv2.imencodeWithMetadata(path.suffix.lower(), _with_alpha(image), kinds, chunks)
    if not ok:
        raise ValueError(f"{chosen.name} encoder failed")
    path.write_bytes(encoded.tobytes())


def _with_alpha(image: LoadedImage) -> IntImage:
    """BGRA where there is alpha, as OpenCV has no pair of grey and alpha."""
    if image.alpha is None:
        return image.pixels
    colour = image.pixels if image.is_colour else np.dstack([image.pixels] * 3)
    return np.dstack([colour, image.alpha])
