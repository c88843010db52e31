"""Fitting any module for a number of steps, so that a killed run resumes to the same bits.

Lightning runs the loop. Steps are grouped into chunks, one Lightning epoch each; a checkpoint is
written after each chunk, and the one before it kept. The batch of a step is a pure function of the
step, so a run resumed at a chunk's border sees what an unbroken run would have seen.
"""

import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from lightning.pytorch.callbacks import (
    EMAWeightAveraging,
    ModelCheckpoint,
    RichProgressBar,
)
from rich.console import Console
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from textsr.config.params import Precision
from textsr.errors import TextsrError
from textsr.training.checkpoints import LAST, LastTwo, newest_checkpoint
from textsr.training.cost import Cost
from textsr.training.divergence import DivergenceGuard

CHECKPOINTS = Path(".checkpoints")
"""Where unfinished runs are kept, outside DVC's outputs, which DVC removes before a stage runs."""

VALIDATION_LINES = 512
"""Of the validation split, at most so many are looked at for the curves."""

OnMetrics = Callable[[Mapping[str, float], int], None]
"""Receives metrics by name and the step they belong to."""


class _StepBatches(Dataset[Any]):
    """Item k is the whole batch of step k."""

    def __init__(self, make: Callable[[int], Any], count: int) -> None:
        self._make = make
        self._count = count

    def __getitem__(self, step: int) -> Any:
        return self._make(step)

    def __len__(self) -> int:
        return self._count


class _ChunkSampler(Sampler[int]):
    """The step numbers of the chunk that begins now.

    Where it begins is asked of the trainer's step, not counted in Lightning's epochs, which a
    resumed run counts differently. It states no length: Lightning asks for it once, and the last
    chunk may be shorter.
    """

    def __init__(self, steps: int, chunk: int, step_now: Callable[[], int]) -> None:
        self._steps = steps
        self._chunk = chunk
        self._step_now = step_now

    def __iter__(self) -> Iterator[int]:
        first = self._step_now()
        return iter(range(first, min(first + self._chunk, self._steps)))


class _Curves(Callback):
    """Collects what was logged, a row a chunk; the rows travel in the checkpoint."""

    def __init__(self, on_metrics: OnMetrics, print_rows: bool) -> None:
        self.rows: list[dict[str, float]] = []
        self._on_metrics = on_metrics
        self._print_rows = print_rows

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not is_rank_zero():
            return
        if self.rows and self.rows[-1]["step"] == trainer.global_step:
            return  # Lightning ends the last chunk once more where a run that validates resumes
        row = {name: float(value) for name, value in trainer.callback_metrics.items()}
        self.rows.append({"step": trainer.global_step, **row})
        self._on_metrics(row, trainer.global_step)
        if self._print_rows:
            shown = ", ".join(f"{name} {value:.4g}" for name, value in sorted(row.items()))
            print(f"step {trainer.global_step}/{trainer.max_steps}: {shown}", flush=True)  # noqa: T201

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = list(state_dict["rows"])


def fit(
    module: LightningModule,
    make_batch: Callable[[int], Any],
    *,
    steps: int,
    checkpoint_every: int,
    checkpoints: Path,
    seed: int,
    section: str = "training",
    devices: int = 1,
    precision: str = "32-true",
    gradient_clip: float = 1.0,
    ema_decay: float | None = None,
    validation: Sequence[Any] | None = None,
    on_metrics: OnMetrics = lambda metrics, step: None,
    cost: Cost | None = None,
) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    """Fit `module` for `steps` optimiser steps, resuming from `checkpoints` if it holds a run.

    The kind of device is chosen by what is there; bits are reproduced on CPUs alone. With several,
    Lightning starts this very command again for each; a batch is divided among them and their
    gradients are averaged, so that a step is the same up to rounding. `torchrun` may start the
    processes instead, on several nodes that share the folder of checkpoints. All but the first
    process is not rank zero, and has no result.

    The folder of checkpoints stays; the caller removes it with `forget_checkpoints` once the
    result is safe.

    Args:
        module: what to fit; its configured scheduler steps once a step.
        make_batch: the batch of step k, a pure function of k.
        steps: optimiser steps in all.
        checkpoint_every: steps between checkpoints, validations and rows of the curves.
        checkpoints: folder of this very run, as `checkpoint_folder` names it.
        seed: of PyTorch's generators.
        section: of params.yaml, whose `learning_rate` is told of where the training diverges.
        devices: of this node, where `torchrun` does not say it; if more than one, batches have a
            method `part` (see `textsr.datasets.pairs.Batch`).
        precision: Lightning's name of it, as `choose_precision` returns it.
        gradient_clip: largest norm of all gradients together.
        ema_decay: decay a step of the averaged weights that are returned; None: no averaging.
        validation: batches for `validation_step`.
        on_metrics: called after each chunk.
        cost: measures the training.

    Returns:
        The module's final state (averaged if `ema_decay`), and the curves, a row a chunk; both
        empty where this process is not rank zero.

    Raises:
        TextsrError: if there are not so many devices, or at the first loss, gradient, metric or
            weight that is not finite; the last checkpoint stays.
    """
    # Lightning reports at INFO what hardware it found, and advertises.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    seed_everything(seed, verbose=False)
    # In a log file (nohup, Prefect) a line a chunk says more than a bar that redraws itself.
    terminal = Console().is_terminal
    curves = _Curves(on_metrics, print_rows=not terminal)
    last = checkpoints / LAST
    # Always the newest under one name. (`save_last` writes nothing where `save_top_k` is 0.)
    saver = ModelCheckpoint(
        dirpath=checkpoints,
        filename=last.stem,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    # The guard sees what averaging puts into a checkpoint, and a chunk before its curves are told.
    callbacks: list[Callback] = []
    if ema_decay is not None:
        callbacks.append(EMAWeightAveraging(decay=ema_decay))
    if cost is not None:
        callbacks.append(cost)
    callbacks += [DivergenceGuard(section, last, is_rank_zero=is_rank_zero()), curves, saver]
    if terminal:
        callbacks.append(RichProgressBar())
    trainer = Trainer(
        accelerator="auto",
        use_distributed_sampler=False,
        **_placement(devices),
        precision=cast(Any, precision),
        max_steps=steps,
        max_epochs=-1,
        callbacks=callbacks,
        plugins=[LastTwo()],
        logger=False,
        enable_progress_bar=terminal,
        # Neither CTC nor area interpolation can go backwards on a GPU and be deterministic.
        deterministic=not torch.cuda.is_available(),
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        gradient_clip_val=gradient_clip,
    )

    def make_part(step: int) -> Any:
        batch = make_batch(step)
        if trainer.world_size == 1:
            return batch
        return batch.part(trainer.global_rank, trainer.world_size)

    loader = DataLoader(
        _StepBatches(make_part, steps),
        batch_size=None,
        sampler=_ChunkSampler(steps, checkpoint_every, lambda: trainer.global_step),
    )
    resumed = newest_checkpoint(checkpoints, is_rank_zero=is_rank_zero())
    with warnings.catch_warnings():
        # Batches are made in the training process: decoding takes a few per cent of a step, and
        # worker processes on two cores would take it from the step itself.
        warnings.filterwarnings("ignore", ".*does not have many workers.*")
        warnings.filterwarnings("ignore", ".*exists and is not empty.*")
        warnings.filterwarnings("ignore", ".*isinstance.treespec, LeafSpec.*")
        trainer.fit(
            module,
            train_dataloaders=loader,
            val_dataloaders=None
            if validation is None
            else DataLoader(_StepBatches(validation.__getitem__, len(validation)), batch_size=None),
            ckpt_path=resumed and str(resumed),
            weights_only=True,
        )
    if not is_rank_zero():
        return {}, []
    # Read back what was saved: averaged weights lie there, whether this run made the last step
    # or was killed after its predecessor had made it.
    # Where it had made it, and the last file was damaged, the one before may be as new.
    final = last if resumed is None or last.exists() else resumed
    state = torch.load(final, map_location="cpu", weights_only=True)["state_dict"]
    return state, curves.rows


def is_rank_zero() -> bool:
    """Return whether this process leads: it alone writes results and talks to MLflow."""
    # `torchrun` and Lightning set them before the process starts.
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", 0))) == 0


def _placement(devices: int) -> dict[str, Any]:
    """Return Lightning's arguments for so many devices here, or for what `torchrun` started."""
    nodes = 1
    if torch.distributed.is_torchelastic_launched():
        devices, nodes = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["GROUP_WORLD_SIZE"])
    present = torch.cuda.device_count()
    if torch.cuda.is_available() and devices > present:
        raise TextsrError(f"compute.devices {devices}: there are {present} GPUs; lower it")
    strategy = "ddp" if devices * nodes > 1 else "auto"
    return {"devices": devices, "num_nodes": nodes, "strategy": strategy}


def choose_precision(wanted: Precision) -> str:
    """Return Lightning's name of the precision to train in on this machine.

    `auto` is mixed precision on GPUs, and on CPUs with bf16 instructions, where training takes
    about half the time; elsewhere bf16 would be emulated, and 32 bits are used.
    """
    if wanted == "auto" and torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
    if wanted == "bf16" or (wanted == "auto" and torch.cpu._is_avx512_bf16_supported()):
        return "bf16-mixed"
    return "32-true"


def checkpoint_folder(name: str, run_fingerprint: str) -> Path:
    """Return the folder of one run's checkpoints; another fingerprint is another run."""
    return CHECKPOINTS / name / run_fingerprint


def forget_checkpoints(name: str) -> None:
    """Remove the checkpoints of all runs called `name`."""
    shutil.rmtree(CHECKPOINTS / name, ignore_errors=True)
