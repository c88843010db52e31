"""SimCLR and BYOL over the instances of an encoder.

An instance is a part of a line (text encoder) or a whole line (ResNet-18): `Encoder.instances`.
Losses, heads and momentum updates are lightly's.
"""

import copy
from collections.abc import Sequence
from typing import Any, cast

import torch
from lightly.loss import NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead, SimCLRProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import CosineWarmupScheduler, cosine_schedule
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from textsr.config.params import Pretraining
from textsr.models.encoder import Encoder

_ENERGY_WEIGHT = 0.01  # nothing for features of order 1, all for those of order 100

Views = tuple[Tensor, Tensor]
"""Two views of the same lines, each (B, 1, H, W) in [0, 1]."""


class _SelfSupervised(LightningModule):
    """What both methods share: the encoder, its instances and the optimiser."""

    def __init__(self, encoder: nn.Module, params: Pretraining) -> None:
        super().__init__()
        self.encoder = encoder
        self.params = params

    def embed(self, encoder: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the instances of all images, (B * N, instance_dim), and the levels' energy.

        Cosines do not see how large features are, and an optimiser that takes equal steps makes
        them ever larger: after 240 steps those of SimCLR were 15,000 times too large for a decoder.
        The energy, the mean square of each level, is held down as in activation regularisation
        (Merity et al. 2017, section 4.1).
        """
        typed = cast(Encoder, encoder)
        levels = typed(images)
        energy = torch.stack([level.square().mean() for level in levels]).mean()
        return typed.instances(levels).flatten(0, 1), energy

    def configure_optimizers(self) -> Any:
        """AdamW, linear warm-up, cosine decay."""
        optimizer = torch.optim.AdamW(
            (parameter for parameter in self.parameters() if parameter.requires_grad),
            lr=self.params.learning_rate,
            weight_decay=self.params.weight_decay,
        )
        warmup = round(self.params.warmup_fraction * self.params.steps)
        schedule = CosineWarmupScheduler(optimizer, warmup, self.params.steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


class SimCLR(_SelfSupervised):
    """SimCLR (Chen et al. 2020): other instances of the batch are negatives."""

    def __init__(self, encoder: nn.Module, params: Pretraining) -> None:
        super().__init__(encoder, params)
        dim = cast(Encoder, encoder).instance_dim
        # Two linear layers and a ReLU: with ResNet-18 the article's 512, 512, 128.
        self.projection = SimCLRProjectionHead(dim, dim, params.projection_dim, batch_norm=False)
        self.criterion = NTXentLoss(params.simclr.temperature)

    def training_step(self, views: Views, batch_index: int) -> Tensor:
        """Return NT-Xent of two views."""
        embedded = [self.embed(self.encoder, view) for view in views]
        first, second = (self.projection(instances) for instances, _ in embedded)
        loss: Tensor = self.criterion(first, second) + _mean_energy(embedded)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(views[0]))
        nearest = nn.functional.normalize(first) @ nn.functional.normalize(second).T
        hits = nearest.argmax(1) == torch.arange(len(nearest), device=nearest.device)
        self.log(
            "retrieval",
            hits.float().mean(),
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            batch_size=len(views[0]),
        )
        return loss


class BYOL(_SelfSupervised):
    """BYOL (Grill et al. 2020): predict what a slow copy of the network sees in the other view."""

    def __init__(self, encoder: nn.Module, params: Pretraining) -> None:
        super().__init__(encoder, params)
        dim, out = cast(Encoder, encoder).instance_dim, params.projection_dim
        self.projection = BYOLProjectionHead(dim, 2 * dim, out)
        self.prediction = BYOLPredictionHead(out, 2 * dim, out)
        self.target_encoder = copy.deepcopy(encoder)
        self.target_projection = copy.deepcopy(self.projection)
        deactivate_requires_grad(self.target_encoder)
        deactivate_requires_grad(self.target_projection)
        self.criterion = NegativeCosineSimilarity()

    def training_step(self, views: Views, batch_index: int) -> Tensor:
        """Return the symmetric negative cosine similarity, in [-1, 1], and the energy's share."""
        embedded = [self.embed(self.encoder, view) for view in views]
        online = [self.prediction(self.projection(instances)) for instances, _ in embedded]
        with torch.no_grad():
            target = [self.target_projection(self.embed(self.target_encoder, v)[0]) for v in views]
        distance: Tensor = 0.5 * (
            self.criterion(online[0], target[1]) + self.criterion(online[1], target[0])
        )
        loss = distance + _mean_energy(embedded)
        self.log(
            "train_loss",
            loss,
            on_step=False,
            on_epoch=True,
            prog_bar=True,
            batch_size=len(views[0]),
        )
        # A collapsed network gives every instance one embedding: their deviation falls to 0.
        spread = nn.functional.normalize(target[0]).std(0).mean()
        self.log("embedding_std", spread, on_step=False, on_epoch=True, batch_size=len(views[0]))
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_index: int) -> None:
        """Move the targets towards the online networks; the momentum rises to 1 as a cosine."""
        momentum = cosine_schedule(
            self.global_step, self.params.steps, self.params.byol.base_momentum, 1.0
        )
        update_momentum(self.encoder, self.target_encoder, momentum)
        update_momentum(self.projection, self.target_projection, momentum)


def _mean_energy(embedded: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return what the views' energies add to the loss."""
    return _ENERGY_WEIGHT * torch.stack([energy for _, energy in embedded]).mean()


METHODS = {"simclr": SimCLR, "byol": BYOL}
"""The method's name in dvc.yaml and its module."""
