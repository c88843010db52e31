"""Logged models, versions and aliases on a real MLflow store."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml

from textsr.errors import TextsrError
from textsr.models.package import ModelSpec, build_network, load_model, save_model
from textsr.registry.aliases import (
    promote,
    register_challenger,
    roll_back,
    version_of,
)
from textsr.registry.packaging import download_model, log_model, logged_model
from textsr.tracking import RunRecord, Tracker

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = ModelSpec(name="x", architecture="srcnn_transposed", scale=4, blend=0.5)
    folder = tmp_path_factory.mktemp("model") / "model"
    save_model(folder, spec, build_network(spec))
    return folder


def run(tracker: Tracker, name: str = "r") -> RunRecord:
    return tracker.start(name, "e", {"a": "1"}, {"t": "2"})


@pytest.fixture(scope="module")
def logged(tracker: Tracker, model_folder: Path) -> tuple[str, str]:
    record = run(tracker)
    return record.run_id, log_model(tracker, record.run_id, model_folder)


def test_model_comes_back_as_it_went(
    tracker: Tracker, model_folder: Path, logged: tuple[str, str]
) -> None:
    run_id, uri = logged
    assert logged_model(tracker, run_id) == uri
    fetched = download_model(tracker, uri)
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
    assert described["signature"]["outputs"]
    assert described["saved_input_example_info"]
    assert not [p for p in folder.rglob("*") if p.suffix in (".pkl", ".pt", ".pth", ".bin")]


def test_what_is_no_model_of_ours_is_refused(tracker: Tracker) -> None:
    with pytest.raises(TextsrError, match="models:/nothing@champion"):
        download_model(tracker, "models:/nothing@champion")


def test_from_challenger_to_champion_and_back(tracker: Tracker, logged: tuple[str, str]) -> None:
    versions = []
    packaged = download_model(tracker, logged[1])  # which has its ONNX file
    for name in ("first", "second"):
        record = run(tracker, name)
        uri = log_model(tracker, record.run_id, packaged)
        versions.append(register_challenger(tracker, "m", uri, record.run_id, "d"))
        assert register_challenger(tracker, "m", uri, record.run_id, "d").version == (
            versions[-1].version
        )
    assert [v.version for v in versions] == [1, 2] or [v.version for v in versions] == ["1", "2"]
    first, second = (str(v.version) for v in versions)
    assert version_of(tracker, "m", "champion") is None
    with pytest.raises(TextsrError, match="roll back"):
        roll_back(tracker, "m")
    promote(tracker, "m", versions[0])
    promote(tracker, "m", versions[0])  # twice is once
    assert version_of(tracker, "m", "previous") is None
    promote(tracker, "m", versions[1])
    assert str(version_of(tracker, "m", "champion").version) == second
    assert f"--to {second}" in roll_back(tracker, "m")
    assert str(version_of(tracker, "m", "champion").version) == first
    assert version_of(tracker, "m", "previous") is None
