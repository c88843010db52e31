"""Shards: complete sets, read in order, with images that name themselves when broken."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from textsr.config.effects import CameraPass, Render
from textsr.config.sections import effect_columns
from textsr.datasets.schema import SCHEMA, shard_name, shard_paths
from textsr.datasets.shards import decode_grey, encode_png, iterate_rows, read_table
from textsr.errors import TextsrError

images = npst.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 60)))


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


@given(st.integers(1, 99_999))
def test_names_sort_as_their_numbers_do(count: int) -> None:
    numbers = sorted({0, count // 10, count // 2, count - 1})
    names = [shard_name(number, count) for number in numbers]
    assert names == sorted(names)
    assert all(name.endswith(f"-of-{count:05d}.parquet") for name in names)


def test_complete_set_is_returned_in_order(tmp_path: Path) -> None:
    names = [shard_name(number, 12) for number in range(12)]
    touch(tmp_path, *reversed(names), "README.txt")
    assert [path.name for path in shard_paths(tmp_path)] == names


@pytest.mark.parametrize(
    "names",
    [
        ["00000-of-00002.parquet"],
        ["00001-of-00002.parquet"],
        ["00000-of-00002.parquet", "00001-of-00002.parquet", "00000-of-00001.parquet"],
        ["00000-of-00002.parquet", "00001-of-00003.parquet"],
        ["data.parquet"],
    ],
)
def test_incomplete_set_is_refused(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(TextsrError, match=r"not one complete set.*dvc repro -f synthesize"):
        shard_paths(touch(tmp_path, *names))


@pytest.mark.parametrize("folder", [".", "none"])
def test_no_shards_is_refused_with_the_remedy(tmp_path: Path, folder: str) -> None:
    with pytest.raises(TextsrError, match=r"no shards; .* `dvc repro synthesize extra_datasets`"):
        shard_paths(tmp_path / folder)


def test_dataset_has_the_schema_in_every_shard(dataset: Path) -> None:
    for path in dataset.rglob("*.parquet"):
        assert pq.read_schema(path).equals(SCHEMA, check_metadata=True)


def test_hub_and_pandas_find_the_columns_they_expect() -> None:
    features = json.loads(SCHEMA.metadata[b"huggingface"])["info"]["features"]
    assert list(features) == SCHEMA.names
    assert [name for name, kind in features.items() if kind["_type"] == "Image"] == ["hr", "lr"]
    assert features["text"] == {"dtype": "string", "_type": "Value"}
    assert features["jpeg_quality_2"] == {"dtype": "float64", "_type": "Value"}
    assert features["font_size_px"] == {"dtype": "int32", "_type": "Value"}


@pytest.mark.parametrize("batch_rows", [1, 5, 256])
def test_rows_come_in_order_whatever_the_batch(dataset: Path, batch_rows: int) -> None:
    rows = list(iterate_rows(dataset / "train", ["index", "text"], batch_rows))
    assert [row["index"] for row in rows] == list(range(96))
    first = dataset / "train" / "00000-of-00003.parquet"
    assert [row.pop("where") for row in rows][:2] == [f"{first}: row 0", f"{first}: row 1"]
    assert read_table(dataset / "train", ["index", "text"]).to_pylist() == rows


def test_table_holds_all_columns_by_default(dataset: Path) -> None:
    table = read_table(dataset / "val")
    assert table.schema.names == SCHEMA.names
    assert table.to_pylist() == [
        {k: v for k, v in row.items() if k != "where"} for row in iterate_rows(dataset / "val")
    ]
    effects = {
        *effect_columns(Render),
        *effect_columns(CameraPass, "_1"),
        *effect_columns(CameraPass, "_2"),
    }
    with_nulls = {name for name in table.column_names if table.column(name).null_count}
    assert with_nulls <= effects, "only an effect that was not applied is null"
    assert len(with_nulls) > 20
    assert isinstance(table, pa.Table)


@settings(deadline=None)
@given(images)
def test_png_round_trip_is_exact(image: np.ndarray) -> None:
    assert np.array_equal(decode_grey(encode_png(image)), image)
    assert encode_png(image) == encode_png(image.copy())


@pytest.mark.parametrize("broken", [b"", b"\x89PNG broken", b"text"])
def test_broken_image_names_the_sample(broken: bytes) -> None:
    with pytest.raises(TextsrError, match=r"train-7: cannot be decoded.*dvc repro -f synthesize"):
        decode_grey(broken, "train-7")
