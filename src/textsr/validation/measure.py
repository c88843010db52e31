"""What the images of a sample show, whatever its row claims."""

import hashlib
from typing import Any

import cv2
import numpy as np

from textsr.datasets.shards import Image, decode_grey
from textsr.errors import TextsrError

MEASURED_COLUMNS = (
    "hr_decodes",
    "lr_decodes",
    "hr_size_decoded",
    "lr_size_decoded",
    "hr_mean",
    "hr_std",
    "lr_mean",
    "lr_std",
    "lr_hr_correlation",
    "lr_hr_brightness_shift",
    "hr_digest",
)


def measure_pair(hr: bytes | None, lr: bytes | None) -> dict[str, Any]:
    """Measure an LR-HR pair of encoded images; the keys are `MEASURED_COLUMNS`.

    Sizes are `HEIGHTxWIDTH` in pixels, means and standard deviations grey levels. What cannot be
    measured, because an image does not decode or is constant, is None.
    """
    high, low = _decode(hr), _decode(lr)
    measured: dict[str, Any] = dict.fromkeys(MEASURED_COLUMNS)
    measured |= _measure("hr", high) | _measure("lr", low)
    if high is not None:
        measured["hr_digest"] = hashlib.blake2b(high.tobytes(), digest_size=16).hexdigest()
    if high is not None and low is not None:
        measured["lr_hr_correlation"] = _correlation(high, low)
        measured["lr_hr_brightness_shift"] = measured["lr_mean"] - measured["hr_mean"]
    return measured


def size_text(height: int, width: int) -> str:
    """Return a size as it stands in the table."""
    return f"{height}x{width}"


def _decode(encoded: bytes | None) -> Image | None:
    if not encoded:
        return None
    try:
        return decode_grey(encoded)
    except (TextsrError, cv2.error):
        return None


def _measure(name: str, image: Image | None) -> dict[str, Any]:
    if image is None:
        return {f"{name}_decodes": False}
    return {
        f"{name}_decodes": True,
        f"{name}_size_decoded": size_text(*image.shape),
        f"{name}_mean": float(image.mean()),
        f"{name}_std": float(image.std()),
    }


def _correlation(hr: Image, lr: Image) -> float | None:
    """Return Pearson's correlation of HR and LR upscaled to its size by bicubic interpolation.

    Unlike PSNR it does not change with contrast, and is near zero for two different lines.
    """
    upscaled = cv2.resize(lr, hr.shape[::-1], interpolation=cv2.INTER_CUBIC)
    if hr.std() == 0 or upscaled.std() == 0:
        return None
    return float(np.corrcoef(hr.ravel(), upscaled.ravel())[0, 1])
