"""Damaged Parquet: a message that names the file, and the row of an image that is none."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textsr.config.params import Params
from textsr.datasets.cached import CachedBatches
from textsr.datasets.pairs import centre_batches, shuffled_pairs, whole_batches
from textsr.datasets.shards import iterate_rows, read_table, spread_rows, total_rows
from textsr.datasets.stream import ShuffledLines
from textsr.errors import TextsrError
from textsr.evaluation.leaderboard import build_leaderboard
from textsr.evaluation.run import read_samples
from textsr.evaluation.sets import load_split
from textsr.monitoring.profile import load_profile, training_lines
from textsr.parquet import remedy
from textsr.validation.shards import list_shards

SHARD = "00000-of-00003.parquet"  # of the tiny dataset's train split


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def spoil_pages(path: Path) -> None:
    """Leave the footer as it is."""
    content = path.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    path.write_bytes(content[:4] + b"\xaa" * (len(content) - footer - 4) + content[-footer:])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def drop_columns(path: Path) -> None:
    pq.write_table(pa.table({"other": [1, 2]}), path)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


DAMAGES = [truncate, spoil_pages, empty, drop_columns, make_folder, make_pipe]


@pytest.fixture
def train(dataset: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(dataset / "train", tmp_path / "artifacts/dataset/train"))


ENGINES: dict[str, Callable[[Path], Any]] = {
    "streamed": lambda folder: shuffled_pairs(folder, 1000, 1).line(0).decode("lr"),
    "resident": lambda folder: CachedBatches(folder, batch_size=4, scale=4, seed=1)(0),
    "unlabelled": lambda folder: ShuffledLines(folder, ("lr",), window_rows=99, seed=1).line(0),
    "validation": lambda folder: whole_batches(folder, batch_size=4, scale=4, limit=96),
    "crops": lambda folder: centre_batches(folder, batch_size=4, crop_width=32, scale=4, limit=96),
    "evaluation": load_split,
    "rows": lambda folder: list(iterate_rows(folder, ["text", "lr"])),
    "spread": lambda folder: list(spread_rows(folder, ["lr"], 96)),
    "columns": lambda folder: read_table(folder, ["text"]),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_damaged_shard_is_named(
    train: Path, engine: str, damage: Callable[[Path], object]
) -> None:
    for path in train.iterdir():  # all of them: which one is read first is drawn
        damage(path)
    with pytest.raises(TextsrError, match=rf"^{train}/0000\d-of-00003\.parquet: ") as caught:
        ENGINES[engine](train)
    assert str(caught.value).endswith(remedy(train))
    assert "`dvc checkout`, or make it anew with `dvc repro -f synthesize`" in remedy(train)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("damage", [truncate, empty, make_folder, make_pipe])
def test_a_damaged_footer_is_named(train: Path, damage: Callable[[Path], object]) -> None:
    damage(train / SHARD)
    for read in (total_rows, lambda folder: list_shards(folder.parent)):
        with pytest.raises(TextsrError, match=rf"{train / SHARD}: not a"):
            read(train)


@pytest.mark.parametrize(
    ("folder", "stage"),
    [
        ("artifacts/dataset/val", "synthesize"),
        ("artifacts/extra_datasets/tall/train", "extra_datasets"),
        ("artifacts/imported/train", "ingest"),
        ("artifacts/evaluation/baselines", "baselines evaluate"),
    ],
)
def test_the_stage_that_makes_it_anew_is_named(folder: str, stage: str) -> None:
    assert remedy(Path("/home/me") / folder / SHARD).endswith(f"`dvc repro -f {stage}`")


@pytest.mark.parametrize("image", [b"", b"no image", None])
@pytest.mark.parametrize("engine", ["streamed", "resident", "validation", "crops", "evaluation"])
def test_an_image_that_is_none_is_named_by_file_and_row(
    train: Path, engine: str, image: bytes | None
) -> None:
    for path in train.iterdir():
        table = pq.read_table(path)
        rows = table.column("lr").to_pylist()
        spoilt = [rows[0], *({"bytes": image, "path": "x"} for _ in rows[1:])]
        column = pa.array(spoilt, table.schema.field("lr").type)
        at = table.schema.get_field_index("lr")
        pq.write_table(table.set_column(at, table.schema.field("lr"), column), path)
    order = shuffled_pairs(train, 1000, 1)
    position = next(p for p in range(99) if order.locate(p)[1] != 0)
    read = ENGINES[engine]
    if engine == "streamed":
        read = lambda folder: order.line(position).decode("lr")  # noqa: E731
    named = rf"{train}/0000\d-of-00003\.parquet: row [1-9]\d*, train-\d+ \(lr\): cannot be decoded"
    with pytest.raises(TextsrError, match=named):
        read(train)


def test_a_row_without_an_image_is_named(train: Path) -> None:
    table = pq.read_table(train / SHARD)
    column = pa.array([None] * len(table), table.schema.field("lr").type)
    at = table.schema.get_field_index("lr")
    pq.write_table(table.set_column(at, table.schema.field("lr"), column), train / SHARD)
    for read in (load_split, ENGINES["validation"]):
        with pytest.raises(
            TextsrError, match=rf"{train / SHARD}: row 0, train-0000000 \(lr\): cannot be decoded"
        ):
            read(train)


def test_a_damaged_extra_dataset_is_named_where_it_is_watched(
    mixed_params: Params, dataset: Path, extra_datasets: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(extra_datasets, tmp_path / "extra_datasets"))
    path = next(copy.glob("tall/train/*"))
    truncate(path)
    with pytest.raises(TextsrError, match=rf"{path}: not a .* `dvc repro -f extra_datasets`"):
        training_lines(mixed_params, dataset, tmp_path / "imported", copy)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_table_of_scores_is_named(
    tiny_params: Params, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    path = tmp_path / "evaluation" / "baselines" / "samples.parquet"
    path.parent.mkdir(parents=True)
    pd.DataFrame({"method": ["bicubic"] * 99, "set": "val", "line_id": "x"}).to_parquet(path)
    read_samples(path)
    damage(path)
    for read in (read_samples, lambda _: build_leaderboard(tiny_params, tmp_path / "evaluation")):
        with pytest.raises(TextsrError, match=rf"^{path}: .* `dvc repro -f baselines evaluate`$"):
            read(path)


def test_a_table_of_scores_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match=r"samples\.parquet: no such file; restore it"):
        read_samples(tmp_path / "samples.parquet")


@pytest.mark.parametrize("about", [b"{}", b"[]", b"3", b'{"version": 1}', b"\xff", b"{"])
def test_a_profile_of_something_else_is_named(tmp_path: Path, about: bytes) -> None:
    path = tmp_path / "reference.parquet"
    pq.write_table(pa.table({"a": [1]}).replace_schema_metadata({"textsr.profile": about}), path)
    with pytest.raises(TextsrError, match=r"reference\.parquet: not a profile .* remove it"):
        load_profile(path)


@pytest.mark.parametrize("damage", DAMAGES[:4])
def test_a_damaged_profile_is_named(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    path = tmp_path / "reference.parquet"
    pq.write_table(pa.table({"a": list(range(999))}), path)
    damage(path)
    with pytest.raises(TextsrError, match=r"reference\.parquet: not a profile .* remove it"):
        load_profile(path)
