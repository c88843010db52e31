"""How each network is trained: its loss, its optimiser, and how the rate falls."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.budget import Loss, Recipe, warmed_cosine
from benchmarks.textzoom.backbone import mse
from benchmarks.textzoom.tsrn import tsrn_loss
from textsr.config.params import Training
from textsr.datasets.pairs import Batch


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
        loss=_of_pixels(network, lambda upscaled, hr: 100 * loss(upscaled, hr)),
        optimizer=torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(0.5, 0.999)),
        rate=lambda share: learning_rate,
        clip_norm=0.25,
    )


def _ours(params: Training, network: nn.Module, learning_rate: float) -> Recipe:
    """Return what `textsr train` does to pixels, the schedule along the budget instead of steps.

    Texts are left out for all: what differs is the network.
    """
    return Recipe(
        loss=_of_pixels(network, mse),
        optimizer=torch.optim.AdamW(
            network.parameters(), lr=learning_rate, weight_decay=params.weight_decay
        ),
        rate=warmed_cosine(learning_rate, params.warmup_fraction),
        clip_norm=params.gradient_clip,
        ema_decay=params.ema_decay,
    )


def _of_pixels(
    network: nn.Module, loss: Callable[[Tensor, Tensor], Tensor]
) -> Callable[[Batch, int], Loss]:
    def of_batch(batch: Batch, step: int) -> Loss:
        upscaled = network(batch.lr)
        return Loss(loss(upscaled, batch.hr), mse(upscaled.detach(), batch.hr))

    return of_batch
