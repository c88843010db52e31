"""The recognizer's stage: it learns to read, resumes, and without steps is the package's own."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from textsr import pretrained
from textsr.config.params import Params
from textsr.datasets.pairs import Batch, PairBatches, shuffled_pairs
from textsr.datasets.shards import iterate_rows
from textsr.models.bicubic import bicubic
from textsr.models.recognizer import Recognizer, load_recognizer
from textsr.pretrained import RECOGNIZER
from textsr.training import recognizer as stage
from textsr.training.fitting import fit
from textsr.training.recognizer import RecognizerTraining, run_recognizer

pytestmark = pytest.mark.slow


def with_steps(params: Params, steps: int) -> Params:
    section = params.recognizer.model_copy(
        update={
            "from_pretrained": False,
            "steps": steps,
            "batch_size": 4,
            "checkpoint_every_steps": 2,
        }
    )
    return params.model_copy(update={"recognizer": section})


@pytest.mark.parametrize("steps", [0, 3])
def test_stage_writes_a_recognizer_that_can_be_loaded(
    tiny_params: Params,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    run_recognizer(with_steps(tiny_params, steps), dataset, tmp_path / "out")
    recognizer = load_recognizer(tmp_path / "out/recognizer")
    assert recognizer.head.alphabet == "".join(sorted(recognizer.head.alphabet))
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    assert metrics["step"] == steps
    assert ("val_hr" in metrics) == (steps > 0)
    families = {row["font_family"] for row in iterate_rows(dataset / "train", ["font_family"])}
    assert metrics["train_lines"] == tiny_params.synthesis.samples.train
    assert metrics["train_families"] == len(families) > 1
    assert not list(tmp_path.glob(".checkpoints/recognizer/*"))


def test_it_learns_from_the_extra_datasets_too(
    mixed_params: Params,
    dataset: Path,
    extra_datasets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    heights = []

    def losses(self: Recognizer, lines: torch.Tensor, *rest: Any) -> torch.Tensor:
        heights.append(lines.shape[2])
        return read(self, lines, *rest)

    read = Recognizer.losses
    monkeypatch.setattr(Recognizer, "losses", losses)
    run_recognizer(with_steps(mixed_params, 3), dataset, tmp_path / "out", extra_datasets)
    assert sorted(heights) == [64, 64, 96]
    assert json.loads((tmp_path / "out/metrics.json").read_text())["train_lines"] == 96 + 40
    texts = {
        row["text"]
        for folder in (dataset, extra_datasets / "tall")
        for row in iterate_rows(folder / "train", ["text"])
    }
    alphabet = load_recognizer(tmp_path / "out/recognizer").head.alphabet
    assert alphabet == "".join(sorted(set("".join(texts))))


def test_without_steps_it_is_the_packages_own(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    run_recognizer(tiny_params, dataset, tmp_path / "out")
    made = load_recognizer(tmp_path / "out/recognizer").state_dict()
    for name, value in load_recognizer(RECOGNIZER).state_dict().items():
        assert torch.equal(made[name], value), name


def test_training_goes_on_from_the_packages_own(
    tiny_params: Params, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    params = with_steps(tiny_params, 2)
    section = params.recognizer.model_copy(update={"from_pretrained": True, "learning_rate": 1e-6})
    params = params.model_copy(update={"recognizer": section})
    run_recognizer(params, dataset, tmp_path / "out")
    made = load_recognizer(tmp_path / "out/recognizer").state_dict()
    for name, value in load_recognizer(RECOGNIZER).state_dict().items():
        if name.endswith("weight"):
            assert not torch.equal(made[name], value), name
            assert torch.allclose(made[name], value, atol=1e-4), name


def test_only_what_is_read_of_the_package_makes_another_run(
    tiny_params: Params, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FOLDER", "RECOGNIZER"):
        shutil.copytree(getattr(pretrained, name), tmp_path / name)
        monkeypatch.setattr(pretrained, name, tmp_path / name)
    found: list[Path] = []

    def stop(module: Any, make_batch: Any, *, checkpoints: Path, **_: Any) -> None:
        found.append(checkpoints)
        raise InterruptedError

    monkeypatch.setattr(stage, "fit", stop)
    for change in ("", "FOLDER/model.onnx", "RECOGNIZER/README.md", "RECOGNIZER/alphabet.json"):
        if change:
            with (tmp_path / change).open("ab") as stream:
                stream.write(b"\n")
        with pytest.raises(InterruptedError):
            run_recognizer(with_steps(tiny_params, 3), dataset, tmp_path / "out")
    first, *unread, read = found
    assert unread == [first, first]
    assert read != first


@pytest.mark.slow
def test_it_learns_a_batch_by_heart(tiny_params: Params, dataset: Path, tmp_path: Path) -> None:
    lines = shuffled_pairs(dataset / "train", 1000, 1)
    batch = PairBatches(lines, batch_size=4, max_size=(16, 128), scale=4, seed=1)(0)
    steps = 150
    torch.manual_seed(0)
    module = RecognizerTraining(
        Recognizer("".join(sorted(set("".join(batch.texts))))),
        with_steps(tiny_params, steps).recognizer.model_copy(update={"hr_fraction": 1.0}),
        seed=1,
    )
    fit(
        module, lambda step: batch, steps=steps, checkpoint_every=steps, checkpoints=tmp_path,
        seed=0,
    )  # fmt: skip
    module.eval()
    widths = [4 * width for width in batch.widths]
    with torch.inference_mode():
        assert module.recognizer.read(batch.hr, widths) == list(batch.texts)


def test_it_sees_hr_first_and_mixtures_with_bicubic_later(tiny_params: Params) -> None:
    lr = torch.rand(64, 1, 16, 32)
    batch = Batch(lr, torch.full((64, 1, 64, 128), 0.5), ("a",) * 64, (32,) * 64)
    section = tiny_params.recognizer.model_copy(update={"steps": 10, "hr_fraction": 0.5})
    low = bicubic(lr, 4).clamp(0, 1) - 0.5

    class At(RecognizerTraining):
        global_step = 0  # type: ignore[assignment]

    module = At(Recognizer("a"), section, seed=1)

    def shares_of_bicubic() -> torch.Tensor:
        """By least squares, a line each; noise is independent of it."""
        shown = module._lines(batch) - 0.5
        return (shown * low).sum((1, 2, 3)) / low.square().sum((1, 2, 3))

    assert shares_of_bicubic().abs().max() < 0.05
    module.global_step = 5
    mixed = shares_of_bicubic()
    assert 0.3 < (mixed.abs() < 0.05).float().mean() < 0.75
    assert mixed.max() > 0.8
    assert mixed.max() < 1.05


def test_half_of_the_mixtures_are_with_what_a_network_draws(tiny_params: Params) -> None:
    count = 400
    batch = Batch(torch.zeros(count, 1, 16, 8), torch.zeros(count, 1, 64, 32), ("a",) * count)
    section = tiny_params.recognizer.model_copy(update={"steps": 10, "hr_fraction": 0.0})

    class Draws(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.full((len(images), 1, 64, 32), 3.0)

    module = RecognizerTraining(Recognizer("a"), section, seed=1, network=Draws())
    levels = module._lines(batch).mean((1, 2, 3))
    assert 0.15 < (levels > 0.02).float().mean() < 0.35  # half of the half that is mixed
    assert 0.9 < levels.max() < 1.02  # clipped as an image is
    assert "network" not in " ".join(module.state_dict())
