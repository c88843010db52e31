"""PSNR and SSIM on luminance, by torchmetrics' standard definitions.

torchmetrics is imported where it is needed, since it takes seconds, and most who import this
module's neighbours measure nothing.
"""

import numpy as np
import torch

from textsr.images.grey import Image


def psnr_db(image: Image, reference: Image) -> float:
    """Return the peak signal-to-noise ratio of 8-bit images in dB, no border cut; inf if equal."""
    from torchmetrics.functional.image import peak_signal_noise_ratio

    value = peak_signal_noise_ratio(_tensor(image), _tensor(reference), data_range=255.0)
    return float(value)


def ssim(image: Image, reference: Image) -> float:
    """Return the structural similarity (Wang et al. 2004): Gaussian window, sigma 1.5, 11x11.

    At the border the window sees the image mirrored; no pixel is left out.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure

    value = structural_similarity_index_measure(
        _tensor(image), _tensor(reference), data_range=255.0
    )
    assert isinstance(value, torch.Tensor)
    return float(value)


def _tensor(image: Image) -> torch.Tensor:
    return torch.from_numpy(image.astype(np.float32))[None, None]
