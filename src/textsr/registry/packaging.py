"""Logging a model folder as an MLflow model, and getting it back.

The loader is this package's own module, shipped along as code: nothing is pickled.
"""

from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

import textsr
from textsr.errors import TextsrError
from textsr.models.package import load_model
from textsr.registry.pyfunc import LinesUpscaler
from textsr.tracking import Tracker

_MODEL_URI = "textsr.model_uri"

REQUIREMENTS = ("numpy", "pydantic", "safetensors", "torch")
"""What the shipped code imports to load a model and predict; tests hold this against it."""

LOADER = ("mlflow-skinny", "pandas")  # what MLflow needs to load and serve, without its servers
RESNET = ("torchvision",)  # of which the encoder `resnet18` is


def log_model(tracker: Tracker, run_id: str, folder: Path) -> str:
    """Log a model folder onto a run, with signature and input example; return its URI."""
    example = np.full((1, 16, 64), 255, np.uint8)
    example[:, 6:10, 8:56] = 0
    model = load_model(folder)
    LinesUpscaler(model).predict(example)  # a model that cannot run is not logged
    resnet = RESNET if model.spec.encoder == "resnet18" else ()
    pixels = np.dtype(np.uint8)
    signature = ModelSignature(
        Schema([TensorSpec(pixels, (-1, -1, -1))]), Schema([TensorSpec(pixels, (-1, -1, -1))])
    )
    needed = sorted([*REQUIREMENTS, *LOADER, *resnet])
    with mlflow.start_run(run_id=run_id):
        info = mlflow.pyfunc.log_model(
            name="model",
            loader_module="textsr.registry.pyfunc",
            data_path=str(folder),
            code_paths=[str(Path(textsr.__file__).parent)],
            signature=signature,
            input_example=example,
            pip_requirements=[f"{name}=={version(name)}" for name in needed],
        )
    tracker.tag(run_id, {_MODEL_URI: info.model_uri})
    return str(info.model_uri)


def logged_model(tracker: Tracker, run_id: str) -> str | None:
    """Return the URI of the model that was logged onto a run, if any."""
    return tracker.client.get_run(run_id).data.tags.get(_MODEL_URI)


def download_model(tracker: Tracker, uri: str) -> Path:
    """Return the local folder of a model given by `models:/` or `runs:/` URI.

    Raises:
        TextsrError: if there is no such model, or it is not one of ours.
    """
    try:
        downloaded = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
    except Exception as error:  # MLflow raises its own types and those of every store
        raise TextsrError(f"{uri}: cannot be got from {tracker.uri}: {error}") from error
    folders = [path.parent for path in downloaded.glob("data/*/model.json")]
    if not folders:
        raise TextsrError(f"{uri}: not a textsr model; name one that `textsr register` made")
    return folders[0]
