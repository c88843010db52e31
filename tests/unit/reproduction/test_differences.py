"""What differs between two machines, from what each has recorded."""

import json
from pathlib import Path

import pytest

from textsr.errors import TextsrError
from textsr.reproduction.differences import find_differences

MACHINE = {"cpu": "EPYC", "python": "3.11.2", "system": "Linux"}


def record(folder: Path, installed: str, lock: str, hardware: str = "CPU, 2 cores") -> Path:
    folder.mkdir()
    (folder / "environment.txt").write_text(installed)
    (folder / "requirements.lock").write_text(lock)
    origin = MACHINE | {"registered": {"hardware": hardware}}
    (folder / "origin.json").write_text(json.dumps(origin))
    return folder


def test_equal_machines_do_not_differ(tmp_path: Path) -> None:
    """Also where names are spelled otherwise, and where textsr's own version is another."""
    then = record(tmp_path / "then", "Ruff_A==1\ntextsr==0.8\n", "numpy==2 \\\n  --hash=sha256:0\n")
    now = record(tmp_path / "now", "ruff-a==1\ntextsr==0.9\n", "numpy==2 \\\n  --hash=sha256:1\n")
    assert find_differences(then, now, "CPU, 2 cores") == []
    assert find_differences(then, now, None) == []


def test_each_difference_is_a_line_with_both_sides(tmp_path: Path) -> None:
    then = record(tmp_path / "then", "torch==2.1\nold==1\n", "torch==2.1 \\\n", "CPU, 8 cores")
    now = record(tmp_path / "now", "torch==2.2\nnew==1\n", "torch==2.2 ; python_version > '3'\n")
    origin = MACHINE | {"cpu": "Xeon", "registered": {"hardware": "CPU, 8 cores"}}
    del origin["system"]
    (then / "origin.json").write_text(json.dumps(origin))
    assert find_differences(then, now, "NVIDIA H200") == [
        "CPU: Xeon; here EPYC",
        "system: not recorded; here Linux",
        "hardware that registered it: CPU, 8 cores; here CPU, 2 cores",
        "hardware that trained it: NVIDIA H200; here CPU, 2 cores",
        "package: new not there; here 1",
        "package: old 1; here not there",
        "package: torch 2.1; here 2.2",
        "requirements.lock: torch 2.1; here 2.2",
    ]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    then = record(tmp_path / "then", "", "")
    (then / "origin.json").write_text("[]")
    with pytest.raises(TextsrError, match=r"origin\.json: not valid"):
        find_differences(then, record(tmp_path / "now", "", ""), None)
