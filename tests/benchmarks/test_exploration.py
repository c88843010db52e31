"""Trying changes of the recipe: objectives, networks, and a study from training to picture."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.exploration import losses, networks, study
from benchmarks.exploration.changes import BASE, CHANGES, Change, Made, Setting, begin
from textsr import project
from textsr.datasets.shards import Image
from textsr.errors import TextsrError
from textsr.files import read_json
from textsr.models.encoder import build_encoder
from textsr.models.upsampler import UpsamplerNet
from textsr.params import Params
from textsr.tracking import Tracker
from textsr.training.run import ENCODER_WEIGHTS

LOSSES = [
    losses.charbonnier,
    losses.gradient_difference,
    losses.spectral,
    losses.dissimilarity,
]


@pytest.fixture
def setting(tiny_params: Params, dataset: Path, tmp_path: Path) -> Setting:
    folder = tmp_path / "encoders/simclr/encoder"
    folder.mkdir(parents=True)
    torch.manual_seed(7)
    encoder = build_encoder("text", tiny_params.training.width)
    save_file(encoder.state_dict(), folder / ENCODER_WEIGHTS)
    return Setting(tiny_params, dataset, tmp_path / "encoders", "scratch")


@pytest.mark.parametrize("loss", LOSSES)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), strength=st.floats(0.05, 0.5))
def test_a_loss_is_least_where_nothing_differs(
    loss: Callable[[Tensor, Tensor], Tensor], seed: int, strength: float
) -> None:
    drawn = torch.Generator().manual_seed(seed)
    hr = torch.rand(1, 1, 16, 24, generator=drawn)
    other = hr + strength * torch.randn(hr.shape, generator=drawn)
    same = float(loss(hr, hr))
    assert same == pytest.approx(1e-3 if loss is losses.charbonnier else 0, abs=1e-6)
    assert float(loss(other, hr)) > same
    other.requires_grad_(True)
    loss(other, hr).backward()
    assert bool(other.grad.isfinite().all())


def test_losses_are_what_their_papers_say() -> None:
    drawn = torch.Generator().manual_seed(0)
    hr, other = (torch.rand(2, 1, 8, 12, generator=drawn) for _ in range(2))
    difference = (other - hr).numpy()
    expected = np.abs(np.fft.rfft2(difference, norm="ortho")).mean()
    assert float(losses.spectral(other, hr)) == pytest.approx(expected, rel=1e-5)
    assert float(losses.charbonnier(other, hr)) == pytest.approx(
        np.sqrt(difference**2 + 1e-6).mean(), rel=1e-5
    )
    expected = (
        np.abs(np.diff(difference, axis=3)).mean() + np.abs(np.diff(difference, axis=2)).mean()
    )
    assert float(losses.gradient_difference(other, hr)) == pytest.approx(expected, rel=1e-5)
    # An even difference in brightness has no gradient, and is no matter of edges.
    assert float(losses.gradient_difference(hr + 0.3, hr)) == pytest.approx(0, abs=1e-6)


def test_three_branches_become_the_one_convolution_that_does_the_same() -> None:
    torch.manual_seed(0)
    network = networks.reparameterised(UpsamplerNet("text", 8, 4)).double().eval()
    plain = len(UpsamplerNet("text", 8, 4).state_dict())
    assert len(network.state_dict()) > plain
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    images = torch.rand(1, 1, 16, 32, dtype=torch.float64)
    with torch.no_grad():
        before = network(images)
        networks.fuse(network)
        assert len(network.state_dict()) == plain
        torch.testing.assert_close(network(images), before, rtol=1e-5, atol=1e-6)


def test_attention_changes_nothing_at_first_and_then_sees_the_whole_line() -> None:
    torch.manual_seed(0)
    attend = networks.LineAttention(16).eval()
    features = torch.rand(2, 16, 1, 40)
    with torch.no_grad():
        torch.testing.assert_close(attend(features), features)
        torch.nn.init.normal_(attend.attend.out_proj.weight)
        before = attend(features)
        features[0, :, :, 0] = torch.rand(16, 1)
        changed = (attend(features) - before).abs().amax((1, 2))
    assert bool((changed[0] > 0).all())
    assert float(changed[1].max()) == 0


@pytest.mark.parametrize("name", list(CHANGES))
def test_each_change_can_be_trained_and_changes_something(name: str, setting: Setting) -> None:
    def first_step(change: Change) -> tuple[Tensor, ...]:
        trial = begin(setting, change)
        torch.nn.init.normal_(trial.network.to_hr[0].weight, std=0.1)
        batch = trial.batches(1)
        upscaled, frames = trial.network.upscale(batch.lr)
        made = Made(batch, upscaled, frames, 1)
        loss = torch.stack([weight * term(made) for weight, term in trial.terms]).sum()
        parameters = [
            *trial.network.parameters(),
            *(p for head in trial.heads for p in head.parameters()),
        ]
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        assert all(g is None or bool(g.isfinite().all()) for g in gradients)
        assert sum(g is not None and bool(g.abs().max() > 0) for g in gradients) > 20
        average = torch.tensor(trial.ema_decay or 0)
        rate = torch.tensor(trial.learning_rate)
        fed = torch.stack([trial.batches(step).lr.sum() for step in range(16)])
        return (loss.detach(), fed, torch.tensor(len(gradients)), average, rate)

    found, base = first_step(CHANGES[name]), first_step(CHANGES[BASE])
    same = all(torch.equal(mine, its) for mine, its in zip(found, base, strict=True))
    assert same == (name == BASE)


def test_further_training_starts_as_the_package(setting: Setting) -> None:
    trial = begin(replace(setting, start="package"), CHANGES[BASE])
    assert trial.learning_rate == setting.params.training.reference.learning_rate
    assert all(parameter.requires_grad for parameter in trial.network.parameters())
    assert float(trial.network.to_hr[0].weight.detach().abs().max()) > 0


def test_which_changes_are_tried() -> None:
    assert study.choose([], "scratch") == list(CHANGES)
    assert study.choose([], "package") == [n for n, c in CHANGES.items() if not c.fresh]
    assert study.choose(["ssim"], "package") == [BASE, "ssim"]
    with pytest.raises(TextsrError, match="gan: no such change; choose of mse, "):
        study.choose(["gan"], "scratch")
    with pytest.raises(TextsrError, match="wide: is another network; use --start scratch"):
        study.choose(["ssim", "wide"], "package")


class Guess:
    """Reads by brightness: enough to tell images apart."""

    name = "guess"

    def read(self, line: Image) -> str:
        return str(round(float(line.mean())))


def test_a_study_trains_reads_tracks_and_keeps_what_is_done(
    setting: Setting,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(project, "DATASET", setting.dataset)
    monkeypatch.setattr(project, "DATA", data)
    monkeypatch.setattr(study, "available_readers", lambda threads: [Guess()])
    arguments = argparse.Namespace(
        changes=["reader-blended"],
        start="scratch",
        minutes=0.02,
        lines=6,
        threads=1,
        output=tmp_path / "out",
    )
    study._study(setting.params, arguments)
    folder = tmp_path / "out/scratch-0.02-minutes"
    report = (folder / "report.md").read_text()
    assert capsys.readouterr().out.startswith(report)
    for heading in ("### the output alone", "### blended at 0.4", "| guess, CER |"):
        assert heading in report
    for name in (BASE, "reader-blended"):
        assert report.count(f"| {name}: {CHANGES[name].what} |") == 2
        assert {p.name for p in (folder / f"{name}-6").iterdir()} == {
            "record.json",
            "samples.parquet",
        }
        assert read_json(folder / f"{name}-6/record.json")["steps"] > 0
    assert (folder / "report.png").read_bytes()[:4] == b"\x89PNG"
    client = Tracker(tmp_path).client
    experiment = client.get_experiment_by_name(
        f"{setting.params.tracking.experiment}-exploration"
    ).experiment_id
    runs = {run.info.run_name: run.data for run in client.search_runs([experiment])}
    assert set(runs) == {BASE, "reader-blended"}
    metrics = runs[BASE].metrics
    for name in ("at 1/guess_gain", "at 0.4/guess_gain_low", "at 1/psnr_db", "lines_per_second"):
        assert name in metrics
    assert runs[BASE].tags["git_commit"]

    def refuse(*arguments: object) -> None:
        raise AssertionError("trained anew")

    monkeypatch.setattr(study, "train", refuse)
    study._study(setting.params, arguments)
    assert capsys.readouterr().out.startswith(report)
