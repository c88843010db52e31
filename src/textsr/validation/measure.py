"""What the images of a sample show, whatever its row claims."""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2

from textsr.datasets.shards import decode_grey
from textsr.errors import TextsrError
from textsr.images.grey import Image, correlate

MEASURED_COLUMNS = (
    "hr_format",
    "lr_format",
    "hr_decodes",
    "lr_decodes",
    "hr_size_decoded",
    "lr_size_decoded",
    "hr_mean",
    "hr_std",
    "lr_mean",
    "lr_std",
    "lr_hr_correlation",
    "lr_neighbour_correlation",
    "lr_hr_brightness_shift",
    "bicubic_psnr_db",
)

GREY_PNG = "8-bit grey PNG"
"""The one format that a shard's images have."""

_COLOUR_TYPES = {0: "grey", 2: "colour", 3: "palette", 4: "grey with alpha", 6: "colour with alpha"}
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Signature, length and name of the header, width, height, bits, colour type.
_PNG_HEADER = struct.Struct(">8s8xIIBB")
# A line is 0.1 megapixels; an image that claims to be gigabytes is refused by its header.
_MOST_PIXELS = 1 << 24


def measure_pair(
    hr: bytes | None, lr: bytes | None, other_hrs: Sequence[bytes | None] = ()
) -> dict[str, Any]:
    """Measure an LR-HR pair of encoded images; the keys are `MEASURED_COLUMNS`.

    Sizes are `HEIGHTxWIDTH` in pixels, means and standard deviations grey levels. What cannot be
    measured, because an image does not decode or is constant, is None.

    Args:
        hr: the encoded HR image.
        lr: the encoded LR image.
        other_hrs: HR images of other rows; the LR image's greatest correlation with one of them,
            stretched to its size, is `lr_neighbour_correlation`.
    """
    high, low = _decode(hr), _decode(lr)
    measured: dict[str, Any] = dict.fromkeys(MEASURED_COLUMNS)
    measured |= _measure("hr", hr, high) | _measure("lr", lr, low)
    if high is not None and low is not None:
        measured["lr_hr_correlation"] = correlate(high, low)
        measured["lr_hr_brightness_shift"] = measured["lr_mean"] - measured["hr_mean"]
        upscaled = cv2.resize(low, high.shape[::-1], interpolation=cv2.INTER_CUBIC)
        measured["bicubic_psnr_db"] = float(cv2.PSNR(high, upscaled))
    if low is not None:
        others = [correlate(other, low) for other in map(_decode, other_hrs) if other is not None]
        known = [other for other in others if other is not None]
        measured["lr_neighbour_correlation"] = max(known, default=None)
    return measured


def size_text(height: int, width: int) -> str:
    """Return a size as it stands in the table."""
    return f"{height}x{width}"


@lru_cache(maxsize=8)  # a row's HR image is also its neighbours' other one
def _decode(encoded: bytes | None) -> Image | None:
    if not encoded:
        return None
    header = _png_header(encoded)
    if header and header[0] * header[1] > _MOST_PIXELS:
        return None
    try:
        return decode_grey(encoded)
    except (TextsrError, cv2.error):
        return None


def _png_header(encoded: bytes) -> tuple[int, int, int, int] | None:
    """Return height, width, bits and colour type of a PNG file."""
    if len(encoded) < _PNG_HEADER.size or not encoded.startswith(_PNG_SIGNATURE):
        return None
    _, width, height, bits, colour = _PNG_HEADER.unpack_from(encoded)
    return height, width, bits, colour


def _format(encoded: bytes | None) -> str | None:
    if not encoded:
        return None
    header = _png_header(encoded)
    if header is None:
        return "not PNG"
    return f"{header[2]}-bit {_COLOUR_TYPES.get(header[3], 'unknown')} PNG"


def _measure(name: str, encoded: bytes | None, image: Image | None) -> dict[str, Any]:
    measured: dict[str, Any] = {f"{name}_format": _format(encoded)}
    if image is None:
        header = _png_header(encoded or b"")
        size = size_text(*header[:2]) if header else None
        return measured | {f"{name}_decodes": False, f"{name}_size_decoded": size}
    return measured | {
        f"{name}_decodes": True,
        f"{name}_size_decoded": size_text(*image.shape),
        f"{name}_mean": float(image.mean()),
        f"{name}_std": float(image.std()),
    }
