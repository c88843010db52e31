"""Pretexts on LR lines alone: restoration, SimCLR and BYOL, each or together."""

import copy
import math
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from lightly.loss import NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules import BYOLPredictionHead, BYOLProjectionHead, SimCLRProjectionHead
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.utils.scheduler import CosineWarmupScheduler, cosine_schedule
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torchvision.transforms.v2.functional import gaussian_blur

from textsr.errors import TextsrError
from textsr.models.encoder import Encoder
from textsr.models.upsampler import UpsamplerNet
from textsr.pretraining.views import make_view
from textsr.study import settings

_PROJECTION_DIM = 128
_ENERGY_WEIGHT = 0.01  # as in textsr.pretraining.objective, which says why
_WARMUP = 0.1  # of the steps
_SPAN = 4  # columns of the reduced line that are hidden together: some strokes
_LEAST_SPREAD = 0.05  # of embeddings, where 1 is even over the sphere
_JUDGED_FROM = 50  # steps: fresh heads may begin with little spread


class Lines(NamedTuple):
    """What a step learns from."""

    images: Tensor
    """(B, 1, H, W) in [0, 1]."""
    seed: int
    """Of all that is random in the step."""


class RestorationTerm(nn.Module):
    """LR reduced by two and upscaled by the network, reduced to LR again, must be LR.

    As in ZSSR (Shocher et al. 2018, section 3) the image is its own HR; here over all of a user's
    images, and the network's full scale is kept: what it draws beyond LR's resolution is free.
    """

    def __init__(self, params: settings.Restoration) -> None:
        super().__init__()
        self.params = params

    def forward(self, network: UpsamplerNet, lines: Tensor, generator: torch.Generator) -> Tensor:
        """Return the mean squared error; lines are (B, 1, H, W) of even sides."""
        reduced = self.degrade(F.avg_pool2d(lines, 2), generator)
        restored = F.avg_pool2d(network(reduced), network.scale // 2)
        return F.mse_loss(restored, lines)

    def degrade(self, reduced: Tensor, generator: torch.Generator) -> Tensor:
        """Blur all lines alike, and each add noise to and hide spans of by amounts of its own."""
        count, _, _, width = reduced.shape
        params = self.params

        if params.blur_px:
            sigma = max(float(torch.rand((), generator=generator)) * params.blur_px, 0.05)
            side = 2 * math.ceil(2.5 * sigma) + 1
            reduced = gaussian_blur(reduced, [side, side], [sigma, sigma])
        if params.noise:
            amounts = params.noise * torch.rand((count, 1, 1, 1), generator=generator)
            noise = torch.randn(reduced.shape, generator=generator)
            reduced = (reduced + noise * amounts).clamp(0, 1)
        if params.masked:
            spans = torch.rand((count, 1, 1, -(-width // _SPAN)), generator=generator)
            hidden = (spans < params.masked).repeat_interleave(_SPAN, 3)[..., :width]
            reduced = torch.where(hidden, reduced.mean((2, 3), keepdim=True), reduced)
        return reduced


class _ContrastTerm(nn.Module):
    """What SimCLR and BYOL share: views, instances, and a watch for collapse."""

    def __init__(self, encoder: nn.Module, params: settings.Contrast) -> None:
        super().__init__()
        self.params = params
        self.dim = cast(Encoder, encoder).instance_dim

    def views(self, lines: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return two views of each line."""
        if self.params.views == "symmetric":
            return make_view(lines, generator), make_view(lines, generator)
        harder = settings.Restoration(blur_px=1.5, noise=0.1, masked=0.3)
        return lines, RestorationTerm(harder).degrade(lines, generator)

    def embed(self, encoder: nn.Module, view: Tensor) -> tuple[Tensor, Tensor]:
        """Return the instances of all lines, (N, dim), and the mean energy of the levels."""
        typed = cast(Encoder, encoder)
        levels = typed(view)
        energy = torch.stack([level.square().mean() for level in levels]).mean()
        if self.params.instance == "frame":
            instances = levels[-1].amax(2).transpose(1, 2)
        else:
            instances = typed.instances(levels)
        if self.params.instance == "line":
            instances = instances.mean(1, keepdim=True)
        return instances.flatten(0, 1), energy


class SimCLRTerm(_ContrastTerm):
    """SimCLR (Chen et al. 2020, section 2.1); per part of a line as in SeqCLR (Aberdam 2021)."""

    def __init__(self, encoder: nn.Module, params: settings.SimCLR) -> None:
        super().__init__(encoder, params)
        self.projection = SimCLRProjectionHead(
            self.dim, self.dim, _PROJECTION_DIM, batch_norm=False
        )
        self.criterion = NTXentLoss(params.temperature)

    def forward(
        self, network: UpsamplerNet, lines: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, and `spread` and the `accuracy` of finding the other view."""
        embedded = [self.embed(network.encoder, view) for view in self.views(lines, generator)]
        first, second = (F.normalize(self.projection(instances)) for instances, _ in embedded)
        loss = self.criterion(first, second) + _energy(embedded)
        hits = (first @ second.T).argmax(1) == torch.arange(len(first), device=first.device)
        return loss, {"accuracy": hits.float().mean(), "spread": spread(first.detach())}


class BYOLTerm(_ContrastTerm):
    """BYOL (Grill et al. 2020, section 3.1): predict what a slow copy sees in the other view.

    With `degraded` views it is asymmetric: the slow copy sees the line as it is.
    """

    def __init__(self, encoder: nn.Module, params: settings.BYOL) -> None:
        super().__init__(encoder, params)
        self.projection = BYOLProjectionHead(self.dim, 2 * self.dim, _PROJECTION_DIM)
        self.prediction = BYOLPredictionHead(_PROJECTION_DIM, 2 * self.dim, _PROJECTION_DIM)
        self.target_encoder = copy.deepcopy(encoder)
        self.target_projection = copy.deepcopy(self.projection)
        deactivate_requires_grad(self.target_encoder)
        deactivate_requires_grad(self.target_projection)
        self.criterion = NegativeCosineSimilarity()
        self._base_momentum = params.base_momentum

    def forward(
        self, network: UpsamplerNet, lines: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, in [-1, 1] but for the energy's share, and `spread` and `cosine`."""
        plain, other = self.views(lines, generator)
        turns = [(other, plain)]
        if self.params.views == "symmetric":
            turns.append((plain, other))
        embedded, distances, target = [], [], plain
        for seen, taught in turns:
            embedded.append(self.embed(network.encoder, seen))
            online = self.prediction(self.projection(embedded[-1][0]))
            with torch.no_grad():
                target = self.target_projection(self.embed(self.target_encoder, taught)[0])
            distances.append(self.criterion(online, target))
        distance = torch.stack(distances).mean()
        return distance + _energy(embedded), {
            "cosine": -distance.detach(),
            "spread": spread(F.normalize(target)),
        }

    def after_step(self, network: UpsamplerNet, step: int, steps: int) -> None:
        """Move the slow copies; their momentum rises to 1 as a cosine."""
        momentum = cosine_schedule(step, steps, self._base_momentum, 1.0)
        update_momentum(network.encoder, self.target_encoder, momentum)
        update_momentum(self.projection, self.target_projection, momentum)


def spread(embeddings: Tensor) -> Tensor:
    """Return how widely unit vectors (N, D) are spread: 0 is one point, 1 even over the sphere."""
    return embeddings.var(0, correction=0).sum().sqrt()


class PretextTraining(LightningModule):
    """Trains a network for the sum of a pretext's terms, with AdamW, warm-up and a cosine."""

    def __init__(
        self, network: UpsamplerNet, params: settings.Pretext, learning_rate: float
    ) -> None:
        super().__init__()
        self.network = network
        self.params = params
        self._learning_rate = learning_rate
        self.restoration = RestorationTerm(params.restoration) if params.restoration else None
        self.simclr = SimCLRTerm(network.encoder, params.simclr) if params.simclr else None
        self.byol = BYOLTerm(network.encoder, params.byol) if params.byol else None

    def training_step(self, batch: Lines, batch_index: int) -> Tensor:
        """Return the sum of the terms.

        Raises:
            TextsrError: where the embeddings of a term have collapsed to a point.
        """
        lines, seed = batch
        generator = torch.Generator().manual_seed(seed)
        loss = lines.new_zeros(())
        if self.restoration is not None:
            error = self.restoration(self.network, lines, generator)
            self._log("restoration_mse", error, batch)
            loss = loss + self.restoration.params.weight * error
        for name, term in (("simclr", self.simclr), ("byol", self.byol)):
            if term is None:
                continue
            value, seen = term(self.network, lines, generator)
            self._log(f"{name}_loss", value, batch)
            for key, measured in seen.items():
                self._log(f"{name}_{key}", measured, batch)
            if self.global_step >= _JUDGED_FROM and seen["spread"] < _LEAST_SPREAD:
                raise TextsrError(
                    f"{name}: all embeddings have become alike (spread "
                    f"{float(seen['spread']):.3f}) at step {self.global_step}: nothing is learned "
                    "from here on; lower pretext_learning_rate, or choose harder views"
                )
            loss = loss + term.params.weight * value
        return loss

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_index: int) -> None:
        """Move BYOL's slow copies."""
        if self.byol is not None:
            self.byol.after_step(self.network, self.global_step, self.params.steps)

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its schedule."""
        optimizer = torch.optim.AdamW(
            (parameter for parameter in self.parameters() if parameter.requires_grad),
            lr=self._learning_rate,
            weight_decay=1e-4,
        )
        schedule = CosineWarmupScheduler(
            optimizer, round(_WARMUP * self.params.steps), self.params.steps
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]

    def _log(self, name: str, value: Tensor, batch: Lines) -> None:
        self.log(name, value, on_step=False, on_epoch=True, batch_size=len(batch.images))


def _energy(embedded: list[tuple[Tensor, Tensor]]) -> Tensor:
    return _ENERGY_WEIGHT * torch.stack([energy for _, energy in embedded]).mean()
