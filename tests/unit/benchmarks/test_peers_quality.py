"""The comparison with peers: what the command line names, what is kept, what is shown."""

from contextlib import contextmanager, nullcontext
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from reading import LineReader

from benchmarks import peers
from benchmarks.kept_scores import lines_version
from benchmarks.peers_quality import (
    LabelledFolder,
    Method,
    ModelFolder,
    parse_labelled,
    parse_model,
    score_methods,
)
from benchmarks.quality_report import build_report, render_report
from textsr.errors import TextsrError
from textsr.evaluation.score import bicubic_upscale
from textsr.evaluation.sets import EvaluationLine
from textsr.evaluation.statistics import Bootstrap
from textsr.images.grey import Image

RESAMPLING = Bootstrap(resamples=50, confidence=0.95, seed=0)


class Brightness(LineReader):
    """Reads a line as `light` or `dark`."""

    name = "brightness"

    def __init__(self) -> None:
        self.read_lines = 0

    def read_line(self, line: Image) -> str:
        self.read_lines += 1
        return "light" if line.mean() > 127 else "dark"


def lines(number: int = 3, known: bool = True, shift: int = 0) -> list[EvaluationLine]:
    rng = np.random.default_rng(0)
    found = []
    for index in range(number):
        lr = rng.integers(128 + shift, 200, (4, 6)).astype(np.uint8)
        hr = np.asarray(cv2.resize(lr, (24, 16), interpolation=cv2.INTER_LINEAR), np.uint8)
        found.append(EvaluationLine(f"line-{index}", "Light", lr, hr if known else None))
    return found


@contextmanager
def never():
    raise AssertionError("what is kept is not made anew")
    yield


@contextmanager
def broken():
    raise peers.PeerError("No matching distribution found for ncnn")
    yield


def score(methods: list[Method], sets: dict, engine: Brightness, folder: Path) -> tuple:
    return score_methods(methods, sets, [engine], folder, lambda name, total: lambda: None)


@pytest.mark.parametrize(
    ("argument", "name", "path", "kind"),
    [
        ("receipts=../real/receipts:hr", "receipts", "../real/receipts", "hr"),
        ("a.b-c_1=x=y:z:lr", "a.b-c_1", "x=y:z", "lr"),
    ],
)
def test_labelled_folders_are_parsed(argument: str, name: str, path: str, kind: str) -> None:
    assert parse_labelled(argument) == LabelledFolder(name, Path(path), kind)


@pytest.mark.parametrize(
    "argument", ["receipts", "=x:lr", "a=:lr", "a=x", "a=x:", "a=x:sr", "a/b=x:lr", "a=x:LR", ":lr"]
)
def test_other_labelled_folders_are_refused(argument: str) -> None:
    with pytest.raises(TextsrError, match="write NAME=FOLDER:KIND") as refusal:
        parse_labelled(argument)
    assert str(refusal.value).startswith(argument)


def test_models_are_parsed() -> None:
    assert parse_model("byol=some/model=2") == ModelFolder("byol", Path("some/model=2"))
    for argument in ("byol", "=folder", "byol=", "a b=folder"):
        with pytest.raises(TextsrError, match="write NAME=FOLDER"):
            parse_model(argument)


def test_a_second_run_reads_only_what_is_new(tmp_path: Path) -> None:
    sets = {"one": lines(), "two": lines(known=False)}
    cubic, engine = nullcontext(bicubic_upscale(4)), Brightness()
    model = Method("model", None, lambda: cubic)
    first, _ = score([Method("peer", "1", lambda: cubic), model], sets, engine, tmp_path)
    assert engine.read_lines == 12

    again, _ = score([Method("peer", "1", never), model], sets, engine, tmp_path)
    assert engine.read_lines == 18
    for name in sets:
        pd.testing.assert_frame_equal(first[name]["peer"], again[name]["peer"])

    score([Method("peer", "2", lambda: cubic)], sets, engine, tmp_path)
    assert engine.read_lines == 24  # another version of the peer

    sets["two"] = lines(known=False, shift=1)
    score([Method("peer", "2", lambda: cubic)], sets, engine, tmp_path)
    assert engine.read_lines == 27  # other lines in one of the sets


def test_a_peer_that_fails_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    cubic = nullcontext(bicubic_upscale(4))
    methods = [Method("peer", "1", broken), Method("model", None, lambda: cubic)]
    tables, left_out = score(methods, {"one": lines()}, Brightness(), tmp_path)
    assert list(tables["one"]) == ["model"]
    assert left_out == {"peer": "No matching distribution found for ncnn"}
    assert not list(tmp_path.rglob("*.parquet"))
    report = build_report(tables, ["model"], RESAMPLING)
    shown = render_report({**report, "left_out": left_out})
    assert "peer: left out: No matching" in shown


def test_versions_of_lines_follow_all_that_is_scored() -> None:
    line = lines(1)[0]
    assert line.hr is not None
    others = [
        [EvaluationLine("other", line.text, line.lr, line.hr)],
        [EvaluationLine(line.line_id, "Dark", line.lr, line.hr)],
        [EvaluationLine(line.line_id, line.text, line.lr + 1, line.hr)],
        [EvaluationLine(line.line_id, line.text, line.lr.reshape(6, 4), line.hr)],
        [EvaluationLine(line.line_id, line.text, line.lr, line.hr + 1)],
        [EvaluationLine(line.line_id, line.text, line.lr, None)],
        [line, line],
        [],
    ]
    assert lines_version([line]) == lines_version(lines(1))
    assert len({lines_version(other) for other in [[line], *others]}) == len(others) + 1


def test_the_report_has_scores_and_paired_differences(tmp_path: Path) -> None:
    sets = {"sharp": lines(), "small": lines(known=False)}
    methods = [
        Method("peer", "1", lambda: nullcontext(lambda image: bicubic_upscale(4)(image) // 4)),
        Method("model", None, lambda: nullcontext(bicubic_upscale(4))),
    ]
    tables, _ = score(methods, sets, Brightness(), tmp_path)
    report = build_report(tables, ["model"], RESAMPLING)
    change = report["sets"]["sharp"]["differences"]["model"]["peer"]
    assert change["brightness"] == {"value": 1.0, "ci": [1.0, 1.0]}
    assert change["psnr_db"]["value"] > 5
    assert list(report["sets"]["small"]["differences"]["model"]["peer"]) == ["brightness"]

    sharp, small = render_report(report).split("### ")[1:]
    assert sharp.startswith("sharp (3 lines)\n\n| method | PSNR dB | SSIM | brightness accuracy |")
    assert small.splitlines()[2:] == [
        "| method | brightness accuracy | brightness CER |",
        "| --- | --- | --- |",
        "| peer | 0.000 [0.000, 0.000] | 1.000 [1.000, 1.000] |",
        "| model | 1.000 [1.000, 1.000] | 0.000 [0.000, 0.000] |",
        "",
        "| paired difference | brightness points |",
        "| --- | --- |",
        "| model - peer | +100.0 [+100.0, +100.0] |",
        "",
        "Accuracy is exact match of lower-cased letters and digits; brackets are 95% bootstrap "
        "intervals.",
        "",
        "Read by brightness (reader 1). Not installed, and so not asked: "
        "RapidOCR, Tesseract, EasyOCR.",
    ]
