"""A registered model needs what its requirements name, and no more."""

from pathlib import Path

import mlflow
import pytest

from textsr.models.package import ModelSpec, build_network, save_model
from textsr.registry.packaging import log_model
from textsr.tracking import Tracker

_FIRST_PARTY = "textsr"
_CHECK = """
import sys
import mlflow, numpy as np

allowed = set(sys.argv[2].split())

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if path is None and name in allowed:
            raise ModuleNotFoundError(f"{name}: not among the requirements")

loader = sys.argv[1]
import mlflow.pyfunc, torch
sys.meta_path.insert(0, Refuse())
model = mlflow.pyfunc.load_model(loader)
print(model.predict(np.full((2, 8, 32), 200, np.uint8)).shape)
"""


@pytest.fixture(scope="module", params=["text", "resnet18"])
def logged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a small model that was logged as `evaluate` does it."""
    root = tmp_path_factory.mktemp("project")
    spec = ModelSpec(name="x", architecture="upsampler", encoder=request.param, width=8, scale=4)
    save_model(root / "model", spec, build_network(spec))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracker = Tracker(root)
        uri = log_model(tracker, tracker.start("r", "e", {}, {}).run_id, root / "model")
        return Path(mlflow.artifacts.download_artifacts(uri))
