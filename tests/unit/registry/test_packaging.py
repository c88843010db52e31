"""The logged model: what others get who load it, and what it is made of."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import cv2
import mlflow
import numpy as np
import pandas as pd
import pytest
import yaml

import textsr
from textsr.errors import TextsrError
from textsr.images.image import to_float
from textsr.inference.onnx_backend import FLOAT32, OnnxBackend
from textsr.inference.torch_backend import TorchBackend
from textsr.models.package import ModelSpec, build_network, load_model, save_model
from textsr.registry.aliases import promote, register_challenger
from textsr.registry.packaging import download_model, log_model, logged_model
from textsr.registry.pyfunc import COLUMN, ON_ERROR, ON_ERRORS, READER
from textsr.tracking import Tracker

pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).parents[3] / "docs" / "images" / "sample.png"


def new_run(tracker: Tracker) -> str:
    return tracker.start("r", "e", {}, {}).run_id


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = ModelSpec(
        name="x", architecture="srcnn_transposed", scale=2, blend=0.5, blends={"people": 0.25}
    )
    folder = tmp_path_factory.mktemp("model") / "model"
    save_model(folder, spec, build_network(spec))
    return folder


@pytest.fixture(scope="module")
def uri(tracker: Tracker, folder: Path) -> str:
    return log_model(tracker, new_run(tracker), folder)


def test_what_is_packaged_draws_as_the_weights_do(tracker: Tracker, uri: str, folder: Path) -> None:
    """In float32 by ONNX Runtime, within one grey level of PyTorch."""
    packaged = download_model(tracker, uri)
    line = to_float(cv2.imread(str(SAMPLE), cv2.IMREAD_GRAYSCALE))[:40]
    for height, width in ((40, 240), (17, 33), (1, 1)):
        given = np.ascontiguousarray(line[None, None, :height, :width])
        by_onnx = OnnxBackend(packaged / FLOAT32).run(given)
        by_torch = TorchBackend(load_model(folder).network).run(given)
        assert np.abs(by_onnx - by_torch).max() <= 1 / 255


def test_loaded_by_mlflow_it_upscales_as_the_folder_does(uri: str, folder: Path) -> None:
    line = cv2.imread(str(SAMPLE), cv2.IMREAD_GRAYSCALE)[:40]
    loaded = mlflow.pyfunc.load_model(uri)
    made = loaded.predict(line[np.newaxis])
    (file,) = loaded.predict(pd.DataFrame({"image": [SAMPLE.read_bytes()]}))["image"]
    assert cv2.imdecode(np.frombuffer(file, np.uint8), -1).shape == (320, 480)
    ours = textsr.load_model(folder, backend="torch", device="cpu").upscale(line)
    assert made.dtype == np.uint8
    assert np.abs(made[0].astype(int) - ours).max() <= 1


def test_the_signature_tells_what_comes_out_and_what_may_be_asked(uri: str) -> None:
    signature = mlflow.models.get_model_info(uri).signature
    assert signature.inputs is None
    assert signature.outputs.to_dict() == [{"name": COLUMN, "type": "binary", "required": True}]
    defaults = {param.name: param.default for param in signature.params}
    assert defaults == {READER: "people", ON_ERROR: ON_ERRORS[0]}
    loaded = mlflow.pyfunc.load_model(uri)
    lines = np.zeros((1, 8, 8), np.uint8)
    with pytest.raises(mlflow.exceptions.MlflowException, match="no weight for 'cats'"):
        loaded.predict(lines, params={READER: "cats"})


def test_the_input_example_is_what_a_server_takes(uri: str) -> None:
    package = Path(mlflow.artifacts.download_artifacts(uri))
    example = (package / "serving_input_example.json").read_text()
    frame = json.loads(example)["dataframe_split"]
    loaded = mlflow.pyfunc.load_model(uri)
    (file,) = loaded.predict(pd.DataFrame(frame["data"], columns=frame["columns"]))["image"]
    assert cv2.imdecode(np.frombuffer(file, np.uint8), -1).shape == (32, 128)


def test_package_is_plain_files(uri: str) -> None:
    downloaded = Path(mlflow.artifacts.download_artifacts(uri))
    described = yaml.safe_load((downloaded / "MLmodel").read_text())
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
    imported = log_model(tracker, run_id, download_model(tracker, uri))  # which has its ONNX file
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


def test_what_a_server_sends_is_removed_when_the_process_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_the_end: list[Callable[[], object]] = []

    def register(call: Callable[..., object], *arguments: object, **settings: object) -> None:
        at_the_end.append(partial(call, *arguments, **settings))

    def send(artifact_uri: str, dst_path: str) -> str:
        (Path(dst_path) / "data/m").mkdir(parents=True)
        (Path(dst_path) / "data/m/model.json").touch()
        return dst_path

    monkeypatch.setattr("atexit.register", register)
    monkeypatch.setattr("mlflow.artifacts.download_artifacts", send)
    server = cast(Tracker, SimpleNamespace(uri="http://127.0.0.1:1"))
    folder = download_model(server, "models:/m/1")
    assert (folder / "model.json").exists()
    for call in at_the_end:
        call()
    assert not folder.exists()
    assert not folder.parents[1].exists()
