"""What an encoder knows, without training it further: a linear probe from features to strokes."""

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from torch import Tensor, nn

from textsr.datasets.pairs import Batch
from textsr.errors import TextsrError
from textsr.models.blocks import pad_to_multiple
from textsr.models.encoder import Encoder

_PROBE_ROWS = 4  # LR pixels; both encoders have a level of so many rows a feature


@torch.inference_mode()
def probe_reconstruction(encoder: nn.Module, fit_on: list[Batch], score_on: list[Batch]) -> float:
    """Fit ridge regression from frozen features to HR patches; return R2 on other lines.

    Each feature vector of the level with 4 LR rows a feature predicts the HR patch that it covers,
    reduced to LR resolution and with each line's own mean and contrast taken away: what is left
    is where the strokes are.

    Args:
        encoder: the encoder, in evaluation mode.
        fit_on: batches to fit on.
        score_on: batches of other fonts and texts.

    Raises:
        TextsrError: if features are not finite.
    """
    ridge = Ridge(alpha=1.0).fit(*_features_and_patches(encoder, fit_on))
    features, patches = _features_and_patches(encoder, score_on)
    return float(r2_score(patches, ridge.predict(features), multioutput="variance_weighted"))


def _features_and_patches(encoder: nn.Module, batches: list[Batch]) -> tuple[np.ndarray, ...]:
    strides = cast(Encoder, encoder).strides
    level = next(i for i, (rows, _) in enumerate(strides) if rows == _PROBE_ROWS)
    features, patches = [], []
    for batch in batches:
        planes = encoder(batch.lr)[level]
        if not torch.isfinite(planes).all():
            raise TextsrError(
                "the encoder's features hold numbers that are not finite: its weights are too "
                "large; lower pretraining.learning_rate"
            )
        features.append(_vectors(planes))
        target = F.interpolate(batch.hr, batch.lr.shape[2:], mode="area")
        deviation, mean = torch.std_mean(target, (2, 3), keepdim=True)
        target = (target - mean) / deviation.clamp_min(1e-3)
        target = pad_to_multiple(target, strides[-1])  # as the encoder did
        covered = F.unfold(target, strides[level], stride=strides[level])
        patches.append(_vectors(covered.view(*covered.shape[:2], *planes.shape[2:])))
    return np.concatenate(features), np.concatenate(patches)


def _vectors(planes: Tensor) -> np.ndarray:
    """Turn (B, C, H, W) into (B * H * W, C)."""
    return planes.permute(0, 2, 3, 1).flatten(0, 2).numpy()
