"""`make audit`: a licence that nobody has looked at fails, and so does one that has changed."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {"MIT", "BSD License", "MPL-2.0"}


@pytest.fixture(scope="module")
def licences() -> ModuleType:
    spec = importlib.util.spec_from_file_location("licences", ROOT / ".ci/licences.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("licence", "is_spdx", "allowed"),
    [
        ("MIT", True, True),
        ("MIT AND MPL-2.0", True, True),
        ("MIT AND GPL-3.0-only", True, False),
        ("GPL-3.0-only OR MIT", True, True),
        ("MPL-2.0 AND (GPL-3.0-only OR MIT)", True, True),
        ("(MIT", True, False),
        ("BSD License; MIT", False, True),
        ("BSD License; GPL", False, False),
        ("", False, False),
    ],
)
def test_enough_of_a_licence_must_be_allowed(
    licences: ModuleType, licence: str, is_spdx: bool, allowed: bool
) -> None:
    assert licences.is_allowed(licence, is_spdx, ALLOWED) is allowed


def test_what_is_accepted_of_a_package_is_its_licence_alone(licences: ModuleType) -> None:
    packages = {"a": ("GPL", False), "b": ("GPL", False), "c": ("MIT", True)}
    lines = licences.problems(packages, ALLOWED, {"a": "GPL"})
    assert lines == ["b: its licence is GPL: not looked at"]
    lines = licences.problems(packages, ALLOWED, {"a": "LGPL", "b": "GPL"})
    assert lines == ["a: 'LGPL' was accepted; now its licence is 'GPL'"]


def check(lock: Path, allowed: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / ".ci/licences.py", lock, allowed],
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_that_is_locked_has_been_looked_at() -> None:
    done = check(ROOT / "requirements.lock", ROOT / ".ci/licences.toml")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[1]) > 300


def test_what_fails_names_the_package_and_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("pebble==5.2.3 \\\n  --hash=sha256:0\n")
    (tmp_path / "allowed").write_text(
        'allowed = ["MIT"]\n[[accepted]]\npackage = "gone"\nlicence = ""\n'
    )
    done = check(tmp_path / "lock", tmp_path / "allowed")
    assert done.returncode == 1
    assert "pebble: its licence is GNU Library or Lesser General" in done.stderr
    assert "gone: accepted, and not in the lock" in done.stderr
    assert "use another package, or accept it with a reason" in done.stderr
