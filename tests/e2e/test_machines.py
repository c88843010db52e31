"""Several machines: clones in folders of their own that share a DVC remote and two servers.

The coordinator owns the pool `cpu`, the worker the pool `gpu`.
"""

import getpass
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from clones import ROOT, commit, copy_committed, make_clone, recorded, run
from machines import Servers, servers
from mlflow import MlflowClient
from mlflow.entities import Run

from textsr.files import fingerprint

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

METHODS = ("simclr", "byol")
MODELS = ("seed", "scratch", "simclr", "byol", "reference")
KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}

# A stage that ran twice would not give the same bytes twice. `ran` is unknown to DVC.
TOY = """
stages:
  synthesize:
    cmd: echo synthesize >> ran && cat data/fonts/* /proc/sys/kernel/random/uuid > dataset
    deps: [data/fonts]
    outs: [dataset]
  pretrain:
    matrix: { method: [simclr] }
    cmd: >-
      echo pretrain@${item.method} >> ran &&
      cat dataset /proc/sys/kernel/random/uuid > ${item.method}.encoder
    deps: [dataset]
    outs: ["${item.method}.encoder"]
  train:
    foreach: { byol: {}, scratch: {} }
    do:
      cmd: >-
        echo train@${key} >> ran &&
        cat simclr.encoder /proc/sys/kernel/random/uuid > ${key}.model
      deps: [simclr.encoder]
      outs: ["${key}.model"]
  compare:
    cmd: echo compare >> ran && cat byol.model scratch.model > winner
    deps: [byol.model, scratch.model]
    outs: [winner]
"""


def make_toy(folder: Path) -> Path:
    """A project of stages that take no time, with our own flows and deployments."""
    (folder / "data/fonts").mkdir(parents=True)
    (folder / "data/fonts/lato.ttf").write_text("a font\n")
    (folder / "dvc.yaml").write_text(TOY)
    for name in ("pipelines", "presets", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "prefect.yaml"):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".gitignore").write_text("/ran\n__pycache__/\n")
    run(folder, "git", "init", "-qb", "main")
    run(folder, "dvc", "init", "-q")
    run(folder, "dvc", "add", "-q", "data")
    commit(folder)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with servers(tmp_path_factory.mktemp("servers")) as found:
        yield found


@contextmanager
def machines(server: Servers, coordinator: Path, **settings: str) -> Iterator[Path]:
    """Let the coordinator work, and beside it a second machine; yield the clone of that one.

    Args:
        server: where both report.
        coordinator: a committed project whose default remote can be written to.
        settings: what both machines know of the remote.
    """
    worker = coordinator.with_name("worker")
    run(coordinator, "git", "clone", "-q", str(coordinator), str(worker))
    named = ("retrain/nightly", "pretrain/on-demand", "train/on-demand")
    chosen = [part for name in named for part in ("--name", name)]
    told = server.environment(coordinator)
    run(coordinator, "prefect", "--no-prompt", "deploy", *chosen, **told)
    with (
        server.worker("cpu", coordinator, **settings) as said,
        server.worker("gpu", worker, **settings) as worker_said,
    ):
        try:
            yield worker
        except BaseException as error:
            error.add_note(f"{said.read_text()}\n--- worker\n{worker_said.read_text()}")
            raise


def retrain(server: Servers) -> dict[str, str]:
    """Run all of the pipeline; return how each of the coordinator's tasks ended."""
    done = server.run("retrain/nightly", 1500, {"train_on": "gpu"})
    assert done.state is not None
    assert done.state.is_completed(), done.state
    return server.task_states(done)


def ran(project: Path) -> list[str]:
    return (project / "ran").read_text().splitlines()


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


def test_by_ssh_nothing_that_the_worker_ran_is_run_again(
    server: Servers,
    tmp_path: Path,
    sshd: int,
) -> None:
    coordinator = make_toy(tmp_path / "coordinator")
    address = f"ssh://{getpass.getuser()}@127.0.0.1:{sshd}{tmp_path}/remote"
    run(coordinator, "dvc", "remote", "add", "--default", "ssh", address)
    run(coordinator, "dvc", "remote", "modify", "ssh", "keyfile", str(tmp_path / ".ssh/client"))
    commit(coordinator)
    run(coordinator, "dvc", "push", "data.dvc", HOME=str(tmp_path))
    trained = ["pretrain@simclr", "train@byol", "train@scratch"]
    with machines(server, coordinator, HOME=str(tmp_path)) as worker:
        states = retrain(server)
        assert {stage for stage in states if states[stage] == "Restored"} == set(trained)
        assert ran(coordinator) == ["synthesize", "compare"]
        assert sorted(ran(worker)) == trained
        for name in ("dataset", "simclr.encoder", "byol.model", "scratch.model"):
            assert (coordinator / name).read_bytes() == (worker / name).read_bytes()
        models = [(coordinator / f"{name}.model").read_text() for name in ("byol", "scratch")]
        assert (coordinator / "winner").read_text() == "".join(models)

        assert set(retrain(server).values()) == {"Unchanged"}
        assert ran(coordinator) == ["synthesize", "compare"]
        assert sorted(ran(worker)) == trained


def test_by_s3_the_coordinator_registers_what_the_worker_trained(
    server: Servers,
    unbroken: Path,
    tmp_path: Path,
    bucket: str,
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
        assert tags["dvc_lock_hash"] != "none", stage
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


def test_parts_of_a_dataset_come_together_through_the_remote(tmp_path: Path) -> None:
    coordinator = make_clone(tmp_path / "coordinator")
    params = coordinator / "params.yaml"
    changed = params.read_text().replace("parts: []", "parts: [1-of-2, 2-of-2]")
    assert changed != params.read_text()
    params.write_text(changed)
    run(coordinator, "dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    run(coordinator, "dvc", "commit", "data.dvc")
    run(coordinator, "dvc", "push", "data.dvc")
    commit(coordinator)
    parts = ["1-of-2", "2-of-2"]
    for part in parts:
        worker = tmp_path / part
        run(coordinator, "git", "clone", "-q", str(coordinator), str(worker))
        run(worker, "dvc", "pull", "data.dvc")
        run(worker, "dvc", "repro", "--single-item", f"part@{part}")
        run(worker, "dvc", "push", "--run-cache", f"part@{part}")
        assert [path.name for path in (worker / "artifacts/parts").glob("*-of-*")] == [part]

    stages = [f"part@{part}" for part in parts]
    said = run(coordinator, "dvc", "repro", "--pull", *stages)
    assert all(f"Stage '{stage}' is cached - skipping run" in said for stage in stages), said
    assert "5 shards were made as parts" in run(coordinator, "dvc", "repro", "synthesize")
    together = recorded(coordinator, "synthesize")
    shutil.rmtree(coordinator / "artifacts/parts")
    said = run(coordinator, "dvc", "repro", "--force", "--single-item", "synthesize")
    assert "made as parts" not in said
    assert recorded(coordinator, "synthesize") == together
