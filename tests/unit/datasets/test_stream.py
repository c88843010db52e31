"""Streamed shards: every row once an epoch, a bounded number of shards in memory."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.datasets.schema import SCHEMA, shard_name
from textsr.datasets.shards import decode_grey, encode_png, iterate_rows, spread_rows
from textsr.datasets.stream import EncodedShard, ShuffledLines
from textsr.errors import TextsrError

PIXEL = {"bytes": encode_png(np.zeros((1, 1), np.uint8)), "path": ""}


def write_shards(folder: Path, counts: list[int]) -> Path:
    folder.mkdir(exist_ok=True)
    empty = dict.fromkeys(SCHEMA.names)
    for number, count in enumerate(counts):
        rows = [
            empty | {"sample_id": f"{number}-{row}", "lr": PIXEL, "hr": PIXEL}
            for row in range(count)
        ]
        path = folder / shard_name(number, len(counts))
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), path)
    return folder


shards = st.lists(st.integers(0, 9), min_size=1, max_size=8).filter(lambda counts: sum(counts) > 0)


@settings(max_examples=60, deadline=None)
@given(counts=shards, window=st.integers(1, 40), seed=st.integers(0, 99), epoch=st.integers(0, 3))
def test_each_epoch_visits_every_row_once(
    counts: list[int],
    window: int,
    seed: int,
    epoch: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = write_shards(tmp_path_factory.mktemp("shards"), counts)
    lines = ShuffledLines(folder, window_rows=window, seed=seed)
    total = sum(counts)
    assert len(lines) == total
    visited = [lines.locate(epoch * total + offset) for offset in range(total)]
    every = [(shard, row) for shard, count in enumerate(counts) for row in range(count)]
    assert sorted(visited) == every


@settings(max_examples=40, deadline=None)
@given(counts=shards, window=st.integers(9, 40), seed=st.integers(0, 99))
def test_no_more_rows_than_a_window_are_in_memory(
    counts: list[int], window: int, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = write_shards(tmp_path_factory.mktemp("shards"), counts)
    lines = ShuffledLines(folder, window_rows=window, seed=seed)
    spans: dict[int, list[int]] = {}
    for offset in range(sum(counts)):
        spans.setdefault(lines.locate(offset)[0], []).append(offset)
    # A shard is needed from its first row to its last; at any time those in need fill a window.
    for offset in range(sum(counts)):
        needed = [s for s, seen in spans.items() if min(seen) <= offset <= max(seen)]
        assert sum(counts[shard] for shard in needed) <= max(window, max(counts))


def test_a_short_last_shard_leaves_no_more_in_memory(tmp_path: Path) -> None:
    folder = write_shards(tmp_path, [10] * 19 + [1])
    lines = ShuffledLines(folder, window_rows=40, seed=0)
    for position in range(len(lines)):
        lines.decode("lr", position)
    assert lines._shard.cache_info().currsize <= 4  # type: ignore[attr-defined]


def test_shards_are_read_once_an_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_shards(tmp_path, [10] * 12)
    read: list[Path] = []
    load = EncodedShard.__init__

    def counting(self: EncodedShard, path: Path, *columns: tuple[str, ...]) -> None:
        read.append(path)
        load(self, path, *columns)

    monkeypatch.setattr(EncodedShard, "__init__", counting)
    lines = ShuffledLines(folder, window_rows=30, seed=0)
    for position in range(120):
        lines.decode("lr", position)
        lines.decode("hr", position)
    assert len(read) == len(set(read)) == 12


def test_order_is_a_function_of_the_seed_and_the_position(tmp_path: Path) -> None:
    folder = write_shards(tmp_path, [7, 7, 7])

    def order(seed: int, positions: list[int]) -> list[tuple[int, int]]:
        lines = ShuffledLines(folder, window_rows=10, seed=seed)
        return [lines.locate(position) for position in positions]

    forwards = order(1, list(range(60)))
    assert order(1, list(reversed(range(60)))) == forwards[::-1]
    assert order(2, list(range(60))) != forwards
    assert forwards[:21] != forwards[21:42]


def test_one_window_shuffles_across_shards(tmp_path: Path) -> None:
    folder = write_shards(tmp_path, [50, 50])
    lines = ShuffledLines(folder, window_rows=100, seed=0)
    shards = [lines.locate(position)[0] for position in range(100)]
    assert np.count_nonzero(np.diff(shards)) > 10


def test_line_is_that_of_its_shard_and_row(dataset: Path) -> None:
    lines = ShuffledLines(dataset / "train", ("lr",), window_rows=40, seed=3)
    rows = list(iterate_rows(dataset / "train", ["lr"]))
    for position in range(0, 200, 7):
        shard, row = lines.locate(position)
        expected = decode_grey(rows[32 * shard + row]["lr"]["bytes"])
        assert np.array_equal(lines.decode("lr", position), expected)


def test_broken_image_is_named(tmp_path: Path) -> None:
    row = dict.fromkeys(SCHEMA.names) | {"sample_id": "train-0000007"}
    row |= {"lr": {"bytes": b"broken", "path": ""}, "hr": PIXEL}
    pq.write_table(pa.Table.from_pylist([row], SCHEMA), tmp_path / shard_name(0, 1))
    lines = ShuffledLines(tmp_path, window_rows=5, seed=0)
    with pytest.raises(TextsrError, match=r"train-0000007 \(lr\)"):
        lines.decode("lr", 0)


@pytest.mark.parametrize("limit", [1, 5, 96, 1000])
def test_rows_are_spread_over_all_shards(dataset: Path, limit: int) -> None:
    found = [row["sample_id"] for row in spread_rows(dataset / "train", ("lr",), limit)]
    every = [row["sample_id"] for row in iterate_rows(dataset / "train", ["sample_id"])]
    assert len(found) == min(limit, 96)
    numbers = [every.index(name) for name in found]
    assert numbers == sorted(numbers)
    if limit > 1:
        assert (numbers[0], numbers[-1]) == (0, 95)
        assert max(np.diff(numbers)) - min(np.diff(numbers)) <= 1
