"""PSNR and SSIM against independent implementations."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.evaluation.fidelity import psnr_db, ssim


def pair(seed: int, deviation: float = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    image = cv2.GaussianBlur(rng.integers(0, 256, (64, 128)).astype(np.uint8), (0, 0), 2)
    noisy = np.clip(image + rng.normal(0, deviation, image.shape), 0, 255).astype(np.uint8)
    return image, noisy


def ssim_by_hand(first: np.ndarray, second: np.ndarray) -> float:
    """Wang et al. 2004, equation 13, Gaussian window 11x11, borders mirrored."""

    def window(plane: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(plane, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT_101)

    x, y = first.astype(np.float64), second.astype(np.float64)
    mean_x, mean_y = window(x), window(y)
    var_x, var_y = window(x * x) - mean_x**2, window(y * y) - mean_y**2
    covariance = window(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    index = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((index / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))).mean())


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), deviation=st.floats(1, 60))
def test_both_agree_with_their_definitions(seed: int, deviation: float) -> None:
    first, second = pair(seed, deviation)
    mse = np.mean((first.astype(float) - second.astype(float)) ** 2)
    assert psnr_db(first, second) == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-3)
    assert ssim(first, second) == pytest.approx(ssim_by_hand(first, second), abs=1e-4)


def test_identities() -> None:
    image, noisy = pair(0)
    assert psnr_db(image, image) == float("inf")
    assert ssim(image, image) == pytest.approx(1)
    assert psnr_db(image, noisy) == pytest.approx(psnr_db(noisy, image))
    noisier = pair(0, 40)[1]
    assert psnr_db(image, noisier) < psnr_db(image, noisy)
    assert ssim(image, noisier) < ssim(image, noisy)
