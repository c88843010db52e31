"""What a training took, over all its resumptions."""

import resource
import sys
import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

_MAXRSS_A_MB = 1024**2 if sys.platform == "darwin" else 1024  # bytes there, else KB


class Cost(Callback):
    """Measures a training; what it found travels in the checkpoint.

    Of a training that was killed and resumed, all steps that the result came from are counted,
    and not those after the last checkpoint, which were made anew.

    Attributes:
        steps: optimiser steps.
        seconds: of wall-clock time.
        peak_memory_mb: of the GPU where there is one, else of the process.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.seconds = 0.0
        self.peak_memory_mb = 0.0
        self._earlier = 0.0
        self._began = 0.0

    def as_metrics(self) -> dict[str, float]:
        """Return it under the names of metrics."""
        metrics: dict[str, float] = {"train_seconds": self.seconds, "steps_done": self.steps}
        return metrics | ({"peak_memory_mb": self.peak_memory_mb} if self.steps else {})

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Begin, before a checkpoint is loaded."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take stock, before the checkpoint is written."""
        self.steps = trainer.global_step
        self.seconds = self._earlier + time.monotonic() - self._began
        self.peak_memory_mb = max(self.peak_memory_mb, _peak_memory_mb())

    def state_dict(self) -> dict[str, Any]:
        """Return what goes into a checkpoint."""
        return {
            "steps": self.steps,
            "seconds": self.seconds,
            "peak_memory_mb": self.peak_memory_mb,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.steps = state_dict["steps"]
        self.seconds = self._earlier = state_dict["seconds"]
        self.peak_memory_mb = state_dict["peak_memory_mb"]


def _peak_memory_mb() -> float:
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1024**2
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _MAXRSS_A_MB
