"""What passes between machines, with stages that take no time: apart from the finished project."""

import getpass
import shutil
from pathlib import Path

import pytest
from clones import ROOT, commit, make_clone, recorded, run
from machines import Servers, machines, retrain

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

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


def ran(project: Path) -> list[str]:
    return (project / "ran").read_text().splitlines()


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
