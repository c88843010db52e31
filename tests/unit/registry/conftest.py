"""One MLflow store for the package: making its tables takes seconds."""

from pathlib import Path

import pytest

from textsr.tracking import Tracker


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def tracker(store: Path) -> Tracker:
    """Made anew for each module: a tracker sets the address that all of MLflow uses."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return Tracker(store)
