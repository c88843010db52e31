"""ExtraDatasets: lines by other settings, drawn and validated, and none of what is held out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textsr.config import project
from textsr.config.params import Params
from textsr.datasets.schema import SCHEMA
from textsr.datasets.shards import read_table
from textsr.errors import TextsrError
from textsr.progress import no_progress
from textsr.stages.validate import validate as validate_stage
from textsr.synthesis.extra_datasets import write_extra_datasets
from textsr.tracking import Tracker
from textsr.validation.datasets import Target
from textsr.validation.report import ValidationReport
from textsr.validation.run import require_held_out


@pytest.fixture
def root(data: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a tiny dataset."""
    (tmp_path / project.DATA).symlink_to(data)
    (tmp_path / project.DATASET).parent.mkdir()
    (tmp_path / project.DATASET).symlink_to(dataset)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


@pytest.fixture
def params(mixed_params: Params) -> Params:
    """The params of a project with an extra dataset, of which nothing need be legible."""
    validation = mixed_params.validation.model_copy(update={"min_legibility": 0})
    return mixed_params.model_copy(update={"validation": validation})


def validate(params: Params, shown: list[str], said: list[str]) -> None:
    def start(name: str, total: int) -> Callable[[int], None]:
        shown.append(name)
        return lambda count: None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("textsr.stages.validate.first_engine", lambda threads: None)
        patch.setattr("textsr.stages.validate.read_lines", lambda engine, lines: ["?"] * len(lines))
        # Drawn in test_data_card.py.
        for name in ("draw_contact_sheet", "draw_histograms"):
            patch.setattr(f"textsr.validation.run.{name}", lambda *arguments: arguments[-1].touch())
        validate_stage(params, start, said.append)


@pytest.mark.slow
def test_each_extra_dataset_is_drawn_validated_and_logged(params: Params, root: Path) -> None:
    shown: list[str] = []
    said: list[str] = []
    (root / project.EXTRA_DATASETS / "former/train").mkdir(parents=True)
    write_extra_datasets(params, project.DATA, project.EXTRA_DATASETS, no_progress)
    validate(params, shown, said)

    assert sorted(path.name for path in project.EXTRA_DATASETS.iterdir()) == [
        "extra_datasets.json",
        "tall",
    ]
    rows = read_table(project.EXTRA_DATASETS / "tall/train", ["lr_height", "hr_height"])
    assert set(rows["lr_height"].to_pylist()) == {24}
    assert set(rows["hr_height"].to_pylist()) == {96}
    drawn = json.loads((project.EXTRA_DATASETS / "extra_datasets.json").read_text())
    assert drawn == {"tall": params.extra_dataset("tall").synthesis.model_dump(mode="json")}

    results = json.loads((project.EXTRA_VALIDATION / "results.json").read_text())
    assert (results["tall"]["success"], results["tall"]["rows"]["train"]) == (True, 40)
    assert "tall: rows measured" in shown
    assert [line.partition(": ")[0] for line in said] == [
        str(project.DATASET),
        str(project.EXTRA_DATASETS / "tall"),
    ]
    cards = {
        "": project.REPORTS / "data_card.md",
        ": extra dataset tall": project.EXTRA_VALIDATION / "tall/data_card.md",
    }
    for name, card in cards.items():
        text = card.read_text()
        assert f"# Synthetic text lines, LR and HR{name}\n" in text
        assert ("trained on tall, whose cards" in text) == (name == "")
    tracker = Tracker(root)
    runs = tracker.client.search_runs([tracker.experiment_id("textsr-data")])
    heights = {run.info.run_name.split()[0]: run.data.params["synthesis.lr_height"] for run in runs}
    assert heights == {"tall": "24", "dataset": "16"}
    assert len({run.data.tags["textsr.dataset"] for run in runs}) == 2


def test_without_extra_datasets_there_is_a_record_of_none(tiny_params: Params, root: Path) -> None:
    write_extra_datasets(tiny_params, project.DATA, project.EXTRA_DATASETS, no_progress)
    assert json.loads((project.EXTRA_DATASETS / "extra_datasets.json").read_text()) == {}


def test_a_extra_dataset_that_cannot_be_drawn_is_named(params: Params, root: Path) -> None:
    (root / project.DATA).unlink()
    with pytest.raises(TextsrError, match=r"^extra_datasets\.tall: "):
        write_extra_datasets(params, project.DATA, project.EXTRA_DATASETS, no_progress)
    assert not (project.EXTRA_DATASETS / "extra_datasets.json").exists()


def test_a_extra_dataset_with_a_held_out_text_is_refused(
    params: Params, root: Path, dataset: Path, extra_datasets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project.EXTRA_DATASETS / "tall"
    shutil.copytree(extra_datasets / "tall", folder)
    held_out = read_table(dataset / "test", ["text"])["text"][0].as_py()
    _replace(folder / "train", "text", held_out)
    validated = []

    def passing(target: Target, *_: object) -> object:
        validated.append(target.extra)
        return ValidationReport({}, "no row", {}, (), root)

    monkeypatch.setattr("textsr.validation.datasets.validate_target", passing)
    with pytest.raises(
        TextsrError,
        match=r"(?s)^extra_datasets\.tall: .*after a change of them, `dvc repro validate`",
    ):
        validate(params, [], [])
    assert validated == [None]  # what takes longer does not begin
    assert not (project.EXTRA_VALIDATION / "results.json").exists()


@pytest.mark.parametrize("split", ["val", "test"])
@pytest.mark.parametrize(
    ("column", "spelled", "what"),
    [
        ("text", lambda text: f" {text.upper()} ", "1 texts"),
        ("font_family", lambda family: family, "1 font families"),
    ],
)
def test_what_is_held_out_is_found(
    dataset: Path, tmp_path: Path, split: str, column: str, spelled: Callable[[str], str], what: str
) -> None:
    training = tmp_path / "train"
    shutil.copytree(dataset / "train", training)
    require_held_out(training, dataset)
    _replace(training, column, spelled(read_table(dataset / split, [column])[column][0].as_py()))
    with pytest.raises(TextsrError, match=rf"{what} of .*/{split} are in it, such as '"):
        require_held_out(training, dataset)


def _replace(folder: Path, column: str, value: str) -> None:
    path = sorted(folder.glob("*.parquet"))[-1]
    rows = pq.read_table(path).to_pylist()
    rows[3][column] = value
    pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
