"""How sure a network is, outputs put together by it, and the study of them."""

import argparse
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from guessing import Guess
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from benchmarks.exploration import outputs, uncertainty
from benchmarks.exploration.rules import (
    BASE,
    RULES,
    Outputs,
    by_contrast,
    by_letter,
    fixed,
    put_together,
)
from benchmarks.exploration.uncertainty import (
    ErrorHead,
    calibration,
    likelihood_loss,
    squared_errors,
)
from textsr.config import project
from textsr.config.params import Params
from textsr.datasets.shards import Image
from textsr.errors import TextsrError
from textsr.models.package import ModelSpec, build_network, save_model
from textsr.models.upsampler import UpsamplerNet
from textsr.tracking.client import Tracker


def line(seed: int = 0, height: int = 16, width: int = 40) -> Outputs:
    """A line of noise, with some variances."""
    drawn = np.random.default_rng(seed)
    low, high = drawn.random((2, 4 * height, 4 * width), np.float32)
    lr, variance = drawn.random((2, height, width), np.float32)
    return Outputs(lr, low, high, variance * 0.01 + 1e-4)


@pytest.mark.parametrize("size", [(1, 1), (13, 37), (16, 64)])
def test_a_head_says_what_its_frozen_network_says_and_a_variance_a_pixel(
    size: tuple[int, int],
) -> None:
    torch.manual_seed(0)
    network = UpsamplerNet("text", 8, 4)
    torch.nn.init.normal_(network.to_hr[0].weight, std=0.1)  # type: ignore[arg-type]
    head = ErrorHead(network)
    images = torch.rand(2, 1, *size)
    upscaled, log_variances = head(images)
    assert torch.equal(upscaled, network(images))
    assert log_variances.shape == images.shape
    squared = squared_errors(upscaled, torch.rand_like(upscaled), 4)
    likelihood_loss(log_variances, squared).backward()
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(key.startswith("body.") for key in head.state_dict())
    assert sum(float(p.grad.abs().sum()) for p in head.parameters()) > 0  # type: ignore[union-attr]


def test_a_head_learns_where_errors_are() -> None:
    torch.manual_seed(0)
    head = ErrorHead(UpsamplerNet("text", 8, 4))  # untrained: it is bicubic
    optimizer = torch.optim.Adam(head.parameters(), 1e-2)
    lr = torch.full((4, 1, 16, 32), 0.2)
    lr[..., 16:] = 0.8
    noise = torch.where(lr > 0.5, 0.2, 0.02)
    for _ in range(150):
        upscaled, log_variances = head(lr)
        spread = torch.nn.functional.interpolate(noise, scale_factor=4.0)
        hr = upscaled + spread * torch.randn(upscaled.shape)
        optimizer.zero_grad()
        likelihood_loss(log_variances, squared_errors(upscaled, hr, 4)).backward()
        optimizer.step()
    found = head(lr)[1].exp().sqrt().mean((0, 1, 2))
    # Apart from where both meet.
    torch.testing.assert_close(found[2:12], torch.full((10,), 0.02), rtol=0.25, atol=0)
    torch.testing.assert_close(found[20:30], torch.full((10,), 0.2), rtol=0.25, atol=0)


def test_an_error_is_of_all_hr_pixels_of_an_lr_pixel() -> None:
    upscaled, hr = torch.rand(2, 3, 1, 8, 12)
    found = squared_errors(upscaled, hr, 4)
    difference = (upscaled - hr).numpy() ** 2
    expected = difference.reshape(3, 1, 2, 4, 3, 4).mean((3, 5))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5)


@settings(deadline=None)
@given(squared=st.floats(1e-4, 1), other=st.floats(0.05, 20))
def test_the_likeliest_variance_is_the_squared_error(squared: float, other: float) -> None:
    error = torch.tensor([squared])
    right = float(likelihood_loss(error.log(), error))
    normal = torch.distributions.Normal(0.0, error.sqrt())
    without_constant = -float(normal.log_prob(error.sqrt())) - float(np.log(2 * np.pi)) / 2
    assert right == pytest.approx(without_constant, rel=1e-4, abs=1e-5)
    assert float(likelihood_loss((other * error).log(), error)) >= right - 1e-6


@settings(deadline=None)
@given(seed=st.integers(0, 99), height=st.integers(1, 24), width=st.integers(1, 60))
def test_weights_are_weights(seed: int, height: int, width: int) -> None:
    made = line(seed, height, width)
    for rule in (fixed(0.4), by_letter(0.4, 0.8), by_contrast(0.8)):
        weights = rule(made)
        assert weights.shape == made.lr.shape
        assert float(weights.min()) >= 0
        assert float(weights.max()) <= 1
        image = put_together(made, weights)
        assert image.shape == made.low.shape
        assert bool((image >= np.minimum(made.low, made.high) - 1e-6).all())
        assert bool((image <= np.maximum(made.low, made.high) + 1e-6).all())


def test_a_letter_is_trusted_by_what_is_around_it() -> None:
    made = line()
    rule = by_letter(0.4, 0.8)
    even = made._replace(variance=np.full_like(made.variance, 0.01))
    np.testing.assert_allclose(rule(even), 0.4, rtol=1e-4)
    variance = even.variance.copy()
    variance[:, 18:24] = 0.09
    weights = rule(made._replace(variance=variance))
    assert float(weights[:, 20].max()) < 0.3
    assert float(weights[:, :12].min()) > 0.4
    # By how uncertain all of it is, nothing changes.
    np.testing.assert_allclose(rule(made._replace(variance=5 * variance)), weights, rtol=1e-3)


def test_a_letter_is_as_wide_as_its_line_is_high() -> None:
    small = line()
    variance = small.variance.copy()
    variance[:, 18:24] *= 9
    small = small._replace(variance=variance)
    large = Outputs(*(np.kron(plane, np.ones((2, 2), np.float32)) for plane in small))
    for rule in (by_letter(0.4, 0.8), by_contrast(0.8)):
        twice = rule(large).reshape(16, 2, 40, 2).mean((1, 3))
        np.testing.assert_allclose(twice, rule(small), atol=0.05)


def test_errors_as_large_as_the_contrast_are_not_trusted() -> None:
    made = line()
    rule = by_contrast(0.8)
    assert float(rule(made._replace(variance=np.zeros_like(made.variance))).min()) == 1
    assert float(rule(made._replace(variance=np.ones_like(made.variance))).max()) == 0
    half = rule(made._replace(variance=np.full_like(made.variance, 0.02)))
    assert 0 < float(half.mean()) < 1


def test_put_together_by_0_and_1_are_bicubics_and_the_networks() -> None:
    made = line()
    np.testing.assert_allclose(put_together(made, fixed(0)(made)), made.low, atol=1e-6)
    np.testing.assert_allclose(put_together(made, fixed(1)(made)), made.high, atol=1e-6)


def test_calibration_finds_who_expects_too_little() -> None:
    drawn = np.random.default_rng(0)
    variances = drawn.uniform(1e-4, 1e-2, 100_000).astype(np.float32)
    squared = (drawn.normal(size=100_000) ** 2 * variances).astype(np.float32)
    right = calibration(variances, squared)
    assert len(right) == 10
    assert right["expected"].is_monotonic_increasing
    np.testing.assert_allclose(right["found"], right["expected"], rtol=0.03)
    bold = calibration(variances / 4, squared)
    np.testing.assert_allclose(bold["found"], 2 * bold["expected"], rtol=0.03)


class Studies:
    """Runs studies in a folder of their own; a training of six steps."""

    def __init__(
        self, params: Params, data: Path, dataset: Path, folder: Path, patch: pytest.MonkeyPatch
    ) -> None:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(project, "DATASET", dataset)
        patch.setattr(project, "DATA", folder / "data")
        patch.setattr(outputs, "available_readers", lambda threads: [Guess()])
        seconds = iter(range(1_000_000))
        patch.setattr(uncertainty.time, "process_time", lambda: next(seconds))
        shutil.copytree(data, folder / "data", symlinks=True)
        self.params = params
        self.folder = folder / "out"
        torch.manual_seed(1)
        self.save_model(ModelSpec(**UPSAMPLER))

    def save_model(self, spec: ModelSpec) -> None:
        save_model(Path("mine"), spec, build_network(spec))

    def __call__(self, *, lines: int = 6, minutes: float = 0.1) -> str:
        arguments = argparse.Namespace(
            model=Path("mine"), output=self.folder, minutes=minutes, lines=lines, threads=1
        )
        return outputs.study_outputs(self.params, arguments)

    def runs(self) -> list[Any]:
        client = Tracker(Path.cwd()).client
        name = f"{self.params.tracking.experiment}-exploration"
        return list(client.search_runs([client.get_experiment_by_name(name).experiment_id]))


UPSAMPLER: dict[str, Any] = {
    "name": "mine",
    "architecture": "upsampler",
    "encoder": "text",
    "width": 8,
    "scale": 4,
}


@pytest.fixture
def studies(
    tiny_params: Params, data: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Studies:
    return Studies(tiny_params, data, dataset, tmp_path, monkeypatch)


def add_real_set(folder: Path) -> None:
    """Three crops of a height of their own, whose HR is not known."""
    folder.mkdir(parents=True)
    rows = ["file\ttext"]
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), np.full((20, 50), 60 * number, np.uint8))
        rows.append(f"{number}.png\t{60 * number}")
    (folder / "labels.tsv").write_text("\n".join(rows) + "\n")


def test_a_study_learns_reads_tracks_and_keeps_what_is_done(
    studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_real_set(Path("data/real/crops"))
    report = studies()
    assert "### fresh: 6 lines; bicubic: guess " in report
    assert "### crops: 3 lines; bicubic: guess " in report
    assert f"| guess over {BASE} |" in report
    for name, (what, _) in RULES.items():
        assert report.count(f"| {name}: {what} |") == 2
    assert report.count(" | - | - | ") == len(RULES)  # crops have no HR
    [folder] = studies.folder.iterdir()
    assert (folder / "report.md").read_text() in report
    for picture in ("calibration.png", "fresh.png", "crops.png"):
        assert (folder / picture).read_bytes()[:4] == b"\x89PNG"
    assert not (folder / "checkpoint.pt").exists()
    head = load_file(folder / "head.safetensors")
    assert float(head["body.4.weight"].abs().max()) > 0  # 0 before the first step

    runs = studies.runs()
    assert {run.info.run_name for run in runs} == set(RULES)
    for run in runs:
        assert "fresh/guess_gain" in run.data.metrics
        assert "crops/guess_gain" in run.data.metrics
        assert not any(value.startswith("/") for value in run.data.params.values())

    def unasked(line: Image) -> str:
        raise AssertionError("read again")

    monkeypatch.setattr(outputs, "fit", None)
    with monkeypatch.context() as patch:
        patch.setattr(Guess, "read", staticmethod(unasked))
        assert studies() == report
    assert len(studies.runs()) == len(RULES)
    # Another rule is read; the others are not, nor is the head trained anew.
    read: list[Image] = []

    def counted(line: Image) -> str:
        read.append(line)
        return ""

    monkeypatch.setitem(RULES, "0.3", ("another", fixed(0.3)))  # type: ignore[arg-type]
    monkeypatch.setattr(Guess, "read", staticmethod(counted))
    assert "| 0.3: another |" in studies()
    assert len(read) == 6 + 3


def test_a_study_that_is_cut_off_goes_on(studies: Studies, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    real = outputs.make_batches

    def make_batches(*arguments: Any, **options: Any) -> Any:
        batches = real(*arguments, **options)

        def counted(step: int) -> Any:
            steps.append(step)
            return batches(step)

        return counted

    monkeypatch.setattr(outputs, "make_batches", make_batches)
    with monkeypatch.context() as patch:

        def cut_off(*arguments: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(outputs, "save_file", cut_off)
        with pytest.raises(KeyboardInterrupt):
            studies(lines=2)
    trained = len(steps)
    assert trained > 1
    studies(lines=2)
    assert len(steps) == trained  # from the checkpoint, at its end
    # Another model has another head.
    studies.save_model(ModelSpec(**UPSAMPLER))
    studies(lines=2)
    assert len(steps) == 2 * trained


def test_a_study_needs_an_upsampler_of_its_scale_and_names_apart(studies: Studies) -> None:
    spec = ModelSpec(name="mine", architecture="seed", scale=4)
    studies.save_model(spec)
    with pytest.raises(TextsrError, match="mine: scale 4, seed; name an upsampler of scale 4"):
        studies()
    shutil.rmtree("mine")
    with pytest.raises(TextsrError, match="name a model folder"):
        studies()
    studies.save_model(ModelSpec(**UPSAMPLER))
    add_real_set(Path("data/real/fresh"))
    with pytest.raises(TextsrError, match=r"data/real/fresh: .*rename it"):
        studies()
