"""TextZoom's LMDB."""

import builtins
from pathlib import Path

import lmdb
import pytest
from written_formats import picture, write_textzoom

from textsr.datasets.shards import decode_grey
from textsr.errors import TextsrError
from textsr.imports.textzoom import (
    count_samples,
    find_databases,
    is_test,
    read_database,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pairs = [
        (picture(40 + n, 90, n, ".jpg"), picture(19, 44 + n, n, ".jpg"), f"Word, {n}")
        for n in range(3)
    ]
    for name in ("train1", "test/easy", "test/medium", "test/hard"):
        write_textzoom(tmp_path / name, pairs)
    return tmp_path


def test_databases_are_found_and_kept_apart(folder: Path) -> None:
    found = find_databases(folder)
    assert [path.name for path in found] == ["easy", "hard", "medium", "train1"]
    assert [is_test(path) for path in found] == [True, True, True, False]
    assert [count_samples(path) for path in found] == [3] * 4
    with pytest.raises(TextsrError, match=r"no LMDB database"):
        find_databases(folder / "test/easy/none")


def test_training_pairs_are_of_the_papers_sizes(folder: Path) -> None:
    items = list(read_database(folder / "train1", lr_only=False))
    assert [item.text for item in items] == ["Word, 0", "Word, 1", "Word, 2"]
    for item in items:
        assert decode_grey(item.images["lr"]).shape == (16, 64)
        assert decode_grey(item.images["hr"]).shape == (32, 128)


def test_lr_of_test_is_taken_byte_for_byte(folder: Path) -> None:
    items = list(read_database(folder / "test/hard", lr_only=True))
    assert [item.images for item in items] == [
        {"image": picture(19, 44 + n, n, ".jpg")} for n in range(3)
    ]


def test_test_databases_are_known_from_inside(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "test/easy")
    [found] = find_databases(Path())
    assert found.name == "easy"
    assert is_test(found)


def test_missing_key_is_named(folder: Path) -> None:
    database = folder / "train1"
    with lmdb.open(str(database)) as environment, environment.begin(write=True) as writer:
        writer.delete(b"image_hr-000000002")
    with pytest.raises(TextsrError, match=r"train1: no key image_hr-000000002"):
        list(read_database(database, lr_only=False))


def test_count_that_is_no_number_is_named(folder: Path) -> None:
    with lmdb.open(str(folder / "train1")) as environment, environment.begin(write=True) as writer:
        writer.put(b"num-samples", b"abc")
    with pytest.raises(TextsrError, match=r"train1: key num-samples: expected a number"):
        count_samples(folder / "train1")


def test_broken_image_and_database_are_named(folder: Path) -> None:
    database = folder / "train1"
    with lmdb.open(str(database)) as environment, environment.begin(write=True) as writer:
        writer.put(b"image_lr-000000003", b"")
    with pytest.raises(TextsrError, match=r"train1: pair 3: cannot be decoded"):
        list(read_database(database, lr_only=False))
    (database / "data.mdb").write_bytes(b"x" * 9000)
    with pytest.raises(TextsrError, match=r"train1: not a readable LMDB database"):
        count_samples(database)


def test_without_lmdb_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def no_lmdb(name: str, *arguments: object, **more: object) -> object:
        if name == "lmdb":
            raise ImportError(name)
        return real_import(name, *arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", no_lmdb)
    with pytest.raises(TextsrError, match=r"pip install 'textsr\[textzoom\]'"):
        count_samples(folder / "train1")
