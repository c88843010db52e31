"""Datasets: the same bytes however they are made, whole or not at all."""

import errno
import hashlib
import shutil
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.config.params import SPLITS, Params
from textsr.errors import TextsrError
from textsr.synthesis import shards
from textsr.synthesis.shards import (
    Part,
    ShardTask,
    count_rows,
    plan_part,
    plan_shards,
    write_dataset,
    write_part,
    write_shard,
)

pytestmark = pytest.mark.slow


def with_processes(params: Params, processes: int) -> Params:
    compute = params.compute.model_copy(update={"processes": processes})
    return params.model_copy(update={"compute": compute})


def with_synthesis(params: Params, **update: object) -> Params:
    synthesis = params.synthesis.model_copy(update=update)
    return params.model_copy(update={"synthesis": synthesis})


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def old_dataset(tmp_path: Path) -> Path:
    """A folder with what an earlier run of another size left."""
    (tmp_path / "out/train").mkdir(parents=True)
    (tmp_path / "out/train/00009-of-00010.parquet").write_bytes(b"old")
    return tmp_path / "out"


def test_dataset_is_its_shards_and_nothing_else(dataset: Path) -> None:
    train = [f"train/{number:05d}-of-00003.parquet" for number in range(3)]
    held_out = [f"{split}/00000-of-00001.parquet" for split in ("val", "test")]
    assert set(hashes(dataset)) == {*train, *held_out}


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2, 3])
def test_bytes_do_not_depend_on_the_number_of_processes(
    tiny_params: Params, data: Path, dataset: Path, old_dataset: Path, processes: int
) -> None:
    reported: list[int] = []
    write_dataset(with_processes(tiny_params, processes), data, old_dataset, reported.append)
    assert hashes(old_dataset) == hashes(dataset)
    assert sorted(reported) == [24, 24, 32, 32, 32]


def test_bytes_do_not_depend_on_the_order_of_shards(
    tiny_params: Params, data: Path, dataset: Path, tmp_path: Path
) -> None:
    tasks = [
        task for split in SPLITS for task in plan_shards(tiny_params, split, data, tmp_path / split)
    ]
    for task in reversed(tasks):
        write_shard(task)
    assert hashes(tmp_path) == hashes(dataset)


@pytest.mark.parametrize(("rows", "shard_rows"), [(1, 5), (5, 5), (6, 5), (96, 1)])
def test_shards_cover_every_row_once(tiny_params: Params, rows: int, shard_rows: int) -> None:
    samples = tiny_params.synthesis.samples.model_copy(update={"val": rows})
    params = with_synthesis(tiny_params, samples=samples, shard_rows=shard_rows)
    tasks = plan_shards(params, "val", Path("data"), Path("out"))
    assert [row for task in tasks for row in range(task.first, task.last)] == list(range(rows))
    assert all(0 < task.last - task.first <= shard_rows for task in tasks)
    assert len({task.path for task in tasks}) == len(tasks)


@pytest.mark.parametrize(
    ("missing", "message"),
    [("fonts", r"fonts: no such folder.*fetch-data"), ("corpora", r"words\.txt.*fetch-data")],
)
def test_missing_sources_are_refused_before_work(
    tiny_params: Params, data: Path, tmp_path: Path, missing: str, message: str
) -> None:
    (tmp_path / "data").mkdir()
    for name in {"fonts", "corpora"} - {missing}:
        (tmp_path / "data" / name).symlink_to(data / name)
    with pytest.raises(TextsrError, match=message):
        write_dataset(tiny_params, tmp_path / "data", tmp_path / "out", lambda rows: None)
    assert not (tmp_path / "out").exists()


def test_family_missing_for_the_last_split_is_refused_before_work(
    tiny_params: Params, data: Path, tmp_path: Path
) -> None:
    fonts = tiny_params.synthesis.fonts.model_copy(update={"test_families": ["helvetica"]})
    params = with_synthesis(tiny_params, fonts=fonts)
    with pytest.raises(TextsrError, match="helvetica"):
        write_dataset(params, data, tmp_path / "out", lambda rows: None)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_failing_worker_is_named_and_leaves_the_old_dataset(
    tiny_params: Params, data: Path, tmp_path: Path, old_dataset: Path, processes: int
) -> None:
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data/fonts/mine").mkdir()
    (tmp_path / "data/fonts/mine/Broken.ttf").write_bytes(b"not a font")
    params = with_processes(tiny_params, processes)
    before = hashes(old_dataset)
    with pytest.raises(TextsrError, match=r"Broken\.ttf: not a readable font"):
        write_dataset(params, tmp_path / "data", old_dataset, lambda rows: None)
    assert hashes(old_dataset) == before
    assert [path.name for path in old_dataset.iterdir()] == ["train"]


def test_splits_made_before_a_failure_are_kept_whole(
    tiny_params: Params, data: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_at_val(task: ShardTask) -> int:
        if task.split == "val":
            task.path.write_bytes(b"half")
            raise OSError("disk full")
        return write_shard(task)

    monkeypatch.setattr(shards, "write_shard", fail_at_val)
    with pytest.raises(OSError, match="disk full"):
        write_dataset(with_processes(tiny_params, 1), data, tmp_path, lambda rows: None)
    expected = {name: h for name, h in hashes(dataset).items() if name.startswith("train/")}
    assert hashes(tmp_path) == expected
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


def test_failure_does_not_wait_for_shards_not_begun(
    tiny_params: Params, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[int] = []

    def fail_at_the_first(task: ShardTask) -> int:
        begun.append(task.first)
        if task.first == 0:
            raise OSError("disk full")
        time.sleep(0.02)
        return 1

    monkeypatch.setattr(shards, "write_shard", fail_at_the_first)
    monkeypatch.setattr(shards, "worker_pool", ThreadPoolExecutor)
    params = with_synthesis(with_processes(tiny_params, 2), shard_rows=1)
    with pytest.raises(OSError, match="disk full"):
        write_dataset(params, data, tmp_path, lambda rows: None)
    assert len(begun) < 96 / 2


def silent(rows: int) -> None:
    pass


def write_parts(params: Params, data: Path, parts: Path, count: int) -> None:
    for number in range(1, count + 1):
        write_part(params, data, parts, Part(number, count), silent)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The shards that were drawn rather than taken over, as SPLIT/FIRST ROW."""
    names: list[str] = []

    def record(task: ShardTask) -> int:
        names.append(f"{task.split}/{task.first}")
        return write_shard(task)

    monkeypatch.setattr(shards, "write_shard", record)
    return names


ALL_MADE = ["test/0", "train/0", "train/32", "train/64", "val/0"]


@pytest.mark.parametrize("count", [2, 3, 7])
def test_bytes_do_not_depend_on_the_number_of_machines(
    tiny_params: Params, data: Path, dataset: Path, tmp_path: Path, made: list[str], count: int
) -> None:
    params = with_processes(tiny_params, 1)
    write_parts(params, data, tmp_path / "parts", count)
    assert sorted(made) == ALL_MADE
    made.clear()
    reported: list[int] = []
    taken = write_dataset(params, data, tmp_path / "out", reported.append, tmp_path / "parts")
    assert hashes(tmp_path / "out") == hashes(dataset)
    assert (taken, made) == (5, [])
    assert sorted(reported) == [24, 24, 32, 32, 32]


def rows_by_file(tasks: Iterable[ShardTask]) -> list[tuple[Path, str, int, int]]:
    return sorted((task.path, task.split, task.first, task.last) for task in tasks)


@settings(deadline=None)
@given(
    rows=st.tuples(*[st.integers(1, 200)] * 3),
    shard_rows=st.integers(1, 90),
    count=st.integers(1, 9),
)
def test_parts_hold_every_shard_once_and_as_many_each(
    tiny_params: Params, rows: tuple[int, int, int], shard_rows: int, count: int
) -> None:
    samples = dict(zip(SPLITS, rows, strict=True))
    sized = tiny_params.synthesis.samples.model_copy(update=samples)
    params = with_synthesis(tiny_params, samples=sized, shard_rows=shard_rows)
    out = Path("out")
    parts = [plan_part(params, Path("data"), Part(n, count), out) for n in range(1, count + 1)]
    whole = [t for split in SPLITS for t in plan_shards(params, split, Path("data"), out / split)]
    assert rows_by_file(task for part in parts for task in part) == rows_by_file(whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert sum(count_rows(params, Part(n, count)) for n in range(1, count + 1)) == sum(rows)


def test_a_missing_part_is_made(
    tiny_params: Params, data: Path, dataset: Path, tmp_path: Path, made: list[str]
) -> None:
    params = with_processes(tiny_params, 1)
    write_part(params, data, tmp_path / "parts", Part(2, 2), silent)
    assert sorted(made) == ["train/32", "val/0"]
    made.clear()
    assert write_dataset(params, data, tmp_path / "out", silent, tmp_path / "parts") == 2
    assert sorted(made) == ["test/0", "train/0", "train/64"]
    assert hashes(tmp_path / "out") == hashes(dataset)


@pytest.mark.parametrize("change", ["params", "sources", "cut short", "half a part"])
def test_a_part_that_is_not_of_this_dataset_is_not_taken(
    tiny_params: Params,
    data: Path,
    dataset: Path,
    tmp_path: Path,
    made: list[str],
    change: str,
) -> None:
    params, parts = with_processes(tiny_params, 1), tmp_path / "parts"
    sources = tmp_path / "data"
    shutil.copytree(data, sources)
    if change == "sources":
        (sources / "corpora/custom").mkdir(exist_ok=True)
        (sources / "corpora/custom/mine.txt").write_text("TOTAL 12.50\n")
    others = with_synthesis(params, seed=2) if change == "params" else params
    write_part(others, sources, parts, Part(1, 1), silent)
    if change == "cut short":
        shard = parts / "1-of-1/train/00001-of-00003.parquet"
        shard.write_bytes(shard.read_bytes()[:-100])
    if change == "half a part":
        (parts / "1-of-1/made-of").unlink()
    made.clear()
    taken = write_dataset(params, data, tmp_path / "out", silent, parts)
    assert hashes(tmp_path / "out") == hashes(dataset)
    assert sorted(made) == (["train/32"] if change == "cut short" else ALL_MADE)
    assert taken == 5 - len(made)


def test_shards_of_parts_are_copied_where_they_cannot_be_linked(
    tiny_params: Params,
    data: Path,
    dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    write_parts(tiny_params, data, tmp_path / "parts", 1)
    monkeypatch.setattr(shards.os, "link", refuse)
    assert write_dataset(tiny_params, data, tmp_path / "out", silent, tmp_path / "parts") == 5
    assert hashes(tmp_path / "out") == hashes(dataset)


@pytest.mark.parametrize("name", ["0-of-2", "3-of-2", "2/3", "-1-of-2", "", "1-of-2x"])
def test_names_that_are_no_part_are_refused(name: str) -> None:
    with pytest.raises(TextsrError, match="1-of-3"):
        Part.parse(name)
    assert Part.parse("2-of-3") == Part(2, 3)
    assert Part(2, 3).name == "2-of-3"
