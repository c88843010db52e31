"""What releases before wrote opens with this one, or is refused with what to do.

`data/upgrades` has a folder for each day whose code wrote it: tiny, and made by that code.
"""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from textsr.config.params import load_params
from textsr.datasets.shards import decode_row, iterate_rows
from textsr.errors import TextsrError
from textsr.models.package import load_model
from textsr.models.spec import SPEC
from textsr.tracking import Tracker

BEFORE = Path(__file__).parent / "data/upgrades"
MODELS = sorted(path.parent for path in BEFORE.glob(f"*/*/{SPEC}"))


@pytest.mark.parametrize("folder", MODELS, ids=lambda path: path.parent.name)
def test_a_model_folder_gives_what_it_gave(folder: Path) -> None:
    model = load_model(folder)
    images = torch.linspace(0, 1, 8 * 24).sin().abs().reshape(1, 1, 8, 24)
    with torch.no_grad():
        found = model(images)[0, 0].numpy()
    expected = np.load(folder / "expected.npy").astype(np.float32)
    assert np.abs(found - expected).max() < 2e-3  # kept as 16 bits


def test_there_are_folders_of_every_layout() -> None:
    written = [(folder / SPEC).read_text() for folder in MODELS]
    assert any('"seed"' in text for text in written)  # `srcnn_transposed` today
    assert any("sequence_blocks" in text for text in written)
    assert not any("blends" in text for text in written)


def test_a_model_folder_of_a_later_release_is_refused(tmp_path: Path) -> None:
    (tmp_path / SPEC).write_text((MODELS[0] / SPEC).read_text().replace("{", '{"later": 1,', 1))
    with pytest.raises(TextsrError, match=r"model\.json: not a model specification") as refused:
        load_model(tmp_path)
    assert "later" in str(refused.value)


@pytest.mark.parametrize("folder", ["2026-11-27"])
def test_shards_are_read(folder: str) -> None:
    rows = list(iterate_rows(BEFORE / folder / "shards/train"))
    assert [row["text"] for row in rows] == ["line 0", "line 1"]
    for index, row in enumerate(rows):
        expected = np.random.default_rng(index).integers(0, 255, (32, 80)).astype(np.uint8)
        assert np.array_equal(decode_row(row, "hr"), expected)
        assert decode_row(row, "lr").shape == (8, 20)


def test_params_that_still_hold_are_read() -> None:
    load_params(BEFORE / "2026-11-30/params.yaml")


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        ("2026-11-25", "recogniser: is called recognizer now; rename it"),
        ("2026-11-27", "training.text_weight: is called training.ctc_loss_weight now; rename it"),
        ("2026-11-29", "registration.gate.min_lines: missing; take it from the committed params"),
    ],
)
def test_other_params_are_refused_by_their_keys(folder: str, said: str) -> None:
    path = BEFORE / folder / "params.yaml"
    with pytest.raises(TextsrError) as refused:
        load_params(path)
    lines = str(refused.value).splitlines()
    assert any(line.startswith(f"{path}: {said}") for line in lines)
    assert all("; " in line for line in lines)  # each with its remedy


def test_a_database_of_an_older_mlflow_is_refused_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    written = tmp_path / "written"
    folder = tmp_path / "project"  # a copy: MLflow keeps databases open
    written.mkdir()
    Tracker(written).start("r", "e", {}, {})
    shutil.copytree(written, folder)
    with closing(sqlite3.connect(folder / "mlruns/mlflow.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")  # the first
    with pytest.raises(TextsrError) as refused:
        Tracker(folder).start("r", "e", {}, {})
    said = str(refused.value)
    assert f"{folder}/mlruns/mlflow.db" in said
    assert "mlflow db upgrade" in said
