"""What a comparison brings onto MLflow's pages."""

import base64
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from compared import DATASET_HASH, ENGINES, EXPERIMENT, READ, compare, publish, table

from textsr.errors import TextsrError
from textsr.evaluation.sets import EvaluationLine, load_split
from textsr.registry.comparison import Method
from textsr.registry.saved_view import VIEW_TAG, encode_view, view_address
from textsr.tracking import Tracker

pytestmark = pytest.mark.slow


class Compared:
    """A comparison in a store of its own."""

    def __init__(self, folder: Path, lines: list[EvaluationLine]) -> None:
        self.lines = lines
        self.tracker = Tracker(folder)
        self.methods = {each.name: each for each in compare(self.tracker, folder, lines)}

    def run(self, method: str) -> mlflow.entities.Run:
        return self.tracker.client.get_run(self.methods[method].run_id)

    def inputs(self, method: str) -> list[mlflow.entities.DatasetInput]:
        inputs = self.run(method).inputs
        assert inputs is not None
        return list(inputs.dataset_inputs)

    def experiment(self) -> mlflow.entities.Experiment:
        found = self.tracker.client.get_experiment_by_name(EXPERIMENT)
        assert found is not None
        return found

    def table(self, method: str, path: str) -> pd.DataFrame:
        run_ids = [self.methods[method].run_id]
        identity = self.experiment().experiment_id
        return self.tracker.client.load_table(identity, path, run_ids)

    def tables(self, method: str) -> list[str]:
        run_id = self.methods[method].run_id
        found = self.tracker.client.list_artifacts(run_id, "side-by-side")
        return [each.path for each in found if not each.is_dir]


@pytest.fixture
def compared(
    tmp_path: Path,
    dataset: Path,
    make_store: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Compared:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    make_store(tmp_path)
    return Compared(tmp_path, load_split(dataset / "test"))


def test_gains_have_short_names_and_the_ends_of_their_intervals(compared: Compared) -> None:
    count = len(compared.lines)
    for method, read in READ.items():
        metrics = compared.run(method).data.metrics
        if method == "bicubic":
            assert not [key for key in metrics if key.startswith("gain/")]
            continue
        for engine, right, by_bicubic in zip(ENGINES, read, READ["bicubic"], strict=True):
            gain = metrics[f"gain/{engine}"]
            assert gain == pytest.approx(100 * (right - by_bicubic) / count, abs=0.005)
            assert metrics[f"low/{engine}"] <= gain <= metrics[f"high/{engine}"]


def test_runs_say_who_reads_better_and_who_does_not(compared: Compared) -> None:
    verdicts = {name: compared.run(name).data.tags["verdict"] for name in READ}
    assert verdicts["good"] == "reads best: better for RapidOCR"
    assert verdicts["poor"] == "worse for RapidOCR"
    note = compared.run("good").data.tags["mlflow.note.content"]
    assert "The gate promotes it." in note
    assert "5.0 ms a line on one CPU; 1.23 million parameters, trained in 47 s." in note
    assert DATASET_HASH[:8] in note
    assert "The gate promotes it." not in compared.run("poor").data.tags["mlflow.note.content"]


def test_methods_have_colours_of_their_own(compared: Compared) -> None:
    colours = {compared.run(name).data.tags["mlflow.runColor"] for name in READ}
    assert len(colours) == len(READ)


def test_runs_have_the_dataset_as_input(compared: Compared) -> None:
    for name in READ:
        (found,) = compared.inputs(name)
        assert found.dataset.digest == DATASET_HASH[:8]


def test_the_view_has_the_columns_that_decide_and_names_the_best_first(compared: Compared) -> None:
    experiment = compared.experiment()
    saved = json.loads(experiment.tags[VIEW_TAG])
    packed = saved["state"].removeprefix("deflate;")
    state = json.loads(zlib.decompress(base64.b64decode(packed)))
    assert state["orderByKey"] == "metrics.`gain/rapidocr`"
    known = {f"tags.`{tag}`" for tag in compared.run("good").data.tags}
    known |= {f"metrics.`{metric}`" for metric in compared.run("good").data.metrics}
    assert set(state["selectedColumns"]) <= known
    assert experiment.tags["mlflow.note.content"].startswith("**good reads best**: RapidOCR +")


def test_the_view_has_an_address() -> None:
    address = view_address("http://127.0.0.1:5000", "3")
    key = VIEW_TAG.removeprefix("mlflow.sharedViewState.")
    assert address.startswith("http://127.0.0.1:5000/#/experiments/3/runs?")
    assert address.endswith(f"viewStateShareKey={key}")
    assert json.loads(encode_view(["one"]))["name"]


def test_all_runs_show_the_same_lines_in_tables_of_one_name(compared: Compared) -> None:
    (path,) = compared.tables("good")
    shown = {}
    for name in READ:
        assert compared.tables(name) == [path]
        shown[name] = compared.table(name, path)
    lines = shown["good"]["line"].tolist()
    assert lines
    assert all(table["line"].tolist() == lines for table in shown.values())
    assert len(set(shown["good"]["shown as"])) > 1
    assert all(reading.startswith("✓ ") for reading in shown["hr"]["rapidocr"])
    texts = {line.text: number for number, line in enumerate(compared.lines)}
    for line, reading in zip(lines, shown["poor"]["rapidocr"], strict=True):
        right = texts[line] < READ["poor"][0]
        assert reading == (f"✓ {line}" if right else "✗ x")


def test_published_again_nothing_is_shown_twice(compared: Compared) -> None:
    publish(compared.tracker, list(compared.methods.values()), compared.lines)
    (path,) = compared.tables("good")
    lines = compared.table("good", path)["line"].tolist()
    assert len(lines) == len(set(lines))
    assert len(compared.inputs("good")) == 1


def test_methods_of_other_lines_are_not_compared(compared: Compared) -> None:
    fewer = table("poor", compared.lines[1:], READ["poor"])
    methods: list[Method] = [
        replace(each, samples=fewer) if name == "poor" else each
        for name, each in compared.methods.items()
    ]
    with pytest.raises(TextsrError, match="scored on different lines"):
        publish(compared.tracker, methods, compared.lines)
