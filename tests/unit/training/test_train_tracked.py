"""One MLflow run a training, however often it is killed on its way."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from textsr import pretrained
from textsr.config.params import Params, load_params
from textsr.files import read_json
from textsr.stages import train as stage
from textsr.tracking import LINES, describe_lines
from textsr.training.curves import read_curves
from textsr.training.fitting import CHECKPOINTS
from textsr.training.run import Trained, TrainingRun

CURVES = [{"step": 2.0, "train_mse": 0.5}, {"step": 4.0, "train_mse": 0.25}]
COST = {"train_seconds": 12.5, "steps_done": 4.0, "parameters": 1000.0}


@pytest.fixture
def project(
    tmp_path: Path,
    dataset: Path,
    make_store: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """An empty project around the tiny dataset."""
    make_store(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(stage.project, "DATASET", dataset)
    return tmp_path


def runs_of(project: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("textsr")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id])


def training(killed_after: int) -> Callable[..., Trained]:
    """Stand in for `run_training`: logs its curves, and is killed after so many rows."""

    def train(run: TrainingRun, output: Path, on_metrics: Callable[..., None]) -> Trained:
        run.checkpoints.mkdir(parents=True, exist_ok=True)
        for number, row in enumerate(CURVES):
            if number == killed_after:
                raise KeyboardInterrupt
            on_metrics({"train_mse": row["train_mse"]}, int(row["step"]))
        output.mkdir(parents=True)
        return Trained(CURVES, COST)

    return train


def test_run_lives_through_a_kill(
    project: Path, tiny_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textsr.stages.train.run_training", training(killed_after=1))
    with pytest.raises(KeyboardInterrupt):
        stage.train(tiny_params, "scratch")
    [cut_off] = runs_of(project)
    assert cut_off.info.status == "FAILED"
    assert not Path("artifacts/models/scratch").exists()
    assert list((CHECKPOINTS / "train-scratch").iterdir())

    monkeypatch.setattr("textsr.stages.train.run_training", training(killed_after=99))
    stage.train(tiny_params, "scratch")
    [run] = runs_of(project)
    assert run.info.run_id == cut_off.info.run_id
    assert run.info.status == "FINISHED"
    assert run.data.metrics["train_mse"] == 0.25
    record = read_json(Path("artifacts/models/scratch/run.json"))
    assert record["run_id"] == run.info.run_id
    assert run.data.metrics.items() >= COST.items()
    assert record["metrics"] == COST  # of a run that is made again
    assert read_curves(Path("artifacts/models/scratch/curves.csv")) == CURVES
    assert not (CHECKPOINTS / "train-scratch").exists()


def test_run_says_what_it_depends_on_and_where_it_comes_from(
    project: Path, tiny_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textsr.stages.train.run_training", training(killed_after=99))
    stage.train(tiny_params, "scratch")
    encoder = Path("artifacts/encoders/byol/encoder")
    encoder.mkdir(parents=True)
    (encoder / "encoder.safetensors").write_text("weights")
    stage.train(tiny_params, "byol")
    runs = {run.info.run_name: run for run in runs_of(project)}
    scratch, byol = runs["scratch"].data, runs["byol"].data
    assert scratch.params["training.steps"] == str(tiny_params.training.steps)
    assert scratch.params["model.width"] == str(tiny_params.training.width)
    assert scratch.tags["initialisation"] == "scratch"
    assert not any(name.startswith("pretraining.") for name in scratch.params)
    assert byol.params["pretraining.steps"] == str(tiny_params.pretraining.steps)
    # The blends are chosen later, by the evaluation.
    assert not {"model.blend", "model.blends"} & byol.params.keys()
    assert byol.tags["encoder_run_id"].startswith("unknown")
    assert "encoder_run_id" not in scratch.tags
    assert byol.params["synthesis.samples.train"] == str(tiny_params.synthesis.samples.train)
    assert len(byol.params) < 30
    # The others are all in the run's files.
    client, run_id = MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db"), runs["byol"].info.run_id
    whole = Path(client.download_artifacts(run_id, "params.yaml", str(project)))
    assert load_params(whole) == tiny_params
    lines = read_json(Path(client.download_artifacts(run_id, LINES, str(project))))
    assert lines == describe_lines(tiny_params)


def test_a_run_names_no_param_that_it_did_not_use(
    project: Path, tiny_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textsr.stages.train.run_training", training(killed_after=99))
    for model in ("pretrained", "srcnn_transposed"):
        stage.train(tiny_params, model)
    params = {run.info.run_name: run.data.params for run in runs_of(project)}
    of_training = {
        name: {key for key in found if key.startswith("training.")}
        for name, found in params.items()
    }
    assert of_training["pretrained"] == {"training.steps"}
    assert params["pretrained"]["training.steps"] == "0"
    srcnn = tiny_params.models["srcnn_transposed"]
    assert params["srcnn_transposed"]["training.learning_rate"] == str(srcnn.learning_rate)
    assert "training.ema_decay" not in of_training["srcnn_transposed"]


def test_run_names_the_weights_it_went_on_from(
    project: Path, tiny_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textsr.stages.train.run_training", training(killed_after=99))
    seen = []
    for content in (b"first", b"second", b"first"):
        folder = project / "package"
        folder.mkdir(exist_ok=True)
        (folder / "weights.safetensors").write_bytes(content)
        (folder / "model.json").write_bytes((pretrained.FOLDER / "model.json").read_bytes())
        with monkeypatch.context() as patch:
            patch.setattr(pretrained, "FOLDER", folder)
            stage.train(tiny_params, "pretrained")
        shutil.rmtree("artifacts/models/pretrained")
        seen.append(runs_of(project)[0].data.tags["initial_weights"])
    assert seen[0] == seen[2] != seen[1]
