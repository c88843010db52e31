"""Trying changes of the recipe: objectives, networks, and a study from training to picture."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from guessing import Guess
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.exploration import losses, networks, speed, study
from benchmarks.exploration.changes import BASE, CHANGES, Change, Made, Setting, begin
from textsr.config import project
from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.files import read_json
from textsr.models.encoder import build_encoder
from textsr.models.upsampler import UpsamplerNet
from textsr.pretrained import load_reference
from textsr.tracking.client import Tracker
from textsr.training.run import ENCODER_WEIGHTS

TRAIN = study.train
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

    # What is changed twice is another than what is changed once, too.
    once = {"gradient": "charbonnier", "reader-blended": "reader"}.get(name, BASE)
    found, base = first_step(CHANGES[name]), first_step(CHANGES[once])
    same = all(torch.equal(mine, its) for mine, its in zip(found, base, strict=True))
    assert same == (name == once)


def test_further_training_starts_as_the_package(setting: Setting) -> None:
    trial = begin(replace(setting, start="package"), CHANGES[BASE])
    assert trial.learning_rate == setting.params.training.reference.learning_rate
    assert all(parameter.requires_grad for parameter in trial.network.parameters())
    package = load_reference().network.state_dict()
    assert all(torch.equal(trial.network.state_dict()[key], v) for key, v in package.items())


def test_which_changes_are_tried(setting: Setting) -> None:
    further = replace(setting, start="package")
    assert study.choose([], setting) == list(CHANGES)
    assert study.choose([], further) == [n for n, c in CHANGES.items() if not c.fresh]
    assert study.choose(["ssim"], further) == [BASE, "ssim"]
    with pytest.raises(TextsrError, match="gan: no such change; choose of mse, "):
        study.choose(["gan"], setting)
    with pytest.raises(TextsrError, match="wide: is another network; use --start scratch"):
        study.choose(["ssim", "wide"], further)
    bare = replace(setting, encoders=setting.encoders / "none")
    with pytest.raises(TextsrError, match=r"none/simclr/encoder: .*dvc repro pretrain@simclr"):
        study.choose([], bare)
    assert study.choose(["ssim"], bare) == [BASE, "ssim"]
    synthesis = setting.params.synthesis.model_copy(update={"scale": 2})
    other = setting.params.model_copy(update={"synthesis": synthesis})
    with pytest.raises(TextsrError, match="of another scale"):
        study.choose(["ssim"], replace(further, params=other))


def test_speeds_are_side_by_side(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By a clock that each work moves on: the second trains at half the speed and upscales at twice.
    now = 0.0

    def takes(seconds: float) -> Callable[[int], None]:
        def work(turn: int) -> None:
            nonlocal now
            now += seconds * (1000 if turn == 0 else 1)  # warming up is not counted

        return work

    training, upscaling = {BASE: 4.0, "wide": 8.0}, {BASE: 2.0, "wide": 1.0}
    with monkeypatch.context() as patch:
        patch.setattr(speed.time, "perf_counter", lambda: now)
        patch.setattr(speed, "_training", lambda name, *rest: takes(training[name]))
        patch.setattr(speed, "_upscaling", lambda name, *rest: takes(upscaling[name]))
        table = speed.measure([BASE, "wide"], setting, tmp_path)
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    steps, lines = speed.STEPS, speed.LINES
    assert rows[0][1:] == [f"{steps / 4:.1f}", "1.00", f"{lines / 2:.1f}", "1.00"]
    assert rows[1][1:] == [f"{steps / 8:.1f}", "0.50", f"{lines:.1f}", "2.00"]


def test_what_speeds_are_taken_of_trains_and_upscales(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "ROUNDS", 1)
    monkeypatch.setattr(speed, "STEPS", 1)
    turns: list[None] = []
    folder = tmp_path / "speed"
    folder.mkdir()
    names = [BASE, "reparameterised", "spelling"]
    table = speed.measure(names, setting, folder, lambda: turns.append(None))
    assert len(turns) == 2 * len(names)
    assert not list(folder.iterdir())
    assert [row.split(":")[0] for row in table.splitlines()[2:]] == [f"| {n}" for n in names]


class Studies:
    """Runs studies in a folder of their own, and counts the trainings."""

    def __init__(
        self, setting: Setting, data: Path, folder: Path, patch: pytest.MonkeyPatch
    ) -> None:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(project, "DATASET", setting.dataset)
        patch.setattr(project, "DATA", data)
        patch.setattr(study, "available_readers", lambda threads: [Guess()])
        patch.setattr(study, "train", self._train)
        self.trained: list[str] = []
        self.folder = folder / "out/scratch-0.02-minutes-6-lines"
        self._setting = setting
        self._real_train = TRAIN

    def _train(self, name: str, *arguments: Any) -> Any:
        self.trained.append(name)
        return self._real_train(name, *arguments)

    def __call__(self, **training: float) -> list[str]:
        """Study a change; return what was trained for it."""
        params = self._setting.params
        changed = params.training.model_copy(update=training)
        arguments = argparse.Namespace(
            changes=["reader-blended"],
            start="scratch",
            minutes=0.02,
            lines=6,
            threads=1,
            output=self.folder.parent,
        )
        self.trained = []
        study._study(params.model_copy(update={"training": changed}), arguments)
        return self.trained

    def runs(self) -> list[Any]:
        client = Tracker(Path.cwd()).client
        name = f"{self._setting.params.tracking.experiment}-exploration"
        return list(client.search_runs([client.get_experiment_by_name(name).experiment_id]))


@pytest.fixture
def studies(
    setting: Setting, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Studies:
    return Studies(setting, data, tmp_path, monkeypatch)


def test_a_study_trains_reads_tracks_and_keeps_what_is_done(
    studies: Studies, capsys: pytest.CaptureFixture[str]
) -> None:
    assert studies() == [BASE, "reader-blended"]
    report = (studies.folder / "report.md").read_text()
    assert capsys.readouterr().out.startswith(report)
    for heading in ("### the output alone", "### blended at 0.4", "| guess, CER |"):
        assert heading in report
    for name in (BASE, "reader-blended"):
        assert report.count(f"| {name}: {CHANGES[name].what} |") == 2
        [done] = [path for path in studies.folder.glob(f"{name}-*") if path.is_dir()]
        assert {path.name for path in done.iterdir()} == {"record.json", "samples.parquet"}
        assert read_json(done / "record.json")["steps"] > 0
    assert (studies.folder / "report.png").read_bytes()[:4] == b"\x89PNG"
    runs = {run.info.run_name: run for run in studies.runs()}
    assert set(runs) == {BASE, "reader-blended"}
    base = runs[BASE]
    assert base.info.status == "FINISHED"
    for name in ("at 1/guess_gain", "at 0.4/guess_gain_low", "at 1/psnr_db", "steps"):
        assert name in base.data.metrics
    assert base.data.tags["git_commit"]
    assert base.data.params["minutes"] == "0.02"
    # Again, nothing is trained; with other params, all is, and compared with its own like.
    assert studies() == []
    assert capsys.readouterr().out.startswith(report)
    assert studies(learning_rate=0.01) == [BASE, "reader-blended"]
    assert len(studies.runs()) == 4


def test_a_study_that_is_cut_off_makes_each_run_once(
    studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def cut_off(*arguments: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(study, "set_metrics", cut_off)
        with pytest.raises(KeyboardInterrupt):
            studies()
    assert [run.info.status for run in studies.runs()] == ["FAILED"]
    with monkeypatch.context() as patch:
        patch.setattr(study, "write_samples", cut_off)
        # The scores of bicubic are kept by another function.
        with pytest.raises(KeyboardInterrupt):
            studies()
    assert studies() == [BASE, "reader-blended"]  # from the checkpoint, at its end
    assert sorted(run.info.status for run in studies.runs()) == ["FAILED", "FINISHED", "FINISHED"]
