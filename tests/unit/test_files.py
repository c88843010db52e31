"""Whole or not at all."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsr.errors import TextsrError
from textsr.files import (
    fingerprint,
    read_json,
    replace_file,
    replace_folder,
    write_json,
    write_text,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("old", ["old", None])
def test_failed_write_keeps_what_was_there(tmp_path: Path, old: str | None) -> None:
    path = tmp_path / "a.txt"
    if old is not None:
        path.write_text(old)

    def fail() -> None:
        with replace_file(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [p.read_text() for p in tmp_path.iterdir()] == ([] if old is None else [old])


def test_file_appears_under_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.parquet"
    with replace_file(path) as temporary:
        temporary.write_text("whole")
        assert temporary.suffix == ".parquet", "writers choose their format by it"
        assert temporary.parent == path.parent, "a rename across file systems is a copy"
        assert not path.exists()
    assert [p.name for p in path.parent.iterdir()] == ["table.parquet"]


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".txt")
    write_text(path, "whole")
    assert path.read_text() == "whole"
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_failed_folder_keeps_what_was_there_and_leftovers_are_cleared(tmp_path: Path) -> None:
    path = tmp_path / "d"
    path.mkdir()
    (path / "old").touch()
    leftover = tmp_path / ".0123456789abcdef.partial-77"
    leftover.mkdir()
    (leftover / "half").touch()

    def fail() -> None:
        with replace_folder(path) as temporary:
            (temporary / "half").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [p.name for p in path.iterdir()] == ["old"]
    with replace_folder(path) as temporary:
        (temporary / "new").touch()
    assert [p.name for p in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_replaced_is_whole_until_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "d"
    with replace_folder(path) as temporary:
        (temporary / "old").touch()
    seen = []

    def see(folder: Path, ignore_errors: bool) -> None:
        seen.append([found.name for found in path.iterdir()])

    with replace_folder(path) as temporary:
        (temporary / "new").touch()
        monkeypatch.setattr(shutil, "rmtree", see)  # what is removed, a kill leaves in part
    assert seen
    assert all(names == ["new"] for names in seen)


def test_text_is_utf_8_with_unix_line_ends(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "É €\n")
    assert (tmp_path / "a.txt").read_bytes() == "É €\n".encode()


@given(json_values)
def test_json_comes_back(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value


def test_equal_values_give_equal_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, None]})
    write_json(tmp_path / "b.json", {"a": [1.5, None], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "a.json").read_text().endswith("}\n")


def test_fingerprint_sees_content_names_and_description(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    first = fingerprint("x", [tmp_path])
    assert fingerprint("x", [tmp_path]) == first
    assert fingerprint("y", [tmp_path]) != first
    (tmp_path / "a").write_text("2")
    assert fingerprint("x", [tmp_path]) != first
    (tmp_path / "a").write_text("1")
    (tmp_path / "a").rename(tmp_path / "b")
    assert fingerprint("x", [tmp_path]) != first


def test_fingerprint_sees_neither_place_nor_compiled_code(tmp_path: Path) -> None:
    for folder in ("here", "there"):
        (tmp_path / folder / "sub").mkdir(parents=True)
        (tmp_path / folder / "sub" / "a.py").write_text("1")
    (tmp_path / "there/sub/__pycache__").mkdir()
    (tmp_path / "there/sub/__pycache__/a.pyc").write_bytes(b"compiled")
    assert fingerprint("x", [tmp_path / "here"]) == fingerprint("x", [tmp_path / "there"])
    assert fingerprint("x", [tmp_path / "here/sub/a.py"]) != fingerprint("x", [])


def test_what_no_stage_has_made_yet_is_named_with_the_remedy(tmp_path: Path) -> None:
    missing = tmp_path / "metrics.json"
    for read in (lambda: read_json(missing), lambda: fingerprint("", [tmp_path, missing])):
        with pytest.raises(TextsrError, match=r"metrics\.json: no such file.*`dvc repro`"):
            read()
