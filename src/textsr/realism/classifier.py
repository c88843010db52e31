"""A classifier that is asked to tell synthetic LR lines from real ones.

A two-sample test (Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests"): at 50% it
cannot tell, at 100% it always can. It sees patches at their native resolution, so that neither
the lines' sizes nor bootstrap of ours can give them away.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import bootstrap
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold
from torch import Tensor, nn

from textsr.images.grey import Image

_PATCH = (12, 24)
"""Height and width of what the classifier sees at a time, LR pixels."""

_FOLDS = 5
_BATCH = 64
_RESAMPLES = 2000
_PATCHES_AN_IMAGE = 12  # averaged over to classify an image


@dataclass(frozen=True)
class Verdict:
    """How well the two were told apart, each image by a classifier that had not seen it."""

    accuracy: float
    """Mean of the shares of real and of synthetic images that were recognised."""
    low: float
    high: float
    """Its 95% interval, by bootstrap over images of each kind."""
    auc: float
    scores: npt.NDArray[np.float64]
    """Of each image, real ones first: log odds that it is synthetic."""


def tell_apart(
    real: Sequence[Image],
    synthetic: Sequence[Image],
    seed: int,
    steps: int = 400,
) -> Verdict:
    """Train classifiers on four fifths of both kinds, and try each on the other fifth.

    Args:
        real: grey HxW images.
        synthetic: grey HxW images, best as many as real ones and of the same heights.
        seed: of folds, initialisation, batches and the bootstrap.
        steps: of training, a fold.
    """
    images = [*real, *synthetic]
    labels = np.array([0] * len(real) + [1] * len(synthetic))
    scores = np.zeros(len(images))
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    for fold, (train, test) in enumerate(folds.split(labels, labels)):
        network = _train([images[i] for i in train], labels[train], seed + fold, steps)
        scores[test] = [_score(network, images[i]) for i in test]
    return _verdict(scores, labels, seed)


def _verdict(scores: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], seed: int) -> Verdict:
    right = (scores > 0) == labels
    sides = [right[labels == side] for side in (0, 1)]
    accuracy = float(np.mean([side.mean() for side in sides]))
    interval = bootstrap(
        sides,
        lambda one, two, axis: (one.mean(axis=axis) + two.mean(axis=axis)) / 2,
        n_resamples=_RESAMPLES,
        vectorized=True,
        paired=False,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Verdict(
        accuracy=accuracy,
        low=float(interval.low),
        high=float(interval.high),
        auc=float(roc_auc_score(labels, scores)),
        scores=scores,
    )


def _network() -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs, stride in ((1, 16, 1), (16, 32, 2), (32, 48, 2)):
        layers += [
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(48, 1)
    )


def _train(
    images: list[Image], labels: npt.NDArray[np.int64], seed: int, steps: int
) -> nn.Sequential:
    rng = np.random.default_rng(seed)
    by_label = [np.flatnonzero(labels == side) for side in (0, 1)]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = _network()
        optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps)
        network.train()
        for _ in range(steps):
            chosen = np.concatenate([rng.choice(side, _BATCH // 2) for side in by_label])
            patches = _patches([images[i] for i in chosen], rng)
            target = torch.from_numpy(labels[chosen]).float()
            loss = nn.functional.binary_cross_entropy_with_logits(
                network(patches)[:, 0], target * 0.9 + 0.05
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return network.eval()


def _patches(images: Sequence[Image], rng: np.random.Generator) -> Tensor:
    """Cut a patch out of each image, smaller images reflected at their edges, B x 1 x h x w."""
    cuts = []
    for image in images:
        missing = [max(0, side - size) for side, size in zip(_PATCH, image.shape, strict=True)]
        if any(missing):
            image = np.pad(image, [(0, missing[0]), (0, missing[1])], mode="symmetric")
        top, left = (int(rng.integers(n - m + 1)) for n, m in zip(image.shape, _PATCH, strict=True))
        cuts.append(image[top : top + _PATCH[0], left : left + _PATCH[1]])
    return torch.from_numpy(np.stack(cuts)[:, None].astype(np.float32) / 128 - 1)


@torch.inference_mode()
def _score(network: nn.Sequential, image: Image) -> float:
    patches = _patches([image] * _PATCHES_AN_IMAGE, np.random.default_rng(0))
    return float(network(patches).mean())
