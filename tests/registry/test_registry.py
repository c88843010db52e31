"""Runs, versions and aliases on a real MLflow store."""

import subprocess
from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml

from textsr.errors import TextsrError
from textsr.models.package import ModelSpec, build_network, load_model, save_model
from textsr.registry.aliases import (
    preferred,
    promote,
    register_challenger,
    roll_back,
    version_of,
)
from textsr.registry.packaging import fetch_model, log_model, logged_model
from textsr.tracking import RunRecord, Tracker, lineage_tags, set_metrics, tracking_uri


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Tracker:
    patch = pytest.MonkeyPatch()
    patch.delenv("MLFLOW_TRACKING_URI", raising=False)
    made = Tracker(tmp_path_factory.mktemp("project"))
    patch.undo()
    return made


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = ModelSpec(name="x", architecture="seed", scale=4, blend=0.5)
    folder = tmp_path_factory.mktemp("model") / "model"
    save_model(folder, spec, build_network(spec))
    return folder


def run(tracker: Tracker, name: str = "r") -> RunRecord:
    return tracker.start(name, "e", {"a": "1"}, {"t": "2"})


@pytest.fixture(scope="module")
def logged(tracker: Tracker, model_folder: Path) -> tuple[str, str]:
    record = run(tracker)
    return record.run_id, log_model(tracker, record.run_id, model_folder)


def test_address_is_absolute_and_the_environment_overrides_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(Path()) == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert tracking_uri(Path()) == "http://127.0.0.1:1"


def test_model_comes_back_as_it_went(
    tracker: Tracker, model_folder: Path, logged: tuple[str, str]
) -> None:
    run_id, uri = logged
    assert logged_model(tracker, run_id) == uri
    fetched = fetch_model(tracker, uri)
    for name in ("model.json", "weights.safetensors"):
        assert (fetched / name).read_bytes() == (model_folder / name).read_bytes()
    assert load_model(fetched).spec.blend == 0.5


def test_model_is_usable_by_others_and_holds_nothing_pickled(
    tracker: Tracker, logged: tuple[str, str]
) -> None:
    loaded = mlflow.pyfunc.load_model(logged[1])
    lines = np.random.default_rng(0).integers(0, 256, (2, 16, 40)).astype(np.uint8)
    out = loaded.predict(lines)
    assert out.shape == (2, 64, 160)
    assert out.dtype == np.uint8
    folder = Path(mlflow.artifacts.download_artifacts(logged[1]))
    described = yaml.safe_load((folder / "MLmodel").read_text())
    assert described["signature"]["inputs"]
    assert described["saved_input_example_info"]
    assert not [p for p in folder.rglob("*") if p.suffix in (".pkl", ".pt", ".pth", ".bin")]


def test_what_is_no_model_of_ours_is_refused(tracker: Tracker) -> None:
    with pytest.raises(TextsrError, match="models:/nothing@champion"):
        fetch_model(tracker, "models:/nothing@champion")


def test_from_challenger_to_champion_and_back(tracker: Tracker, model_folder: Path) -> None:
    with pytest.raises(TextsrError, match="dvc repro"):
        preferred(tracker, "m")
    versions = []
    for name in ("first", "second"):
        record = run(tracker, name)
        uri = log_model(tracker, record.run_id, model_folder)
        versions.append(register_challenger(tracker, "m", uri, record.run_id, "d"))
        assert register_challenger(tracker, "m", uri, record.run_id, "d").version == (
            versions[-1].version
        )
    assert [v.version for v in versions] == [1, 2] or [v.version for v in versions] == ["1", "2"]
    first, second = (str(v.version) for v in versions)
    assert preferred(tracker, "m")[0] == "challenger"
    with pytest.raises(TextsrError, match="roll back"):
        roll_back(tracker, "m")
    promote(tracker, "m", versions[0])
    promote(tracker, "m", versions[0])  # twice is once
    assert version_of(tracker, "m", "previous") is None
    promote(tracker, "m", versions[1])
    alias, champion = preferred(tracker, "m")
    assert (alias, str(champion.version)) == ("champion", second)
    assert roll_back(tracker, "m") == (second, first)
    assert str(version_of(tracker, "m", "champion").version) == first
    assert str(version_of(tracker, "m", "previous").version) == second


def test_lost_run_is_made_again_once(tracker: Tracker) -> None:
    record = RunRecord(
        run_id="0" * 32, name="lost", experiment="e", params={"a": "1"}, tags={"t": "2"}
    )
    curves = [{"step": 5.0, "loss": 0.5}, {"step": 9.0, "loss": 0.25}]
    made = tracker.locate(record, curves)
    assert tracker.locate(record, curves) == made
    found = tracker.client.get_run(made)
    assert found.data.params == {"a": "1"}
    assert found.data.tags["t"] == "2"
    assert found.info.status == "FINISHED"
    history = tracker.client.get_metric_history(made, "loss")
    assert [(point.step, point.value) for point in history] == [(5, 0.5), (9, 0.25)]
    present = run(tracker, "present")
    assert tracker.locate(present, []) == present.run_id


def test_reference_runs_are_made_once(tracker: Tracker) -> None:
    for _ in range(2):
        tracker.publish_reference("refs", "bicubic", {"test/psnr_db": 20.0}, "key")
    experiment = tracker.experiment_id("refs")
    assert len(tracker.client.search_runs([experiment])) == 1


def test_metrics_are_flat_and_carry_the_interval_that_decides() -> None:
    reader = {"accuracy": 0.5, "gain": 0.1, "gain_ci": [0.0, 0.2]}
    summary = {"samples": 3, "psnr_db": 20.5, "psnr_db_ci": [20, 21], "ssim": None}
    assert set_metrics({"test": summary | {"rapidocr": reader}}) == {
        "test/psnr_db": 20.5,
        "test/rapidocr_accuracy": 0.5,
        "test/rapidocr_gain": 0.1,
        "test/rapidocr_gain_low": 0.0,
        "test/rapidocr_gain_high": 0.2,
    }


def test_lineage_of_a_clean_and_a_dirty_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lineage_tags(tmp_path, 7)["data_hash"] == "none"
    (tmp_path / "data.dvc").write_text("outs:\n- md5: abc.dir\n  path: data\n")
    (tmp_path / "dvc.lock").write_text("x")
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setenv("TEXTSR_FLOW_RUN_ID", "flow-1")
    clean = lineage_tags(tmp_path, 7)
    assert len(clean["git_commit"]) == 40
    assert clean["git_dirty"] == "false"
    assert clean["data_hash"] == "abc.dir"
    assert clean["seed"] == "7"
    assert clean["prefect_flow_run_id"] == "flow-1"
    (tmp_path / "dvc.lock").write_text("y")
    dirty = lineage_tags(tmp_path, 7)
    assert dirty["git_dirty"] == "true"
    assert dirty["dvc_lock_hash"] != clean["dvc_lock_hash"]
