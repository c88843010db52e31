"""Training for a given time instead of a number of steps, so that a killed run goes on.

`textsr.training.fitting` counts steps; here networks of unlike cost get the same time. The batch of
a step is a pure function of the step, and the time spent is in the checkpoint, so a run that was
killed has, in the end, had the same time as an unbroken one.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.textzoom.backbone import mse
from benchmarks.textzoom.package import CurvePoint
from benchmarks.textzoom.recipes import Recipe
from textsr.datasets.pairs import Batch
from textsr.errors import TextsrError
from textsr.files import replace_file


class BudgetedRun:
    """One training; `fit` brings it to its end from wherever it stands."""

    def __init__(
        self, network: nn.Module, recipe: Recipe, *, checkpoint: Path, fingerprint: str
    ) -> None:
        """Begin anew, or where `checkpoint` was written.

        Args:
            network: what is trained, in place.
            recipe: how; its optimiser must hold the network's parameters.
            checkpoint: file that the run is kept in until it has ended.
            fingerprint: of all that the run depends on.

        Raises:
            TextsrError: if the checkpoint is of a run with another fingerprint.
        """
        self.curve: list[CurvePoint] = []
        self._network = network
        self._recipe = recipe
        self._checkpoint = checkpoint
        self._fingerprint = fingerprint
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
            errors.append(self._step(make_batch(self._steps), self._spent / budget))
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

    def _step(self, batch: Batch, share: float) -> float:
        optimizer = self._recipe.optimizer
        for group in optimizer.param_groups:
            group["lr"] = self._recipe.rate(share)
        optimizer.zero_grad()
        upscaled = self._network(batch.lr)
        torch.autograd.backward(self._recipe.loss(upscaled, batch.hr))
        nn.utils.clip_grad_norm_(self._network.parameters(), self._recipe.clip_norm)
        optimizer.step()
        if self._average is not None:
            self._average.update_parameters(self._network)
        return float(mse(upscaled.detach(), batch.hr))

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
