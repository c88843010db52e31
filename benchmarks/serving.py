"""`textsr serve` under load, beside what it computes by: 1 to 32 clients, and more than it takes.

All take turns in every round, so that a machine whose speed drifts slows all of them.
"""

import io
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from textsr import load_model
from textsr.api import Model
from textsr.images.reading import decode_image
from textsr.images.writing import write_image
from textsr.inference.cores import granted_cores
from textsr.inference.stream import SMALL
from textsr.inference.upscale import upscale_image, upscale_images

ROUNDS = 5
SECONDS = 4.0  # of each side in a round
CLIENTS = (1, 2, 4, 8, 16, 32)
WAITING = 32  # requests that the server lets wait, as by default
OVER = 4  # times as many clients as it takes
TOGETHER = 16  # small images that the bare backend is given at once

_SAMPLE = Path("docs/images/sample.png")
_LINE = (16, 64)  # rows, columns


@dataclass(frozen=True)
class Load:
    """What came of some seconds of load.

    Attributes:
        done: images a second.
        seconds: of each request that was done.
        shed: requests that were refused.
    """

    done: float
    seconds: list[float]
    shed: int

    def at(self, share: float) -> float:
        """Return the milliseconds within which so large a share of requests was done."""
        return 1000 * float(np.quantile(self.seconds, share)) if self.seconds else float("nan")


class Running(NamedTuple):
    """A running server: its port, and the process."""

    port: int
    process: subprocess.Popen[str]


def bench_serving(rounds: int = ROUNDS, seconds: float = SECONDS) -> str:
    """Put load on a server of the package's weights; return Markdown tables.

    Clients are threads of this process, each with a connection of its own, that ask again as soon
    as they are answered. Beside them, in the same round, this process upscales the same image on a
    thread a core: by the backend alone, decoded and not encoded; and from file to file, which is
    what a request asks for.

    Args:
        rounds: of which the medians are told.
        seconds: of each side in a round.
    """
    model = load_model()
    said = [
        f"Medians of {rounds} rounds of {seconds:g} s each, {granted_cores()} cores. Ratios are "
        "medians of the rounds'."
    ]
    images = {"a line of 64 x 16": _line(), "a receipt of 240 x 160": _SAMPLE.read_bytes()}
    with _serving() as server:
        for what, image in images.items():
            said += ["", f"{what}:", "", *_table(server, model, image, rounds, seconds)]
        said += ["", _over_capacity(server, images["a receipt of 240 x 160"], seconds)]
    return "\n".join(said)


def _table(server: Running, model: Model, image: bytes, rounds: int, seconds: float) -> list[str]:
    loads: dict[int, list[Load]] = {clients: [] for clients in CLIENTS}
    alone: list[float] = []
    files: list[float] = []

    def measure(clients: int) -> None:
        loads[clients].append(put_load(server.port, image, clients, seconds))

    with tempfile.TemporaryDirectory() as folder:
        sides: list[Callable[[], object]] = [
            lambda: alone.append(_by_backend(model, image, seconds)),
            lambda: files.append(_by_files(model, image, Path(folder), seconds)),
            *(partial(measure, clients) for clients in CLIENTS),
        ]
        for side in sides:
            side()  # warm up
        for speeds in (alone, files):
            speeds.clear()
        for found in loads.values():
            found.clear()
        for _ in range(rounds):
            for side in sides:
                side()
    rows = [
        f"The backend alone: {statistics.median(alone):.1f} images/s; from file to file: "
        f"{statistics.median(files):.1f} images/s. The server's memory is "
        f"{_memory(server):.0f} MB afterwards.",
        "",
        "| clients | images/s | of the backend's | of files' | p50, ms | p99, ms |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for clients, found in loads.items():
        speeds = [load.done for load in found]
        rows.append(
            f"| {clients} | {statistics.median(speeds):.1f} | {_ratio(speeds, alone)} | "
            f"{_ratio(speeds, files)} | {statistics.median(load.at(0.5) for load in found):.0f} | "
            f"{statistics.median(load.at(0.99) for load in found):.0f} |"
        )
    return rows


def _over_capacity(server: Running, image: bytes, seconds: float) -> str:
    most = granted_cores() + WAITING
    within = put_load(server.port, image, most, seconds)
    over = put_load(server.port, image, OVER * most, seconds)
    return (
        f"Over capacity, with {OVER * most} clients for {most} places: {over.done:.1f} images/s "
        f"(as many clients as places: {within.done:.1f}), p99 {over.at(0.99):.0f} ms of those that "
        f"were done ({within.at(0.99):.0f}), {over.shed} requests shed; afterwards the server is "
        f"{'ready' if _is_ready(server) else 'NOT ready'}, with {_memory(server):.0f} MB."
    )


def put_load(port: int, image: bytes, clients: int, seconds: float) -> Load:
    """Have clients ask for an image's result, each again and again; what is begun is waited for.

    One that is refused asks again after a tenth of a second.

    Raises:
        SystemExit: if an answer is neither a result nor a refusal over capacity.
    """
    stop = time.perf_counter() + seconds
    taken: list[float] = []
    shed: list[int] = []

    def ask() -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=300)
        while (start := time.perf_counter()) < stop:
            connection.request("POST", "/upscale", image, {"Content-Type": "image/png"})
            answer = connection.getresponse()
            content = answer.read()
            if answer.status == 503:
                shed.append(1)
                time.sleep(0.1)
            elif answer.status == 200:
                taken.append(time.perf_counter() - start)
            else:
                raise SystemExit(f"{answer.status}: {content[:200]!r}")
        connection.close()

    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        for asking in [pool.submit(ask) for _ in range(clients)]:
            asking.result()
    return Load(len(taken) / (time.perf_counter() - start), taken, len(shed))


def _by_backend(model: Model, image: bytes, seconds: float) -> float:
    """Return the images a second of the backend alone; small ones are given to it together."""
    loaded = decode_image(image, "image")
    many = [loaded] * TOGETHER if loaded.width * loaded.height <= SMALL else [loaded]

    def work() -> int:
        if len(many) > 1:
            return len(upscale_images(model.backend, many, threads=1))
        upscale_image(model.backend, loaded, threads=1)
        return 1

    return _on_all_cores(work, seconds)


def _by_files(model: Model, image: bytes, folder: Path, seconds: float) -> float:
    """Return the same with images decoded before, and results encoded and written after."""

    def work() -> int:
        path = folder / f"{threading.get_ident()}.png"
        loaded = decode_image(image, "image")
        if loaded.width * loaded.height > SMALL:
            write_image(path, upscale_image(model.backend, loaded, threads=1))
            return 1
        small = [loaded, *(decode_image(image, "image") for _ in range(TOGETHER - 1))]
        for result in upscale_images(model.backend, small, threads=1):
            write_image(path, result)
        return TOGETHER

    return _on_all_cores(work, seconds)


def _on_all_cores(work: Callable[[], int], seconds: float) -> float:
    start = time.perf_counter()

    def go_on() -> int:
        done = 0
        while time.perf_counter() < start + seconds:
            done += work()
        return done

    cores = granted_cores()
    with ThreadPoolExecutor(cores) as pool:
        done = sum(each.result() for each in [pool.submit(go_on) for _ in range(cores)])
    return done / (time.perf_counter() - start)


@contextmanager
def _serving() -> Iterator[Running]:
    """Start a server, out of any project; yield it when it is ready."""
    command = [str(Path(sys.executable).with_name("textsr")), "serve", "--port", "0"]
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [*command, "--queue", str(WAITING)], cwd=folder, stderr=subprocess.PIPE, text=True
        )
        try:
            assert process.stderr is not None
            found = re.search(r":(\d+)$", process.stderr.readline())
            if found is None:
                raise SystemExit(f"the server does not start: {process.stderr.read()}")
            server = Running(int(found[1]), process)
            while not _is_ready(server):
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()
            process.wait()


def _get(server: Running, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def _is_ready(server: Running) -> bool:
    if server.process.poll() is not None:
        raise SystemExit("the server has ended")
    return _get(server, "/readyz")[0] == 200


def _memory(server: Running) -> float:
    """Return the server's resident megabytes, as it tells Prometheus."""
    found = re.search(r"^process_resident_memory_bytes (\S+)$", _get(server, "/metrics")[1], re.M)
    return float(found[1]) / 1e6 if found else float("nan")


def _line() -> bytes:
    grey = np.random.default_rng(0).integers(0, 256, _LINE).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(grey).save(stream, "PNG")
    return stream.getvalue()


def _ratio(speeds: list[float], others: list[float]) -> str:
    ratios = [ours / other for ours, other in zip(speeds, others, strict=True)]
    return f"{statistics.median(ratios):.2f}"


if __name__ == "__main__":
    print(bench_serving())
