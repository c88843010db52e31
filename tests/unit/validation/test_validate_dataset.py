"""The whole stage: what passes, what it writes, and what it says about data it cannot read."""

import html
import json
import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from drawn_dataset import SAMPLES, Bench, Rows, exact_engine

from textsr.datasets.schema import shard_name
from textsr.errors import TextsrError
from textsr.validation.pictures import CONTACT_SHEET
from textsr.validation.run import validate_dataset

pytestmark = pytest.mark.slow


def test_clean_dataset_passes_in_silence(
    bench: Bench,
    rows: Rows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError(f"connects to {args[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    elsewhere = [tmp_path / name for name in ("home", "work", "temporary")]
    for folder in elsewhere:
        folder.mkdir()
    monkeypatch.setenv("HOME", str(elsewhere[0]))
    monkeypatch.chdir(elsewhere[1])
    monkeypatch.setattr("tempfile.tempdir", str(elsewhere[2]))
    environment = dict(os.environ)

    report = bench.validate(rows, docs=True)

    assert report.findings == ()
    assert report.rows == SAMPLES
    assert len(report.outcomes) > 100
    assert json.loads((bench.output / "result.json").read_text()) == {
        "success": True,
        "rows": SAMPLES,
        "validated": "all 136 rows",
        "expectations": report.outcomes,
        "findings": [],
    }
    assert "passed" in (bench.output / "data_docs" / "index.html").read_text()
    assert capfd.readouterr() == ("", "")
    assert dict(os.environ) == environment
    assert not [path for folder in elsewhere for path in folder.iterdir()]
    assert sorted(path.name for path in bench.output.iterdir()) == ["data_docs", "result.json"]


def test_results_are_written_though_it_fails_and_replaced_the_next_time(
    bench: Bench, rows: Rows
) -> None:
    rows["train"][5]["seed"] = 8
    rows["train"][6]["kind"] = "<script>alert(1)</script>"
    results = []
    for _ in range(2):
        with pytest.raises(TextsrError) as failure:
            bench.validate(rows, only=["seed", "kind_known", "val_rows"], docs=True)
        results.append((bench.output / "result.json").read_bytes())

    assert results[0] == results[1]
    assert str(bench.root).encode() not in results[0]
    assert json.loads(results[0])["success"] is False
    docs = bench.output / "data_docs"
    assert str(docs / "index.html") in str(failure.value)

    index = (docs / "index.html").read_text(encoding="utf-8")
    assert "train-0000005: 8" in index
    assert "<script>alert" not in index
    assert "train-0000006: '<script>" in html.unescape(index)
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.html")}
    assert len(pages) == 5  # the index, and of either suite what is expected and what was found
    links = set(re.findall(r'<li><a href="([^"]+)">', index))
    assert links == pages - {"index.html"}
    (page,) = (docs / "validations").rglob("*samples.html")
    assert "`seed` is 1 in every row" in page.read_text(encoding="utf-8")
    assert sum(path.stat().st_size for path in docs.rglob("*") if path.is_file()) < 1_000_000


def test_what_a_killed_validation_left_is_removed(bench: Bench, rows: Rows) -> None:
    left = bench.output / ".census-killed"
    left.mkdir(parents=True)
    bench.validate(rows, only=["seed"])
    assert not left.exists()


@pytest.mark.slow
def test_empty_dataset(bench: Bench) -> None:
    bench.write({"train": [], "val": [], "test": []})
    with pytest.raises(TextsrError) as failure:
        validate_dataset(bench.dataset, bench.output, bench.params, lambda lines: [])

    message = str(failure.value)
    assert (
        "val_rows: The val split has 16 rows (synthesis.samples.val).\n  column rows: found 0"
        in message
    )
    assert "could not be evaluated" not in message
    assert (bench.output / "data_docs" / CONTACT_SHEET).is_file()


def _validate_written(bench: Bench, rows: Rows) -> None:
    validate_dataset(bench.dataset, bench.output, bench.params, exact_engine(rows))


def test_missing_shard(bench: Bench, rows: Rows) -> None:
    bench.write(rows)
    (bench.dataset / "val" / shard_name(1, 2)).unlink()

    with pytest.raises(TextsrError, match="dataset/val: the shards are not one complete set"):
        _validate_written(bench, rows)


def test_missing_split(bench: Bench, rows: Rows) -> None:
    bench.write({"train": rows["train"], "val": rows["val"]})

    with pytest.raises(TextsrError, match="dataset/test: no shards"):
        _validate_written(bench, rows)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda content: content[: len(content) // 2], id="truncated"),
        pytest.param(
            lambda content: content[:100] + b"\xff" * (len(content) // 2) + content[-9000:],
            id="overwritten",
        ),
        pytest.param(lambda _: b"PAR1" + b"\0" * 100 + b"PAR1", id="no footer"),
    ],
)
def test_corrupt_shard(bench: Bench, rows: Rows, damage: Callable[[bytes], bytes]) -> None:
    bench.write(rows)
    shard = bench.dataset / "train" / shard_name(1, 2)
    shard.write_bytes(damage(shard.read_bytes()))

    with pytest.raises(TextsrError, match=r"train/00001-of-00002\.parquet: not a readable Parquet"):
        _validate_written(bench, rows)


def _replaced(table: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, column)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop_columns("kind"), "column kind is missing"),
        (lambda table: table.append_column("extra", table["seed"]), "column extra is not in"),
        (
            lambda table: _replaced(table, "seed", table["seed"].cast(pa.int32())),
            "column seed is int32, not int64",
        ),
        (
            lambda table: _replaced(table, "hr", pa.array([b""] * len(table))),
            "column hr is binary, not struct",
        ),
    ],
)
def test_shard_of_another_schema(
    bench: Bench, rows: Rows, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    bench.write(rows)
    shard = bench.dataset / "test" / shard_name(0, 2)
    pq.write_table(change(pq.read_table(shard)), shard)

    with pytest.raises(TextsrError, match=rf"test/00000-of-00002\.parquet: {message}"):
        _validate_written(bench, rows)
