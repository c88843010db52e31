"""Servers and workers of several machines, as processes on loopback with a clone each."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from clones import BIN, ENVIRONMENT, ROOT, run
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_HOME,
    temporary_settings,
)

from pipelines.credentials import make_credentials

_START_SECONDS = 400.0  # of a server, on a busy machine


class Servers:
    """Prefect's and MLflow's server, which all machines know by their addresses."""

    def __init__(self, folder: Path, prefect: str, mlflow: str, credentials: str) -> None:
        self.prefect = prefect
        self.mlflow = mlflow
        self._folder = folder
        self._credentials = credentials

    @property
    def login(self) -> dict[str, str]:
        """The credentials, as clients of both servers take them."""
        user, _, password = self._credentials.partition(":")
        return {
            "PREFECT_API_AUTH_STRING": self._credentials,
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": password,
        }

    def environment(self, clone: Path, **more: str) -> dict[str, str]:
        """What a machine is told: the servers' addresses, where its clone is, how to share."""
        return {
            **self.login,
            # Only what belongs to the clone is imported: as with an environment in each.
            "PYTHONPATH": f"{clone / 'src'}{os.pathsep}{clone}",
            "PREFECT_API_URL": self.prefect,
            "PREFECT_HOME": str(clone.with_suffix(".prefect")),
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "MLFLOW_TRACKING_URI": self.mlflow,
            "TEXTSR_CLONE": str(clone),
            "TEXTSR_SHARE": "1",
            "DVC_NO_ANALYTICS": "1",
            **more,
        }

    def make_pools(self) -> None:
        """Make the pools `cpu` and `gpu`, of one slot each."""
        path = ROOT / "pipelines" / "work_pools" / "process.json"
        template = json.loads(path.read_text(encoding="utf-8"))
        with self._asked(), get_client(sync_client=True) as client:
            for name in ("cpu", "gpu"):
                client.create_work_pool(
                    WorkPoolCreate(
                        name=name,
                        type="process",
                        concurrency_limit=1,
                        base_job_template=template,
                    )
                )

    @contextmanager
    def worker(self, pool: str, clone: Path, **more: str) -> Iterator[Path]:
        """Run the worker of a pool in a clone; yield its log, where its flows' logs are, too."""
        command = [str(BIN / "prefect"), "worker", "start", "--pool", pool, "--name", clone.name]
        log = clone.with_suffix(".log")
        with _running(command, log, clone, self.environment(clone, **more)):
            yield log

    def run(self, deployment: str, seconds: float, parameters: Mapping[str, Any]) -> FlowRun:
        """Run a deployment to its end."""
        with self._asked():
            run = run_deployment(
                deployment, parameters=dict(parameters), timeout=seconds, as_subflow=False
            )
        assert isinstance(run, FlowRun)
        return run

    def find(self, run_id: str) -> FlowRun:
        """The flow run with an id."""
        with self._asked(), get_client(sync_client=True) as client:
            return client.read_flow_run(UUID(run_id))

    def task_states(self, run: FlowRun) -> dict[str, str]:
        """The names of the states in which a run's tasks ended, by task."""
        chosen = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        deadline = time.monotonic() + 180
        with self._asked(), get_client(sync_client=True) as client:
            while True:  # the server hears of task runs as events, a moment later
                tasks = client.read_task_runs(flow_run_filter=chosen)
                if tasks and all(task.state and task.state.is_final() for task in tasks):
                    return {task.name: str(task.state_name) for task in tasks}
                assert time.monotonic() < deadline, tasks
                time.sleep(0.2)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        settings = {
            PREFECT_API_URL: self.prefect,
            PREFECT_API_AUTH_STRING: self._credentials,
            PREFECT_HOME: self._folder / "prefect-test",
        }
        with temporary_settings(settings):
            yield


@contextmanager
def servers(folder: Path) -> Iterator[Servers]:
    """Run both servers on free ports, with what they keep in a folder."""
    prefect, mlflow = _free_ports(2)
    address = f"http://127.0.0.1:{prefect}/api"
    credentials = make_credentials(folder / "services", address)
    settings = {
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
        "PREFECT_SERVER_API_AUTH_STRING": credentials,
        "TEXTSR_HOME": str(folder / "services"),
        "TEXTSR_CLONE": str(folder),
        "TEXTSR_PREFECT_PORT": str(prefect),
        "TEXTSR_MLFLOW_PORT": str(mlflow),
        "TEXTSR_ARTIFACT_ROOT": "mlflow-artifacts:/",
    }
    (folder / "mlruns").mkdir()
    with ExitStack() as stack:
        for name in ("prefect", "mlflow"):
            log = folder / f"{name}-server.log"
            command = [sys.executable, "-m", "pipelines.web", name]
            stack.enter_context(_running(command, log, folder, settings))
        _await(f"{address}/health", folder / "prefect-server.log")
        _await(f"http://127.0.0.1:{mlflow}/health", folder / "mlflow-server.log")
        found = Servers(folder, address, f"http://127.0.0.1:{mlflow}", credentials)
        found.make_pools()
        yield found


@contextmanager
def _running(
    command: list[str], log: Path, folder: Path, environment: Mapping[str, str]
) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**ENVIRONMENT, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await(address: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            if httpx.get(address, timeout=5).is_success:
                return
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, f"{address}: no answer\n{log.read_text()}"
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


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
