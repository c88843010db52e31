"""A whole study at its smallest size, resumed and reported."""

import json
from pathlib import Path

import pytest
import torch

from textsr.config.params import Params
from textsr.progress import no_progress
from textsr.study.cells import Cell, Runner, cells_of
from textsr.study.run import EXPERIMENT, run_study
from textsr.study.settings import Study
from textsr.tracking import Tracker

STUDY = Study.model_validate(
    {
        "width": 8,
        "crop_width": 32,
        "seeds": [1, 2],
        "pairs": [6],
        "pretext_batch": 4,
        "pretext_learning_rate": 1e-3,
        "batch": 2,
        "learning_rate": 1e-3,
        "steps": 8,
        "validate_every": 4,
        "patience": 1,
        "validation_lines": 4,
        "read_lines": 3,
        "pretexts": {"restoration": {"steps": 6, "restoration": {}}},
        "arms": {
            "scratch": {},
            "restoration": {"pretext": "restoration"},
            "frozen": {"pretext": "restoration", "transfer": "frozen_encoder"},
        },
    }
)


class Counter:
    """An OCR engine that reads a line by its mean, and counts what it was given."""

    name, title, version = "counter", "Counter", "1"

    def __init__(self) -> None:
        self.read_lines = 0

    def read(self, lines: list) -> list[str]:
        self.read_lines += len(lines)
        return [str(line.mean()) for line in lines]

    def confidence(self, lines: list) -> list[float]:
        return [1.0] * len(lines)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_store: object) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    make_store(tmp_path)
    torch.set_num_threads(1)
    return tmp_path


@pytest.mark.slow
def test_study_is_made_once_tracked_and_reported(
    project: Path, tiny_params: Params, dataset: Path
) -> None:
    engine, results = Counter(), project / "results"

    def run(study: Study = STUDY) -> None:
        run_study(study, tiny_params, dataset, results, [engine], project, no_progress)

    run()
    cells = cells_of(STUDY)
    made = {cell.name: (results / f"{cell.name}.json").read_text() for cell in cells}
    tracker = Tracker(project)
    found = tracker.client.get_experiment_by_name(tiny_params.tracking.experiment + EXPERIMENT)
    runs = tracker.client.search_runs([found.experiment_id])
    assert {run.info.run_name for run in runs} == made.keys()
    assert {run.info.status for run in runs} == {"FINISHED"}
    report = (results / "report.md").read_text()
    for arm in STUDY.arms:
        assert f"| {arm} | 2 |" in report
    for picture in ("pairs", "steps", "effects"):
        assert (results / f"{picture}.png").stat().st_size > 5000

    # Again: nothing is made anew.
    read = engine.read_lines
    run()
    assert engine.read_lines == read
    assert len(tracker.client.search_runs([found.experiment_id])) == len(runs)

    # Another setting of one arm makes that one anew, and a lost file alone is made again, alike.
    changed = STUDY.model_copy(
        update={
            "arms": STUDY.arms
            | {"frozen": STUDY.arms["frozen"].model_copy(update={"transfer": "encoder"})}
        }
    )
    (results / "scratch-6-1.json").unlink()
    run(changed)
    for cell in cells:
        now = json.loads((results / f"{cell.name}.json").read_text())
        was = json.loads(made[cell.name])
        assert (now["key"] == was["key"]) == (cell.arm != "frozen")
        if cell.arm != "frozen":
            assert now["curve"] == was["curve"]
            assert now["exact"] == was["exact"]


def test_claimed_cell_is_left_to_its_process(
    project: Path, tiny_params: Params, dataset: Path
) -> None:
    runner = Runner(STUDY, tiny_params, dataset, project / "results", [])
    cell = Cell("scratch", 6, 1)
    with runner.claimed(cell) as mine:
        assert mine
        with runner.claimed(cell) as other:
            assert not other
    with runner.claimed(cell) as again:
        assert again


def test_what_other_engines_read_is_not_compared(
    project: Path, tiny_params: Params, dataset: Path
) -> None:
    """A result without one of the engines would be held against one with all."""

    def key(*versions: str) -> str:
        engines = [Counter() for _ in versions]
        for engine, version in zip(engines, versions, strict=True):
            engine.version = version
        runner = Runner(STUDY, tiny_params, dataset, project / "results", engines)
        return runner.key(Cell("scratch", 6, 1))

    assert key("1") == key("1")
    assert len({key(), key("1"), key("2"), key("1", "2")}) == 4
