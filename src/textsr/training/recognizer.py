"""The `recognizer` stage: a recognizer of our own, whose opinion of the output can be asked for.

It learns from HR lines first, which gets CTC off its plateau quickly, then from every mixture of
HR with bicubic's output and with what the package's network draws as well, since what a network
makes lies between them. It is frozen before the super-resolution network sees it (Text Gestalt,
TBSRN and TPGSR freeze theirs, too).
"""

from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from lightly.utils.scheduler import CosineWarmupScheduler
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from textsr import pretrained
from textsr.compute import use_threads
from textsr.config.closure import code_behind
from textsr.config.params import Params
from textsr.config.params import Recognizer as RecognizerParams
from textsr.config.streams import Stream
from textsr.datasets.pairs import Batch, whole_batches
from textsr.datasets.shards import read_table
from textsr.files import fingerprint, write_json
from textsr.models.bicubic import bicubic
from textsr.models.recognizer import Recognizer, save_recognizer
from textsr.pretrained import load_pretrained, load_pretrained_recognizer
from textsr.training.batches import make_batches, training_alphabet, training_folders
from textsr.training.curves import write_curves
from textsr.training.fitting import (
    VALIDATION_LINES,
    checkpoint_folder,
    choose_precision,
    fit,
    forget_checkpoints,
)

_NOISE = 0.05  # largest standard deviation, of a grey scale of 1
_WARMUP_STEPS = 200
_CEILING = 20.0  # of a line's loss a character: one that cannot be read must not rule a batch


class RecognizerTraining(LightningModule):
    """CTC on HR lines, and later on their mixtures with what is made of the LR lines."""

    def __init__(
        self,
        recognizer: Recognizer,
        params: RecognizerParams,
        seed: int,
        network: nn.Module | None = None,
    ) -> None:
        """Train `recognizer`; half of the mixtures are with a frozen `network`'s output."""
        super().__init__()
        self.recognizer = recognizer
        # In a tuple, it is no part of what is trained, averaged and saved.
        self._frozen = () if network is None else (network,)
        self._params = params
        self._seed = seed

    def on_fit_start(self) -> None:
        """Bring the frozen network to where the recognizer is."""
        for network in self._frozen:
            network.to(self.device).to(memory_format=torch.channels_last)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return CTC's loss a character of a batch."""
        lines = self._lines(batch)
        losses = self.recognizer.losses(lines, list(batch.texts), _hr_widths(batch))
        loss = losses.clamp_max(_CEILING).mean()
        self.log("train_ctc", loss, on_step=False, on_epoch=True, batch_size=len(batch.lr))
        return loss

    def _lines(self, batch: Batch) -> Tensor:
        lines = batch.hr
        # Where the lines are: a processor takes longer over the noise than a GPU over the step.
        generator = torch.Generator(lines.device)
        generator.manual_seed(self._seed * 1_000_003 + self.global_step)
        shape = (len(lines), 1, 1, 1)

        def uniform() -> Tensor:
            return torch.rand(shape, generator=generator, device=lines.device)

        if self.global_step >= self._params.hr_fraction * self._params.steps:
            # Half of them as they are, half anywhere between HR and what is made of LR.
            share = (2 * uniform()).clamp_max(1)
            made = _bicubic(batch)
            for network in self._frozen:
                made = torch.where(uniform() < 0.5, _drawn(network, batch), made)
            lines = torch.lerp(made, lines, share)
        noise = torch.randn(lines.shape, generator=generator, device=lines.device)
        return lines + noise * (_NOISE * uniform().square())

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Log the shares of lines that are read exactly, of HR and of what is made of LR."""
        shown = {"val_hr": batch.hr, "val_bicubic": _bicubic(batch)}
        for network in self._frozen:
            shown["val_drawn"] = _drawn(network, batch)
        for name, lines in shown.items():
            read = self.recognizer.read(lines, _hr_widths(batch))
            right = [a == b for a, b in zip(read, batch.texts, strict=True)]
            self.log(name, sum(right) / len(right), batch_size=len(right))

    def configure_optimizers(self) -> Any:
        """AdamW, linear warm-up, cosine decay."""
        params = self._params
        optimizer = torch.optim.AdamW(self.parameters(), lr=params.learning_rate)
        warmup = min(_WARMUP_STEPS, params.steps // 2)
        schedule = CosineWarmupScheduler(optimizer, warmup, params.steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def run_recognizer(
    params: Params, dataset: Path, output: Path, extra_datasets: Path | None = None
) -> None:
    """Train the recognizer; write `recognizer/`, `curves.csv` and `metrics.json` under `output`.

    Its lines are those of the training splits, of the extra datasets as well, as the networks' are.
    """
    use_threads(params.compute.threads)
    section, scale = params.recognizer, params.synthesis.scale
    training = params.training
    order = (
        training.cache_in_memory,
        training.shuffle_buffer_rows,
        training.max_shift_px,
        training.mixture,
    )
    described = f"recognizer {params.seed} {section.model_dump_json()} {order}"
    folders = training_folders(params, dataset, extra_datasets)
    weights = [*pretrained.model_files(), *pretrained.recognizer_files()]
    run = fingerprint(described, [*folders.values(), *weights, *code_behind(__name__)])
    torch.manual_seed(params.seed)
    alphabet = training_alphabet(folders)
    recognizer = (
        load_pretrained_recognizer(alphabet) if section.from_pretrained else Recognizer(alphabet)
    )
    # The last layer of a network for another scale would be fresh.
    drawing = load_pretrained()
    network = drawing.network if drawing.scale == scale else None
    module = RecognizerTraining(recognizer, section, params.seed, network)
    module.to(memory_format=torch.channels_last)
    curves: list[dict[str, float]] = [{"step": 0.0}]
    if section.steps:
        state, curves = fit(
            module,
            make_batches(
                params,
                dataset,
                batch_size=section.batch_size,
                seed=params.seed + Stream.RECOGNIZER,
                extra_datasets=extra_datasets,
            ),
            steps=section.steps,
            checkpoint_every=section.checkpoint_every_steps,
            checkpoints=checkpoint_folder("recognizer", run),
            section="recognizer",
            seed=params.seed,
            precision=choose_precision(params.compute.precision),
            validation=whole_batches(
                dataset / "val", batch_size=32, scale=scale, limit=VALIDATION_LINES
            ),
        )
        module.load_state_dict(state)
    save_recognizer(output / "recognizer", recognizer)
    write_curves(output / "curves.csv", curves)
    families = pa.chunked_array(
        chunk
        for folder in folders.values()
        for chunk in read_table(folder, ["font_family"])["font_family"].chunks
    )
    learned = {"train_lines": len(families), "train_families": len(families.unique())}
    write_json(
        output / "metrics.json",
        {name: round(value, 5) for name, value in curves[-1].items()} | learned,
    )
    forget_checkpoints("recognizer")


def _bicubic(batch: Batch) -> Tensor:
    return bicubic(batch.lr, batch.hr.shape[2] // batch.lr.shape[2]).clamp(0, 1)


@torch.no_grad()
def _drawn(network: nn.Module, batch: Batch) -> Tensor:
    drawn: Tensor = network(batch.lr)
    return drawn.clamp(0, 1)


def _hr_widths(batch: Batch) -> list[int]:
    scale = batch.hr.shape[2] // batch.lr.shape[2]
    return [width * scale for width in batch.widths]
