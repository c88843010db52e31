"""What these tests share, as it takes long to start: Prefect's server, and a project that is up."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from served import Project, running

ROOT = Path(__file__).parents[3]
_START_SECONDS = 120.0  # of a server, on a busy machine


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server as `prefect server start` makes it; yields the environment of its clients."""
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_UI_ENABLED": "false",
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }
    command = [str(Path(sys.executable).parent / "prefect"), "server", "start"]
    log = home / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(environment["PREFECT_API_URL"]):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield environment
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health").is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def server(prefect_server: dict[str, str]) -> Iterator[dict[str, str]]:
    """The server, as what this process asks; yields the environment of its clients."""
    address, home = prefect_server["PREFECT_API_URL"], Path(prefect_server["PREFECT_HOME"])
    with temporary_settings({PREFECT_HOME: home, PREFECT_API_URL: address}):
        yield prefect_server
        EventsWorker.drain_all()


@pytest.fixture(scope="session")
def hostile_project() -> Iterator[Project]:
    """A toy project whose services are up, in a path with spaces, longer than a socket's name."""
    # Every user may enter the folders above: pytest's own ones are closed.
    with tempfile.TemporaryDirectory(prefix="textsr-") as folder:
        Path(folder).chmod(0o755)
        with running(Path(folder) / f"a path with spaces{' and more' * 10}" / "project") as made:
            yield made


@pytest.fixture(scope="module")
def project(hostile_project: Project) -> Project:
    """The toy project, up again where another file's tests have taken it down."""
    if hostile_project.services("status")[0]:
        code, said = hostile_project.services("up")
        assert code == 0, said
    return hostile_project
