"""The changes that were thought worth trying, by name: a step or two away from `mse`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.exploration import losses, networks
from textsr.config.params import Params
from textsr.datasets.pairs import Batch, PairBatches, shuffled_pairs
from textsr.datasets.resizing import ResizedBatches
from textsr.datasets.shards import alphabet_of
from textsr.models.bicubic import bicubic
from textsr.models.ctc_head import TextHead
from textsr.models.encoder import Encoder
from textsr.models.recognizer import load_recogniser
from textsr.models.upsampler import UpsamplerNet
from textsr.pretrained import RECOGNISER, load_reference
from textsr.training.run import load_encoder

BASE = "mse"
Start = Literal["scratch", "package"]
_CEILING = 6.0  # of the reader's loss a character, as in `textsr.training.objective`
_EASIER_STEPS = 1000
_CROP_WIDTH = 64  # LR pixels


class Made(NamedTuple):
    """What the network makes of a batch."""

    batch: Batch
    upscaled: Tensor
    """(B, 1, H, W)"""
    frames: Tensor
    """(B, C, 1, W'), the coarsest level of the encoder."""
    step: int


Term = Callable[[Made], Tensor]
"""A part of the objective: a scalar."""


@dataclass(frozen=True)
class Setting:
    """Where a change is tried."""

    params: Params
    dataset: Path
    """Folder of the synthetic splits."""
    encoders: Path
    """Folder of pretrained encoders, one a method, for `features`."""
    start: Start
    """Fresh weights of the configured width, or the package's."""

    @property
    def train(self) -> Path:
        """The split that is trained on."""
        return self.dataset / "train"

    @property
    def simclr(self) -> Path:
        """The encoder whose features are compared."""
        return self.encoders / "simclr" / "encoder"


@dataclass(frozen=True)
class Trial:
    """All that a training needs; a change replaces a part of it."""

    network: UpsamplerNet
    batches: Callable[[int], Batch]
    learning_rate: float
    ema_decay: float | None
    terms: tuple[tuple[float, Term], ...]
    """Weighted."""
    heads: tuple[nn.Module, ...] = ()
    """What is trained beside the network and then thrown away."""


@dataclass(frozen=True)
class Change:
    """One step away from `mse`."""

    what: str
    apply: Callable[[Setting, Trial], Trial] = field(default=lambda setting, trial: trial)
    fresh: bool = False
    """Needs fresh weights: the network is another, or its training from the first step on."""


def begin(setting: Setting, change: Change) -> Trial:
    """Return the trial of a change, its weights from the configured seed."""
    torch.manual_seed(setting.params.seed)
    training = setting.params.training
    if setting.start == "package":
        network = cast(UpsamplerNet, load_reference().network).requires_grad_(True)
        rate = training.reference.learning_rate
    else:
        network, rate = _network(setting), training.learning_rate
    trial = Trial(network, _batches(setting), rate, training.ema_decay, ((1.0, _mse),))
    return change.apply(setting, trial)


def _network(
    setting: Setting, width: float = 1.0, coarse: int = 2, sequence: int = 3
) -> UpsamplerNet:
    """Build it with fresh weights; `width` is a factor of the configured one."""
    params = setting.params
    torch.manual_seed(params.seed)
    return UpsamplerNet(
        "text",
        round(width * params.training.width / 8) * 8,
        params.synthesis.scale,
        coarse_blocks=coarse,
        sequence_blocks=sequence,
    )


def _batches(
    setting: Setting, size: float = 1.0, shift: int | None = None, seed: int = 0
) -> Callable[[int], Batch]:
    training, synthesis = setting.params.training, setting.params.synthesis
    seed += setting.params.seed
    return PairBatches(
        shuffled_pairs(setting.train, training.shuffle_rows, seed),
        batch_size=round(training.batch_size * size),
        max_size=(synthesis.lr_height, synthesis.max_lr_width),
        scale=synthesis.scale,
        seed=seed,
        max_shift=training.max_shift_px if shift is None else shift,
    )


def _mse(made: Made) -> Tensor:
    return F.mse_loss(made.upscaled, made.batch.hr)


def _pixels(loss: Callable[[Tensor, Tensor], Tensor]) -> Term:
    return lambda made: loss(made.upscaled, made.batch.hr)


_CHARBONNIER = _pixels(losses.charbonnier)


def _instead(*terms: tuple[float, Term]) -> Callable[[Setting, Trial], Trial]:
    return lambda setting, trial: replace(trial, terms=terms)


def _beside(weight: float, term: Term) -> Callable[[Setting, Trial], Trial]:
    return lambda setting, trial: replace(trial, terms=(*trial.terms, (weight, term)))


def _features(setting: Setting, trial: Trial) -> Trial:
    donor = UpsamplerNet("text", setting.params.training.width, setting.params.synthesis.scale)
    load_encoder(donor, setting.simclr)
    frozen = donor.encoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return _beside(0.01, _pixels(partial(losses.feature_distance, frozen)))(setting, trial)


def _spelling(setting: Setting, trial: Trial) -> Trial:
    encoder = cast(Encoder, trial.network.encoder)
    head = TextHead(encoder.channels[-1], alphabet_of(setting.train))

    def spelling(made: Made) -> Tensor:
        widths = [-(-width // encoder.strides[-1][1]) for width in made.batch.widths]
        return head.losses(made.frames, list(made.batch.texts), widths).mean()

    return replace(_beside(0.003, spelling)(setting, trial), heads=(head,))


def _read(low: float, setting: Setting, trial: Trial) -> Trial:
    """Ask the package's reader; it is shown the output at weights from `low` on to 1."""
    reader = load_recogniser(RECOGNISER).folded().to(memory_format=torch.channels_last)
    scale, seed = setting.params.synthesis.scale, setting.params.seed

    def reading(made: Made) -> Tensor:
        rng = np.random.default_rng([seed, 12, made.step])
        drawn = torch.from_numpy(rng.uniform(low, 1, len(made.upscaled))).to(made.upscaled)
        weights = drawn.view(-1, 1, 1, 1)
        shown = torch.lerp(bicubic(made.batch.lr, scale), made.upscaled, weights)
        widths = [scale * width for width in made.batch.widths]
        read = reader.losses(shown, list(made.batch.texts), widths)
        return read.clamp_max(_CEILING).mean()

    return _beside(0.005, reading)(setting, trial)


def _heights(setting: Setting, trial: Trial) -> Trial:
    resizing = setting.params.training.resizing.model_copy(update={"probability": 0.2})
    batches = ResizedBatches(trial.batches, resizing, setting.params.seed)
    return replace(trial, batches=batches)


def _easier_first(setting: Setting, trial: Trial) -> Trial:
    """Mix LR with what reducing HR alone would give, less from step to step."""

    def batches(step: int) -> Batch:
        batch = trial.batches(step)
        clean = F.interpolate(batch.hr, batch.lr.shape[2:], mode="area")
        return batch._replace(lr=torch.lerp(clean, batch.lr, min(step / _EASIER_STEPS, 1)))

    return replace(trial, batches=batches)


def _crops(setting: Setting, trial: Trial) -> Trial:
    scale, seed = setting.params.synthesis.scale, setting.params.seed

    def batches(step: int) -> Batch:
        batch = trial.batches(step)
        spare = batch.lr.shape[3] - _CROP_WIDTH
        if spare <= 0:
            return batch
        left = int(np.random.default_rng([seed, 11, step]).integers(0, spare + 1))
        lr = batch.lr[..., left : left + _CROP_WIDTH]
        hr = batch.hr[..., left * scale : (left + _CROP_WIDTH) * scale]
        return Batch(lr, hr, ("",) * len(lr), (_CROP_WIDTH,) * len(lr))

    return replace(trial, batches=batches)


def _without_average(setting: Setting, trial: Trial) -> Trial:
    return replace(trial, ema_decay=None)


def _rate(factor: float) -> Callable[[Setting, Trial], Trial]:
    return lambda setting, trial: replace(trial, learning_rate=factor * trial.learning_rate)


def _fed(**options: float) -> Callable[[Setting, Trial], Trial]:
    return lambda setting, trial: replace(trial, batches=_batches(setting, **options))


def _built(**options: float) -> Callable[[Setting, Trial], Trial]:
    return lambda setting, trial: replace(trial, network=_network(setting, **options))


def _reparameterised(setting: Setting, trial: Trial) -> Trial:
    return replace(trial, network=networks.reparameterised(trial.network))


def _attending(setting: Setting, trial: Trial) -> Trial:
    return replace(trial, network=networks.with_attention(trial.network))


CHANGES: Mapping[str, Change] = {
    BASE: Change("mean squared error alone"),
    "mse-again": Change("the same, other lines first: how far chance goes", _fed(seed=1)),
    # Objective
    "charbonnier": Change("Charbonnier's loss instead", _instead((1.0, _CHARBONNIER))),
    "gradient": Change(
        "Charbonnier's loss and the gradients' difference instead",
        _instead((1.0, _CHARBONNIER), (0.5, _pixels(losses.gradient_difference))),
    ),
    "spectral": Change("and Fourier coefficients", _beside(0.05, _pixels(losses.spectral))),
    "ssim": Change("and 1 - SSIM", _beside(0.02, _pixels(losses.dissimilarity))),
    "features": Change("and features of the SimCLR encoder", _features),
    "spelling": Change("and spelling: CTC on the encoder's frames", _spelling),
    "reader": Change("and a frozen reader of the output", partial(_read, 1.0)),
    "reader-blended": Change(
        "and a frozen reader of the output blended with bicubic's", partial(_read, 0.3)
    ),
    # Training
    "rate-half": Change("half the rate", _rate(0.5)),
    "rate-double": Change("twice the rate", _rate(2)),
    "batch-half": Change("half the batch", _fed(size=0.5)),
    "batch-double": Change("twice the batch", _fed(size=2)),
    "no-average": Change("the last weights, not their average", _without_average),
    "no-shift": Change("lines always in the middle", _fed(shift=0)),
    "heights": Change("a fifth of the batches at other heights", _heights),
    "crops": Change("parts of lines, 64 LR pixels wide", _crops),
    "easier-first": Change("lines less degraded in the first thousand steps", _easier_first),
    # Architecture
    "narrow": Change("two thirds of the width", _built(width=2 / 3), fresh=True),
    "wide": Change("four thirds of the width", _built(width=4 / 3), fresh=True),
    "no-line-blocks": Change("no blocks along the line", _built(sequence=0), fresh=True),
    "line-blocks": Change("nine blocks along the line, not three", _built(sequence=9), fresh=True),
    "coarse-blocks": Change("four blocks in the last stage, not two", _built(coarse=4), fresh=True),
    "attention": Change("attention along the line", _attending, fresh=True),
    "reparameterised": Change(
        "3x3 convolutions trained as three branches", _reparameterised, fresh=True
    ),
}
"""By name; `mse` is what all others are compared with."""
