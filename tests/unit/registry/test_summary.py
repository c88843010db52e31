"""`textsr show`: the reports in git, and whether what they speak of is here."""

import shutil
from pathlib import Path

import pytest

from textsr.config import project
from textsr.registry.summary import summarise_project

ROOT = Path(__file__).parents[3]
MISSING = "These reports came with the clone."


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / project.REPORTS, tmp_path / project.REPORTS)
    return tmp_path


def test_a_clone_alone_says_what_is_not_here(clone: Path) -> None:
    shown = summarise_project(clone)
    assert MISSING in shown
    assert (ROOT / project.REPORTS / "leaderboard.md").read_text() in shown


def test_a_project_that_was_run_does_not(clone: Path) -> None:
    (clone / project.EVALUATION).mkdir(parents=True)
    assert MISSING not in summarise_project(clone)
