"""The stages `baselines`, `evaluate` and `compare`, on an OCR engine whose judgement is known."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from reading import LineReader

from textsr import pretrained
from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.evaluation import run as stage
from textsr.evaluation.as_upscaled import as_upscaled
from textsr.evaluation.blend import choose_weight
from textsr.evaluation.leaderboard import (
    build_leaderboard,
    render_leaderboard,
    run_comparison,
)
from textsr.evaluation.run import measure_speed, run_baselines, run_evaluation
from textsr.evaluation.score import bicubic_upscale
from textsr.evaluation.sets import load_split
from textsr.models.package import BlendedModel, ModelSpec, build_network, load_model, save_model
from textsr.models.spec import read_spec

pytestmark = pytest.mark.slow

MODELS = ("srcnn_transposed", "scratch")


class BicubicLover(LineReader):
    """Reads a line if it looks as bicubic upscales it, give or take rounding, and else nothing."""

    name = "rapidocr"

    def __init__(self, lines: list[tuple[np.ndarray, str]]) -> None:
        self._known = [(image.astype(int), text) for image, text in lines]

    def read_line(self, line: np.ndarray) -> str:
        for image, text in self._known:
            if image.shape == line.shape and np.abs(image - line).max() <= 1:
                return text
        return ""


class Ticks:
    """Progress bars that count."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def __call__(self, name: str, total: int) -> Callable[[], None]:
        self.totals[name] += total
        return lambda: self.counts.update([name])


def strict_json(path: Path) -> Any:
    """JSON as the standard has it: no NaN and no Infinity."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{path} holds {constant}, which is no JSON")

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


@pytest.fixture(scope="module")
def params(tiny_params: Params) -> Params:
    """The tiny preset, with two of its models."""
    models = {name: tiny_params.models[name] for name in MODELS}
    return tiny_params.model_copy(update={"models": models})


@pytest.fixture(scope="module")
def real_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a set of real crops, one of whose texts has nothing to score."""
    data = tmp_path_factory.mktemp("data")
    folder = data / "real/receipts"
    folder.mkdir(parents=True)
    texts = ("Total 9.50", "---")
    for index, _ in enumerate(texts):
        image = np.random.default_rng(index).integers(0, 256, (16, 48)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{index}.png"), image)
    rows = "".join(f"{index}.png\t{text}\n" for index, text in enumerate(texts))
    (folder / "labels.tsv").write_text(f"file\ttext\n{rows}")
    return data


@pytest.fixture(scope="module")
def evaluated(
    params: Params, dataset: Path, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Ticks]]:
    """An article's network of random weights and an untrained upsampler, which is bicubic."""
    folder = tmp_path_factory.mktemp("evaluation")
    lines = [line for split in ("val", "test") for line in load_split(dataset / split)]
    engine = BicubicLover([(bicubic_upscale(4)(line.lr), line.text) for line in lines])
    bars = {name: Ticks() for name in ("baselines", *MODELS)}
    patch = pytest.MonkeyPatch()
    patch.setattr(stage, "available_engines", lambda threads: [engine])
    run_baselines(params, dataset, real_data, folder / "baselines", bars["baselines"])
    for name in MODELS:
        upsampler = {"encoder": "text", "width": 8} if name == "scratch" else {}
        spec = ModelSpec.model_validate(
            {
                "name": name,
                "scale": 4,
                "architecture": "upsampler" if upsampler else "srcnn_transposed",
            }
            | upsampler
        )
        torch.manual_seed(0)
        save_model(folder / "trained" / name, spec, build_network(spec))
        run_evaluation(
            params,
            folder / "trained" / name,
            folder / "baselines/samples.parquet",
            dataset,
            real_data,
            folder / name,
            as_upscaled,
            bars[name],
        )
    patch.undo()
    return folder, bars


def test_baselines_are_bicubic_everywhere_and_hr_where_it_is_known(
    evaluated: tuple[Path, dict[str, Ticks]],
) -> None:
    folder, _ = evaluated
    base = pd.read_parquet(folder / "baselines/samples.parquet")
    lines = base.groupby(["method", "set"]).size().to_dict()
    assert lines == {
        ("bicubic", "val"): 24,
        ("bicubic", "test"): 24,
        ("bicubic", "receipts"): 2,
        ("hr", "test"): 24,
    }
    known = base[base["set"] != "receipts"]
    accuracy = known.groupby("method")["rapidocr_exact"].mean()
    assert (accuracy["bicubic"], accuracy["hr"]) == (1, 0)
    assert base["psnr_db"].notna().tolist() == [
        method == "bicubic" and name != "receipts"
        for method, name in zip(base["method"], base["set"], strict=True)
    ]


def test_every_reading_is_shown_as_progress(evaluated: tuple[Path, dict[str, Ticks]]) -> None:
    for bars in evaluated[1].values():
        assert bars.totals
        assert bars.counts == bars.totals


@pytest.mark.parametrize(("model", "accuracy"), [("scratch", 1.0), ("srcnn_transposed", 0.0)])
def test_metrics_are_those_of_the_blended_model_over_bicubic(
    evaluated: tuple[Path, dict[str, Ticks]], model: str, accuracy: float
) -> None:
    folder, _ = evaluated
    metrics = strict_json(folder / model / "metrics.json")
    validation = metrics["validation"]
    assert validation["bicubic_accuracy"] == {"rapidocr": 1.0}
    assert [c["weight"] for c in validation["candidates"]] == [0.5, 1.0]
    assert validation["chosen"] == choose_weight(validation["candidates"])
    spec = load_model(folder / model / "model").spec
    assert spec.blend == validation["chosen"]["weight"] == spec.blends["any"]
    assert spec.blends == validation["blends"]
    assert spec.blends.keys() == {"people", "any", "rapidocr"}
    assert all(set(each["looks"]) == {"ssim_gain", "ssim_gain_se", "contrast_gain"}
               for each in validation["candidates"])  # fmt: skip

    test = metrics["sets"]["test"]
    assert test["samples"] == 24
    assert test["rapidocr"]["accuracy"] == accuracy
    assert test["rapidocr"]["gain"] == accuracy - 1
    assert test["rapidocr"]["gain_ci"] == [accuracy - 1] * 2
    assert test["rapidocr"]["cer"] == 1 - accuracy
    # HR reads worse than bicubic to this OCR engine: there is no gap to close.
    assert test["rapidocr"]["gap_closed"] is None
    if model == "scratch":
        assert abs(test["psnr_db_gain"]) < 0.01
        assert test["unblended_psnr_db"] == pytest.approx(test["psnr_db"], abs=0.01)
    else:
        assert test["psnr_db_gain"] < -1
        assert test["unblended_psnr_db"] < test["psnr_db"]  # half of it is bicubic

    paper, upscaled = (
        {measure["weight"]: measure[name] for measure in metrics["paper"]}
        for name in ("added_levels", "upscaled_levels")
    )
    assert upscaled.keys() == paper.keys()
    assert paper.keys() == {0.5, 1.0}
    if model == "scratch":
        assert paper[1.0] < 0.1
    else:
        assert 1 < paper[0.5] < paper[1.0]

    receipts = metrics["sets"]["receipts"]
    assert receipts["psnr_db"] is receipts["ssim_ci"] is None
    assert "psnr_db_gain" not in receipts
    assert np.isfinite(receipts["rapidocr"]["cer_ci"]).all()


def test_an_evaluation_is_complete(evaluated: tuple[Path, dict[str, Ticks]]) -> None:
    folder, _ = evaluated
    for model in MODELS:
        names = {path.name for path in (folder / model).iterdir()}
        assert names == {"model", "panels", "samples.parquet", "metrics.json", "speed.json"}
        panels = folder / model / "panels"
        assert {str(path.relative_to(panels)) for path in panels.rglob("*.png")} == {
            "test.png", "receipts.png", "cases/test-rapidocr.png", "cases/receipts-rapidocr.png",
            "slices/test.png",
        }  # fmt: skip
        slices = strict_json(folder / model / "metrics.json")["slices"]
        of = pd.DataFrame(slices).groupby("by")["lines"].sum()
        assert of.tolist() == [24] * 6  # each line is in one slice of each property
        page = (panels / "slices/test.md").read_text()
        assert page.count("| polarity |") == sum(each["by"] == "polarity" for each in slices)
        gains = {each["engines"]["rapidocr"]["gain"] for each in slices}
        assert gains == {0.0 if model == "scratch" else -1.0}
        samples = pd.read_parquet(folder / model / "samples.parquet")
        assert set(samples["method"]) == {model}
        assert samples["set"].value_counts().to_dict() == {"test": 24, "receipts": 2}
        speed = strict_json(folder / model / "speed.json")
        assert speed["ms_per_line"] * speed["lines_per_second"] == pytest.approx(1000)


def test_speed_is_timed_after_the_warm_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves 10 s at the first call of the model and 2 ms at each later one."""
    clock = [0.0]
    shapes = []

    class Model(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            clock[0] += 0.002 if shapes else 10
            shapes.append(tuple(images.shape))
            return images

    monkeypatch.setattr(stage.time, "perf_counter", lambda: clock[0])
    speed = measure_speed(Model(), 16)
    assert set(shapes) == {(1, 1, 16, 64)}
    assert speed["ms_per_line"] == pytest.approx(2)
    assert speed["lines_per_second"] == pytest.approx(500)


def test_leaderboard_has_the_agreed_shape(
    params: Params, dataset: Path, evaluated: tuple[Path, dict[str, Ticks]], tmp_path: Path
) -> None:
    folder, _ = evaluated
    run_comparison(params, folder, dataset, tmp_path)
    board = strict_json(tmp_path / "leaderboard.json")
    assert {(row["method"], row["set"]) for row in board["rows"]} == {
        ("bicubic", "test"), ("bicubic", "receipts"), ("hr", "test"),
        *((model, name) for model in MODELS for name in ("test", "receipts")),
    }  # fmt: skip
    assert len(board["rows"]) == 7
    for row in board["rows"]:
        assert row.keys() >= {
            "method", "set", "samples", "psnr_db", "ssim", "rapidocr", "tesseract",
            "lines_per_second",
        }  # fmt: skip
        assert row["rapidocr"].keys() >= {"accuracy", "accuracy_ci", "cer"}
        low, high = row["rapidocr"]["accuracy_ci"]
        assert low <= row["rapidocr"]["accuracy"] <= high
        assert row["tesseract"] is None
        assert (row["lines_per_second"] is not None) == (row["method"] in MODELS)
    assert board["confidence"] == params.evaluation.confidence
    assert board["winner"] == "scratch"
    assert board["selection"].keys() == set(MODELS)
    for model in MODELS:
        weights = {measure["weight"] for measure in board["paper"][model]}
        assert weights == {board["selection"][model]["weight"], 1.0}
    text = (tmp_path / "leaderboard.md").read_text()
    assert "### test (24 lines)" in text
    assert "### receipts (2 lines)" in text
    assert "| model | people | any | rapidocr |" in text
    for row in board["rows"]:
        if row["method"] in MODELS:
            assert row["blends"]["any"] == row["blend"]
    assert "### Paper without text" in text
    assert "artifacts/evaluation/METHOD/panels/cases/SET-ENGINE.png" in text
    for table in text.split("\n\n"):
        rows = [line for line in table.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in rows}) <= 1
    again = tmp_path / "again"
    run_comparison(params, folder, dataset, again)
    for name in ("leaderboard.json", "leaderboard.md", "comparison.png"):
        assert (again / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_winner_is_chosen_on_val_whatever_test_says(
    params: Params, evaluated: tuple[Path, dict[str, Ticks]], tmp_path: Path
) -> None:
    folder, _ = evaluated
    for name in (*MODELS, "baselines"):
        (tmp_path / name).mkdir()
        for path in (folder / name).glob("*.*"):
            (tmp_path / name / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "srcnn_transposed" / "metrics.json"
    metrics = strict_json(path)
    metrics["validation"]["chosen"]["engines"]["rapidocr"]["gain"] = 0.1
    path.write_text(json.dumps(metrics))
    board = build_leaderboard(params, tmp_path)
    assert board["winner"] == "srcnn_transposed"
    accuracy = {row["method"]: row["rapidocr"]["accuracy"] for row in board["rows"]
                if row["set"] == "test"}  # fmt: skip
    assert accuracy["srcnn_transposed"] < accuracy["scratch"]


@pytest.mark.parametrize(("steps", "is_shipped"), [(0, True), (5, False)])
def test_shipped_weights_keep_their_blends_though_engines_are_left_out(
    tiny_params: Params,
    dataset: Path,
    evaluated: tuple[Path, dict[str, Ticks]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    steps: int,
    is_shipped: bool,
) -> None:
    """One engine of three is here, and it reads what bicubic made alone: val would choose .5."""
    folder, _ = evaluated
    settings = tiny_params.models["pretrained"].model_copy(update={"steps": steps})
    params = tiny_params.model_copy(update={"models": {"pretrained": settings}})
    spec = ModelSpec(name="pretrained", architecture="upsampler", encoder="text", width=8, scale=4)
    save_model(tmp_path / "trained", spec, build_network(spec))
    lines = [line for split in ("val", "test") for line in load_split(dataset / split)]
    engine = BicubicLover([(bicubic_upscale(4)(line.lr), line.text) for line in lines])
    monkeypatch.setattr(stage, "available_engines", lambda threads: [engine])
    base = folder / "baselines/samples.parquet"
    metrics = run_evaluation(
        params,
        tmp_path / "trained",
        base,
        dataset,
        tmp_path / "data",
        tmp_path / "evaluation/pretrained",
        as_upscaled,
        Ticks(),
    )
    validation = metrics["validation"]
    on_val = {"people": 0.5, "any": 0.5, "rapidocr": 0.5}
    shipped = read_spec(pretrained.FOLDER)
    blend, blends = (shipped.blend, shipped.blends) if is_shipped else (0.5, on_val)
    judged = load_model(tmp_path / "evaluation/pretrained/model").spec
    assert (judged.blend, judged.blends) == (blend, blends)
    assert (validation["chosen"]["weight"], validation["blends"]) == (blend, blends)
    assert validation["as_shipped"] == is_shipped
    if is_shipped:
        assert validation["blends_on_val"].keys() == on_val.keys()  # chosen among .4, too
    else:
        assert validation["blends_on_val"] == on_val

    (tmp_path / "evaluation/baselines").mkdir()
    (tmp_path / "evaluation/baselines/samples.parquet").write_bytes(base.read_bytes())
    board = build_leaderboard(params, tmp_path / "evaluation")
    assert {row["blend"] for row in board["rows"] if "blend" in row} == {blend}
    assert ("Not of pretrained, which is judged" in render_leaderboard(board)) == is_shipped


def test_evaluation_of_what_is_no_model_is_refused(
    params: Params,
    dataset: Path,
    evaluated: tuple[Path, dict[str, Ticks]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stage, "available_engines", lambda threads: [])
    base = evaluated[0] / "baselines/samples.parquet"
    with pytest.raises(TextsrError, match=r"model\.json: no such file"):
        run_evaluation(
            params,
            tmp_path,
            base,
            dataset,
            tmp_path / "data",
            tmp_path / "out",
            as_upscaled,
            Ticks(),
        )
    assert not (tmp_path / "out").exists()


def test_of_weights_that_cannot_be_told_apart_the_least_is_kept(
    monkeypatch: pytest.MonkeyPatch, dataset: Path, tiny_params: Params
) -> None:
    def scored(weight: float, *gains: float) -> dict[str, Any]:
        engines = {str(i): {"gain": g, "gain_se": 0.02, "cer": 0.1} for i, g in enumerate(gains)}
        looks = {"ssim_gain": weight, "ssim_gain_se": 0.1, "contrast_gain": 1.0}
        return {"weight": weight, "engines": engines, "looks": looks}

    scores = [scored(0.4, 0.03, 0.10), scored(0.6, 0.03, 0.11)]
    monkeypatch.setattr(stage, "score_blends", lambda *args: scores)
    lines = load_split(dataset / "val")
    base = pd.DataFrame({"line_id": [line.line_id for line in lines]})
    base = base.assign(method="bicubic", set="val")
    spec = ModelSpec(name="x", architecture="upsampler", encoder="text", width=8, scale=4)
    model = BlendedModel(spec, build_network(spec))

    def chosen(added_levels: float) -> dict[str, Any]:
        levels = {0.4: 0.0, 0.6: added_levels}
        paper = [{"weight": w, "upscaled_levels": seen} for w, seen in levels.items()]
        return stage._choose_blends(
            [0.4, 0.6], model, base, dataset, [], paper, None, lambda name, total: lambda: None
        )

    assert chosen(1.0)["chosen"]["weight"] == 0.4
    assert chosen(1.0)["blends"] == {"people": 0.6, "any": 0.4, "0": 0.4, "1": 0.4}
    assert chosen(1.1)["blends"]["people"] == 0.4
