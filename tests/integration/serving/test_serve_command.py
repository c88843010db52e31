"""`textsr serve` as a process: its start, its end, its failures."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

SAMPLE = Path(__file__).parents[3] / "docs" / "images" / "sample.png"
PNG = {"Content-Type": "image/png"}

pytestmark = pytest.mark.slow


class Process:
    """A running `textsr serve` and what it says."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [Path(sys.executable).with_name("textsr"), "serve", "--port", "0", *options],
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said: list[str] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self.said.extend(line.rstrip() for line in self.process.stderr)

    def wait(self, condition: Callable[[], object], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.05)

    @property
    def address(self) -> str:
        self.wait(lambda: self.said)
        found = re.fullmatch(r"textsr: listening at (http://127\.0\.0\.1:\d+)", self.said[0])
        assert found, self.said
        return found[1]

    def is_ready(self) -> bool:
        return httpx.get(f"{self.address}/readyz", timeout=60).status_code == 200


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    running: list[Process] = []

    def begin(*options: str) -> Process:
        running.append(Process(tmp_path, *options))
        return running[-1]

    yield begin
    for each in running:
        each.process.kill()
        each.process.wait()


def post(address: str, timeout: float = 120) -> httpx.Response:
    return httpx.post(
        f"{address}/upscale", content=SAMPLE.read_bytes(), headers=PNG, timeout=timeout
    )


def test_sigterm_ends_it_without_a_request_lost(start: Callable[..., Process]) -> None:
    served = start("--drain-seconds", "15")
    served.wait(served.is_ready)
    address, lost, stop = served.address, [], threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        while not stop.is_set():
            try:
                statuses.append(post(address).status_code)
            except httpx.ConnectError:  # it does not listen any more, and said before
                return
            except httpx.HTTPError as error:
                lost.append(error)

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask) for _ in range(3)]
        served.wait(lambda: len(statuses) > 3)
        served.process.send_signal(signal.SIGTERM)
        served.wait(lambda: not served.is_ready(), seconds=15)
        assert post(address).status_code == 200  # whoever has not seen that yet
        assert served.process.wait(120) == 128 + signal.SIGTERM
        stop.set()
        for each in asking:
            each.result()
    assert lost == []
    assert set(statuses) == {200}
    assert served.said[1:] == ["textsr: serving the pretrained weights"]


def test_a_port_that_is_taken_is_named_with_the_remedy(start: Callable[..., Process]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        served = start("--port", str(port))
        assert served.process.wait(120) == 1
    assert len(served.said) == 1
    said = f"textsr: 127.0.0.1:{port}: cannot be listened at (Address already in use); name another"
    assert served.said[0].startswith(said)


def test_a_model_that_cannot_be_loaded_ends_it_with_one_message(
    start: Callable[..., Process],
) -> None:
    served = start("--model", "nowhere")
    assert served.process.wait(120) == 1
    assert len(served.said) == 2
    assert served.said[1].startswith("textsr: nowhere/model.json: no such file")


def test_it_listens_on_loopback_alone(start: Callable[..., Process]) -> None:
    served = start()
    served.wait(served.is_ready)
    port = int(served.address.rpartition(":")[2])
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", port), timeout=10)
