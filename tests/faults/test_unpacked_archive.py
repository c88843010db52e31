"""An archive unpacked without git is refused at once, and not after gigabytes were installed."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(folder: Path, target: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", target], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    return tmp_path


@pytest.mark.parametrize("target", ["data", "repro", "demo", "test", "up"])
def test_what_needs_git_says_so_and_installs_nothing(unpacked: Path, target: str) -> None:
    done = make(unpacked, target)
    assert done.returncode == 2
    assert 'git init && git add -A && git commit -m "Unpacked"' in done.stderr
    assert [path.name for path in unpacked.iterdir()] == ["Makefile"]


def test_the_remedy_is_one(unpacked: Path) -> None:
    remedy = 'git init -q && git add -A && git commit -qm "Unpacked"'
    identity = "git config user.name t && git config user.email t@localhost"
    remedy = remedy.replace("&& git add", f"&& {identity} && git add")
    subprocess.run(["sh", "-c", remedy], cwd=unpacked, check=True)
    assert "git init" not in make(unpacked, "data").stderr


def test_what_needs_no_git_goes_on(unpacked: Path) -> None:
    assert "make setup" in make(unpacked, "help").stdout
