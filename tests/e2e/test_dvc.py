"""DVC as its users expect: what changed, experiments, sweeps, remotes, garbage."""

import csv
import getpass
import io
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from clones import ENVIRONMENT, commit, copy_committed, recorded, run
from mlflow import MlflowClient

from textsr.files import fingerprint

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def project(unbroken: Path, tmp_path: Path) -> Path:
    return copy_committed(unbroken, tmp_path / "project")


@pytest.fixture(scope="module")
def swept(unbroken: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two experiments, `short` and `long`, run side by side from the queue."""
    project = copy_committed(unbroken, tmp_path_factory.mktemp("swept") / "project")
    for name, steps in (("short", 3), ("long", 5)):
        setting = f"pretraining.steps={steps}"
        run(project, "dvc", "exp", "run", "--queue", "-n", name, "-S", setting, "pretrain@simclr")
    finish_queue(project, "short", "long")
    run(project, "dvc", "queue", "stop")
    return project


def finish_queue(project: Path, *names: str) -> None:
    """Run queued experiments, two at a time, as `exp run --run-all --jobs 2` does.

    That one waits without end where DVC's workers end before they take what is queued.
    """
    deadline, started = time.monotonic() + 1200, -60.0
    while True:
        status = run(project, "dvc", "queue", "status")
        rows = [line.split() for line in status.splitlines()]
        states = {row[1]: row[-1] for row in rows if len(row) > 3 and row[1] in names}
        assert states.keys() == set(names), status
        if set(states.values()) == {"Success"}:
            return
        for name, state in states.items():
            assert state != "Failed", run(project, "dvc", "queue", "logs", name)
        assert time.monotonic() < deadline, status
        if "0 active, 0 idle" in status and time.monotonic() - started > 60:
            start_workers(project)
            started = time.monotonic()
        time.sleep(2)


def start_workers(project: Path) -> None:
    """Start two workers; a start that hangs, since it forks while threads run, is ended."""
    command = ["dvc", "queue", "start", "--jobs", "2"]
    # No pipes: workers would keep them open.
    starting = subprocess.Popen(
        command,
        cwd=project,
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        starting.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(starting.pid, signal.SIGKILL)
        starting.wait()


def experiments(project: Path) -> dict[str, dict[str, str]]:
    """The rows of `dvc exp show`, by name; `workspace` is one."""
    table = csv.DictReader(io.StringIO(run(project, "dvc", "exp", "show", "--csv")))
    return {row["Experiment"] or row["rev"]: row for row in table}


def cached(project: Path, md5: str) -> Path:
    return project / ".dvc/cache/files/md5" / md5[:2] / md5[2:]


def clone_without_cache(project: Path, folder: Path) -> Path:
    run(project, "git", "clone", "-q", str(project), str(folder))
    assert not (folder / "data").exists()
    return folder


def test_diff_names_changed_source_material(project: Path) -> None:
    added = project / "data/corpora/custom/mine.txt"
    added.parent.mkdir(exist_ok=True)
    added.write_text("TOTAL 12.50\n")
    changes = json.loads(run(project, "dvc", "diff", "--json"))
    assert "data/corpora/custom/mine.txt" in [entry["path"] for entry in changes["added"]]
    assert "data/" in [entry["path"] for entry in changes["modified"]]


def test_experiment_in_the_workspace_and_collecting_what_it_replaced(project: Path) -> None:
    old = recorded(project, "synthesize")
    run(project, "dvc", "exp", "run", "-n", "seed-2", "-S", "synthesis.seed=2", "synthesize")
    changes = json.loads(run(project, "dvc", "diff", "--json"))
    changed = {entry["path"] for entry in changes["modified"]}
    assert {f"artifacts/dataset/{split}/" for split in ("train", "val", "test")} <= changed
    assert not any("models" in path for path in changed)
    shown = experiments(project)
    assert shown["main"]["synthesis.seed"] == "1"
    assert shown["seed-2"]["synthesis.seed"] == shown["workspace"]["synthesis.seed"] == "2"

    new = recorded(project, "synthesize")
    assert all(cached(project, md5).exists() for md5 in (*old, *new))
    run(project, "dvc", "gc", "--workspace", "--force")
    assert not any(cached(project, md5).exists() for md5 in old)
    assert all(cached(project, md5).exists() for md5 in new)
    for folder in ("data", "artifacts"):
        shutil.rmtree(project / folder)
    run(project, "dvc", "checkout")
    assert (project / "data/fonts").is_dir()
    assert "didn't change" in run(project, "dvc", "repro", "synthesize")


def test_experiment_goes_to_the_end_of_the_dag(project: Path) -> None:
    setting = "registration.gate.min_psnr_gain_db=77"
    said = run(project, "dvc", "exp", "run", "-n", "strict", "-S", setting)
    assert set(re.findall("Running stage '(.*)'", said)) == {"engines", "register"}
    assert "77" in (project / "reports/registration.json").read_text()
    assert "strict" in experiments(project)
    assert json.loads(run(project, "dvc", "status", "--json")) == {"engines": ["always changed"]}


def test_sweep_is_listed_with_its_metrics(swept: Path) -> None:
    shown = experiments(swept)
    metric = next(key for key in shown["short"] if key.endswith("train_loss") and "simclr" in key)
    assert [shown[name]["pretraining.steps"] for name in ("short", "long")] == ["3", "5"]
    assert float(shown["short"][metric]) != float(shown["long"][metric])
    assert [shown[name]["State"] for name in ("short", "long")] == ["Success", "Success"]


def test_sweep_is_in_the_projects_own_mlflow_store(swept: Path) -> None:
    client = MlflowClient(f"sqlite:///{swept}/mlruns/mlflow.db")
    experiment = client.get_experiment_by_name("textsr-pretraining")
    assert experiment is not None
    assert experiment.artifact_location == (swept / "mlruns/artifacts").as_uri()
    runs = client.search_runs([experiment.experiment_id])
    by_name = {found.data.tags["dvc_experiment"]: found for found in runs}
    assert set(by_name) == {"short", "long"}
    assert by_name["long"].data.params["steps"] == "5"
    assert {found.info.status for found in runs} == {"FINISHED"}


def test_metrics_and_plots_show_both_sides(swept: Path) -> None:
    said = run(swept, "dvc", "metrics", "diff", "--json", "short", "long")
    loss = json.loads(said)["artifacts/encoders/simclr/probe.json"]["train_loss"]
    assert loss["diff"] == pytest.approx(loss["new"] - loss["old"])
    assert loss["old"] != loss["new"]
    said = run(swept, "dvc", "plots", "diff", "short", "long")
    page = (swept / "dvc_plots/index.html").read_text()
    assert "dvc_plots/index.html" in said
    assert "Self-supervised loss" in page
    assert '"rev": "short"' in page
    assert '"rev": "long"' in page
    assert not run(swept, "git", "status", "--porcelain")


def test_clone_of_a_pushed_project_only_looks_for_engines(project: Path, tmp_path: Path) -> None:
    run(project, "dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    commit(project)
    run(project, "dvc", "push")
    second = clone_without_cache(project, tmp_path / "second")
    run(second, "dvc", "pull")
    said = run(second, "dvc", "repro")
    assert re.findall("Running stage '(.*)'", said) == ["engines"]
    assert not run(second, "git", "status", "--porcelain")


def test_source_material_by_s3(project: Path, tmp_path: Path, bucket: str) -> None:
    run(project, "dvc", "remote", "add", "--default", "s3", "s3://textsr/cache")
    run(project, "dvc", "remote", "modify", "s3", "endpointurl", bucket)
    commit(project)
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    run(project, "dvc", "push", "data.dvc", **keys)
    second = clone_without_cache(project, tmp_path / "second")
    run(second, "dvc", "pull", "data.dvc", **keys)
    assert fingerprint("", [second / "data"]) == fingerprint("", [project / "data"])


def test_source_material_by_ssh(project: Path, tmp_path: Path, sshd: int) -> None:
    address = f"ssh://{getpass.getuser()}@127.0.0.1:{sshd}{tmp_path}/remote"
    run(project, "dvc", "remote", "add", "--default", "ssh", address)
    run(project, "dvc", "remote", "modify", "ssh", "keyfile", str(tmp_path / ".ssh/client"))
    commit(project)
    run(project, "dvc", "push", "data.dvc", HOME=str(tmp_path))
    assert (tmp_path / "remote/files/md5").is_dir()
    second = clone_without_cache(project, tmp_path / "second")
    run(second, "dvc", "pull", "data.dvc", HOME=str(tmp_path))
    assert fingerprint("", [second / "data"]) == fingerprint("", [project / "data"])
