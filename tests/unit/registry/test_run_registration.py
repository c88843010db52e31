"""The stage `register`: publish, compare, decide, record, on a real store and known scores."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reading import LineReader

from textsr.config.params import Params
from textsr.evaluation.sets import EvaluationLine, load_split
from textsr.files import read_json, write_json
from textsr.models.package import ModelSpec, build_network, save_model
from textsr.registry import run as stage
from textsr.registry.aliases import promote, promote_over, register_challenger
from textsr.registry.origin import read_kept, render_lineage
from textsr.registry.records import read_records
from textsr.registry.run import run_registration
from textsr.tracking import Tracker, model_id
from textsr.training.curves import write_curves

pytestmark = pytest.mark.slow

NAME = "textsr"
COST = {"train_seconds": 47.3, "steps_done": 250.0, "parameters": 8129.0}


class Scripted(LineReader):
    """Reads what it is told to, line after line, whatever the image."""

    name = "rapidocr"

    def __init__(self, readings: Iterator[str]) -> None:
        self._readings = readings

    def read_line(self, line: np.ndarray) -> str:
        return next(self._readings)


def table(
    method: str, lines: Sequence[EvaluationLine], right: int, psnr: float, name: str = "test"
) -> pd.DataFrame:
    """Scores of a method that reads the first `right` lines and no others."""
    exact = [number < right for number in range(len(lines))]
    return pd.DataFrame(
        {
            "method": method,
            "set": name,
            "line_id": [line.line_id for line in lines],
            "text": [line.text for line in lines],
            "psnr_db": np.linspace(psnr, psnr + 1, len(lines)),
            "ssim": 0.5,
            "rapidocr_text": "",
            "rapidocr_exact": exact,
            "rapidocr_edits": [0 if hit else 3 for hit in exact],
            "rapidocr_length": 3,
            "rapidocr_version": Scripted.version,
        }
    )


class Project:
    """A folder of one training and its evaluation, with the scores that a test wants."""

    def __init__(self, folder: Path, params: Params, dataset: Path) -> None:
        self.folder = folder
        self.params = params
        self.dataset = dataset
        self.lines = load_split(dataset / "test")
        self.tracker = Tracker(folder)

    def train(self, right: int, psnr: float = 21, ms: float = 5) -> None:
        """Pretend that training and evaluating made a model of such scores."""
        record = self.tracker.start("scratch", "e", {}, {})
        record.metrics.update(COST)
        trained = self.folder / "models/scratch"
        write_json(trained / "run.json", record.model_dump())
        write_curves(trained / "curves.csv", [{"step": 2.0, "train_mse": 0.5}])
        evaluation = self.folder / "evaluation/scratch"
        spec = ModelSpec(name="scratch", architecture="srcnn_transposed", scale=4)
        save_model(evaluation / "model", spec, build_network(spec))
        table("scratch", self.lines, right, psnr).to_parquet(evaluation / "samples.parquet")
        speed = {"ms_per_line": ms, "lines_per_second": 1000 / ms}
        write_json(evaluation / "speed.json", speed)
        judged = {"rapidocr": {"accuracy": 0.5, "version": Scripted.version}}
        sets = {"test": {"samples": len(self.lines), "ssim": 0.5} | judged}
        metrics = {"validation": {"chosen": {"weight": 1.0}}, "sets": sets}
        write_json(evaluation / "metrics.json", metrics)

    def register(self) -> dict:
        return run_registration(
            self.params,
            self.tracker,
            self.dataset,
            self.folder / "models",
            self.folder / "evaluation",
            self.folder / "reports",
            lambda name, total: lambda: None,
        )

    def aliases(self) -> dict[str, str]:
        found = self.tracker.client.get_registered_model(NAME).aliases
        return {alias: str(version) for alias, version in found.items()}


@pytest.fixture
def project(
    tmp_path: Path,
    tiny_params: Params,
    dataset: Path,
    make_store: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Project:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    make_store(tmp_path)
    # Nobody is to be read, unless a test says by whom.
    monkeypatch.setattr(stage, "available_engines", lambda threads: [Scripted(iter(()))])
    scratch = {"scratch": tiny_params.models["scratch"]}
    params = tiny_params.model_copy(update={"models": scratch})
    made = Project(tmp_path, params, dataset)
    baselines = tmp_path / "evaluation/baselines"
    baselines.mkdir(parents=True)
    bicubic, hr = table("bicubic", made.lines, 10, 20), table("hr", made.lines, 24, 20)
    pd.concat([bicubic, hr.assign(psnr_db=np.nan, ssim=np.nan)]).to_parquet(
        baselines / "samples.parquet"
    )
    write_json(tmp_path / "reports/leaderboard.json", {"winner": "scratch"})
    return made


def failed(record: dict) -> list[str]:
    return [check["name"] for check in record["checks"] if not check["passed"]]


def test_first_good_model_is_promoted_and_all_of_it_recorded(project: Project) -> None:
    project.train(right=20)
    record = project.register()
    assert record["promoted"]
    assert record["champion_before"] is None
    assert not any("champion" in check["name"] for check in record["checks"])
    assert project.aliases() == {"challenger": "1", "champion": "1"}
    assert read_json(project.folder / "reports/registration.json") == record

    client = project.tracker.client
    version = client.get_model_version_by_alias(NAME, "champion")
    assert version.run_id == record["run_id"]
    assert version.tags["gate"] == "promoted"
    assert "version 1 (scratch): promoted" in version.description
    assert "registration.json" in [item.path for item in client.list_artifacts(version.run_id)]
    run = client.get_run(version.run_id)
    assert run.data.metrics["test/ssim"] == 0.5
    assert run.data.tags["ocr.rapidocr"] == Scripted.version
    model = client.get_logged_model(model_id(run.data.tags["textsr.model_uri"]))
    of_model = {metric.key: metric.value for metric in model.metrics}
    assert of_model.items() >= {"test/ssim": 0.5, **COST}.items()
    assert of_model["gain/rapidocr"] == run.data.metrics["gain/rapidocr"] > 0
    assert f"models:/{NAME}@champion" in client.get_registered_model(NAME).description
    note = run.data.tags["mlflow.note.content"]
    assert "promoted" in note
    assert "5.0 ms a line on one CPU; 0.01 million parameters, trained in 47 s." in note
    names = [item.info.run_name for item in client.search_runs([run.info.experiment_id])]
    assert names == ["scratch"]
    references = client.search_runs([client.get_experiment_by_name(NAME).experiment_id])
    assert sorted(item.info.run_name for item in references) == ["bicubic", "hr"]

    assert version.tags["textsr.kept"] == "versions/1"
    card = read_kept(project.tracker, version, "card.md").decode()
    assert card.startswith("# textsr version 1\n")
    assert "evaluated it: 5.0 ms." in card
    lineage = render_lineage(project.tracker, version)
    assert f"- rapidocr: {Scripted.version}" in lineage
    assert "| `data.dvc` | none |" in lineage


def test_registering_again_changes_nothing(project: Project) -> None:
    project.train(right=20)
    first = project.register()
    kept = project.folder / "mlruns/artifacts"
    before = {path: path.stat().st_mtime_ns for path in kept.rglob("versions/**/*")}
    assert any(path.name == "origin.json" for path in before)
    assert project.register() == first
    assert {path: path.stat().st_mtime_ns for path in kept.rglob("versions/**/*")} == before
    assert project.aliases() == {"challenger": "1", "champion": "1"}
    client = project.tracker.client
    assert len(client.search_model_versions(f"name = '{NAME}'")) == 1
    for experiment in ("e", NAME):
        runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
        assert len(runs) == (1 if experiment == "e" else 2)


@pytest.mark.parametrize(
    ("scores", "reasons"),
    [
        ({"right": 2}, ["rapidocr: accuracy not worse than bicubic",
                        "better than bicubic on at least 1 OCR engine"]),
        ({"right": 10}, ["better than bicubic on at least 1 OCR engine"]),
        ({"right": 20, "psnr": 19}, ["psnr_db at least 0 dB over bicubic"]),
        ({"right": 20, "ms": 1000}, ["at most 100 ms per line"]),
    ],
)  # fmt: skip
def test_refused_model_is_registered_with_the_reasons(
    project: Project, scores: dict[str, float], reasons: list[str]
) -> None:
    project.train(**scores)
    record = project.register()
    assert not record["promoted"]
    assert failed(record) == reasons
    assert project.aliases() == {"challenger": "1"}
    assert project.register() == record
    [kept] = read_records(project.tracker.client.get_model_version(NAME, "1"))  # said once
    assert (kept.outcome, kept.by) == ("refused", "the gate")
    version = project.tracker.client.get_model_version_by_alias(NAME, "challenger")
    assert version.tags["gate"] == "refused"
    for reason in reasons:
        assert f"| **fail** | {reason} |" in version.description


@pytest.mark.parametrize(("champion_reads", "promoted"), [(24, False), (20, True), (0, True)])
def test_next_model_must_be_no_worse_than_the_champion_scored_anew(
    project: Project, monkeypatch: pytest.MonkeyPatch, champion_reads: int, promoted: bool
) -> None:
    project.train(right=20)
    assert project.register()["promoted"]
    project.train(right=18 if champion_reads == 24 else 20)
    readings = [line.text if number < champion_reads else "" for number, line in
                enumerate(project.lines)]  # fmt: skip
    engine = Scripted(iter(readings))
    monkeypatch.setattr(stage, "available_engines", lambda threads: [engine])
    record = project.register()
    assert record["champion_before"] == "1"
    assert record["version"] == "2"
    assert record["promoted"] == promoted
    assert next(engine._readings, None) is None  # every line was read
    if promoted:
        assert project.aliases() == {"challenger": "2", "champion": "2", "previous": "1"}
    else:
        assert failed(record) == ["rapidocr: accuracy not worse than the champion"]
        assert project.aliases() == {"challenger": "2", "champion": "1"}


def test_a_champion_that_came_meanwhile_is_what_the_next_is_judged_against(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.train(right=20)
    project.register()
    project.train(right=20)
    tracker, overtaken = project.tracker, []

    def overtake(*arguments: object) -> bool:
        if not overtaken:
            run_id = tracker.start("other", "e", {}, {}).run_id
            uri = tracker.client.get_model_version(NAME, "1").tags["model_uri"]
            overtaken.append(register_challenger(tracker, NAME, uri, run_id, ""))
            promote(tracker, NAME, overtaken[0])
        return promote_over(*arguments)

    monkeypatch.setattr(stage, "promote_over", overtake)
    # The champion of then reads nothing, and that of now as much.
    engine = Scripted(iter([""] * len(project.lines) * 2))
    monkeypatch.setattr(stage, "available_engines", lambda threads: [engine])
    record = project.register()
    assert next(engine._readings, None) is None  # both were read
    assert (record["version"], record["champion_before"]) == ("2", "3")
    assert project.aliases() == {"challenger": "3", "champion": "2", "previous": "3"}
    [judged] = read_records(tracker.client.get_model_version(NAME, "2"))
    assert (judged.outcome, judged.by, judged.champion_before) == ("promoted", "the gate", "3")
    assert [check.name for check in judged.checks] == [check["name"] for check in record["checks"]]
    assert judged.thresholds["min_lines"] == project.params.registration.gate.min_lines


def test_slices_and_real_sets_are_part_of_the_evidence(project: Project) -> None:
    """On test it reads more than bicubic; on the receipts, and on dates, fewer."""
    project.train(right=20)
    evaluation = project.folder / "evaluation"
    for method, right, path in (
        ("bicubic", 18, evaluation / "baselines/samples.parquet"),
        ("scratch", 2, evaluation / "scratch/samples.parquet"),
    ):
        receipts = table(method, project.lines, right, 20, "receipts")
        few = table(method, project.lines[:3], min(right, 3), 20, "few")
        pd.concat([pd.read_parquet(path), receipts, few]).to_parquet(path)
    path = evaluation / "scratch/metrics.json"
    dates = {"gain": -0.5, "gain_ci": [-0.7, -0.3], "better": 0, "worse": 12, "p_worse": 2**-12}
    slices = [{"by": "kind of text", "slice": "date", "lines": 24, "engines": {"rapidocr": dates}}]
    write_json(path, read_json(path) | {"slices": slices})
    record = project.register()
    assert failed(record) == [
        "on no slice of test significantly worse than bicubic",
        "rapidocr: accuracy not worse than bicubic on receipts",
    ]
    evidence = {check["name"]: check["evidence"] for check in record["checks"]}
    assert evidence["few: not worse than bicubic"] == "not judged: 3 lines, fewer than 20"
    assert project.aliases() == {"challenger": "1"}


def test_run_that_the_server_lost_is_made_again_with_all_that_belongs_to_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.train(right=20)
    project.tracker.client.delete_run(
        read_json(project.folder / "models/scratch/run.json")["run_id"]
    )
    record = project.register()
    run = project.tracker.client.get_run(record["run_id"])
    assert run.info.lifecycle_stage == "active"
    assert run.data.metrics["train_mse"] == 0.5
    assert run.data.metrics["test/ssim"] == 0.5
    assert record["promoted"]
    assert project.register()["run_id"] == record["run_id"]
