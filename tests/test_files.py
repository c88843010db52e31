"""Whole or not at all."""

from pathlib import Path

import pytest

from textsr.files import fingerprint, read_json, replace_file, replace_folder, write_json


def test_failed_write_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with replace_file(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_failed_folder_keeps_what_was_there_and_leftovers_are_cleared(tmp_path: Path) -> None:
    path = tmp_path / "d"
    path.mkdir()
    (path / "old").touch()
    (tmp_path / ".d.partial").mkdir()
    (tmp_path / ".d.partial" / "leftover").touch()

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


def test_equal_values_give_equal_json(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [1.5, None]})
    write_json(tmp_path / "b.json", {"a": [1.5, None], "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert read_json(tmp_path / "a.json") == {"a": [1.5, None], "b": 1}


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
