"""Objectives that literature has for mean squared error's place, or beside it."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

_EPSILON = 1e-3


def charbonnier(upscaled: Tensor, hr: Tensor) -> Tensor:
    """Return a smooth L1: the mean of sqrt(d^2 + 1e-6) (LapSRN, Lai et al. 2017, section 3.3)."""
    return ((upscaled - hr).square() + _EPSILON**2).sqrt().mean()


def gradient_difference(upscaled: Tensor, hr: Tensor) -> Tensor:
    """Return the mean absolute difference of pixels' gradients (Mathieu et al. 2016, section 3.2).

    TSRN's gradient profile loss (Wang et al. 2020) asks for the same: steep edges.
    """
    across, down = ((upscaled - hr).diff(dim=side).abs().mean() for side in (-1, -2))
    return across + down


def spectral(upscaled: Tensor, hr: Tensor) -> Tensor:
    """Return the mean absolute difference of Fourier coefficients (Fuoli et al. 2021, section 3).

    Of the orthonormal transform, amplitude and phase together.
    """
    difference = (upscaled - hr).float()
    return torch.fft.rfft2(difference, norm="ortho").abs().mean()


def dissimilarity(upscaled: Tensor, hr: Tensor) -> Tensor:
    """Return 1 - SSIM (Wang et al. 2004), as an objective in Zhao et al. (2017, section III-B)."""
    similarity = structural_similarity_index_measure(upscaled.float(), hr, data_range=1.0)
    assert isinstance(similarity, Tensor)
    return 1 - similarity


def feature_distance(features: torch.nn.Module, upscaled: Tensor, hr: Tensor) -> Tensor:
    """Return the mean squared distance of a frozen encoder's features (Johnson et al. 2016).

    Of both images at half their size, at which a line is twice as high as those that the encoder
    was pretrained on; each level counts relative to HR's own features.
    """
    with torch.no_grad():
        wanted = features(F.avg_pool2d(hr, 2))
    found = features(F.avg_pool2d(upscaled, 2))
    distances = [
        F.mse_loss(mine, theirs) / theirs.square().mean().clamp_min(1e-8)
        for mine, theirs in zip(found, wanted, strict=True)
    ]
    return torch.stack(distances).mean()
