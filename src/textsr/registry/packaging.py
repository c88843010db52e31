"""Logging a model folder as an MLflow model, and getting it back.

The loader is this package's own module, shipped along as code: nothing is pickled. The folder gets
its network as ONNX, too, so that what serves it needs no PyTorch.
"""

import atexit
import shutil
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import cv2
import mlflow
import numpy as np
import onnx
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema

import textsr
from textsr.errors import TextsrError
from textsr.images.image import to_float
from textsr.inference.onnx_backend import FLOAT32, OnnxBackend
from textsr.models.package import load_model
from textsr.pretrained.onnx_files import build_onnx
from textsr.tracking import Tracker

_MODEL_URI = "textsr.model_uri"

_LOADER = "textsr.registry.pyfunc"  # by name: what serves a model makes no result of a stage

REQUIREMENTS = ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "pydantic")
"""What the shipped code imports to load a model and predict; a test makes their environment."""

SERVING = ("mlflow-skinny", "pandas")
"""What MLflow needs to load and serve a model, without its tracking server."""


def log_model(tracker: Tracker, run_id: str, folder: Path) -> str:
    """Log a model folder onto a run, with signature and input example; return its URI.

    The signature names no inputs: MLflow has no schema that fits DataFrames and arrays alike.
    `textsr.registry.pyfunc` checks what comes.

    Raises:
        TextsrError: if the folder holds no model, or what this draws is not finite.
    """
    spec = load_model(folder).spec
    example = np.full((16, 64), 255, np.uint8)
    example[6:10, 8:56] = 0
    with TemporaryDirectory() as place:
        packaged = Path(place) / folder.name
        shutil.copytree(folder, packaged)
        network = packaged / FLOAT32
        if not network.exists():
            onnx.save(build_onnx(packaged), network)
        OnnxBackend(network).run(to_float(example[np.newaxis, np.newaxis]))
        with mlflow.start_run(run_id=run_id):
            info = mlflow.pyfunc.log_model(
                name=str(tracker.client.get_run(run_id).info.run_name),
                loader_module=_LOADER,
                data_path=str(packaged),
                code_paths=[str(Path(textsr.__file__).parent)],
                signature=ModelSignature(
                    outputs=Schema([ColSpec(DataType.binary, "image")]),
                    params=ParamSchema(
                        [
                            ParamSpec("for", DataType.string, spec.usual_reader),
                            ParamSpec("on_error", DataType.string, "raise"),
                        ]
                    ),
                ),
                input_example=pd.DataFrame({"image": [cv2.imencode(".png", example)[1].tobytes()]}),
                pip_requirements=[f"{name}=={version(name)}" for name in (*REQUIREMENTS, *SERVING)],
            )
    tracker.tag(run_id, {_MODEL_URI: info.model_uri})
    return str(info.model_uri)


def logged_model(tracker: Tracker, run_id: str) -> str | None:
    """Return the URI of the model that was logged onto a run, if any."""
    return tracker.client.get_run(run_id).data.tags.get(_MODEL_URI)


def download_model(tracker: Tracker, uri: str, place: Path | None = None) -> Path:
    """Return the local folder of a model given by `models:/` or `runs:/` URI.

    Args:
        tracker: the tracking server.
        uri: the model's.
        place: a folder to copy it into. By default what is fetched from a server is there until the
            process ends, and of a local store it is the artifact itself, where MLflow leaves a
            note.

    Raises:
        TextsrError: if there is no such model, or it is not one of ours.
    """
    into = None if place is None else str(place)
    if into is None and tracker.uri.startswith("http"):  # MLflow would leave a temporary folder
        into = mkdtemp()
        atexit.register(shutil.rmtree, into, ignore_errors=True)
    try:
        downloaded = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=into))
    except Exception as error:  # MLflow raises its own types and those of every store
        raise TextsrError(f"{uri}: cannot be got from {tracker.uri}: {error}") from error
    folders = [path.parent for path in downloaded.glob("data/*/model.json")]
    if not folders:
        raise TextsrError(f"{uri}: not a textsr model; name one that `textsr register` made")
    return folders[0]
