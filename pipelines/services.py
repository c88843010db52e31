"""Start, stop and look at the servers and workers of this clone: `make up`, `down`, `status`.

Supervisor (supervisord.org) keeps them running; this module tells it what to run and asks each
service for its health. Everything is on loopback; ports and folders are in `Settings`.
"""

import os
import platform
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from xmlrpc.client import Fault, ServerProxy

import httpx
import psutil
from pydantic import NonNegativeInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from textsr.errors import TextsrError
from textsr.local_store import open_store
from textsr.streams import escape_unprintable

CLONE = Path(__file__).resolve().parents[1]
_CONFIGURATION = CLONE / "pipelines" / "supervisord.conf"
_MARK = "TEXTSR_SERVICES"  # in the environment of all that we start: whose it is
_SECONDS = 180.0  # for a service to answer; the first start makes its database
_LATER = ("recovery", "cpu", "gpu:*")  # need the server, the pools and the deployments
_OFFLINE_SECONDS = 15  # between a worker's heartbeats


class Settings(BaseSettings):
    """Where the services listen and what they keep, by TEXTSR_ variables of the environment."""

    model_config = SettingsConfigDict(env_prefix="TEXTSR_")

    prefect_port: int = 4200
    mlflow_port: int = 5000
    docs_port: int = 4280
    gpus: NonNegativeInt | None = None
    """Workers of the pool `gpu` here; one a device, and one where there is none, where not given.

    0 where other machines alone train."""
    home: Path = CLONE / ".services"
    """Databases, logs and the supervisor's socket."""
    artifact_root: str = (CLONE / "mlruns" / "artifacts").as_uri()
    """Of new MLflow experiments; `mlflow-artifacts:/` where other machines log to the server."""

    @property
    def prefect(self) -> str:
        """Prefect's address."""
        return f"http://127.0.0.1:{self.prefect_port}"

    @property
    def mlflow(self) -> str:
        """MLflow's address."""
        return f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def docs(self) -> str:
        """The Data Docs' address."""
        return f"http://127.0.0.1:{self.docs_port}/"

    @property
    def workers(self) -> int:
        """Workers of the pool `gpu` on this machine."""
        return max(count_devices(), 1) if self.gpus is None else self.gpus

    @property
    def pools(self) -> tuple[str, ...]:
        """Pools that have a worker on this machine."""
        return ("cpu", "gpu") if self.workers else ("cpu",)

    def environment(self) -> dict[str, str]:
        """Return the variables by which supervisor's configuration and our processes are told."""
        return {
            "TEXTSR_CLONE": str(CLONE),
            "TEXTSR_HOME": str(self.home),
            "TEXTSR_BIN": str(Path(sys.executable).parent),
            "TEXTSR_PREFECT_PORT": str(self.prefect_port),
            "TEXTSR_MLFLOW_PORT": str(self.mlflow_port),
            "TEXTSR_DOCS_PORT": str(self.docs_port),
            "TEXTSR_GPUS": str(self.workers),
            "TEXTSR_ARTIFACT_ROOT": self.artifact_root,
            "TEXTSR_DATA_DOCS_URL": self.docs,
            _MARK: str(CLONE),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_API_URL": f"{self.prefect}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_WORKER_HEARTBEAT_SECONDS": str(_OFFLINE_SECONDS),
            "MLFLOW_TRACKING_URI": self.mlflow,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": os.environ.get(
                "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5"
            ),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DVC_NO_ANALYTICS": "1",
        }


def read_settings() -> Settings:
    """Return the settings of the environment.

    Raises:
        TextsrError: if a variable has a value that it cannot have; the message names each.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise TextsrError(
            "; ".join(
                f"TEXTSR_{str(each['loc'][0]).upper()}={each['input']}: {each['msg'].lower()}; "
                "correct or unset it"
                for each in error.errors()
            )
        ) from error


def count_devices() -> int:
    """Return how many GPUs NVIDIA's driver shows; 0 without a driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return 0
    shown = subprocess.run([program, "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in shown.stdout.splitlines())


def up(settings: Settings) -> None:
    """Start what does not run, wait until each service is healthy, and print the addresses.

    Raises:
        TextsrError: if a service does not become healthy; the message names its log.
    """
    from pipelines.deploy import deploy_all

    settings.home.mkdir(parents=True, exist_ok=True)
    open_store(CLONE / "mlruns")
    _start_supervisor(settings)
    _wait(settings, "prefect", f"{settings.prefect}/api/health")
    _wait(settings, "mlflow", f"{settings.mlflow}/health")
    os.environ.update(settings.environment())
    deploy_all(settings.environment())
    for name in _LATER:
        _start(settings, name)
    if not _until(lambda: all(_health(settings).values()), _SECONDS):
        unwell = ", ".join(what for what, well in _health(settings).items() if not well)
        raise TextsrError(
            f"{unwell}: not well after {_SECONDS:.0f} s; look into {settings.home}/*.log"
        )
    print_status(settings)


def down(settings: Settings) -> None:
    """Stop what `up` started, workers first, and nothing else."""
    supervisor = _supervisor(settings)
    if supervisor is not None:
        supervisor.shutdown()
        _until(lambda: _supervisor(settings) is None, 120)
    left = list(_ours())
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(left, timeout=20)
    _kill(stubborn)
    _say("stopped")


def print_status(settings: Settings) -> bool:
    """Print whether each service answers; return whether all do."""
    health = _health(settings)
    for what, well in health.items():
        _say(f"{'ok  ' if well else 'DOWN'} {what}")
    return all(health.values())


def _health(settings: Settings) -> dict[str, bool]:
    health = {
        f"Prefect   {settings.prefect}": _answers(f"{settings.prefect}/api/health"),
        f"MLflow    {settings.mlflow}": _answers(f"{settings.mlflow}/health"),
        f"Data Docs {settings.docs}": _answers(settings.docs),
    }
    heartbeats = _heartbeats(settings)
    for worker, since in _own_workers(settings).items():
        # A killed worker counts as online until its last heartbeat is old: not its successor's.
        well = since is not None and heartbeats.get(worker, 0.0) >= since
        health[f"worker    {worker}"] = well
    health["recovery  of runs whose process is gone"] = _runs(settings, "recovery")
    return health


def _start_supervisor(settings: Settings) -> None:
    if _supervisor(settings) is not None:
        for name in ("prefect", "mlflow", "docs"):
            _start(settings, name)
        return
    # A supervisor that was killed leaves its services behind, which hold the ports.
    _kill(list(_ours()))
    for name, port in (
        ("PREFECT", settings.prefect_port),
        ("MLFLOW", settings.mlflow_port),
        ("DOCS", settings.docs_port),
    ):
        _demand_free(name, port)
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(_CONFIGURATION)]
    environment = {**os.environ, **settings.environment()}
    started = subprocess.run(
        command, env=environment, cwd=CLONE, capture_output=True, text=True, check=False
    )
    if started.returncode != 0:
        raise TextsrError(f"supervisord does not start: {started.stdout}{started.stderr}")
    _until(lambda: _supervisor(settings) is not None, 30)


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(processes, timeout=10)


def _demand_free(name: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise TextsrError(
                f"port {port} is taken by another program; choose one by TEXTSR_{name}_PORT"
            ) from error


def _supervisor(settings: Settings) -> Any:
    """Return supervisor's interface, or None where none answers."""
    from supervisor.xmlrpc import SupervisorTransport

    address = f"unix://{settings.home / 'supervisor.sock'}"
    proxy = ServerProxy("http://127.0.0.1", transport=SupervisorTransport(None, None, address))
    try:
        proxy.supervisor.getState()
    except (OSError, Fault):
        return None
    return proxy.supervisor


def _start(settings: Settings, name: str) -> None:
    supervisor = _supervisor(settings)
    with suppress(Fault):  # it runs already
        if name.endswith(":*"):
            supervisor.startProcessGroup(name.removesuffix(":*"), False)
        else:
            supervisor.startProcess(name, False)


def _runs(settings: Settings, name: str) -> bool:
    supervisor = _supervisor(settings)
    return supervisor is not None and supervisor.getProcessInfo(name)["statename"] == "RUNNING"


def _ours() -> Iterator[psutil.Process]:
    """Yield the processes that bear our mark, whoever their parent is now."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(_MARK) == str(CLONE) and process.pid != os.getpid():
                yield process


def _wait(settings: Settings, name: str, address: str) -> None:
    if not _until(lambda: _answers(address), _SECONDS):
        log = settings.home / f"{name}.log"
        raise TextsrError(f"{name}: no answer at {address} in {_SECONDS:.0f} s; look into {log}")


def _own_workers(settings: Settings) -> dict[str, float | None]:
    """Return since when each worker of this machine runs, in seconds of the epoch, by name."""
    supervisor = _supervisor(settings)
    known = supervisor.getAllProcessInfo() if supervisor is not None else []
    since = {each["name"]: each["start"] for each in known if each["statename"] == "RUNNING"}
    node = platform.node()
    workers = {f"cpu-{node}": since.get("cpu")}
    for number in range(settings.workers):
        workers[f"gpu-{node}-{number}"] = since.get(f"gpu-{number}")
    return workers


def _heartbeats(settings: Settings) -> dict[str, float]:
    """Return when the server last heard of each worker online, in seconds of the epoch."""
    found: dict[str, float] = {}
    for pool in settings.pools:
        address = f"{settings.prefect}/api/work_pools/{pool}/workers/filter"
        with suppress(httpx.HTTPError):
            for each in httpx.post(address, json={}, timeout=10).raise_for_status().json():
                if each["status"] == "ONLINE":
                    heard = datetime.fromisoformat(each["last_heartbeat_time"])
                    found[each["name"]] = heard.timestamp()
    return found


def _answers(address: str) -> bool:
    try:
        return not httpx.get(address, timeout=10).is_server_error
    except httpx.HTTPError:
        return False


def _until(condition: Any, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def main() -> int:
    """Run `up`, `down` or `status`; a user's mistake is one message and exit status 1."""
    escape_unprintable()
    try:
        settings = read_settings()
        match sys.argv[1:]:
            case ["up"]:
                up(settings)
            case ["down"]:
                down(settings)
            case ["status"]:
                return 0 if print_status(settings) else 1
            case _:
                raise TextsrError("usage: python -m pipelines.services up|down|status")
    except TextsrError as error:
        print(f"textsr: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
