"""How wrong a network expects to be at each pixel."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.budget import BudgetedRun, CurvePoint, Loss, Recipe, warmed_cosine
from textsr.datasets.pairs import Batch
from textsr.models.upsampler import UpsamplerNet

Plane = npt.NDArray[np.float32]
"""(H, W)"""

_CHANNELS = 48
_UNTRAINED = -5.0  # log of a variance: 20 grey levels
_RANGE = (-12.0, 1.0)
_LEARNING_RATE = 2e-3
_WARMUP = 0.05  # share of the time
_CLIP_NORM = 1.0
_EMA_DECAY = 0.99
_SAVE_EVERY_S = 60.0

BATCH_SIZE = 48
"""Lines of which a head is trained at a time."""


class ErrorHead(nn.Module):
    """Predicts the variance of a frozen network's errors, out of its last features.

    A second output for the variance, trained by likelihood: Nix and Weigend (1994); for images,
    Kendall and Gal (2017, section 3.2).
    """

    def __init__(self, network: UpsamplerNet) -> None:
        """Freeze the network, and read its features."""
        super().__init__()
        # In a tuple, it is no part of what is trained, averaged and saved.
        self._frozen = (network.eval().requires_grad_(False),)
        channels = cast(nn.Conv2d, network.to_hr[0]).in_channels
        self.body = nn.Sequential(
            nn.Conv2d(channels + 1, _CHANNELS, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(_CHANNELS, 1, 3, padding=1),
        )
        last = cast(nn.Conv2d, self.body[-1])
        nn.init.zeros_(last.weight)
        nn.init.constant_(cast(Tensor, last.bias), _UNTRAINED)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, 1, H, W) to the network's output, and log variances (B, 1, H, W).

        A variance is of all HR pixels of an LR pixel.
        """
        network = self._frozen[0]
        seen: list[Tensor] = []
        hook = network.to_lr.register_forward_hook(lambda m, i, output: seen.append(output))
        try:
            with torch.no_grad():
                upscaled: Tensor = network(images)
        finally:
            hook.remove()
        features = seen[0][..., : images.shape[2], : images.shape[3]]
        variances = self.body(torch.cat([features, (images - 0.5).to(features)], 1)).float()
        return upscaled, variances.clamp(*_RANGE)


def squared_errors(upscaled: Tensor, hr: Tensor, scale: int) -> Tensor:
    """Return the mean squared error of each LR pixel's HR pixels: (B, 1, h, w)."""
    return F.avg_pool2d((upscaled - hr).square(), scale)


def likelihood_loss(log_variances: Tensor, squared: Tensor) -> Tensor:
    """Return a normal distribution's negative log-likelihood, without its constant."""
    return (log_variances + squared * torch.exp(-log_variances)).mean() / 2


def head_training(head: ErrorHead, checkpoint: Path, key: str, *, bf16: bool) -> BudgetedRun:
    """Return the training of a head, begun anew or where `checkpoint` was written.

    Args:
        head: what is trained, in place.
        checkpoint: file that it is kept in until it has ended.
        key: of all that it depends on.
        bf16: mixed precision.

    Raises:
        TextsrError: if the checkpoint is of another training.
    """

    def loss(batch: Batch, step: int) -> Loss:
        upscaled, log_variances = head(batch.lr)
        squared = squared_errors(upscaled, batch.hr, batch.hr.shape[2] // batch.lr.shape[2])
        return Loss(likelihood_loss(log_variances, squared), squared.mean())

    recipe = Recipe(
        loss=loss,
        optimizer=torch.optim.AdamW(head.parameters(), lr=_LEARNING_RATE),
        rate=warmed_cosine(_LEARNING_RATE, _WARMUP),
        clip_norm=_CLIP_NORM,
        ema_decay=_EMA_DECAY,
    )
    return BudgetedRun(head, recipe, checkpoint=checkpoint, fingerprint=key, bf16=bf16)


def fit(
    run: BudgetedRun, batches: Callable[[int], Batch], minutes: float, tick: Callable[[], None]
) -> ErrorHead:
    """Train a head for so many CPU minutes, threads summed; `tick` is called once a minute."""

    def report(point: CurvePoint) -> None:
        tick()

    trained = run.fit(
        batches,
        clock=time.process_time,
        budget=60 * minutes,
        save_every=_SAVE_EVERY_S,
        report=report,
    )
    return cast(ErrorHead, trained)


def calibration(variances: Plane, squared: Plane, parts: int = 10) -> pd.DataFrame:
    """Compare what was expected with what came, from the most certain pixels to the least.

    Args:
        variances: predicted, any shape.
        squared: the squared errors that came, likewise.
        parts: of equal size, in which the pixels are compared.

    Returns:
        `expected` and `found`, root mean squares in [0, 1], a row a part.
    """
    order = np.argsort(variances, axis=None, kind="stable")
    rows: list[dict[str, Any]] = []
    for part in np.array_split(order, parts):
        means = (float(values.reshape(-1)[part].mean()) for values in (variances, squared))
        expected, found = (np.sqrt(mean) for mean in means)
        rows.append({"expected": expected, "found": found})
    return pd.DataFrame(rows)
