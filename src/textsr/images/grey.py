"""Grey images: how a line is held between reading and writing, and how alike two of them are."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
"""A grey image, HxW, 0 to 255."""

# LR pixels. Evens out noise, dithering, and shifts by a fraction of a pixel.
_SMOOTHING_SIGMA = 0.7


def correlate(hr: Image, lr: Image) -> float | None:
    """Return Pearson's correlation of LR and HR, shrunk to its size, both smoothed a little.

    Unlike PSNR it does not change with contrast, and is near zero for two different lines. At the
    size of LR, noise and dithering weigh less than at that of HR. None for a constant image.
    """
    shrunk = cv2.resize(hr, lr.shape[::-1], interpolation=cv2.INTER_AREA)
    first, second = _smooth(shrunk), _smooth(lr)
    if np.ptp(shrunk) == 0 or np.ptp(lr) == 0:
        return None
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _smooth(image: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    smooth = cv2.GaussianBlur(image.astype(np.float32), (0, 0), _SMOOTHING_SIGMA)
    return np.asarray(smooth, np.float32)
