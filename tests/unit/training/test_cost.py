"""What a training took, also of one that was killed and resumed."""

from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from textsr.config.params import Params
from textsr.models.package import count_parameters, load_model
from textsr.training import cost as module
from textsr.training.cost import Cost
from textsr.training.fitting import fit
from textsr.training.run import plan_training, run_training


class Plane(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))

    def training_step(self, batch: Tensor, batch_index: int) -> Tensor:
        return self.weight * batch

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Killed(BaseException):
    """Ends a fit as a signal would."""


def tick_from(seconds: int, patch: pytest.MonkeyPatch) -> None:
    """A clock that is a second on at each look."""
    ticks = count(seconds)
    patch.setattr(module, "time", SimpleNamespace(monotonic=lambda: next(ticks)))


def test_a_resumed_training_tells_the_time_of_all_its_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(cost: Cost, killed_at: int = -1) -> None:
        def kill(metrics: object, step: int) -> None:
            if step == killed_at:
                raise Killed

        fit(
            Plane(), torch.tensor, steps=6, checkpoint_every=2, checkpoints=tmp_path, seed=0,
            on_metrics=kill, cost=cost,
        )  # fmt: skip

    tick_from(50, monkeypatch)
    with pytest.raises(Killed):
        run(Cost(), killed_at=4)  # before the second checkpoint is written
    tick_from(1000, monkeypatch)
    resumed = Cost()
    run(resumed)
    assert (resumed.steps, resumed.seconds) == (6, 3.0)
    assert resumed.peak_memory_mb > 10
    # Killed after its last step, before its result was kept.
    tick_from(9000, monkeypatch)
    again = Cost()
    run(again)
    assert (again.steps, again.seconds) == (6, 3.0)


def test_a_training_tells_its_cost(
    tiny_params: Params, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = tiny_params.models["srcnn_transposed"].model_copy(update={"steps": 1})
    params = tiny_params.model_copy(update={"models": {"srcnn_transposed": model}})
    run = plan_training("srcnn_transposed", params, dataset, None, tmp_path)
    cost = run_training(run, tmp_path / "model", lambda metrics, step: None).cost
    assert cost["steps_done"] == 1
    assert cost["train_seconds"] > 0
    assert cost["parameters"] == count_parameters(load_model(tmp_path / "model").network)
