"""Several machines: clones in folders of their own that share a DVC remote and two servers.

The coordinator owns the pool `cpu`, the worker the pool `gpu`.
"""

import json
from pathlib import Path

import pytest
import yaml
from clones import commit, copy_committed, run
from machines import Servers, machines, retrain
from mlflow import MlflowClient
from mlflow.entities import Run

from textsr.config.params import load_params
from textsr.files import fingerprint

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

METHODS = ("simclr", "byol")
MODELS = tuple(load_params(Path(__file__).parents[2] / "params.yaml").models)
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


def trees(project: Path, folder: str) -> dict[str, str]:
    """The hashes of what lies in a folder, by path."""
    paths = [path for path in sorted((project / folder).rglob("*")) if path.is_file()]
    return {str(path.relative_to(project)): fingerprint("", [path]) for path in paths}


def data_hash(project: Path) -> str:
    return str(yaml.safe_load((project / "data.dvc").read_text())["outs"][0]["md5"])


def runs_by_name(client: MlflowClient, experiment: str) -> dict[str, Run]:
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    return {str(run.info.run_name): run for run in client.search_runs([found.experiment_id])}


def test_by_s3_the_coordinator_registers_what_the_worker_trained(
    server: Servers,
    unbroken: Path,
    tmp_path: Path,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The true pipeline, at its smallest size, from where the encoders are to learn longer."""
    coordinator = copy_committed(unbroken, tmp_path / "coordinator")
    run(coordinator, "dvc", "remote", "add", "--default", "s3", "s3://textsr/cache")
    run(coordinator, "dvc", "remote", "modify", "s3", "endpointurl", bucket)
    params = coordinator / "params.yaml"
    longer = yaml.safe_load(params.read_text())
    longer["pretraining"]["steps"] += 1
    params.write_text(yaml.safe_dump(longer))
    commit(coordinator)
    head = run(coordinator, "git", "rev-parse", "HEAD").strip()
    with machines(server, coordinator, **KEYS) as worker:
        states = retrain(server)
    trained = {f"{stage}@{method}" for stage in ("pretrain", "train") for method in METHODS}
    assert {stage for stage in states if states[stage] == "Restored"} == trained
    assert states["synthesize"] == states["train@scratch"] == "Unchanged"
    for folder in [f"{kind}/{method}" for kind in ("encoders", "models") for method in METHODS]:
        made = trees(worker, f"artifacts/{folder}")
        assert made == trees(coordinator, f"artifacts/{folder}")
        assert any(path.endswith(".safetensors") for path in made), made

    for name, value in server.login.items():
        monkeypatch.setenv(name, value)
    client = MlflowClient(server.mlflow)
    pretraining = runs_by_name(client, "textsr-pretraining")
    tracked = runs_by_name(client, "textsr")
    assert set(tracked) == {"bicubic", "hr", *MODELS}
    made = {f"pretrain@{method}": pretraining[method] for method in METHODS}
    made |= {f"train@{method}": tracked[method] for method in METHODS}
    for stage, found in made.items():
        tags = found.data.tags
        assert tags["git_commit"] == head, stage
        assert tags["data_hash"] == data_hash(coordinator), stage
        assert tags["seed"] == "1", stage
        assert tags["hardware"], stage
        asked = server.find(tags["prefect_flow_run_id"])
        assert asked.work_pool_name == "gpu", stage
        assert server.task_states(asked)[stage] == "Completed", stage
    for method in METHODS:
        tags = tracked[method].data.tags
        assert tags["encoder_run_id"] == pretraining[method].info.run_id

    record = json.loads((coordinator / "reports/registration.json").read_text())
    version = client.get_model_version_by_alias("textsr", "challenger")
    assert version.run_id == record["run_id"] == tracked[record["method"]].info.run_id
    assert not run(worker, "git", "status", "--porcelain", "reports/registration.json")
