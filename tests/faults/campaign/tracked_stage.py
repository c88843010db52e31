"""A stage that does nothing but log to MLflow, as trainings do, and what must be there then."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tests.faults.campaign.killing import ROOT, require

if TYPE_CHECKING:  # loading MLflow takes seconds
    from mlflow import MlflowClient
    from mlflow.entities import Run

_STAGE = """
import os
from pathlib import Path
from textsr.cli import main as cli
from textsr.config.params import load_params
from textsr.tracking import track

@cli.app.command()
def stage() -> None:
    (kept := Path("kept")).mkdir(exist_ok=True)
    with track(
        "train@scratch", load_params(Path("params.yaml")), Path.cwd(), described={"a": "1"},
        name=os.environ["TEXTSR_TEST_NAME"], checkpoints=kept, record=Path("made/run.json"),
    ) as tracked:
        for step in range(4):
            tracked.log({"loss": 1 / (1 + step)}, step)
        tracked.log_files([Path("dvc.yaml")])
        tracked.conclude({"cost": 7})

cli.main()
"""
STAGE = [sys.executable, "-c", _STAGE, "stage"]
"""The command, which goes on in the run that it has begun; its name is TEXTSR_TEST_NAME."""


def make_project(folder: Path, name: str) -> Path:
    """Make a project whose experiment and registered model have a name of their own."""
    project = folder / "project"
    project.mkdir()
    shutil.copy(ROOT / "dvc.yaml", project)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["registration"]["model_name"] = name
    params["tracking"]["experiment"] = name
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    return project


def require_logged(client: "MlflowClient", name: str, said: str) -> None:
    """Raise where a run is left running, or the one that is finished is not whole."""
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    left = [found.info.run_id for found in runs if found.info.status == "RUNNING"]
    require(not left, f"{said}: {len(left)} of {len(runs)} runs are RUNNING")
    finished = [found for found in runs if found.info.status == "FINISHED"]
    require(len(finished) == 1, f"{said}: {[found.info.status for found in runs]}")
    _require_whole(client, finished[0], said)


def _require_whole(client: "MlflowClient", found: "Run", said: str) -> None:
    steps = {each.step for each in client.get_metric_history(found.info.run_id, "loss")}
    require(steps == {0, 1, 2, 3}, f"{said}: steps {steps}")
    require(found.data.metrics.get("cost") == 7, f"{said}: {found.data.metrics}")
    require(found.data.params == {"a": "1"}, f"{said}: {found.data.params}")
    files = {each.path for each in client.list_artifacts(found.info.run_id)}
    require(files == {"dvc.yaml", "params.yaml"}, f"{said}: {files}")
