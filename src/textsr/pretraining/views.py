"""Two views of one LR line that share its letters and nothing else.

Between two degradations of a line, its ground, polarity and position are shortcuts: contrastive
accuracy reaches 99% in 150 steps without a letter being known. So every view gets its own level,
contrast, polarity, shift, size, blur and noise, and negatives come from the same line, too.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_CONTRAST = (0.08, 0.3)  # standard deviation of a view
_LEVEL = (0.35, 0.65)
_SHIFT = 2.0  # LR pixels, less than a sixth of an instance's width
_ZOOM = 0.12
_BLUR = (0.0, 1.2)  # standard deviation, LR pixels
_NOISE = (0.0, 0.06)


def make_view(lines: Tensor, generator: torch.Generator) -> Tensor:
    """Return one random view of each line: (B, 1, H, W) in [0, 1] to the same."""
    views = _standardise(_move(lines, generator))
    views = _blur(views, _uniform(_BLUR, len(lines), generator))
    polarity = 1 - 2 * torch.randint(0, 2, (len(lines), 1, 1, 1), generator=generator)
    views = views * polarity * _uniform(_CONTRAST, len(lines), generator)
    views = views + _uniform(_LEVEL, len(lines), generator)
    noise = torch.randn(views.shape, generator=generator)
    return (views + noise * _uniform(_NOISE, len(lines), generator)).clamp(0, 1)


def _uniform(interval: tuple[float, float], count: int, generator: torch.Generator) -> Tensor:
    low, high = interval
    return low + (high - low) * torch.rand((count, 1, 1, 1), generator=generator)


def _standardise(lines: Tensor) -> Tensor:
    """Subtract each line's mean and divide by its standard deviation."""
    deviation, mean = torch.std_mean(lines, (2, 3), keepdim=True)
    return (lines - mean) / deviation.clamp_min(1e-3)


def _move(lines: Tensor, generator: torch.Generator) -> Tensor:
    """Shift and zoom each line by its own amount, continued at the edges."""
    count, _, height, width = lines.shape
    half = torch.tensor([width / 2, height / 2])
    shift = (2 * torch.rand((count, 2), generator=generator) - 1) * _SHIFT / half
    zoom = 1 + (2 * torch.rand((count, 2), generator=generator) - 1) * _ZOOM
    zoom[:, 0] = 1 + (zoom[:, 0] - 1) / 4  # a wide zoom would move letters out of their window
    theta = torch.zeros((count, 2, 3))
    theta[:, 0, 0], theta[:, 1, 1] = zoom[:, 0], zoom[:, 1]
    theta[:, :, 2] = shift
    grid = F.affine_grid(theta, list(lines.shape), align_corners=False)
    return F.grid_sample(lines, grid, padding_mode="border", align_corners=False)


def _blur(lines: Tensor, sigma: Tensor) -> Tensor:
    """Blur each line by its own Gaussian: one grouped convolution an axis."""
    radius = math.ceil(2.5 * _BLUR[1])
    offsets = torch.arange(-radius, radius + 1).float()
    kernels = torch.exp(-0.5 * (offsets / sigma.view(-1, 1).clamp_min(0.05)) ** 2)
    kernels = kernels / kernels.sum(1, keepdim=True)
    rows = lines.transpose(0, 1)  # (1, B, H, W): a group a line
    rows = F.pad(rows, (radius,) * 4, mode="replicate")
    rows = F.conv2d(rows, kernels.view(-1, 1, 1, 2 * radius + 1), groups=len(lines))
    rows = F.conv2d(rows, kernels.view(-1, 1, 2 * radius + 1, 1), groups=len(lines))
    return rows.transpose(0, 1)
