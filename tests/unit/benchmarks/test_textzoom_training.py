"""Training peers for a time: killed and resumed to the same bits, written and read back."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.budget import BudgetedRun, CurvePoint
from benchmarks.textzoom.package import PeerSpec, build_peer, load_peer
from benchmarks.textzoom.recipes import build_recipe
from benchmarks.textzoom.train import train
from textsr.config.params import Params
from textsr.datasets.pairs import Batch
from textsr.errors import TextsrError

NAMES = ["tsrn", "tbsrn", "ours"]


class Killed(BaseException):
    """Ends a training as a signal would: nothing more is saved."""


class Time:
    """A second a batch; kills when it makes the batch of step `kill_at`."""

    def __init__(self, kill_at: int | None = None) -> None:
        self.now = 100.0
        self._kill_at = kill_at

    def make_batch(self, step: int) -> Batch:
        if step == self._kill_at:
            raise Killed
        self.now += 1
        drawn = torch.Generator().manual_seed(step)
        hr = torch.rand(2, 1, 16, 32, generator=drawn)
        return Batch(nn.functional.avg_pool2d(hr, 2), hr)


def spec(name: str) -> PeerSpec:
    return PeerSpec.model_validate({"name": name, "scale": 2, "encoder": "text", "width": 8})


def fit(
    name: str, params: Params, checkpoint: Path, time: Time, budget: float = 6
) -> tuple[dict[str, torch.Tensor], list[CurvePoint]]:
    torch.manual_seed(0)
    network = build_peer(spec(name))
    recipe = build_recipe(name, params.training, network, 1e-3)
    run = BudgetedRun(network, recipe, checkpoint=checkpoint, fingerprint=name)
    trained = run.fit(
        time.make_batch,
        clock=lambda: time.now,
        budget=budget,
        save_every=2,
        report=lambda point: None,
    )
    return trained.state_dict(), run.curve


@pytest.mark.parametrize("name", NAMES)
def test_killed_training_resumes_to_the_same_bits(
    name: str, tiny_params: Params, tmp_path: Path
) -> None:
    expected, curve = fit(name, tiny_params, tmp_path / "unbroken.pt", Time())
    checkpoint = tmp_path / "killed.pt"
    with pytest.raises(Killed):
        fit(name, tiny_params, checkpoint, Time(kill_at=5))  # after the checkpoint of step 4
    state, resumed_curve = fit(name, tiny_params, checkpoint, Time())
    assert [point.steps for point in curve] == [2, 4, 6]
    assert resumed_curve == curve
    assert all(torch.equal(state[key], value) for key, value in expected.items())


def test_checkpoint_of_another_training_is_refused(tiny_params: Params, tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.pt"
    fit("tsrn", tiny_params, checkpoint, Time(), budget=2)
    with pytest.raises(TextsrError, match=r"run\.pt: of a training with other"):
        fit("tbsrn", tiny_params, checkpoint, Time(), budget=2)


@pytest.mark.parametrize("name", NAMES)
def test_loss_falls(name: str, tiny_params: Params, tmp_path: Path) -> None:
    time = Time()
    torch.manual_seed(0)
    network = build_peer(spec(name))
    recipe = build_recipe(name, tiny_params.training, network, 1e-3)
    run = BudgetedRun(network, recipe, checkpoint=tmp_path / "run.pt", fingerprint="")

    def make_batch(step: int) -> Batch:  # always one, LR too dark
        hr = time.make_batch(0).hr
        return Batch(nn.functional.avg_pool2d(hr, 2) / 2, hr)

    run.fit(make_batch, clock=lambda: time.now, budget=20, save_every=5, report=lambda p: None)
    assert run.curve[-1].mse < 0.9 * run.curve[0].mse


def test_our_rate_warms_up_and_falls_along_the_budget(tiny_params: Params) -> None:
    training = tiny_params.training.model_copy(update={"warmup_fraction": 0.2})
    rate = build_recipe("ours", training, build_peer(spec("ours")), 1e-3).rate
    rates = [rate(share) for share in (0, 0.1, 0.2, 0.6, 1)]
    assert rates == pytest.approx([0, 5e-4, 1e-3, 5e-4, 0], abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_trained_network_is_written_and_read_back(
    name: str, tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    output = tmp_path / name
    train(name, tiny_params, dataset, output, minutes=0.001)
    assert {path.name for path in tmp_path.iterdir()} == {name}  # no checkpoint is left
    record = json.loads((output / "peer.json").read_text())
    assert record["curve"][-1]["steps"] >= 1
    network = load_peer(output)
    assert not network.training
    assert network.scale == 4
    with torch.inference_mode():
        assert network(torch.rand(1, 1, 16, 20)).shape == (1, 1, 64, 80)


def test_what_is_no_peer_is_named(tiny_params: Params, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match=r"peer\.json.*textzoom\.train"):
        load_peer(tmp_path)
    (tmp_path / "peer.json").write_text('{"spec": 1}')
    with pytest.raises(TextsrError, match="not a record of a training"):
        load_peer(tmp_path)
    train("tsrn", tiny_params, dataset, tmp_path / "t", minutes=0.001)
    weights = tmp_path / "t" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(TextsrError, match="not the weights of tsrn"):
        load_peer(tmp_path / "t")
