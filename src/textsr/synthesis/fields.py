"""Random textures, cut out of large ones that are made once a process.

A normal deviate a pixel costs more than all the rest of an effect; a cut at a random place of a
fixed texture, mirrored at random, is a thousand times cheaper and looks the same.
"""

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.float32]
Texture = Literal["white", "grain", "clutter", "patches", "clouds"]
"""White noise; fine grain of paper; 1/f clutter; patches of letter size; clouds of line size."""

_ROWS = 512
_COLUMNS = 2048
# Standard deviation of the smoothing Gaussian, HR pixels at scale 4.
_SIGMAS: dict[Texture, float] = {"grain": 1.5, "patches": 5, "clouds": 28}
_OCTAVES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


def cut_texture(
    texture: Texture, height: int, width: int, unit: float, rng: np.random.Generator
) -> Plane:
    """Cut a texture of mean 0 and standard deviation 1, both of the whole it is cut from.

    Args:
        texture: which.
        height: of the cut, pixels; above 512 it is continued by its mirror image.
        width: of the cut, pixels.
        unit: size of its features: 1 at scale 4, less at smaller scales.
        rng: draws the place and the mirroring.
    """
    if height > _ROWS:
        cut = cut_texture(texture, _ROWS, width, unit, rng)
        mirrored = cv2.copyMakeBorder(cut, 0, height - _ROWS, 0, 0, cv2.BORDER_REFLECT)
        return np.asarray(mirrored, np.float32)
    columns = _COLUMNS * -(-width * 2 // _COLUMNS)
    whole = _whole(texture, columns, 1.0 if texture == "white" else unit)
    top = int(rng.integers(_ROWS - height + 1))
    left = int(rng.integers(columns - width + 1))
    mirror = int(rng.integers(4))
    cut = whole[top : top + height, left : left + width]
    return cut[:: 1 - 2 * (mirror & 1), :: 1 - (mirror & 2)]


@lru_cache(maxsize=16)
def _whole(texture: Texture, columns: int, unit: float) -> Plane:
    seed = ("white", "grain", "clutter", "patches", "clouds").index(texture)
    white = np.random.default_rng(seed).standard_normal((_ROWS, columns), np.float32)
    if texture == "white":
        return white
    if texture == "clutter":
        # Gaussians an octave apart, each of equal energy: a power spectrum of about 1/f^2, that
        # of natural images (Field 1987).
        plane = sum((_smooth(white, octave * unit) for octave in _OCTAVES), np.zeros_like(white))
    else:
        plane = _smooth(white, _SIGMAS[texture] * unit)
    return np.asarray((plane - plane.mean()) / plane.std(), np.float32)


def _smooth(white: Plane, sigma: float) -> Plane:
    """Smooth by a Gaussian of `sigma` pixels; the result has a standard deviation of 1."""
    # Wide Gaussians on a smaller plane: the same picture in a hundredth of the time.
    shrink = max(1, int(sigma // 4))
    small = white[: white.shape[0] // shrink, : white.shape[1] // shrink]
    smoothed = cv2.GaussianBlur(small, (0, 0), sigma / shrink)
    whole = cv2.resize(smoothed, white.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(whole / whole.std(), np.float32)
