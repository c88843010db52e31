"""The command line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from textsr import cli
from textsr.errors import TextsrError
from textsr.project import find_root

HEAVY = ("torch", "cv2", "mlflow", "lightning", "great_expectations", "matplotlib", "pandas")


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from textsr.cli import main; main()", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_reads_as_the_pipeline_does() -> None:
    said = run("--help").stdout
    verbs = ["fetch-data", "synthesize", "validate", "pretrain", "train", "baselines", "evaluate",
             "compare", "register", "rollback", "upscale", "score"]  # fmt: skip
    first_words = re.findall(r"^[│\s]*([a-z-]+)\s", said, re.MULTILINE)
    assert [word for word in first_words if word in verbs] == verbs


def test_help_loads_nothing_heavy() -> None:
    program = f"import sys, textsr.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.stdout.strip() == "[]"


def test_mistake_is_one_message_and_exit_status_1(tmp_path: Path) -> None:
    result = run("synthesize", cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith("textsr: params.yaml: no such file")
    assert "Traceback" not in result.stderr


def test_broken_params_are_refused_before_any_work(tmp_path: Path) -> None:
    text = (Path(__file__).parents[1] / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(text.replace("steps: 900", "stpes: 900"))
    result = run("train", "scratch", cwd=tmp_path)
    assert result.returncode == 1
    assert "training.stpes: unknown key" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_project_root_is_found_from_below_and_missed_with_a_remedy(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    with pytest.raises(TextsrError, match=r"dvc\.yaml"):
        find_root(below)
    (tmp_path / "dvc.yaml").touch()
    (tmp_path / "params.yaml").touch()
    assert find_root(below) == tmp_path


def test_a_folder_that_is_no_model_is_named(tmp_path: Path) -> None:
    result = run("upscale", "x.png", "-o", "y.png", "--model", str(tmp_path / "nothing"))
    assert result.returncode == 1
    assert "nothing" in result.stderr


def test_progress_without_a_terminal_is_a_line_a_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with cli._progress() as start:
        advance = start("lines", 40)
        for _ in range(40):
            advance(1)
    lines = capsys.readouterr().err.split("\n")
    assert "lines: 40/40" in lines
    assert len([line for line in lines if line.startswith("lines:")]) == 10
