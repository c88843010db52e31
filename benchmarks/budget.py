"""Training for a given time instead of a number of steps, so that a killed run goes on.

`textsr.training.fitting` counts steps; here networks of unlike cost get the same time. The batch of
a step is a pure function of the step, and the time spent is in the checkpoint, so a run that was
killed has, in the end, had the same time as an unbroken one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import BaseModel
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from textsr.datasets.pairs import Batch
from textsr.errors import TextsrError
from textsr.files import replace_file


class Loss(NamedTuple):
    """Of a batch."""

    total: Tensor
    """What is minimised, a scalar."""
    mse: Tensor
    """Mean squared error of pixels in [0, 1], for the curve."""


class CurvePoint(BaseModel):
    """Training, a row a checkpoint."""

    cpu_seconds: float
    steps: int
    mse: float
    """Mean over the steps since the row before, of crops in [0, 1]."""


@dataclass(frozen=True)
class Recipe:
    """One way to train."""

    loss: Callable[[Batch, int], Loss]
    """Of what the network makes of the batch of a step."""
    optimizer: torch.optim.Optimizer
    rate: Callable[[float], float]
    """The learning rate at a share of the budget, 0 to 1."""
    clip_norm: float
    """Of the gradient."""
    ema_decay: float | None = None
    """A step, of the averaged weights; None: no averaging."""


def warmed_cosine(learning_rate: float, warmup: float) -> Callable[[float], float]:
    """Return the rate at a share of the budget: a linear rise up to `warmup`, then a cosine."""

    def rate(share: float) -> float:
        if share < warmup:
            return learning_rate * share / warmup
        return learning_rate * (1 + math.cos(math.pi * (share - warmup) / (1 - warmup))) / 2

    return rate


class BudgetedRun:
    """One training; `fit` brings it to its end from wherever it stands."""

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        *,
        checkpoint: Path,
        fingerprint: str,
        bf16: bool = False,
    ) -> None:
        """Begin anew, or where `checkpoint` was written.

        Args:
            network: what is trained, in place.
            recipe: how; its optimiser must hold the network's parameters.
            checkpoint: file that the run is kept in until it has ended.
            fingerprint: of all that the run depends on.
            bf16: mixed precision; for CPUs that have instructions for it.

        Raises:
            TextsrError: if the checkpoint is of a run with another fingerprint.
        """
        self.curve: list[CurvePoint] = []
        self._network = network
        self._recipe = recipe
        self._checkpoint = checkpoint
        self._fingerprint = fingerprint
        self._bf16 = bf16
        self._average: AveragedModel | None = None
        if recipe.ema_decay is not None:
            update = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
            self._average = AveragedModel(network, multi_avg_fn=update, use_buffers=True)
        self._steps = 0
        self._spent = 0.0
        if checkpoint.exists():
            self._restore(torch.load(checkpoint, weights_only=True))

    def fit(
        self,
        make_batch: Callable[[int], Batch],
        *,
        clock: Callable[[], float],
        budget: float,
        save_every: float,
        report: Callable[[CurvePoint], None],
    ) -> nn.Module:
        """Train until the budget is spent.

        Args:
            make_batch: the batch of step k, a pure function of k.
            clock: what the budget is counted by, seconds since whenever.
            budget: seconds, those before a kill counted.
            save_every: seconds between checkpoints and rows of the curve.
            report: called with each row.

        Returns:
            The trained network: the averaged one where the recipe averages.
        """
        self._network.train()
        started = clock() - self._spent
        errors: list[float] = []
        saved = self._spent
        while self._spent < budget:
            errors.append(self.step(make_batch(self._steps), self._spent / budget))
            self._steps += 1
            self._spent = clock() - started
            if self._spent - saved >= save_every or self._spent >= budget:
                self.curve.append(
                    CurvePoint(
                        cpu_seconds=self._spent, steps=self._steps, mse=sum(errors) / len(errors)
                    )
                )
                errors = []
                saved = self._spent
                self._save()
                report(self.curve[-1])
        return self._network if self._average is None else self._average.module

    def forget(self) -> None:
        """Remove the checkpoint, once the result is safe."""
        self._checkpoint.unlink(missing_ok=True)

    def step(self, batch: Batch, share: float) -> float:
        """Make one step at a share of the budget; return the batch's mean squared error."""
        optimizer = self._recipe.optimizer
        for group in optimizer.param_groups:
            group["lr"] = self._recipe.rate(share)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self._bf16):
            loss = self._recipe.loss(batch, self._steps)
        torch.autograd.backward(loss.total)
        nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.clip_norm)
        optimizer.step()
        if self._average is not None:
            self._average.update_parameters(self._network)
        return float(loss.mse.detach())

    def _save(self) -> None:
        state = {
            "fingerprint": self._fingerprint,
            "network": self._network.state_dict(),
            "optimizer": self._recipe.optimizer.state_dict(),
            "average": None if self._average is None else self._average.state_dict(),
            "random": torch.get_rng_state(),
            "steps": self._steps,
            "spent": self._spent,
            "curve": [point.model_dump() for point in self.curve],
        }
        with replace_file(self._checkpoint) as temporary:
            torch.save(state, temporary)

    def _restore(self, state: dict[str, Any]) -> None:
        if state["fingerprint"] != self._fingerprint:
            raise TextsrError(
                f"{self._checkpoint}: of a training with other data or settings; remove it to "
                "begin anew"
            )
        self._network.load_state_dict(state["network"])
        self._recipe.optimizer.load_state_dict(state["optimizer"])
        if self._average is not None:
            self._average.load_state_dict(state["average"])
        torch.set_rng_state(state["random"])
        self._steps = state["steps"]
        self._spent = state["spent"]
        self.curve = [CurvePoint(**point) for point in state["curve"]]
