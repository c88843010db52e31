"""How each network is trained: its loss, its optimiser, and how the rate falls."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.textzoom.backbone import mse
from benchmarks.textzoom.tsrn import tsrn_loss
from textsr.params import Training


@dataclass(frozen=True)
class Recipe:
    """One way to train."""

    loss: Callable[[Tensor, Tensor], Tensor]
    """Of the upscaled crops and HR, both (B, 1, H, W); a scalar."""
    optimizer: torch.optim.Optimizer
    rate: Callable[[float], float]
    """The learning rate at a share of the budget, 0 to 1."""
    clip_norm: float
    """Of the gradient."""
    ema_decay: float | None = None
    """A step, of the averaged weights; None: no averaging."""


def build_recipe(name: str, params: Training, network: nn.Module, learning_rate: float) -> Recipe:
    """Return how a network is trained.

    Args:
        name: `tsrn`, `tbsrn` or `ours`.
        params: the section `training` of params.yaml.
        network: what is trained.
        learning_rate: of the peers; for `ours` at the peak of its schedule.
    """
    if name == "ours":
        return _ours(params, network, learning_rate)
    return _peer(tsrn_loss if name == "tsrn" else mse, network, learning_rate)


def _peer(
    loss: Callable[[Tensor, Tensor], Tensor], network: nn.Module, learning_rate: float
) -> Recipe:
    """Return Adam with betas 0.5 and 0.999 at a constant rate.

    Gradients of a hundredfold loss are clipped at a norm of 0.25, as in the published code of both.
    """
    return Recipe(
        loss=lambda upscaled, hr: 100 * loss(upscaled, hr),
        optimizer=torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(0.5, 0.999)),
        rate=lambda share: learning_rate,
        clip_norm=0.25,
    )


def _ours(params: Training, network: nn.Module, learning_rate: float) -> Recipe:
    """Return what `textsr train` does to pixels, the schedule along the budget instead of steps.

    Texts are left out for all: what differs is the network.
    """
    warmup = params.warmup_fraction

    def rate(share: float) -> float:
        if share < warmup:
            return learning_rate * share / warmup
        return learning_rate * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup))) / 2

    return Recipe(
        loss=mse,
        optimizer=torch.optim.AdamW(
            network.parameters(), lr=learning_rate, weight_decay=params.weight_decay
        ),
        rate=rate,
        clip_norm=params.gradient_clip,
        ema_decay=params.ema_decay,
    )
