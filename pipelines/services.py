"""Start, stop and look at the servers and workers of this clone: `make up`, `down`, `status`, `ui`.

Supervisor (supervisord.org) keeps them running; this module tells it what to run and asks each
service for its health. Everything is on loopback; ports and folders are in `Settings`. What the
servers ask for before they answer is in `pipelines.web` and `pipelines.credentials`.
"""

import os
import platform
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from xmlrpc.client import Fault, ServerProxy

import httpx
import psutil
from mlflow import MlflowClient
from pydantic import AfterValidator, NonNegativeInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipelines.credentials import (
    credentials_path,
    make_credentials,
    profiles_path,
    read_credentials,
)
from textsr.cli.streams import escape_unprintable
from textsr.config import project
from textsr.config.params import load_params
from textsr.errors import TextsrError
from textsr.registry.saved_view import view_address
from textsr.tracking.local_store import DATABASE, open_store

CLONE = Path(__file__).resolve().parents[1]
_CONFIGURATION = CLONE / "pipelines" / "supervisord.conf"
_MARK = "TEXTSR_SERVICES"  # in the environment of all that we start: whose it is
_SECONDS = 300.0  # for all to answer; the first start makes databases
_STARTS = 5  # of a service that ends each time, until it is given up
_LATER = ("recovery", "cpu", "gpu:*")  # need the server, the pools and the deployments
_OFFLINE_SECONDS = 15  # between a worker's heartbeats
_SOCKET = "supervisor.sock"
HOSTS = ("127.0.0.1", "localhost")
"""Names under which the servers answer."""


class Settings(BaseSettings):
    """Where the services listen and what they keep, by TEXTSR_ variables of the environment."""

    model_config = SettingsConfigDict(env_prefix="TEXTSR_")

    prefect_port: int = 4200
    mlflow_port: int = 5000
    docs_port: int = 4280
    gpus: NonNegativeInt | None = None
    """Workers of the pool `gpu` here; one a device, and one where there is none, where not given.

    0 where other machines alone train."""
    home: Annotated[Path, AfterValidator(Path.absolute)] = CLONE / ".services"
    """Databases, logs, credentials and the supervisor's socket; for its owner alone."""
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

    @property
    def api(self) -> str:
        """The address of Prefect's API."""
        return f"{self.prefect}/api"

    def environment(self) -> dict[str, str]:
        """Return the variables by which supervisor's configuration and our processes are told.

        Raises:
            TextsrError: if there are no credentials.
        """
        credentials = read_credentials(self.home)
        user, _, password = credentials.partition(":")
        return {
            "TEXTSR_CLONE": str(CLONE),
            "TEXTSR_HOME": str(self.home),
            "TEXTSR_SOCKET": str(_socket_path(self.home)),
            "TEXTSR_PREFECT_PORT": str(self.prefect_port),
            "TEXTSR_MLFLOW_PORT": str(self.mlflow_port),
            "TEXTSR_DOCS_PORT": str(self.docs_port),
            "TEXTSR_GPUS": str(self.workers),
            "TEXTSR_ARTIFACT_ROOT": self.artifact_root,
            "TEXTSR_DATA_DOCS_URL": self.docs,
            _MARK: str(CLONE),
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_API_URL": self.api,
            "PREFECT_API_AUTH_STRING": credentials,
            "PREFECT_SERVER_API_AUTH_STRING": credentials,
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(
                f"http://{host}:{self.prefect_port}" for host in HOSTS
            ),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_WORKER_HEARTBEAT_SECONDS": str(_OFFLINE_SECONDS),
            "MLFLOW_TRACKING_URI": self.mlflow,
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": password,
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

    make_credentials(settings.home, settings.api)
    open_store(CLONE / "mlruns")
    environment = settings.environment()
    os.environ.update(environment)
    _start_supervisor(settings, {**environment, "TEXTSR_UMASK": f"{os.umask(0o077):03o}"})
    # Where workers, which keep the user's umask, would make it.
    (settings.home / "prefect" / "storage").mkdir(parents=True, exist_ok=True)
    _await(settings, _server_health)
    _demand_guarded(settings)
    deploy_all(environment)
    for name in _LATER:
        _start(settings, name)
    _await(settings, _health)
    print_status(settings)
    profiles, credentials = profiles_path(settings.home), credentials_path(settings.home)
    _say(f"Prefect's commands need: export PREFECT_PROFILES_PATH={shlex.quote(str(profiles))}")
    _say(f"browsers ask for what is in {credentials}")


def ui(settings: Settings) -> None:
    """Serve MLflow's UI alone, until it is ended."""
    from pipelines.web import serve

    make_credentials(settings.home, settings.api)
    open_store(CLONE / "mlruns")
    os.umask(0o077)
    _demand_free("MLFLOW", settings.mlflow_port)
    os.environ.update(settings.environment())
    _say(f"compare runs at {comparison_address(settings)} (Ctrl-C ends it)")
    _say(f"browsers ask for what is in {credentials_path(settings.home)}")
    serve("mlflow", settings)


def comparison_address(settings: Settings) -> str:
    """Return the page of MLflow's UI on which models are compared, or its first if none is."""
    database = CLONE / "mlruns" / DATABASE
    if not database.stat().st_size:
        return settings.mlflow
    experiment = load_params(CLONE / project.PARAMS).tracking.experiment
    found = MlflowClient(f"sqlite:///{database}").get_experiment_by_name(experiment)
    return settings.mlflow if found is None else view_address(settings.mlflow, found.experiment_id)


def down(settings: Settings) -> None:
    """Stop what `up` started, workers first, and nothing else."""
    if _is_supervised(settings):
        _ask_supervisor(settings, "shutdown")
        _until(lambda: not _is_supervised(settings), 120)
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


def _server_health(settings: Settings) -> dict[str, bool]:
    return {
        f"{title:9} {address}": _listens(port) and _answers(path)
        for title, address, port, path in (
            ("Prefect", settings.prefect, settings.prefect_port, f"{settings.api}/health"),
            ("MLflow", settings.mlflow, settings.mlflow_port, f"{settings.mlflow}/health"),
            ("Data Docs", settings.docs, settings.docs_port, settings.docs),
        )
    }


def _health(settings: Settings) -> dict[str, bool]:
    health = _server_health(settings)
    heartbeats = _heartbeats(settings)
    for worker, since in _own_workers(settings).items():
        # A killed worker counts as online until its last heartbeat is old: not its successor's.
        well = since is not None and heartbeats.get(worker, 0.0) >= since
        health[f"worker    {worker}"] = well
    health["recovery  of runs whose process is gone"] = "recovery" in _running(settings)
    return health


def _demand_guarded(settings: Settings) -> None:
    """See that the servers ask for our credentials: an older `make up` may have started them."""
    user, _, password = read_credentials(settings.home).partition(":")
    for address in (f"{settings.api}/version", f"{settings.mlflow}/version", settings.docs):
        refuses = httpx.get(address, timeout=30).status_code == httpx.codes.UNAUTHORIZED
        answer = httpx.get(address, auth=(user, password), timeout=30)
        if not refuses or answer.status_code == httpx.codes.UNAUTHORIZED:
            raise TextsrError(
                f"{address}: runs without the credentials of {credentials_path(settings.home)}; "
                "`make down`, then `make up`"
            )


def _start_supervisor(settings: Settings, environment: dict[str, str]) -> None:
    if _is_supervised(settings):
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
    started = subprocess.run(
        command,
        env={**os.environ, **environment},
        cwd=settings.home,
        capture_output=True,
        text=True,
        check=False,
    )
    if started.returncode != 0:
        raise TextsrError(f"supervisord does not start: {started.stdout}{started.stderr}")
    _until(lambda: _is_supervised(settings), 30)


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


def _socket_path(home: Path) -> Path:
    """Return where supervisor listens, seen from `home`: a socket's path is 107 bytes at most."""
    here = Path("/proc/self/cwd")
    return (here if here.exists() else home) / _SOCKET


def _ask_supervisor(settings: Settings, method: str, *arguments: Any) -> Any:
    """Call a method of supervisor's interface.

    Raises:
        OSError: if no supervisor answers.
        Fault: if it refuses.
    """
    from supervisor.xmlrpc import SupervisorTransport

    transport = SupervisorTransport(None, None, f"unix://{_SOCKET}")
    proxy = ServerProxy("http://127.0.0.1", transport=transport)
    with chdir(settings.home):
        return getattr(proxy.supervisor, method)(*arguments)


def _is_supervised(settings: Settings) -> bool:
    try:
        _ask_supervisor(settings, "getState")
    except (OSError, Fault):
        return False
    return True


def _start(settings: Settings, name: str) -> None:
    with suppress(Fault):  # it runs already
        if name.endswith(":*"):
            _ask_supervisor(settings, "startProcessGroup", name.removesuffix(":*"), False)
        else:
            _ask_supervisor(settings, "startProcess", name, False)


def _processes(settings: Settings) -> list[dict[str, Any]]:
    """Return what supervisor knows of each service; nothing where none answers."""
    try:
        return list(_ask_supervisor(settings, "getAllProcessInfo"))
    except (OSError, Fault):
        return []


def _running(settings: Settings) -> dict[str, float]:
    """Return since when each running service runs, in seconds of the epoch, by name."""
    known = _processes(settings)
    return {each["name"]: each["start"] for each in known if each["statename"] == "RUNNING"}


def _ours() -> Iterator[psutil.Process]:
    """Yield the processes that bear our mark, whoever their parent is now."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(_MARK) == str(CLONE) and process.pid != os.getpid():
                yield process


def _await(settings: Settings, health: Callable[[Settings], dict[str, bool]]) -> None:
    """Wait until all is well.

    Raises:
        TextsrError: if it takes too long, or a service ends again and again.
    """
    starts = defaultdict(set)
    deadline = time.monotonic() + _SECONDS
    while not all((found := health(settings)).values()):
        for each in _processes(settings):
            starts[each["name"]].add(each["start"])
            if each["statename"] == "FATAL" or len(starts[each["name"]]) >= _STARTS:
                raise TextsrError(_describe_end(settings, each))
        if time.monotonic() > deadline:
            unwell = ", ".join(what for what, well in found.items() if not well)
            raise TextsrError(
                f"{unwell}: not well after {_SECONDS:.0f} s; look into {settings.home}/*.log"
            )
        time.sleep(0.5)


def _describe_end(settings: Settings, process: Mapping[str, Any]) -> str:
    """Return what is known of a service that does not run, and where there is more."""
    log = Path(process["stdout_logfile"])
    if not log.exists() or not log.stat().st_size:  # it was not even begun
        log = settings.home / "supervisord.log"
    why = process["spawnerr"] or "it ends each time"
    return f"{process['name']} does not start: {why}; look into {log}"


def _own_workers(settings: Settings) -> dict[str, float | None]:
    """Return since when each worker of this machine runs, in seconds of the epoch, by name."""
    since = _running(settings)
    node = platform.node()
    workers = {f"cpu-{node}": since.get("cpu")}
    for number in range(settings.workers):
        workers[f"gpu-{node}-{number}"] = since.get(f"gpu-{number}")
    return workers


def _heartbeats(settings: Settings) -> dict[str, float]:
    """Return when the server last heard of each worker online, in seconds of the epoch."""
    found: dict[str, float] = {}
    if not _listens(settings.prefect_port):
        return found
    for pool in settings.pools:
        address = f"{settings.api}/work_pools/{pool}/workers/filter"
        with suppress(httpx.HTTPError, TextsrError):
            user, _, password = read_credentials(settings.home).partition(":")
            answer = httpx.post(address, json={}, auth=(user, password), timeout=10)
            for each in answer.raise_for_status().json():
                if each["status"] == "ONLINE":
                    heard = datetime.fromisoformat(each["last_heartbeat_time"])
                    found[each["name"]] = heard.timestamp()
    return found


def _listens(port: int) -> bool:
    """Tell whether a process of ours listens there: whoever else does is told no credentials."""
    for process in _ours():
        with suppress(psutil.Error):
            for each in process.net_connections("tcp4"):
                if each.status == psutil.CONN_LISTEN and each.laddr.port == port:
                    return True
    return False


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
    """Run `up`, `down`, `status` or `ui`; a user's mistake is one message and exit status 1."""
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
            case ["ui"]:
                ui(settings)
            case _:
                raise TextsrError("usage: python -m pipelines.services up|down|status|ui")
    except TextsrError as error:
        print(f"textsr: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
