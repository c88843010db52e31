"""The profile of the training lines: what it is made from, and as a file."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import LineReader

from textsr.config.params import Params
from textsr.datasets.shards import decode_grey, encode_png, iterate_rows
from textsr.errors import TextsrError
from textsr.imports.schema import IMPORTED_SCHEMA
from textsr.monitoring.measure import UNITS
from textsr.monitoring.profile import (
    Profile,
    load_profile,
    profile_key,
    save_profile,
    training_lines,
)


@pytest.fixture
def profile() -> Profile:
    values = pd.DataFrame(np.random.default_rng(0).normal(size=(9, len(UNITS))), columns=UNITS)
    values.loc[3:, "confidence_after"] = np.nan
    return Profile(values, "a key", "a model", "artifacts/dataset/train", "Reader (1)")


def with_params(params: Params, section: str, **changes: object) -> Params:
    changed = getattr(params, section).model_copy(update=changes)
    return params.model_copy(update={section: changed})


def import_pairs(folder: Path, grey: int, count: int) -> Path:
    """Write `count` imported LR lines of one grey as `ingest` does."""
    (folder / "train").mkdir(parents=True)
    image = {"bytes": encode_png(np.full((20, 40), grey, np.uint8)), "path": "x.png"}
    rows = [{"sample_id": f"set/{n}", "set": "set", "lr": image, "hr": image} for n in range(count)]
    table = pa.Table.from_pylist(rows, IMPORTED_SCHEMA)
    pq.write_table(table, folder / "train/00000-of-00001.parquet")
    return folder


def test_it_comes_back_as_it_was_written(profile: Profile, tmp_path: Path) -> None:
    save_profile(tmp_path / "reference.parquet", profile)
    again = load_profile(tmp_path / "reference.parquet")
    pd.testing.assert_frame_equal(again.values, profile.values)
    assert (again.key, again.model, again.origin) == (profile.key, profile.model, profile.origin)


def test_what_is_no_profile_is_named_with_a_remedy(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reference.parquet"
    with pytest.raises(TextsrError, match=r"reference\.parquet: no such file"):
        load_profile(path)
    save_profile(path, profile)
    whole = path.read_bytes()
    for broken in (b"", whole[:200], whole[:-20] + b"x" * 20):
        path.write_bytes(broken)
        with pytest.raises(TextsrError, match=r"reference\.parquet: not a profile"):
            load_profile(path)
    pq.write_table(pa.table({"height_px": [1.0]}), path)
    with pytest.raises(TextsrError, match=r"reference\.parquet: not a profile"):
        load_profile(path)
    path.write_bytes(whole)
    monkeypatch.setattr("textsr.monitoring.profile.VERSION", 2)
    with pytest.raises(TextsrError, match="measured by another version of textsr"):
        load_profile(path)


def test_the_key_changes_with_all_that_it_is_made_from(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    imported = import_pairs(tmp_path / "imported", 90, 3)
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.json").write_text("{}")
    other = tmp_path / "dataset"
    shutil.copytree(dataset / "val", other / "train")
    changed_model = tmp_path / "changed"
    changed_model.mkdir()
    (changed_model / "model.json").write_text("{ }")

    keys = [
        profile_key(params, folder, pairs, weights, LineReader())
        for params, folder, pairs, weights in (
            (tiny_params, dataset, imported, model),
            (with_params(tiny_params, "monitoring", reference_lines=90), dataset, imported, model),
            (with_params(tiny_params, "monitoring", ocr_lines=60), dataset, imported, model),
            (with_params(tiny_params, "training", imported_fraction=0.1), dataset, imported, model),
            (tiny_params, other, imported, model),
            (tiny_params, dataset, tmp_path / "none", model),
            (tiny_params, dataset, imported, changed_model),
        )
    ]
    newer = LineReader()
    newer.version = "reader 2"
    keys.append(profile_key(tiny_params, dataset, imported, model, newer))
    assert len(set(keys)) == len(keys)
    thresholds = with_params(tiny_params, "monitoring", significance=0.5, max_images=99)
    assert profile_key(thresholds, dataset, imported, model, LineReader()) == keys[0]


def test_lines_are_those_of_the_training_split(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    lines = training_lines(tiny_params, dataset, tmp_path / "none")
    rows = iterate_rows(dataset / "train", ["lr"])
    known = [decode_grey(row["lr"]["bytes"]) for row in rows]
    assert len(lines) == len(known) < tiny_params.monitoring.reference_lines
    assert all(np.array_equal(*both) for both in zip(lines, known, strict=True))
    few = training_lines(
        with_params(tiny_params, "monitoring", reference_lines=50), dataset, tmp_path / "none"
    )
    assert len(few) == 50


@pytest.mark.parametrize(("count", "share"), [(1, 0.3), (400, 0.3), (5, 1.0), (0, 0.3)])
def test_imported_lines_have_the_share_that_training_gives_them(
    tiny_params: Params, dataset: Path, tmp_path: Path, count: int, share: float
) -> None:
    imported = import_pairs(tmp_path / "imported", 93, count)
    lines = training_lines(
        with_params(tiny_params, "training", imported_fraction=share), dataset, imported
    )
    imported = sum(line.shape == (20, 40) for line in lines)
    assert len(lines) == 96
    assert imported == (round(96 * share) if count else 0)


def test_imported_lines_are_taken_from_all_over(
    tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    imported = tmp_path / "imported"
    (imported / "train").mkdir(parents=True)
    rows = []
    for grey in range(200):
        image = {"bytes": encode_png(np.full((20, 40), grey, np.uint8)), "path": "x.png"}
        rows.append({"sample_id": f"set/{grey}", "set": "set", "lr": image, "hr": image})
    pq.write_table(
        pa.Table.from_pylist(rows, IMPORTED_SCHEMA), imported / "train/00000-of-00001.parquet"
    )
    lines = training_lines(
        with_params(tiny_params, "training", imported_fraction=0.25), dataset, imported
    )
    greys = [int(line[0, 0]) for line in lines if line.shape == (20, 40)]
    assert len(greys) == 24
    assert (greys[0], greys[-1]) == (0, 199)


def test_extra_datasets_have_the_share_that_training_gives_them(
    mixed_params: Params, dataset: Path, extra_datasets: Path, tmp_path: Path
) -> None:
    def shares(params: Params, imported: Path) -> tuple[int, int, int]:
        lines = training_lines(params, dataset, imported, extra_datasets)
        imported = sum(line.shape == (20, 40) for line in lines)
        tall = sum(line.shape[0] == 24 for line in lines)
        return len(lines) - tall - imported, tall, imported

    # Two batches in three are the dataset's; of forty tall lines, some come twice.
    assert shares(mixed_params, tmp_path / "none") == (91, 45, 0)
    few = with_params(mixed_params, "monitoring", reference_lines=60)
    assert shares(few, tmp_path / "none") == (40, 20, 0)
    imported = import_pairs(tmp_path / "imported", 93, 5)
    half = with_params(few, "training", imported_fraction=0.5)
    assert shares(half, imported) == (20, 20, 20)


def test_the_mixture_makes_another_profile(
    mixed_params: Params, dataset: Path, extra_datasets: Path, tmp_path: Path
) -> None:
    def key(params: Params, folder: Path | None = extra_datasets) -> str:
        none, model = tmp_path / "none", tmp_path / "model"
        return profile_key(params, dataset, none, model, LineReader(), folder)

    other = with_params(mixed_params, "training", mixture={"dataset": 1, "tall": 1})
    assert len({key(mixed_params), key(other), key(mixed_params, None)}) == 3
