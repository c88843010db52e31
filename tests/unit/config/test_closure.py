"""The code that a result depends on, in a copy of the package, as an installation has it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import textsr
from textsr.config.closure import code_behind, modules_behind

PRINT_KEY = """
import sys
from textsr.config.closure import code_behind
from textsr.files import fingerprint
print(fingerprint("", code_behind(sys.argv[1])))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = Path(textsr.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
    return Path(shutil.copytree(folder, tmp_path / "textsr", ignore=ignored))


@pytest.fixture
def key(package: Path) -> Callable[[str], str]:
    def print_key(module: str) -> str:
        command = [sys.executable, "-B", "-c", PRINT_KEY, module]
        environment = {"PYTHONPATH": str(package.parent)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout

    return print_key


@pytest.mark.parametrize("module", ["training.run", "training.recognizer", "pretraining.run"])
def test_key_changes_with_the_code_behind_a_training_alone(
    package: Path, key: Callable[[str], str], module: str
) -> None:
    before = key(f"textsr.{module}")
    for outside in ("cli/main.py", "validation/run.py", "evaluation/leaderboard.py", "__init__.py"):
        with (package / outside).open("a") as file:
            file.write("# changed\n")

    assert key(f"textsr.{module}") == before
    for inside in ("models/blocks.py", "models/__init__.py", "errors.py", "datasets/shards.py"):
        with (package / inside).open("a") as file:
            file.write("# changed\n")
        after = key(f"textsr.{module}")
        assert after != before, inside
        before = after


def test_imports_in_functions_count_and_those_for_type_checking_do_not(
    package: Path, key: Callable[[str], str]
) -> None:
    (package / "a.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from textsr import c\n"
        "def use():\n    from textsr import b\n"
    )
    for name in ("b", "c"):
        (package / f"{name}.py").write_text("")
    before = key("textsr.a")
    (package / "c.py").write_text("# changed\n")
    assert key("textsr.a") == before
    (package / "b.py").write_text("# changed\n")
    assert key("textsr.a") != before


def test_code_is_of_what_was_imported() -> None:
    behind = {name: sys.modules[name].__file__ for name in modules_behind("textsr.config.closure")}
    assert {str(path) for path in code_behind("textsr.config.closure")} == set(behind.values())
