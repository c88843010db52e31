"""Damaged JSON of stages is named with the remedy by the verbs that read it."""

import json
from pathlib import Path

import pytest

from textsr.errors import TextsrError
from textsr.evaluation.results import Leaderboard, Metrics, Speed
from textsr.files import read_json
from textsr.registry.gate import Registration, read_registration
from textsr.registry.run import publish_evaluation
from textsr.registry.summary import summarise_project
from textsr.tracking import RunRecord

CONTENTS = {
    "truncated": b'{"winner": "se',
    "empty": b"",
    "binary": b"\x00\xff\xfe",
    "nested": b"[" * 200_000,
    "a list": b"[]",
    "a number": b"7",
    "other keys": b'{"other": 1}',
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
@pytest.mark.parametrize("shape", [Registration, Leaderboard, RunRecord, Metrics, Speed])
def test_what_is_damaged_or_of_another_shape_is_refused_by_name(
    tmp_path: Path, content: bytes, shape: type
) -> None:
    path = tmp_path / "result.json"
    path.write_bytes(content)
    with pytest.raises(TextsrError, match=r"result\.json: (damaged|not valid).*; remove it") as no:
        read_json(path, shape)
    assert len(str(no.value)) < 1000
    with pytest.raises(TextsrError, match="; as I say"):
        read_json(path, shape, "as I say")


def test_what_is_no_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(TextsrError, match=r"folder\.json: cannot be read"):
        read_json(tmp_path / "folder.json")
    (tmp_path / "file").touch()
    with pytest.raises(TextsrError, match=r"file/x\.json: no such file"):
        read_json(tmp_path / "file" / "x.json")


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    """A shape adds no key, drops none and changes no type."""
    value = {"winner": "srcnn_transposed", "rows": [{"psnr": 1}], "confidence": 0.95}
    (tmp_path / "l.json").write_text(json.dumps(value))
    assert read_json(tmp_path / "l.json", Leaderboard) == value


@pytest.mark.parametrize("content", [CONTENTS["truncated"], CONTENTS["other keys"]])
def test_verbs_name_the_damaged_file(tmp_path: Path, content: bytes) -> None:
    reports = tmp_path / "reports"
    reports.mkdir()
    (reports / "leaderboard.md").write_text("| |")
    (reports / "registration.json").write_bytes(content)
    for read in (
        lambda: summarise_project(tmp_path),
        lambda: read_registration(reports / "registration.json"),
    ):
        with pytest.raises(TextsrError, match=r"registration\.json: .*--single-item register"):
            read()
    (reports / "leaderboard.md").write_bytes(b"\xff")
    with pytest.raises(TextsrError, match=r"leaderboard\.md: cannot be read.*dvc repro"):
        summarise_project(tmp_path)
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(TextsrError, match=r"run\.json: .*dvc repro"):
        publish_evaluation(None, tmp_path, tmp_path)  # type: ignore[arg-type]
