"""The logged model: what others get who load it, and what it is made of."""

from pathlib import Path

import mlflow
import numpy as np
import pytest
import yaml

from textsr.errors import TextsrError
from textsr.evaluation.score import network_upscale
from textsr.models.package import ModelSpec, build_network, load_model, save_model
from textsr.registry.aliases import promote, register_challenger
from textsr.registry.packaging import download_model, log_model, logged_model
from textsr.tracking import Tracker


def new_run(tracker: Tracker) -> str:
    return tracker.start("r", "e", {}, {}).run_id


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = ModelSpec(name="x", architecture="srcnn_transposed", scale=2, blend=0.5)
    folder = tmp_path_factory.mktemp("model") / "model"
    save_model(folder, spec, build_network(spec))
    return folder


@pytest.fixture(scope="module")
def uri(tracker: Tracker, folder: Path) -> str:
    return log_model(tracker, new_run(tracker), folder)


@pytest.mark.parametrize("shape", [(1, 16, 64), (3, 7, 11), (1, 1, 1)])
def test_loaded_by_mlflow_it_upscales_as_ours_does(
    uri: str, folder: Path, shape: tuple[int, ...]
) -> None:
    lines = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    out = mlflow.pyfunc.load_model(uri).predict(lines)
    ours = np.stack([network_upscale(load_model(folder))(line) for line in lines])
    assert out.dtype == np.uint8
    assert out.shape == (shape[0], 2 * shape[1], 2 * shape[2])
    # A batch and a line alone may round a half differently.
    assert np.abs(out.astype(int) - ours).max() <= 1


def test_what_is_no_batch_of_grey_lines_is_refused_by_the_signature(uri: str) -> None:
    loaded = mlflow.pyfunc.load_model(uri)
    for wrong in (np.zeros((16, 64), np.uint8), np.zeros((1, 16, 64), np.float64)):
        with pytest.raises(mlflow.exceptions.MlflowException):
            loaded.predict(wrong)


def test_package_is_plain_files(uri: str) -> None:
    downloaded = Path(mlflow.artifacts.download_artifacts(uri))
    described = yaml.safe_load((downloaded / "MLmodel").read_text())
    assert "tensor" in described["signature"]["inputs"]
    assert "tensor" in described["signature"]["outputs"]
    flavour = described["flavors"]["python_function"]
    assert flavour["loader_module"] == "textsr.registry.pyfunc"
    assert not {"python_model", "cloudpickle_version"} & flavour.keys()
    assert "cloudpickle" not in (downloaded / "requirements.txt").read_text()
    for path in downloaded.rglob("*"):
        # Protocols 2 to 5 of pickle; a zip may be one of PyTorch's.
        if path.is_file() and "__pycache__" not in path.parts:
            start = path.read_bytes()[:2]
            assert start not in (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"PK"), path
    for line in (downloaded / "requirements.txt").read_text().split():
        assert "==" in line, line


def test_model_is_fetched_by_any_of_its_addresses(tracker: Tracker, folder: Path, uri: str) -> None:
    run_id = new_run(tracker)
    assert logged_model(tracker, run_id) is None
    imported = log_model(tracker, run_id, folder)
    assert logged_model(tracker, run_id) == imported
    version = register_challenger(tracker, "fetched", imported, run_id, "")
    promote(tracker, "fetched", version)
    for address in (imported, "models:/fetched@champion", f"models:/fetched/{version.version}"):
        found = download_model(tracker, address)
        for name in ("model.json", "weights.safetensors"):
            assert (found / name).read_bytes() == (folder / name).read_bytes()


def test_others_models_and_no_models_are_refused(tracker: Tracker, tmp_path: Path) -> None:
    run_id = new_run(tracker)
    (tmp_path / "notes.txt").write_text("x")
    tracker.client.log_artifact(run_id, str(tmp_path / "notes.txt"), "notes")
    with pytest.raises(TextsrError, match=f"runs:/{run_id}/notes: not a textsr model"):
        download_model(tracker, f"runs:/{run_id}/notes")
    for address in ("models:/nothing/1", f"runs:/{'0' * 32}/model", "not an address"):
        with pytest.raises(TextsrError) as caught:
            download_model(tracker, address)
        assert str(caught.value).startswith(f"{address}: cannot be got from {tracker.uri}")


def test_model_that_cannot_run_is_not_logged(tracker: Tracker, tmp_path: Path) -> None:
    run_id = new_run(tracker)
    (tmp_path / "model.json").write_text(
        '{"name": "x", "architecture": "srcnn_transposed", "scale": 4}'
    )
    with pytest.raises(TextsrError, match=r"weights\.safetensors"):
        log_model(tracker, run_id, tmp_path)
    assert logged_model(tracker, run_id) is None
    assert not tracker.client.list_artifacts(run_id)
