"""Pretraining's MLflow run, and how a training finds it again."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from textsr.config.params import Params
from textsr.stages.pretrain import pretrain
from textsr.tracking import Tracker
from textsr.training.curves import write_curves


def test_encoder_leads_back_to_the_run_that_made_it(
    tiny_params: Params,
    tmp_path: Path,
    make_store: Callable[[Path], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_store(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def run_pretraining(
        method: str, params: Params, dataset: Path, imported: Path, out: Path
    ) -> None:
        (out / "encoder").mkdir(parents=True)
        (out / "encoder/encoder.safetensors").write_text(f"weights of {method}")
        write_curves(out / "curves.csv", [{"step": 2.0, "train_loss": 3.5}])
        (out / "probe.json").write_text(json.dumps({"probe_r2": 0.25, "own_images": 7}))

    monkeypatch.setattr("textsr.stages.pretrain.run_pretraining", run_pretraining)
    for method in ("simclr", "byol"):
        pretrain(tiny_params, method)
    tracker = Tracker(tmp_path)
    experiment = tiny_params.tracking.experiment
    found = {
        method: tracker.encoder_run(experiment, Path("artifacts/encoders", method, "encoder"))
        for method in ("simclr", "byol")
    }
    for method, run_id in found.items():
        assert run_id is not None
        run = tracker.client.get_run(run_id)
        assert run.info.run_name == method
        assert run.info.status == "FINISHED"
        assert run.data.params["steps"] == str(tiny_params.pretraining.steps)
        assert run.data.metrics == {"train_loss": 3.5, "probe_r2": 0.25}
        [point] = tracker.client.get_metric_history(run_id, "train_loss")
        assert point.step == 2
    (tmp_path / "other").mkdir()
    (tmp_path / "other/encoder.safetensors").write_text("others' weights")
    assert tracker.encoder_run(experiment, tmp_path / "other") is None
