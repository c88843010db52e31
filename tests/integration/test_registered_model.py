"""A registered model needs what its requirements name, and no more."""

import os
import subprocess
import sys
import venv
from importlib.metadata import packages_distributions
from pathlib import Path

import cv2
import mlflow
import numpy as np
import pytest
from packaging.requirements import Requirement

import textsr
from textsr.pretrained import FOLDER
from textsr.registry.packaging import REQUIREMENTS, SERVING, log_model
from textsr.tracking import Tracker

pytestmark = pytest.mark.slow

SAMPLE = Path(__file__).parents[2] / "docs" / "images" / "sample.png"

# What is imported is printed: a name a line.
_PREDICT = """
import sys
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd

package, sample, lines, results = sys.argv[1:]
model = mlflow.pyfunc.load_model(package)
files = pd.DataFrame({"image": [Path(sample).read_bytes()]})
Path(results, "sample.png").write_bytes(model.predict(files)["image"][0])
np.save(Path(results, "lines.npy"), model.predict(np.load(lines)))
print(*{name.partition(".")[0] for name in sys.modules}, sep="\\n")
"""


def test_it_predicts_in_an_environment_of_its_requirements(tmp_path: Path) -> None:
    package = _log(tmp_path)
    lines = (package / "requirements.txt").read_text().split()
    assert all("==" in line for line in lines)
    assert {Requirement(line).name for line in lines} == {*REQUIREMENTS, *SERVING}

    python = _make_environment(tmp_path / "environment", package / "requirements.txt")
    page = cv2.imread(str(SAMPLE), cv2.IMREAD_GRAYSCALE)
    given = np.stack([page[top : top + 30] for top in (0, 50, 100)])
    np.save(tmp_path / "given.npy", given)
    imported = _run(
        *(python, "-I", "-c", _PREDICT, package, SAMPLE, tmp_path / "given.npy", tmp_path)
    ).split()

    ours = textsr.load_model(FOLDER, backend="onnx")
    made = cv2.imread(str(tmp_path / "sample.png"), cv2.IMREAD_UNCHANGED)
    assert np.abs(made.astype(int) - ours.upscale(page)).max() <= 1
    expected = np.stack(list(ours.upscale_many(list(given))))
    assert np.abs(np.load(tmp_path / "lines.npy").astype(int) - expected).max() <= 1

    modules = {
        distribution: name
        for name, distributions in packages_distributions().items()
        for distribution in distributions
        if not name.startswith("_")
    }
    assert {modules[distribution] for distribution in REQUIREMENTS} <= set(imported)
    # Neither there nor asked for.
    assert not {"torch", "safetensors", "onnx", "ruamel", "pyarrow", "typer"} & set(imported)


def _log(root: Path) -> Path:
    """Return the files of the pretrained weights, logged as `evaluate` does it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracker = Tracker(root)
        uri = log_model(tracker, tracker.start("r", "e", {}, {}).run_id, FOLDER)
        return Path(mlflow.artifacts.download_artifacts(uri))


def _make_environment(folder: Path, requirements: Path) -> Path:
    """Make an environment of these requirements; return its Python."""
    venv.create(folder)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python)
    _run(*pip, "install", "--quiet", "--no-compile", "--requirement", requirements)
    return python


def _run(*command: str | Path) -> str:
    """Run a program without what this environment adds to Python's path; return its output."""
    around = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], env=around, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
