"""The papers' losses against plain NumPy."""

import numpy as np
import pytest
import torch

from benchmarks.textzoom.tsrn import gradient_magnitude, gradient_profile_loss, tsrn_loss


def numpy_magnitude(image: np.ndarray) -> np.ndarray:
    height, width = image.shape
    out = np.empty((height, width))
    for y in range(height):
        for x in range(width):
            right = image[y, x + 1] if x + 1 < width else 0.0
            left = image[y, x - 1] if x else 0.0
            below = image[y + 1, x] if y + 1 < height else 0.0
            above = image[y - 1, x] if y else 0.0
            out[y, x] = np.sqrt(((right - left) / 2) ** 2 + ((below - above) / 2) ** 2 + 1e-6)
    return out


def test_gradient_profile_loss_is_numpys() -> None:
    rng = np.random.default_rng(0)
    upscaled, hr = rng.random((2, 3, 1, 6, 9))
    magnitudes = [np.stack([numpy_magnitude(i[0]) for i in side]) for side in (upscaled, hr)]
    loss = gradient_profile_loss(torch.from_numpy(upscaled), torch.from_numpy(hr))
    assert loss.item() == pytest.approx(np.abs(magnitudes[0] - magnitudes[1]).mean())
    assert np.allclose(gradient_magnitude(torch.from_numpy(hr))[:, 0].numpy(), magnitudes[1])


def test_tsrn_loss_is_both_terms_as_weighted_in_the_paper() -> None:
    upscaled, hr = torch.rand(2, 2, 1, 8, 8)
    expected = (upscaled - hr).square().mean() + 1e-4 * gradient_profile_loss(upscaled, hr)
    assert torch.allclose(tsrn_loss(upscaled, hr), expected)


def test_gradient_profile_of_flat_images_has_a_gradient() -> None:
    flat = torch.full((1, 1, 8, 8), 0.5, requires_grad=True)
    torch.autograd.backward(gradient_profile_loss(flat, torch.rand(1, 1, 8, 8)))
    assert flat.grad is not None
    assert torch.isfinite(flat.grad).all()
