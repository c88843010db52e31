"""The `monitor` verb over folders of images: silent on fresh lines, loud on others."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from reading import LineReader
from typer.testing import CliRunner

from textsr.cli import main as cli
from textsr.config.params import Params
from textsr.datasets.shards import decode_grey
from textsr.errors import TextsrError
from textsr.monitoring import report as report_module
from textsr.monitoring.report import DriftReport
from textsr.monitoring.run import run_monitor
from textsr.synthesis.sample import load_source, make_sample

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
IMAGES = 60


@pytest.fixture(scope="module")
def params(tiny_params: Params) -> Params:
    """A few lines are read, since reading takes long."""
    monitoring = tiny_params.monitoring.model_copy(update={"ocr_lines": 50})
    compute = tiny_params.compute.model_copy(update={"threads": 1})
    return tiny_params.model_copy(update={"monitoring": monitoring, "compute": compute})


@pytest.fixture(scope="module")
def fresh(params: Params, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of lines such as training draws, but drawn with another seed."""
    synthesis = params.synthesis.model_copy(update={"seed": 4242})
    source = load_source(params.model_copy(update={"synthesis": synthesis}), "train", data)
    folder = tmp_path_factory.mktemp("fresh")
    for index in range(IMAGES):
        (folder / f"{index:03d}.png").write_bytes(make_sample(source, index)["lr"]["bytes"])
    return folder


@pytest.fixture(scope="module")
def root(
    dataset: Path, make_store: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project with a dataset; the profile is kept from test to test."""
    root = tmp_path_factory.mktemp("project")
    (root / "artifacts").mkdir()
    (root / "artifacts/dataset").symlink_to(dataset)
    make_store(root)
    return root


@pytest.fixture(autouse=True)
def _local_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def watch(
    params: Params, root: Path, folder: Path | str | None, started: list[str] | None = None
) -> DriftReport:
    def start(name: str, total: int) -> Callable[[], None]:
        if started is not None:
            started.append(f"{name}: {total}")
        return lambda: None

    place = None if folder is None else str(folder)
    return run_monitor(params, root, place, root / "monitoring/report", start)


def worsened(fresh: Path, folder: Path, change: Callable[[np.ndarray], np.ndarray]) -> Path:
    folder.mkdir()
    for path in fresh.iterdir():
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        cv2.imwrite(str(folder / path.name), change(image))
    return folder


def as_jpeg(image: np.ndarray) -> np.ndarray:
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 15])
    return cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)


def with_noise(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(image.size).normal(0, 15, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "height_px": lambda image: cv2.resize(image, None, fx=1.6, fy=1.6),
    "contrast_levels": lambda image: (image * 0.3 + 100).astype(np.uint8),
    "sharpness": lambda image: cv2.GaussianBlur(image, (0, 0), 2),
    "noise_levels": with_noise,
    "blocking": as_jpeg,
    "confidence_before": lambda image: cv2.GaussianBlur(image, (0, 0), 3),
}


@pytest.fixture(scope="module")
def unread(params: Params) -> Params:
    """Without reading, which takes all the time there is."""
    monitoring = params.monitoring.model_copy(update={"ocr_lines": 0})
    return params.model_copy(update={"monitoring": monitoring})


def drifted(report: DriftReport) -> set[str]:
    return {finding.name for finding in report.findings if finding.drifted}


@pytest.mark.parametrize("name", [name for name in CHANGES if "confidence" not in name])
def test_each_change_is_found_by_its_property(
    unread: Params, root: Path, fresh: Path, tmp_path: Path, name: str
) -> None:
    report = watch(unread, root, worsened(fresh, tmp_path / name, CHANGES[name]))
    assert report.verdict == "drift"
    assert name in drifted(report)
    assert name in report.summary()


@pytest.mark.slow
def test_fresh_lines_are_silent_and_unreadable_ones_are_not(
    params: Params, root: Path, fresh: Path, tmp_path: Path
) -> None:
    started: list[str] = []
    report = watch(params, root, fresh, started)
    assert started == ["measuring training lines: 96", f"measuring production images: {IMAGES}"]
    assert report.verdict == "no drift", report.findings
    assert report.summary() == f"{fresh}: no drift in {IMAGES} images"
    assert len(report.findings) == 7

    started.clear()
    blurred = worsened(fresh, tmp_path / "blurred", CHANGES["confidence_before"])
    report = watch(params, root, blurred, started)
    assert started == [f"measuring production images: {IMAGES}"], "the profile is kept"
    assert {"sharpness", "confidence_before", "confidence_after"} <= drifted(report)

    folder = root / "monitoring/report"
    assert json.loads((folder / "drift.json").read_text()) == report.model_dump(mode="json")
    page = (folder / "report.md").read_text()
    assert page.startswith(f"# {report.summary()}\n")
    assert "| confidence_before | 0 to 1 |" in page
    assert "Retraining changes nothing while the data stay as they are" in page
    for picture in ("distributions.png", "unusual.png"):
        assert f"]({picture})" in page
        assert cv2.imread(str(folder / picture)).std() > 5
    assert {path.name for path in folder.iterdir()} == {
        *("drift.json", "report.md", "distributions.png", "unusual.png")
    }


def test_too_few_images_are_reported_and_not_judged(
    unread: Params, root: Path, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("textsr.monitoring.run.find_champion")  # no model is loaded for them
    for path in sorted(fresh.iterdir())[:49]:
        shutil.copy(path, tmp_path)
    (tmp_path / "bad.png").write_bytes(b"no image")
    report = watch(unread, root, tmp_path)
    assert report.verdict == "too few images"
    assert "49 readable images, too few to judge; at least 50" in report.summary()
    assert report.findings == []
    page = (root / "monitoring/report/report.md").read_text()
    assert "- bad.png: cannot be decoded" in page
    assert "Model" not in page
    assert not (root / "monitoring/report/distributions.png").exists()


def test_the_folder_of_params_is_watched_where_none_is_named(
    unread: Params, root: Path, fresh: Path
) -> None:
    with pytest.raises(TextsrError, match=r"params\.yaml: monitoring\.folder: none is set"):
        watch(unread, root, None)
    monitoring = unread.monitoring.model_copy(update={"folder": str(fresh)})
    named = unread.model_copy(update={"monitoring": monitoring})
    report = watch(named, root, None)
    assert report.folder == str(fresh)
    assert [finding.name for finding in report.findings][-1] == "blocking", "none was read"


@pytest.mark.slow
def test_without_training_lines_the_kept_profile_serves(
    unread: Params, root: Path, fresh: Path, tmp_path: Path
) -> None:
    before = watch(unread, root, fresh)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(TextsrError, match=r"no training lines, and no profile .*dvc pull"):
        watch(unread, elsewhere, fresh)
    (elsewhere / "monitoring").mkdir()
    kept = elsewhere / "monitoring/reference.parquet"
    shutil.copy(root / "monitoring/reference.parquet", kept)
    assert watch(unread, elsewhere, fresh).findings == before.findings


def test_confidences_of_two_versions_of_an_engine_are_not_compared(
    params: Params, root: Path, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kept profile is of the engine of then, and there are no training lines to read anew."""
    engine = LineReader()
    monkeypatch.setattr(engine, "confidence", lambda lines: [0.5] * len(lines), raising=False)
    monkeypatch.setattr("textsr.monitoring.run.first_engine", lambda threads: engine)
    watch(params, root, fresh)
    (tmp_path / "monitoring").mkdir()
    shutil.move(root / "monitoring/reference.parquet", tmp_path / "monitoring")

    def compared() -> set[str]:
        report = watch(params, tmp_path, fresh)
        assert report.engine == f"Reader ({engine.version})"
        return {finding.name for finding in report.findings if "confidence" in finding.name}

    assert compared() == {"confidence_before", "confidence_after"}
    engine.version = "reader 2"
    assert compared() == set()
    page = (tmp_path / "monitoring/report/report.md").read_text()
    assert "**Confidence is not compared**" in page
    assert "read by Reader (reader 1)" in page
    assert "Not judged, for lack of values: confidence_before, confidence_after." in page


@pytest.mark.parametrize("place", ["watched", "above", "of something else", "a file"])
def test_a_report_replaces_nothing_but_a_report(
    unread: Params, root: Path, tmp_path: Path, place: str
) -> None:
    images = tmp_path / "scans" / "today"
    images.mkdir(parents=True)
    (images / "a.png").write_bytes(b"an image")
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes").write_text("mine")
    output = {
        "watched": images,
        "above": images.parent,
        "of something else": other,
        "a file": other / "notes",
    }[place]
    with pytest.raises(TextsrError, match=r"a report|no report"):
        run_monitor(unread, root, str(images), output, lambda name, total: lambda: None)
    assert (images / "a.png").read_bytes() == b"an image"
    assert (other / "notes").read_text() == "mine"


def test_a_report_that_fails_leaves_the_one_before(
    unread: Params, root: Path, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch(unread, root, fresh)
    folder = root / "monitoring/report"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def fail(*arguments: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(report_module, "draw_distributions", fail)
    with pytest.raises(OSError, match="no space left"):
        watch(unread, root, fresh)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir() if "partial" in path.name] == []


@pytest.mark.slow
def test_the_command_line_says_what_was_found(
    root: Path, dataset: Path, fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "params.yaml").read_text().replace("ocr_lines: 150", "ocr_lines: 0")
    (tmp_path / "params.yaml").write_text(text)
    shutil.copytree(root / "mlruns", tmp_path / "mlruns")
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts/dataset").symlink_to(dataset)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli.app, ["monitor", str(fresh)], catch_exceptions=False)
    assert result.exit_code == 0
    assert f"{fresh}: no drift in {IMAGES} images" in result.output
    assert "artifacts/monitoring/report: report.md, drift.json and pictures" in result.output

    large = worsened(fresh, tmp_path / "large", CHANGES["height_px"])
    result = CliRunner().invoke(
        cli.app, ["monitor", str(large), "--output", "out/here"], catch_exceptions=False
    )
    assert result.exit_code == 0, "drift is a finding, not an error"
    assert f"drift in {IMAGES} images: height_px" in result.output
    assert (tmp_path / "out/here/drift.json").exists()
    assert decode_grey((large / "000.png").read_bytes()).shape[0] == 26
