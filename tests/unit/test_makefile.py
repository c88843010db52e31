"""What `make demo` says at its end, with a `textsr` that does nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESTORE = "git restore dvc.lock reports"


def run(project: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "Makefile", tmp_path)
    program = tmp_path / ".venv/bin/textsr"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    (tmp_path / "reports").mkdir()
    for name in ("dvc.lock", "reports/leaderboard.md", "other"):
        (tmp_path / name).write_text("of the clone\n")
    run(tmp_path, "git", "init", "-q")
    run(tmp_path, "git", "add", "dvc.lock", "reports", "other")
    run(
        tmp_path,
        *("git", "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qm", "Clone"),
    )
    return tmp_path


def demo(project: Path) -> str:
    return run(project, "make", "--silent", "-o", "repro", "demo")


def test_results_that_differ_are_named_with_what_puts_them_back(project: Path) -> None:
    for name in ("dvc.lock", "reports/leaderboard.md", "other"):
        (project / name).write_text("of this machine\n")
    *_, last = said = demo(project).splitlines()
    assert "dvc.lock reports/leaderboard.md: changed" in "\n".join(said)
    assert last.strip() == RESTORE
    run(project, *last.split())
    assert (project / "reports/leaderboard.md").read_text() == "of the clone\n"
    assert (project / "other").read_text() == "of this machine\n"


def test_nothing_is_said_where_the_results_are_those_of_the_clone(project: Path) -> None:
    (project / "other").write_text("of this machine\n")
    assert RESTORE not in demo(project)
