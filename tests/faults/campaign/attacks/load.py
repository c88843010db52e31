"""`textsr serve` under load: for long, far over capacity, while its model moves, while it ends."""

import functools
import io
import itertools
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from tests.faults.campaign.attack import Attack, Broken
from tests.faults.campaign.moving_server import WAITING
from tests.faults.campaign.server import Server, check_answer
from textsr.inference.cores import granted_cores

_PNG = {"Content-Type": "image/png"}
_MEMORY_MB = 900
_LONG_SECONDS = 600
_CLIENTS = 32


def short_load(case: int, folder: Path) -> None:
    """Put load on a server for some seconds."""
    draw = random.Random(case)
    (folder / "version").write_text("1")
    program = [sys.executable, "-m", "tests.faults.campaign.moving_server", "version"]
    server = Server(folder=folder, program=program)
    try:
        _KINDS[case % len(_KINDS)](draw, server, folder)
    finally:
        server.kill()


def _over_capacity(draw: random.Random, server: Server, folder: Path) -> None:
    """Ten times as many clients as there are places: some are served, the others sent away."""
    places = granted_cores() + WAITING
    seen = _ask_for(server, draw.uniform(1, 3), 10 * places, close=draw.random() < 0.5)
    if not seen[200] or not seen[503]:
        raise Broken(f"{10 * places} clients for {places} places: {dict(seen)}")
    _check_well(server)


def _reloaded(draw: random.Random, server: Server, folder: Path) -> None:
    """The alias moves while clients ask: nobody is refused for it, and the last version stays."""
    versions = itertools.count(2)

    def move() -> None:
        time.sleep(draw.uniform(0, 0.5))
        (folder / "new").write_text(str(next(versions)))
        (folder / "new").replace(folder / "version")

    seen = _ask_for(server, draw.uniform(1, 3), granted_cores() + WAITING, meanwhile=move)
    if set(seen) != {200}:
        raise Broken(f"while the model moved: {dict(seen)}")
    last = f"version {(folder / 'version').read_text()}"
    server.wait(lambda: server.client.get("/model").json()["said"] == last, 30)
    _check_well(server)


def _ended(draw: random.Random, server: Server, folder: Path) -> None:
    """SIGTERM at a random moment: what had been taken is answered, and it ends by the signal."""
    count = granted_cores() + draw.randint(0, WAITING)
    with ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(_post, server.port) for _ in range(count)]
        server.wait(lambda: server.metric("textsr_in_flight") == count or asked[0].done(), 30)
        time.sleep(draw.uniform(0, 0.5))
        server.process.send_signal(signal.SIGTERM)
        statuses = Counter(each.result().status_code for each in asked)
    if statuses != {200: count}:
        raise Broken(f"{count} requests were in work at SIGTERM: {dict(statuses)}")
    if server.process.wait(60) != -signal.SIGTERM:
        raise Broken(f"after SIGTERM it ended with {server.process.returncode}")


def long_load(case: int, folder: Path) -> None:
    """32 clients for ten minutes: all are served, and memory stays as it is after a minute."""
    server = Server("--time-limit", str(_LONG_SECONDS), folder=folder)
    sizes: list[float] = []

    def look() -> None:
        sizes.append(server.memory_mb())
        time.sleep(1)

    try:
        seen = _ask_for(server, _LONG_SECONDS, _CLIENTS, meanwhile=look)
        (folder / "seen.txt").write_text(f"{dict(seen)} {sizes}")
        if set(seen) != {200}:
            raise Broken(f"{_CLIENTS} clients: {dict(seen)}")
        early, late = max(sizes[30:120]), max(sizes[-90:])
        if late > early + 20:
            raise Broken(f"memory grew from {early:.0f} to {late:.0f} MB")
        _check_well(server)
    finally:
        server.kill()


def _ask_for(
    server: Server,
    seconds: float,
    clients: int,
    *,
    meanwhile: Callable[[], None] | None = None,
    close: bool = False,
) -> Counter[int]:
    """Have clients ask again and again; return how often they got which status."""
    stop = threading.Event()
    expected = _post(server.port).content
    seen: Counter[int] = Counter()

    def ask() -> None:
        headers = _PNG | ({"Connection": "close"} if close else {})
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=120) as client:
            while not stop.is_set():
                answer = client.post("/upscale", content=_image(), headers=headers)
                is_refusal = answer.status_code >= 400
                content = answer.json() if is_refusal else None
                check_answer(answer.status_code, answer.headers, content)
                if answer.status_code == 200 and answer.content != expected:
                    raise Broken("a result under load is another than without")
                seen[answer.status_code] += 1
                if is_refusal:
                    time.sleep(0.1)

    with ThreadPoolExecutor(clients) as pool:
        asking = [pool.submit(ask) for _ in range(clients)]
        try:
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline and not any(each.done() for each in asking):
                (meanwhile or functools.partial(time.sleep, 0.1))()
        finally:
            stop.set()
        for each in asking:
            each.result()
    return seen


def _check_well(server: Server) -> None:
    server.check(memory_mb=_MEMORY_MB)
    answer = _post(server.port)
    if answer.status_code != 200:
        raise Broken(f"after the load: {answer.status_code}: {answer.text}")


@functools.cache
def _image() -> bytes:
    """Return a small line: much is asked of the server, and little of the network."""
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 64)).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def _post(port: int) -> httpx.Response:
    address = f"http://127.0.0.1:{port}/upscale"
    return httpx.post(address, content=_image(), headers=_PNG, timeout=120)


_KINDS = (_over_capacity, _reloaded, _ended)

ATTACKS = [
    Attack("load", short_load, 300, 3, 300),
    # Too long for a sample: ten minutes.
    Attack("load-long", long_load, 1, 0, 2 * _LONG_SECONDS),
]
