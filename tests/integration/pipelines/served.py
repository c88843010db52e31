"""A toy project with the real servers and workers on loopback, and what tests ask of them."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from subprocess import run as run_process
from typing import Any
from uuid import UUID, uuid4

import httpx
import psutil
from toy import ROOT, free_ports, make_project

from pipelines.server import ask


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
        self.said = ""  # by the first `make up`
        self.prefect, self.mlflow, self.docs = (
            f"http://127.0.0.1:{port}" for port in (prefect, mlflow, docs)
        )

    @property
    def home(self) -> Path:
        return self.root / ".services"

    @property
    def credentials(self) -> tuple[str, str]:
        """User and password, which the first `make up` draws."""
        user, _, password = (self.home / "credentials").read_text().strip().partition(":")
        return user, password

    @cached_property
    def api(self) -> httpx.Client:
        address = f"{self.prefect}/api/"
        return httpx.Client(base_url=address, auth=self.credentials, timeout=30)

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


@contextmanager
def running(root: Path) -> Iterator[Project]:
    """A project whose services are up."""
    made = Project(root)
    try:
        code, made.said = made.services("up")
        assert code == 0, made.said
        yield made
    finally:
        made.services("down")
        left = made.processes()
        for process in left:
            process.kill()
    assert not left
