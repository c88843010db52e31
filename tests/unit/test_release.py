"""`make release`: what is built twice must be the same, and its SBOM names all that is locked."""

import importlib
import json
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = '[project]\nname = "textsr"\nversion = "1.2"\nlicense = "Apache-2.0"\n'
LOCK = (
    "pillow==12.0 \\\n    --hash=sha256:0\n"
    "nowhere==1.0 ; sys_platform == 'nowhere' \\\n    --hash=sha256:1\n"
)


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(ROOT / ".ci")
    monkeypatch.chdir(ROOT)
    return importlib.import_module("release")


def test_the_sbom_names_the_wheel_and_all_that_is_locked(
    release: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "requirements.lock").write_text(LOCK)
    (tmp_path / "textsr.whl").write_bytes(b"wheel")
    text = release.sbom(tmp_path, tmp_path, 1_000_000_000)
    found = json.loads(text)
    assert found["bomFormat"] == "CycloneDX"
    assert found["metadata"]["timestamp"] == "2001-09-09T01:46:40+00:00"
    root = found["metadata"]["component"]
    assert (root["name"], root["version"]) == ("textsr", "1.2")
    assert root["hashes"][0]["content"] == release.hashes(tmp_path)["textsr.whl"]
    names = {each["purl"]: each.get("licenses") for each in found["components"]}
    assert set(names) == {"pkg:pypi/pillow@12.0", "pkg:pypi/nowhere@1.0"}
    assert names["pkg:pypi/pillow@12.0"] == [{"license": {"id": "MIT-CMU"}}]
    (depends,) = (each for each in found["dependencies"] if each["ref"] == "textsr")
    assert depends["dependsOn"] == ["nowhere==1.0", "pillow==12.0"]
    assert release.sbom(tmp_path, tmp_path, 1_000_000_000) == text


def test_what_differs_is_named_and_not_kept(
    release: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(_: str, folder: Path) -> None:
        (folder / "same").write_text("same")
        (folder / "other").write_text(folder.name)
        (folder / folder.name).touch()

    monkeypatch.setattr(release, "build", build)
    with pytest.raises(SystemExit) as ended:
        release.main(tmp_path / "out")
    assert str(ended.value).splitlines()[1:] == ["one", "other", "the-other"]
    assert not list(tmp_path.iterdir())


def test_what_is_the_same_is_kept_with_its_hashes(
    release: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "build", lambda _, folder: (folder / "same").write_text("same"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/old").touch()
    release.main(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["SHA256SUMS", "same"]
    sums = (tmp_path / "out/SHA256SUMS").read_text()
    assert sums == f"{release.hashes(tmp_path / 'out')['same']}  same\n"
