"""The true pipeline at its smallest size: every stage, killed and unbroken, to the registry."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from clones import ENVIRONMENT, copy_committed, run
from mlflow import MlflowClient

from textsr.config.params import load_params

MODELS = tuple(load_params(Path(__file__).parents[2] / "params.yaml").models)
# Outputs that hold run ids, times or durations, by design; all others must be reproduced.
VOLATILE = ("run.json", "speed.json", "data_docs", "reports/leaderboard", "reports/registration")
KILLED_STAGES = ("synthesize", "pretrain@byol", "train@scratch", "evaluate@byol", "register")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def kill_during(project: Path, stage: str) -> None:
    """Run a stage anew; kill -9 DVC and its children once it trains, or after two seconds."""
    log = project / f"killed-{stage}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            ["dvc", "repro", "--force", "--single-item", stage],
            cwd=project,
            env=ENVIRONMENT,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while f"Running stage '{stage}'" not in log.read_text():
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    if stage.startswith(("pretrain@", "train@")):
        while not list((project / ".checkpoints" / stage.replace("@", "-")).rglob("*.ckpt")):
            assert process.poll() is None, log.read_text()
            time.sleep(0.01)
    else:
        time.sleep(2)
    assert process.poll() is None, f"{stage} ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def outputs(project: Path) -> dict[str, str]:
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    return {
        out["path"]: out["md5"]
        for stage in lock["stages"].values()
        for out in stage["outs"]
        if not any(mark in out["path"] for mark in VOLATILE)
    }


@pytest.fixture(scope="module")
def client(unbroken: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{unbroken}/mlruns/mlflow.db")


def test_leaderboard_has_every_method_with_its_numbers(unbroken: Path) -> None:
    leaderboard = json.loads((unbroken / "reports/leaderboard.json").read_text())
    rows = {row["method"]: row for row in leaderboard["rows"] if row["set"] == "test"}
    assert set(rows) == {"bicubic", "hr", *MODELS}
    for row in rows.values():
        assert row["samples"] == 24
        low, high = row["rapidocr"]["accuracy_ci"]
        assert low <= row["rapidocr"]["accuracy"] <= high
        assert (row["psnr_db"] is None) == (row["method"] == "hr")
    assert rows["hr"]["rapidocr"]["accuracy"] > rows["bicubic"]["rapidocr"]["accuracy"]
    assert leaderboard["winner"] in MODELS


def test_one_finished_run_a_trained_model_with_all_that_belongs_to_it(
    client: MlflowClient, unbroken: Path
) -> None:
    experiment = client.get_experiment_by_name("textsr")
    assert experiment is not None
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"bicubic", "hr", *MODELS}
    for name in MODELS:
        tracked = runs[name]
        assert tracked.info.status == "FINISHED"
        record = json.loads((unbroken / f"artifacts/models/{name}/run.json").read_text())
        assert record["run_id"] == tracked.info.run_id
        for tag in ("git_commit", "git_dirty", "data_hash", "seed", "hardware"):
            assert tracked.data.tags[tag], tag
        cost = tracked.data.metrics
        assert (cost["train_seconds"] == cost["steps_done"] == 0) == (name == "pretrained")
        assert cost["parameters"] > 0
        if name != "pretrained":  # which takes no step unless params.yaml says so
            assert len(client.get_metric_history(tracked.info.run_id, "val_psnr_db")) >= 1
        assert "test/rapidocr_gain" in tracked.data.metrics
        panels = client.list_artifacts(tracked.info.run_id, "evaluation/panels")
        assert {item.path for item in panels} == {
            "evaluation/panels/test.png", "evaluation/panels/cases", "evaluation/panels/slices",
        }  # fmt: skip
        cases = client.list_artifacts(tracked.info.run_id, "evaluation/panels/cases")
        assert "evaluation/panels/cases/test-rapidocr.png" in {item.path for item in cases}
    pretraining = client.get_experiment_by_name("textsr-pretraining")
    assert pretraining is not None
    known = {run.info.run_id for run in client.search_runs([pretraining.experiment_id])}
    assert runs["byol"].data.tags["encoder_run_id"] in known


def test_winner_is_registered_and_the_gate_has_recorded_its_decision(
    client: MlflowClient, unbroken: Path
) -> None:
    record = json.loads((unbroken / "reports/registration.json").read_text())
    challenger = client.get_model_version_by_alias("textsr", "challenger")
    assert challenger.run_id == record["run_id"]
    assert record["promoted"] == all(check["passed"] for check in record["checks"])
    aliases = client.get_registered_model("textsr").aliases
    assert ("champion" in aliases) == record["promoted"]


def test_second_run_looks_for_engines_and_does_nothing(unbroken: Path) -> None:
    said = run(unbroken, "dvc", "repro")
    assert re.findall("Running stage '(.*)'", said) == ["engines"]
    assert "lock file" not in said


def test_upscaling_with_the_registered_model(unbroken: Path) -> None:
    upscale = ("textsr", "upscale", str(unbroken / "docs/images/sample.png"), "--compare")
    model = "models:/textsr@challenger"
    assert model in run(unbroken, *upscale, "-o", "out/new.png", "--model", model)
    assert (unbroken / "out/new.png").stat().st_size > 0
    promoted = json.loads((unbroken / "reports/registration.json").read_text())["promoted"]
    said = run(unbroken, *upscale, "-o", "out/big.png")
    assert ("version 1, the champion" if promoted else "the pretrained weights") in said
    assert (unbroken / "out/big.png").stat().st_size > 0
    assert (unbroken / "out/big-compare.png").stat().st_size > 0
    assert "## Leaderboard" in run(unbroken, "textsr", "show")


def test_lost_tracking_server_is_filled_again(unbroken: Path, tmp_path: Path) -> None:
    """A restored stage makes no MLflow run: registering makes the missing ones again."""
    environment = ENVIRONMENT | {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/new.db"}
    result = subprocess.run(
        ["textsr", "register"], cwd=unbroken, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "made it again" in result.stdout
    client = MlflowClient(f"sqlite:///{tmp_path}/new.db")
    experiment = client.get_experiment_by_name("textsr")
    assert experiment is not None
    names = [run.info.run_name for run in client.search_runs([experiment.experiment_id])]
    assert sorted(names) == sorted(["bicubic", "hr", *MODELS])
    assert str(client.get_model_version_by_alias("textsr", "challenger").version) == "1"


def test_killed_in_any_kind_of_stage_ends_in_the_same_result(
    unbroken: Path, tmp_path: Path
) -> None:
    project = copy_committed(unbroken, tmp_path / "project")
    # The last first: a killed stage leaves none of the outputs that later ones begin with.
    for stage in reversed(KILLED_STAGES):
        kill_during(project, stage)
    # Forced, or DVC would take what the stages give out of its cache.
    said = run(project, "dvc", "repro", "--force", "--single-item", *KILLED_STAGES)
    assert all(f"Running stage '{stage}'" in said for stage in KILLED_STAGES), said
    run(project, "dvc", "repro")
    assert outputs(project) == outputs(unbroken)
    client = MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("textsr")
    assert experiment is not None
    finished = [
        run.info.run_name
        for run in client.search_runs([experiment.experiment_id])
        if run.info.status == "FINISHED"
    ]
    assert sorted(finished) == sorted(["bicubic", "hr", *MODELS])
    assert not list((project / ".checkpoints").glob("*"))
