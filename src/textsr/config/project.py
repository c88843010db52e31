"""Where things lie in a project: one place for the paths that stages share."""

import os
from pathlib import Path

from textsr.errors import TextsrError

PARAMS = Path("params.yaml")
DATA = Path("data")
DATASET = Path("artifacts/dataset")
PARTS = Path("artifacts/parts")
EXTRA_DATASETS = Path("artifacts/extra_datasets")
IMPORTED = Path("artifacts/imported")
ENGINES = Path("artifacts/engines")
VALIDATION = Path("artifacts/validation")
EXTRA_VALIDATION = Path("artifacts/extra_validation")
ENCODERS = Path("artifacts/encoders")
RECOGNIZER = Path("artifacts/recognizer")
MODELS = Path("artifacts/models")
EVALUATION = Path("artifacts/evaluation")
BASELINES = EVALUATION / "baselines"
REPORTS = Path("reports")
READINGS = Path(".cache/readings.sqlite")
"""What OCR engines have read; kept for speed alone, and in no git or DVC."""


def find_root(start: Path) -> Path:
    """Return the project's root: the nearest folder at or above `start` with a dvc.yaml.

    Raises:
        TextsrError: if there is none.
    """
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file() and (folder / PARAMS).is_file():
            return folder
    raise TextsrError(
        f"{start}: not inside a textsr project (no folder above it holds dvc.yaml and "
        "params.yaml); change to a clone of it, or name a model's folder with --model"
    )


def find_home(root: Path) -> Path:
    """Return the project of which `root` is a copy, or `root` where it is none.

    DVC runs queued experiments in copies under the project's `.dvc/tmp`, and removes them
    afterwards; it tells stages where the project is.
    """
    root = root.resolve()
    home = Path(os.environ.get("DVC_ROOT", root)).resolve()
    return home if root.is_relative_to(home / ".dvc" / "tmp") else root
