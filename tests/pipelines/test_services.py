"""The real servers and workers on loopback, under toy stages: up, killed, cancelled, down."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import run as run_process
from typing import Any
from uuid import UUID, uuid4

import httpx
import psutil
import pytest
from toy import REGISTRATION, ROOT, STAGES, free_ports, make_project

from pipelines.server import ask

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


class Project:
    """A toy project and the services that `make up` starts for it."""

    def __init__(self, root: Path) -> None:
        self.root = make_project(root)
        prefect, mlflow, docs = free_ports(3)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))},
            "TEXTSR_PREFECT_PORT": str(prefect),
            "TEXTSR_MLFLOW_PORT": str(mlflow),
            "TEXTSR_DOCS_PORT": str(docs),
            "TEXTSR_GPUS": "1",
            "PYTHONPATH": os.pathsep.join([str(self.root), str(ROOT / "src"), *sys.path]),
            "DVC_NO_ANALYTICS": "1",
        }
        self.api = httpx.Client(base_url=f"http://127.0.0.1:{prefect}/api/", timeout=30)

    def services(self, verb: str) -> tuple[int, str]:
        done = run_process(
            [sys.executable, "-m", "pipelines.services", verb],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=500,
        )
        return done.returncode, done.stdout + done.stderr

    def processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("TEXTSR_SERVICES") == str(self.root):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def process(self, *words: str) -> psutil.Process:
        """The process whose command line has all the words."""
        return next(p for p in self.processes() if all(w in " ".join(p.cmdline()) for w in words))

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What the API answers. Prefect asks its clients to come again (503) on a locked SQLite."""
        response = ask(lambda: self.api.request(method, path, json=body).raise_for_status())
        return response.json() if response.content else None

    def start(self, deployment: str, **parameters: Any) -> UUID:
        found = self.request("GET", f"deployments/name/{deployment}")
        body = {
            "parameters": parameters,
            "state": {"type": "SCHEDULED"},
            "idempotency_key": str(uuid4()),  # a second try starts no second run
        }
        made = self.request("POST", f"deployments/{found['id']}/create_flow_run", body)
        return UUID(made["id"])

    def read(self, run: UUID) -> dict[str, Any]:
        found: dict[str, Any] = self.request("GET", f"flow_runs/{run}")
        return found

    def wait(self, run: UUID, seconds: float = 600) -> dict[str, Any]:
        final = ("COMPLETED", "FAILED", "CANCELLED")
        await_that(lambda: self.read(run)["state"]["type"] in final, seconds, "a final state")
        return self.read(run)

    def is_up(self) -> bool:
        try:
            return self.api.get("health").is_success
        except httpx.HTTPError:
            return False

    def tasks(self, run: UUID) -> dict[str, str]:
        body = {"flow_runs": {"id": {"any_": [str(run)]}}}
        found = self.request("POST", "task_runs/filter", body)
        return {task["name"]: task["state"]["name"] for task in found}

    def ran(self) -> list[str]:
        """What ran since the last call."""
        record = self.root / "ran"
        names = record.read_text().splitlines() if record.exists() else []
        record.unlink(missing_ok=True)
        return names


def await_that(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.3)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    made = Project(tmp_path_factory.mktemp("clone") / "project")
    try:
        code, said = made.services("up")
        assert code == 0, said
        yield made
    finally:
        made.services("down")
        left = made.processes()
        for process in left:
            process.kill()
    assert not left


@pytest.fixture(autouse=True)
def as_it_was(project: Project) -> Iterator[None]:
    """What a test that fails tells the toy stages to do must not make the next one fail."""
    yield
    for name in ("slow", "broken"):
        (project.root / name).unlink(missing_ok=True)
    (project.root / "registration").write_text(json.dumps(REGISTRATION))


def test_a_nightly_run_trains_on_the_gpu_pool_and_ends_refused(project: Project) -> None:
    run = project.start("retrain/nightly")
    ended = project.wait(run)
    assert ended["state"]["name"] == "Refused", ended["state"]["message"]
    assert "PSNR above bicubic: -0.2 dB" in ended["state"]["message"]
    assert project.ran() == [
        name.replace("@", " ").replace("pretrain simclr", "pretrain") for name in STAGES
    ]
    tasks = project.tasks(run)
    assert {tasks[name] for name in STAGES if "train@" in name} == {"Delegated"}
    assert {tasks[name] for name in STAGES if "train@" not in name} == {"Completed"}
    keys = {each["key"] for each in project.request("POST", "artifacts/filter", {})}
    assert {"validation", "leaderboard", "registration", "data-docs"} <= keys
    assert project.services("status")[0] == 0


def test_params_of_a_run_leave_the_clone_as_it_is(project: Project) -> None:
    before = (project.root / "params.yaml").read_bytes()
    run = project.start("retrain/nightly", seeds=[7, 8], stages=["train"])
    ended = project.wait(run)
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    assert (project.root / "params.yaml").read_bytes() == before
    assert project.ran() == []
    runs = sorted((project.root / ".dvc" / "tmp" / "runs").glob("*/byol.model"))
    assert len(runs) == 2


def test_a_run_whose_process_is_killed_goes_on(project: Project) -> None:
    project.ran()
    (project.root / "slow").touch()
    run = project.start("train/on-demand", stages=["train@byol"], force=True)
    await_that(lambda: "train byol" in "".join(ran_of(project)), 120, "the stage")
    stage = project.process("while test -e slow")
    found = [p for p in project.processes() if p.environ().get("PREFECT__FLOW_RUN_ID") == str(run)]
    engines = [p for p in found if "prefect" in " ".join(p.cmdline())]
    for process in engines:
        process.send_signal(signal.SIGKILL)
    await_that(lambda: not stage.is_running(), 30, "the end of its stage")
    (project.root / "slow").unlink()
    ended = project.wait(run)
    assert ended["state"]["type"] == "COMPLETED", ended["state"]
    assert ended["run_count"] == 2
    assert project.ran()[-2:] == ["train byol", "train byol"]


def ran_of(project: Project) -> list[str]:
    record = project.root / "ran"
    return record.read_text().splitlines() if record.exists() else []


def test_cancelling_ends_the_stage_and_it_can_run_again(project: Project) -> None:
    project.ran()
    (project.root / "slow").touch()
    run = project.start("retrain/nightly", stages=["train@byol"], force=True)
    await_that(lambda: "train byol" in "".join(ran_of(project)), 120, "the stage")
    stage = project.process("while test -e slow")
    project.request("POST", f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})
    assert project.wait(run)["state"]["type"] == "CANCELLED"
    await_that(lambda: not stage.is_running(), 60, "the end of the stage, which a child runs")
    (project.root / "slow").unlink()
    again = project.wait(project.start("train/on-demand", stages=["train@byol"], force=True))
    assert again["state"]["type"] == "COMPLETED", again["state"]["message"]


def test_a_second_retrain_waits_for_the_first(project: Project) -> None:
    project.ran()
    (project.root / "slow").touch()
    first = project.start("retrain/nightly", stages=["train@byol"], force=True)
    await_that(lambda: "train byol" in ran_of(project), 120, "the stage")
    second = project.start("retrain/nightly", stages=["train@byol"], force=True)
    state = "AwaitingConcurrencySlot"
    await_that(lambda: project.read(second)["state"]["name"] == state, 60, "a run that waits")
    assert ran_of(project) == ["train byol"]
    (project.root / "slow").unlink()
    for run in (first, second):
        ended = project.wait(run)
        assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    assert project.ran() == ["train byol", "train byol"]


def test_a_failed_validation_starts_no_training(project: Project) -> None:
    project.ran()
    (project.root / "broken").touch()
    (project.root / "data" / "fonts" / "lato.ttf").write_text("another font")
    ended = project.wait(project.start("retrain/nightly"))
    assert ended["state"]["type"] == "FAILED"
    assert ended["state"]["message"].startswith("validate: ")
    assert project.ran() == ["synthesize", "validate"]


def test_a_missing_limit_is_an_error(project: Project) -> None:
    project.request("PATCH", "work_pools/gpu", {"concurrency_limit": None})
    try:
        ended = project.wait(project.start("train/on-demand", stages=["train@byol"]))
    finally:
        project.request("PATCH", "work_pools/gpu", {"concurrency_limit": 1})
    assert ended["state"]["type"] == "FAILED"
    assert "has a concurrency limit" in ended["state"]["message"]


def test_a_champion_that_does_not_work_fails_the_run(project: Project) -> None:
    (project.root / "registration").write_text(json.dumps({**REGISTRATION, "promoted": True}))
    ended = project.wait(project.start("register/on-demand"))
    assert ended["state"]["type"] == "FAILED"
    assert ended["state"]["message"].startswith("smoke-test: ")


def test_a_stage_outlives_the_server(project: Project) -> None:
    project.ran()
    (project.root / "slow").touch()
    run = project.start("train/on-demand", stages=["train@scratch"], force=True)
    await_that(lambda: "train scratch" in "".join(ran_of(project)), 120, "the stage")
    server = project.process("server", "start")
    for process in [*server.children(recursive=True), server]:
        process.kill()
    await_that(lambda: not project.is_up(), 20, "the server's end")
    (project.root / "slow").unlink()  # the stage ends while the server is away
    await_that(project.is_up, 120, "the server's return")
    ended = project.wait(run)
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    assert project.ran()[0] == "train scratch"


def test_what_is_killed_comes_back(project: Project) -> None:
    supervisor = project.process("supervisor.supervisord")
    server, worker = project.process("mlflow", "server"), project.process("worker", "--pool cpu")
    worker.kill()
    server.kill()
    supervisor.kill()
    psutil.wait_procs([supervisor, server, worker], timeout=20)
    assert project.services("status")[0] == 1
    code, said = project.services("up")
    assert code == 0, said
    assert project.services("status")[0] == 0
    ended = project.wait(project.start("retrain/nightly"))
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]


def test_one_automation_answers_drift_however_often_services_come_up(project: Project) -> None:
    code, said = project.services("up")
    assert code == 0, said
    found = project.api.post("automations/filter", json={}).raise_for_status().json()
    assert [automation["name"] for automation in found] == ["retrain-on-drift"]


def test_schedules_make_runs(project: Project) -> None:
    def scheduled() -> set[str]:
        body = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        runs = project.api.post("flow_runs/filter", json=body).raise_for_status().json()
        return {run["deployment_id"] for run in runs if run["auto_scheduled"]}

    found = project.api.post("deployments/filter", json={}).raise_for_status().json()
    expected = {one["id"] for one in found if one["name"] in ("nightly", "hourly")}
    assert len(expected) == 2
    # The server looks for what is due once a minute.
    await_that(lambda: scheduled() == expected, 120, "runs of every schedule")


def test_down_stops_all_and_nothing_else(project: Project) -> None:
    bystander = psutil.Popen([sys.executable, "-m", "http.server", "0"], cwd=project.root)
    try:
        assert project.processes()
        assert project.services("down")[0] == 0
        assert project.processes() == []
        assert bystander.is_running()
        code, said = project.services("status")
        assert code == 1
        assert "ok" not in said.split()
    finally:
        bystander.kill()
        bystander.wait()
