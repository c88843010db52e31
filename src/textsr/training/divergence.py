"""Stopping a training that diverges: after its first number that is not finite."""

import math
import sys
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from textsr.errors import TextsrError
from textsr.models.finite import find_non_finite


def broken_weights(checkpoint: dict[str, Any]) -> str | None:
    """Return which weights of a checkpoint are not finite, averaged or as trained, if there are."""
    trained = checkpoint.get("current_model_state", {})  # beside averaged ones
    return find_non_finite(checkpoint["state_dict"]) or find_non_finite(trained)


class DivergenceGuard(Callback):
    """Ends a training at a loss or gradient that is not finite, before more is saved.

    What a step computed is looked at in the next step, so that a GPU need not be waited for. Of
    several processes each looks at the gradients, which are the same in all, so that all end; a
    loss, which is each one's own, is looked at where there is one process.
    """

    def __init__(self, section: str, checkpoint: Path, is_rank_zero: bool) -> None:
        """Guard a training.

        Args:
            section: of params.yaml, where its `learning_rate` stands.
            checkpoint: the file of its last checkpoint.
            is_rank_zero: whether this process is the one that speaks.
        """
        self._section = section
        self._checkpoint = checkpoint
        self._is_rank_zero = is_rank_zero
        self._saved: int | None = None
        self._loss = torch.zeros(())
        self._computed: tuple[int, Tensor] | None = None

    def on_before_backward(
        self, trainer: Trainer, pl_module: LightningModule, loss: Tensor
    ) -> None:
        """Note the loss."""
        self._loss = loss.detach()

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Look at the step before, and note the gradients of this one."""
        self._require_finite_step(trainer)
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        loss = self._loss if trainer.world_size == 1 else torch.zeros_like(self._loss)
        self._computed = trainer.global_step + 1, torch.stack([loss.to(norm), norm])

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the last step of a chunk and at its metrics."""
        self._require_finite_step(trainer)
        for name, value in trainer.callback_metrics.items():
            if not math.isfinite(value):
                self._stop(trainer, trainer.global_step, f"{name} is {float(value)}")

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Let no weights be saved that are not finite."""
        problem = broken_weights(checkpoint)
        if problem is not None:
            self._stop(trainer, trainer.global_step, problem)
        self._saved = trainer.global_step

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Note the step at which the run goes on."""
        self._saved = checkpoint["global_step"]

    def _require_finite_step(self, trainer: Trainer) -> None:
        if self._computed is None:
            return
        step, numbers = self._computed
        self._computed = None
        loss, norm = numbers.tolist()
        if not math.isfinite(loss):
            self._stop(trainer, step, f"the loss is {loss}")
        if not math.isfinite(norm) and not _overflows(trainer):
            self._stop(trainer, step, f"the norm of the gradients is {norm}")

    def _stop(self, trainer: Trainer, step: int, what: str) -> NoReturn:
        if not self._is_rank_zero:
            sys.exit()  # without a status, at which Lightning would kill the one that speaks
        kept = (
            "No checkpoint had been written"
            if self._saved is None
            else f"The checkpoint of step {self._saved} is kept in {self._checkpoint}"
        )
        full = "" if trainer.precision == "32-true" else ", or set compute.precision to 32"
        raise TextsrError(
            f"step {step} of {trainer.max_steps}: {what}; the training has diverged. {kept}. "
            f"Lower {self._section}.learning_rate{full}, and run it again: with other params it "
            "begins anew"
        )


def _overflows(trainer: Trainer) -> bool:
    """Return whether gradients may be infinite by their scale alone, in 16-bit mixed precision.

    Such a step is skipped and the scale halved, until it is 1.
    """
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    return scaler is not None and scaler.get_scale() >= 1
