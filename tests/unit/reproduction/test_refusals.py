"""Versions that cannot be rebuilt are refused before any work."""

import json
from pathlib import Path

import pytest
from mlflow.entities.model_registry import ModelVersion

from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.models.spec import ModelSpec
from textsr.registry.aliases import register_challenger
from textsr.registry.card import Card
from textsr.registry.origin import keep_files
from textsr.reproduction.run import reproduce
from textsr.tracking import Tracker

pytestmark = pytest.mark.slow


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir()
    origin = {"registered": {"git_commit": "0" * 40, "git_changes": "none"}}
    (folder / "origin.json").write_text(json.dumps(origin))
    for name in ("dvc.lock", "data.dvc"):
        (folder / name).touch()
    (folder / "params.yaml").write_text("models: {byol: {}}\n")
    spec = ModelSpec(name="byol", architecture="srcnn_transposed", scale=4)
    card = Card(
        title="t", model="byol", spec=spec, parameters=1, size=1, bits=32, lineage={}, sets={},
        slices=[],
    )  # fmt: skip
    (folder / "card.json").write_text(card.model_dump_json())
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project that nothing may be written into."""
    folder = tmp_path / "project"
    folder.mkdir()
    folder.chmod(0o500)
    return folder


def register(tracker: Tracker, name: str, kept: Path | None = None) -> ModelVersion:
    run_id = tracker.start("byol", "e", {}, {}).run_id
    version = register_challenger(tracker, name, "file:///none", run_id, "")
    if kept is not None:
        keep_files(tracker, version, kept)
    return tracker.client.get_model_version(name, str(version.version))


def refusal(tracker: Tracker, version: ModelVersion, root: Path, params: Params) -> str:
    with pytest.raises(TextsrError) as refused:
        reproduce(tracker, version, root, params, pytest.fail)
    assert list(root.iterdir()) == []
    return str(refused.value)


def test_a_version_of_before_files_were_kept(
    tracker: Tracker, root: Path, tiny_params: Params
) -> None:
    said = refusal(tracker, register(tracker, "before"), root, tiny_params)
    assert said.startswith("before version 1: no files of what it came from are kept with it")
    assert "\n" not in said


def test_a_file_that_is_missing_is_named(
    tracker: Tracker, root: Path, tiny_params: Params, kept: Path
) -> None:
    (kept / "dvc.lock").unlink()
    said = refusal(tracker, register(tracker, "lacking", kept), root, tiny_params)
    assert said.startswith("lacking version 1: no dvc.lock of what it came from")


def test_a_version_made_outside_of_git(
    tracker: Tracker, root: Path, tiny_params: Params, kept: Path
) -> None:
    (kept / "origin.json").write_text(json.dumps({"registered": {"git_commit": "none"}}))
    said = refusal(tracker, register(tracker, "archive", kept), root, tiny_params)
    assert "registered outside of git" in said


def test_a_commit_of_another_clone(
    tracker: Tracker, root: Path, tiny_params: Params, kept: Path
) -> None:
    said = refusal(tracker, register(tracker, "elsewhere", kept), root, tiny_params)
    assert f"commit '{'0' * 40}' is not in this clone" in said
    assert "git fetch --all" in said


def test_a_model_that_params_do_not_name(
    tracker: Tracker, root: Path, tiny_params: Params, kept: Path
) -> None:
    (kept / "params.yaml").write_text("models: {scratch: {}}\n")
    said = refusal(tracker, register(tracker, "unnamed", kept), root, tiny_params)
    assert "its params.yaml has no model 'byol'" in said


def test_a_damaged_card(tracker: Tracker, root: Path, tiny_params: Params, kept: Path) -> None:
    (kept / "card.json").write_text("{}")
    said = refusal(tracker, register(tracker, "damaged", kept), root, tiny_params)
    assert "card.json: not valid" in said
    assert "restore it from a backup" in said
