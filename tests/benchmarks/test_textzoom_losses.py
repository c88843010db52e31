"""The papers' losses against plain NumPy."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchmarks.textzoom.backbone import mse
from benchmarks.textzoom.text_focus import (
    content_aware_loss,
    position_aware_loss,
    text_focused_loss,
)
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


def test_position_aware_loss_leaves_hr_alone() -> None:
    upscaled = torch.rand(2, 4, 8, requires_grad=True)
    hr = torch.rand(2, 4, 8, requires_grad=True)
    loss = position_aware_loss(upscaled, hr)
    torch.autograd.backward(loss)
    assert loss.item() == pytest.approx((upscaled - hr).abs().mean().item())
    assert upscaled.grad is not None
    assert hr.grad is None


def test_content_aware_loss_of_equal_weights_is_cross_entropy() -> None:
    logits, characters = torch.randn(5, 7), torch.arange(5)
    loss = content_aware_loss(logits, characters, torch.ones(7, 7))
    assert torch.allclose(loss, F.cross_entropy(logits, characters))


def test_content_aware_loss_is_the_papers_formula() -> None:
    rng = np.random.default_rng(1)
    logits, weights = rng.normal(size=(4, 6)), rng.uniform(0.2, 3, (6, 6))
    characters = np.array([0, 5, 2, 2])
    odds = weights[characters] * np.exp(logits)
    expected = -np.log(odds[np.arange(4), characters] / odds.sum(1)).mean()
    loss = content_aware_loss(
        torch.from_numpy(logits), torch.from_numpy(characters), torch.from_numpy(weights)
    )
    assert loss.item() == pytest.approx(expected)


def test_text_focused_loss_is_the_weighted_sum() -> None:
    upscaled, hr = torch.rand(2, 2, 1, 8, 8)
    loss = text_focused_loss(upscaled, hr, torch.tensor(0.3), torch.tensor(2.0))
    assert torch.allclose(loss, mse(upscaled, hr) + 3.0 + 0.001)
