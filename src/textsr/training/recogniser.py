"""The `recogniser` stage: a reader of our own, whose opinion of the output can be asked for.

It learns from HR lines first, which gets CTC off its plateau quickly, then from every mixture of
HR with bicubic's output as well, since what a network makes lies between them. It is frozen before
the super-resolution network sees it (Text Gestalt, TBSRN and TPGSR freeze theirs, too).
"""

from pathlib import Path
from typing import Any

import torch
from lightly.utils.scheduler import CosineWarmupScheduler
from lightning.pytorch import LightningModule
from torch import Tensor

import textsr
from textsr.compute import use_threads
from textsr.datasets.pairs import Batch, PairBatches, shuffled_pairs, whole_batches
from textsr.datasets.shards import alphabet_of
from textsr.files import fingerprint, write_json
from textsr.models.bicubic import bicubic
from textsr.models.recogniser import Recogniser, save_recogniser
from textsr.params import Params
from textsr.params import Recogniser as RecogniserParams
from textsr.reference import load_reader
from textsr.training.fitting import (
    VALIDATION_LINES,
    checkpoint_folder,
    choose_precision,
    fit,
    forget_checkpoints,
    write_curves,
)

_STREAM = 9
_NOISE = 0.05  # largest standard deviation, of a grey scale of 1
_WARMUP_STEPS = 200
_CEILING = 20.0  # of a line's loss a character: one that cannot be read must not rule a batch


class RecogniserTraining(LightningModule):
    """CTC on HR lines, and later on their mixtures with bicubic's output."""

    def __init__(self, recogniser: Recogniser, params: RecogniserParams, seed: int) -> None:
        super().__init__()
        self.recogniser = recogniser
        self._params = params
        self._seed = seed

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return CTC's loss a character of a batch."""
        lines = self._lines(batch)
        losses = self.recogniser.losses(lines, list(batch.texts), _hr_widths(batch))
        loss = losses.clamp_max(_CEILING).mean()
        self.log("train_ctc", loss, on_step=False, on_epoch=True, batch_size=len(batch.lr))
        return loss

    def _lines(self, batch: Batch) -> Tensor:
        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self.global_step)
        shape = (len(batch.hr), 1, 1, 1)
        lines = batch.hr
        if self.global_step >= self._params.clean_share * self._params.steps:
            # Half of them as they are, half anywhere between HR and bicubic's output.
            share = (2 * torch.rand(shape, generator=generator)).clamp_max(1).to(lines)
            low = bicubic(batch.lr, lines.shape[2] // batch.lr.shape[2]).clamp(0, 1)
            lines = torch.lerp(low, lines, share)
        deviation = _NOISE * torch.rand(shape, generator=generator).square()
        noise = torch.randn(lines.shape, generator=generator) * deviation
        return lines + noise.to(lines)

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Log the shares of lines that are read exactly, of HR and of bicubic's output."""
        low = bicubic(batch.lr, batch.hr.shape[2] // batch.lr.shape[2]).clamp(0, 1)
        for name, lines in (("val_hr", batch.hr), ("val_bicubic", low)):
            read = self.recogniser.read(lines, _hr_widths(batch))
            right = [a == b for a, b in zip(read, batch.texts, strict=True)]
            self.log(name, sum(right) / len(right), batch_size=len(right))

    def configure_optimizers(self) -> Any:
        """AdamW, linear warm-up, cosine decay."""
        params = self._params
        optimizer = torch.optim.AdamW(self.parameters(), lr=params.learning_rate)
        warmup = min(_WARMUP_STEPS, params.steps // 2)
        schedule = CosineWarmupScheduler(optimizer, warmup, params.steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def run_recogniser(params: Params, dataset: Path, output: Path) -> None:
    """Train the recogniser; write `recogniser/`, `curves.csv` and `metrics.json` under `output`.

    Its fonts and texts are those of the training split, as the super-resolution network's are.
    """
    use_threads(params.compute.threads)
    section, scale = params.recogniser, params.synthesis.scale
    described = f"recogniser {params.seed} {section.model_dump_json()}"
    run = fingerprint(described, [dataset / "train", Path(textsr.__file__).parent])
    torch.manual_seed(params.seed)
    alphabet = alphabet_of(dataset / "train")
    recogniser = load_reader(alphabet) if section.from_package else Recogniser(alphabet)
    module = RecogniserTraining(recogniser, section, params.seed)
    module.to(memory_format=torch.channels_last)
    curves: list[dict[str, float]] = [{"step": 0.0}]
    if section.steps:
        state, curves = fit(
            module,
            PairBatches(
                shuffled_pairs(dataset / "train", params.training.shuffle_rows, params.seed),
                batch_size=section.batch_size,
                max_size=(params.synthesis.lr_height, params.synthesis.max_lr_width),
                scale=scale,
                seed=params.seed + _STREAM,
                max_shift=params.training.max_shift_px,
            ),
            steps=section.steps,
            checkpoint_every=section.checkpoint_every_steps,
            checkpoints=checkpoint_folder("recogniser", run),
            seed=params.seed,
            precision=choose_precision(params.compute.precision),
            validation=whole_batches(
                dataset / "val", batch_size=32, scale=scale, limit=VALIDATION_LINES
            ),
        )
        module.load_state_dict(state)
    save_recogniser(output / "recogniser", recogniser)
    write_curves(output / "curves.csv", curves)
    write_json(
        output / "metrics.json", {name: round(value, 5) for name, value in curves[-1].items()}
    )
    forget_checkpoints("recogniser")


def _hr_widths(batch: Batch) -> list[int]:
    scale = batch.hr.shape[2] // batch.lr.shape[2]
    return [width * scale for width in batch.widths]
