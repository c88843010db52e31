"""Sets, scores, blends, panels, leaderboard."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reading import LineReader

from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.evaluation.blend import choose, choose_for_readers, choose_weight, score_blends
from textsr.evaluation.leaderboard import render_leaderboard
from textsr.evaluation.panels import Cell, save_panel, spread_evenly
from textsr.evaluation.real import score_folder
from textsr.evaluation.score import bicubic_upscale, engine_names, network_upscale, score_set
from textsr.evaluation.sets import EvaluationLine, load_real_set, load_split
from textsr.evaluation.statistics import Bootstrap
from textsr.evaluation.summary import compare_methods, gaps_closed, summarise
from textsr.imports.labels import read_labels
from textsr.models.package import BlendedModel, ModelSpec, build_network

RESAMPLING = Bootstrap(200, 0.95, 1)


class Oracle(LineReader):
    """Reads a line's text off its first pixel: an index into a list."""

    name = "oracle"

    def __init__(self, texts: list[str]) -> None:
        self.texts = texts

    def read_line(self, line: np.ndarray) -> str:
        return self.texts[int(line[0, 0])]


def lines_of(texts: list[str]) -> list[EvaluationLine]:
    images = [np.full((16, 32), index, np.uint8) for index in range(len(texts))]
    return [
        EvaluationLine(f"line-{i}", text, image, np.kron(image, np.ones((4, 4), np.uint8)))
        for i, (text, image) in enumerate(zip(texts, images, strict=True))
    ]


def score(method: str, lines: list[EvaluationLine], engine: Oracle) -> pd.DataFrame:
    # Images a level brighter than HR, but for the pixel that the oracle reads.
    images = [
        np.where(np.indices(line.hr.shape).sum(0) > 0, line.hr + 1, line.hr) for line in lines
    ]
    return score_set(method, "test", lines, [i.astype(np.uint8) for i in images], [engine])


def test_score_and_summary() -> None:
    lines = lines_of(["ab", "cd", "efgh"])
    table = score("m", lines, Oracle(["AB", "cx", "efgh"]))
    assert table["oracle_exact"].tolist() == [True, False, True]
    assert engine_names(table) == ["oracle"]
    summary = summarise(table, RESAMPLING)
    assert summary["oracle"]["accuracy"] == pytest.approx(2 / 3)
    assert summary["oracle"]["cer"] == pytest.approx(1 / 8)
    assert summary["psnr_db"] == pytest.approx(20 * np.log10(255), abs=0.01)


def test_hr_itself_has_no_fidelity() -> None:
    lines = lines_of(["a", "b"])
    table = score_set("hr", "test", lines, [line.hr for line in lines], [])
    assert table["psnr_db"].isna().all()
    assert summarise(table, RESAMPLING)["psnr_db"] is None


def test_methods_are_paired_by_line_whatever_the_order() -> None:
    lines = lines_of(["ab", "cd", "ef", "gh"])
    good, bad = Oracle(["ab", "cd", "ef", "gh"]), Oracle(["ab", "xx", "xx", "gh"])
    model, bicubic = score("m", lines, good), score("b", lines[::-1], bad)
    assert compare_methods(model, bicubic, RESAMPLING)["oracle"].value == pytest.approx(0.5)
    assert gaps_closed(model, bicubic, model, RESAMPLING)["oracle"].value == pytest.approx(1)
    with pytest.raises(TextsrError, match="different lines"):
        compare_methods(model, bicubic.iloc[:3], RESAMPLING)


def test_bicubic_and_network_upscale_lines_alike() -> None:
    image = np.random.default_rng(0).integers(0, 256, (16, 40)).astype(np.uint8)
    spec = ModelSpec(name="x", architecture="upsampler", encoder="text", width=8, scale=4)
    untrained = BlendedModel(spec, build_network(spec)).eval()
    ours = network_upscale(untrained)(image).astype(int)
    assert np.abs(ours - bicubic_upscale(4)(image)).max() <= 1


def candidate(*gains: float, cer: float = 0.1, error: float = 0.015) -> dict:
    engines = {str(i): {"gain": g, "gain_se": error, "cer": cer} for i, g in enumerate(gains)}
    return {"weight": 0.5, "engines": engines}


# Gains of two OCR engines and their standard error.
ROWS = st.lists(
    st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(0, 0.1)), min_size=1
)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (candidate(0.01, 0.01), candidate(-0.10, 0.50)),  # more than an error behind
        (candidate(0.02, 0.20), candidate(0.03, 0.10)),  # within the error of the best
        (candidate(0.03, 0.10), candidate(0.01, 0.20)),
        (candidate(0.00, 0.00), candidate(-0.01, 0.20)),  # would lose where the other does not
        (candidate(-0.02, 0.20), candidate(-0.01, 0.10)),  # both lose
        (candidate(0.00, 0.02), candidate(0.02, 0.00, cer=0.2)),  # equal gains: fewer errors
    ],
)
def test_among_those_that_cannot_be_told_apart_the_mean_gain_decides(
    better: dict, worse: dict
) -> None:
    assert choose({"a": better, "b": worse}) == "a"
    assert choose({"a": worse, "b": better}) == "b"


@given(ROWS)
def test_no_choice_loses_where_another_does_not_nor_by_more_than_the_error(
    rows: list[tuple[float, float, float]],
) -> None:
    candidates = {i: candidate(a, b, error=e) for i, (a, b, e) in enumerate(rows)}
    chosen = min(rows[choose(candidates)][:2])
    best = max(rows, key=lambda row: min(row[:2]))
    floor = min(best[:2]) - max(row[2] for row in rows)
    assert chosen >= (max(floor, 0) if min(best[:2]) >= 0 else floor) - 1e-6


def test_a_choice_does_not_depend_on_the_order_of_equals() -> None:
    certain, unsure = candidate(0.02, 0.02, error=0), candidate(0.02, 0.02, error=0.03)
    bold = candidate(0, 0.3, error=0)
    for named in itertools.permutations({"a": certain, "b": unsure, "c": bold}.items()):
        assert choose(dict(named)) == "c"


def weighted(weight: float, *gains: float, error: float = 0.015) -> dict:
    return candidate(*gains, error=error) | {"weight": weight}


def unequal(weight: float, *gains: float) -> dict:
    """Engines with errors of 3 and 4 points: of their mean, 2.5."""
    made = weighted(weight, *gains)
    for score, error in zip(made["engines"].values(), (0.03, 0.04), strict=True):
        score["gain_se"] = error
    return made


@pytest.mark.parametrize(
    ("chosen", "others"),
    [
        # Equal in the mean; nearer to it than an error; further: sqrt(2) / 2 errors of an OCR
        # engine.
        (weighted(0.4, 0.0375, 0.1375), [weighted(0.6, 0.0225, 0.1525)]),
        (weighted(0.4, 0.03, 0.10), [weighted(0.6, 0.03, 0.12)]),
        (weighted(0.6, 0.03, 0.13), [weighted(0.4, 0.03, 0.10)]),
        # Within an error in the mean, but one that gains least gains too little, or loses.
        (weighted(0.6, 0.03, 0.10), [weighted(0.2, 0.01, 0.13)]),
        (weighted(0.6, 0.01, 0.10), [weighted(0.2, -0.001, 0.10)]),
        # The best one's error is of both engines': 2.5 points, of which each alone would say less.
        (weighted(0.2, 0.02, 0.10), [unequal(0.6, 0.03, 0.1398)]),
        (unequal(0.6, 0.03, 0.145), [weighted(0.2, 0.02, 0.10)]),
        # The least of all is too far behind the best, the one between is not.
        (weighted(0.4, 0.04, 0.14), [weighted(0.2, 0.03, 0.10), weighted(1, 0.04, 0.145)]),
    ],
)
def test_the_least_weight_that_cannot_be_told_from_the_best(
    chosen: dict, others: list[dict]
) -> None:
    for candidates in itertools.permutations([chosen, *others]):
        assert choose_weight(candidates) == chosen


@given(ROWS)
def test_a_weight_is_never_more_than_the_best_nor_behind_it_by_more_than_the_error(
    rows: list[tuple[float, float, float]],
) -> None:
    candidates = [weighted(i, a, b, error=e) for i, (a, b, e) in enumerate(rows)]
    best = choose(dict(enumerate(candidates)))
    chosen = int(choose_weight(candidates)["weight"])
    assert chosen <= best
    error = rows[best][2] / np.sqrt(2)
    assert np.mean(rows[chosen][:2]) >= np.mean(rows[best][:2]) - error - 1e-6


def looking(weight: float, ssim_gain: float, *gains: float) -> dict:
    looks = {"ssim_gain": ssim_gain, "ssim_gain_se": 0.004, "contrast_gain": 2.0}
    return weighted(weight, *gains) | {"looks": looks}


def test_each_reader_has_the_weight_that_suits_it() -> None:
    """One OCR engine likes little of the network, another all of it, as people do."""
    candidates = [
        looking(0.2, 0.05, 0.03, 0.05),
        looking(0.4, 0.09, 0.04, 0.10),
        looking(0.6, 0.11, 0.02, 0.13),
        looking(1.0, 0.13, -0.01, 0.14),
    ]
    weights = choose_for_readers(candidates)
    # Within 1.5 points of the best, which is at 0.4 and at 1.0.
    assert weights == {"people": 1.0, "any": 0.4, "0": 0.2, "1": 0.6}
    assert list(weights) == ["people", "any", "0", "1"]
    assert choose_for_readers(candidates, {1.0: 1.5, 0.6: 0.5})["people"] == 0.6


@given(ROWS)
def test_an_engines_own_weight_is_the_least_within_an_error_of_its_best(
    rows: list[tuple[float, float, float]],
) -> None:
    candidates = [
        looking(i, 0, a, b) | candidate(a, b, error=e) | {"weight": i}
        for i, (a, b, e) in enumerate(rows)
    ]
    weights = choose_for_readers(candidates)
    for engine in (0, 1):
        gains = [row[engine] for row in rows]
        errors = {row[2] for row in rows if row[engine] >= max(gains) - 1e-9}
        chosen = gains[int(weights[str(engine)])]
        assert chosen >= max(gains) - max(errors) - 1e-6
        assert chosen >= -1e-6 or max(gains) < 0
        assert weights[str(engine)] <= gains.index(max(gains))


def test_blends_are_scored_at_each_weight() -> None:
    lines = lines_of(["a", "b", "c"])

    class Black(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.zeros(1, 1, 4 * images.shape[2], 4 * images.shape[3])

    engine = Oracle(["a", "b", "c"])  # an image all black reads "a"
    found = score_blends(Black(), 4, lines, [engine], {"oracle": [True] * 3}, [0.01, 1.0])
    assert [c["engines"]["oracle"]["accuracy"] for c in found] == [1, pytest.approx(1 / 3)]
    black = found[1]["engines"]["oracle"]
    assert black["gain"] == pytest.approx(-2 / 3)
    assert black["gain_se"] == pytest.approx((2 / 9 / 3) ** 0.5)  # of 0, -1 and -1
    assert found[0]["engines"]["oracle"]["gain_se"] == 0
    # Lines of one grey level have no contrast; black, they are unlike HR but for the first.
    assert [c["looks"]["contrast_gain"] for c in found] == [0, 0]
    assert found[1]["looks"]["ssim_gain"] < found[0]["looks"]["ssim_gain"] <= 0


def real_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "receipts"
    folder.mkdir()
    for name, size in (("a.png", (50, 200)), ("b.png", (90, 111))):
        image = np.full(size, 255, np.uint8)
        cv2.putText(image, "AB12", (5, 40), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 0, 2)
        cv2.imwrite(str(folder / name), image)
    labels = '\ufefffile\ttext\na.png\tAB12\nb.png\t"AB, 12\n'
    (folder / "labels.tsv").write_text(labels, encoding="utf-8")
    return folder


def test_labels_keep_quotes_and_commas_and_ignore_a_bom(tmp_path: Path) -> None:
    assert [label[:2] for label in read_labels(real_folder(tmp_path))] == [
        ("a.png", "AB12"),
        ("b.png", '"AB, 12'),
    ]


@pytest.mark.parametrize("content", [None, "name\tlabel\nx\ty\n", "file\ttext\n"])
def test_bad_labels_are_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "labels.tsv").write_text(content)
    with pytest.raises(TextsrError, match=r"labels\.tsv"):
        read_labels(tmp_path)


def test_real_hr_is_degraded_and_real_lr_is_left_alone(tiny_params: Params, tmp_path: Path) -> None:
    folder = real_folder(tmp_path)
    hr = load_real_set("r", folder, "hr", tiny_params)
    assert [line.hr.shape[0] for line in hr] == [64, 64]
    assert all(line.lr.shape == (16, line.hr.shape[1] // 4) for line in hr)
    again = load_real_set("r", folder, "hr", tiny_params)
    assert np.array_equal(hr[0].lr, again[0].lr)
    lr = load_real_set("r", folder, "lr", tiny_params)
    assert [line.lr.shape for line in lr] == [(50, 200), (90, 111)]
    assert all(line.hr is None for line in lr)
    (folder / "a.png").write_bytes(b"broken")
    with pytest.raises(TextsrError, match=r"a\.png"):
        load_real_set("r", folder, "lr", tiny_params)


@pytest.mark.parametrize("kind", ["lr", "hr"])
def test_folder_of_real_crops_is_scored(tiny_params: Params, tmp_path: Path, kind: str) -> None:
    spec = ModelSpec(name="mine", architecture="upsampler", encoder="text", width=8, scale=4)
    model = BlendedModel(spec, build_network(spec)).eval()
    panel = tmp_path / "panel.png"
    report = score_folder(
        tiny_params, real_folder(tmp_path), kind, model, panel, lambda name, total: lambda: None
    )
    assert "| bicubic |" in report
    assert "mine over bicubic, 2 lines, paired: rapidocr +0.0 points" in report
    assert ("| hr |" in report) == (kind == "hr")
    assert panel.exists()
    with pytest.raises(TextsrError, match="--kind"):
        score_folder(tiny_params, tmp_path, "mr", model, None, lambda name, total: lambda: None)


def test_split_is_loaded_as_it_was_written(dataset: Path) -> None:
    lines = load_split(dataset / "test")
    assert len(lines) == 24
    assert all(line.hr.shape == tuple(4 * side for side in line.lr.shape) for line in lines)


def test_panel_is_the_same_bytes_and_takes_any_text(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 200)).astype(np.uint8)
    rows = [("$1.10 $2", [Cell(image, {"a": "$1.10 $2", "b": "$"}), Cell(image[:16, :50])]),
            ("漢字", [Cell(image, {"a": "漢字"}), Cell(image, {"a": ""})])]  # fmt: skip
    for name in ("a.png", "b.png"):
        save_panel(tmp_path / name, ["one", "two"], rows, "title")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_lines_of_a_panel_are_spread_not_picked() -> None:
    assert spread_evenly(100, 5) == [0, 25, 50, 74, 99]
    assert spread_evenly(3, 12) == [0, 1, 2]


def test_leaderboard_without_tesseract_and_without_hr() -> None:
    engine = {"accuracy": 0.5, "accuracy_ci": [0.4, 0.6], "cer": 0.2}
    row = {"method": "bicubic", "set": "test", "samples": 9, "psnr_db": None, "psnr_db_ci": None,
           "ssim": 0.5, "ssim_ci": [0.4, 0.6], "lines_per_second": None,
           "rapidocr": engine | {"version": "1.0"}, "tesseract": None}  # fmt: skip
    text = render_leaderboard(
        {
            "rows": [row],
            "engines": {"rapidocr": "1.0", "tesseract": None, "easyocr": None},
            "confidence": 0.9,
            "winner": "byol",
            "paper": {"byol": []},
            "selection": {"byol": {"engines": {"rapidocr": {"gain": 0.015}}}},
        }
    )
    assert "tesseract" not in text
    assert "Read by RapidOCR (1.0). Not installed, and so not asked: Tesseract, EasyOCR." in text
    assert "Paper" not in text
    assert "| bicubic |  | 0.500 [0.400, 0.600] | 0.500 [0.400, 0.600] | 0.200 |" in text
    assert "**byol** (over bicubic there: rapidocr +1.5 points)" in text
    assert "90%" in text
