"""What a version came from: kept with it, told, and said where it was not recorded."""

import json
import subprocess
import tempfile
from pathlib import Path

import pytest
from mlflow.entities.model_registry import ModelVersion
from typer.testing import CliRunner

from textsr.cli.main import app
from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.files import fingerprint
from textsr.registry.aliases import register_challenger
from textsr.registry.origin import (
    is_kept,
    keep_files,
    lineage_as_json,
    read_kept,
    render_lineage,
    write_origin,
)
from textsr.tracking import Tracker, lineage_tags

pytestmark = pytest.mark.slow


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A committed project whose params.yaml was changed since."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in (
        ("dvc.lock", "schema: '2.0'\n"),
        ("params.yaml", "seed: 1\n"),
        ("data.dvc", "outs:\n- md5: 0123.dir\n"),
        ("requirements.lock", "numpy==2\n"),
    ):
        (folder / name).write_text(text)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "test")
    (folder / "params.yaml").write_text("seed: 2\n")
    return folder


def register(tracker: Tracker, name: str, tags: dict[str, str]) -> ModelVersion:
    run_id = tracker.start("byol", "e", {"training.steps": "6"}, tags).run_id
    return register_challenger(tracker, name, "file:///none", run_id, "")


def keep(
    tracker: Tracker, version: ModelVersion, project: Path, params: Params, made: Path
) -> ModelVersion:
    made.mkdir()
    write_origin(made, project, params, {"rapidocr": "r 1", "tesseract": None})
    keep_files(tracker, version, made)
    return tracker.client.get_model_version(version.name, str(version.version))


def test_all_that_was_recorded_can_be_looked_up(
    tracker: Tracker, project: Path, tiny_params: Params, tmp_path: Path
) -> None:
    encoder = tracker.start("byol", "e-pretraining", {}, {"git_commit": "older"}).run_id
    tags = lineage_tags(project, 2) | {"encoder_run_id": encoder}
    version = keep(tracker, register(tracker, "whole", tags), project, tiny_params, tmp_path / "m")
    assert is_kept(version)
    told = render_lineage(tracker, version)
    commit = lineage_tags(project, 2)["git_commit"]
    lock = fingerprint("", [project / "dvc.lock"])
    for line, times in (
        (f"| git commit | {commit} |", 2),  # of the training, and of the registration
        ("| changed beside it | params.yaml |", 2),
        ("| `data.dvc` | 0123.dir |", 2),
        (f"| dvc.lock | {lock} |", 1),
        (f"The encoder, of MLflow run {encoder}:", 1),
        ("| git commit | older |", 1),
        ("- rapidocr: r 1", 1),
        ("- tesseract: version not recorded", 1),
        ("- `training.steps`: 6", 1),
    ):
        assert told.splitlines().count(line) == times, line
    assert read_kept(tracker, version, "dvc.lock") == b"schema: '2.0'\n"
    assert read_kept(tracker, version, "params.yaml") == b"seed: 2\n"
    assert b"mlflow==" in read_kept(tracker, version, "environment.txt")
    patch = tmp_path / "changes.patch"
    patch.write_bytes(read_kept(tracker, version, "changes.patch"))
    git(project, "checkout", "-q", "params.yaml")
    git(project, "apply", str(patch))
    assert (project / "params.yaml").read_text() == "seed: 2\n"
    machine = json.loads(lineage_as_json(tracker, version))["registered"]
    assert machine["cpu"]
    assert machine["seed"] == str(tiny_params.seed)


def test_a_change_is_printed_to_the_byte(
    tracker: Tracker,
    project: Path,
    tiny_params: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else `git apply` refuses it."""
    (project / "requirements.lock").write_bytes(b"one\r\ncaf\xff\r\n")
    git(project, "commit", "-qam", "Lines of another system")
    changed = b"one\r\ncaf\xfe\r\ntwo\xff\n"
    (project / "requirements.lock").write_bytes(changed)
    version = keep(tracker, register(tracker, "bytes", {}), project, tiny_params, tmp_path / "m")
    monkeypatch.setattr("textsr.tracking.Tracker", lambda _: tracker)
    monkeypatch.setattr("textsr.registry.catalogue.require_version", lambda *_: version)
    monkeypatch.setattr("textsr.cli.models.read_params", lambda: tiny_params)
    done = CliRunner().invoke(app, ["lineage", "1", "--file", "changes.patch"])
    assert done.exit_code == 0, done.output
    (tmp_path / "changes.patch").write_bytes(done.stdout_bytes)
    git(project, "checkout", "-q", ".")
    git(project, "apply", str(tmp_path / "changes.patch"))
    assert (project / "requirements.lock").read_bytes() == changed


def test_no_temporary_folder_stays(
    tracker: Tracker,
    project: Path,
    tiny_params: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    version = keep(tracker, register(tracker, "tidy", {}), project, tiny_params, tmp_path / "m")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    render_lineage(tracker, version)
    assert read_kept(tracker, version, "dvc.lock")
    assert not list(temporary.iterdir())


def test_what_was_not_recorded_is_said_so(tracker: Tracker) -> None:
    version = register(tracker, "bare", {"ocr.rapidocr": "r 1"})
    told = render_lineage(tracker, version)
    rows = [line for line in told.splitlines() if line.endswith("| not recorded |")]
    assert "| git commit | not recorded |" in rows
    assert "| dvc.lock | not recorded |" in rows
    assert "| cpu | not recorded |" in rows
    assert "No run is recorded that it started from." in told
    assert "- rapidocr: r 1" in told
    with pytest.raises(TextsrError, match=r"bare version 1: 'dvc\.lock' was not .*no files"):
        read_kept(tracker, version, "dvc.lock")


def test_a_file_that_is_not_kept_is_named_with_those_that_are(
    tracker: Tracker, tmp_path: Path, tiny_params: Params
) -> None:
    """An unpacked archive has no git and no dvc.lock; what leads out of the folder is no file."""
    (tmp_path / "archive").mkdir()
    version = register(tracker, "archive", {})
    kept = keep(tracker, version, tmp_path / "archive", tiny_params, tmp_path / "m")
    for name in ("dvc.lock", "../../secret"):
        with pytest.raises(TextsrError, match=r"recorded were: environment\.txt, origin\.json"):
            read_kept(tracker, kept, name)


def test_an_encoder_s_run_that_is_gone_is_named(tracker: Tracker) -> None:
    told = render_lineage(tracker, register(tracker, "orphan", {"encoder_run_id": "0" * 32}))
    assert f"The encoder, of MLflow run {'0' * 32}:" in told
