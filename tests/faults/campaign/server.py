"""A `textsr serve` of its own for a process that attacks it, and the laws of its answers."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.faults.campaign.attack import Broken

PROBLEM = "application/problem+json"
# What `docs/how-to/serve.md` and the OpenAPI document name; 404 and 405 are of other paths.
REFUSALS = frozenset({400, 403, 404, 405, 406, 408, 413, 415, 422, 501, 503, 507})
_SEEN_AFTER = 10.0  # seconds; no look takes longer on a server that is well


class Server:
    """A running server: the end of whoever started it is its own."""

    def __init__(self, *options: str, folder: Path, program: Sequence[str] = ()) -> None:
        """Start one, and wait until it is ready.

        Args:
            options: of its own.
            folder: where it runs, out of any project, and which gets its log.
            program: instead of `textsr serve`.
        """
        self.log = folder / "log"
        textsr = str(Path(sys.executable).with_name("textsr"))
        command = [*program] or [textsr, "serve", "--port", "0", *options]
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stderr=self.log.open("w"),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.port = 0
        self._fine = 0
        self.wait(self._is_listening, 120)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self.wait(lambda: self.client.get("/readyz").status_code == 200, 120)

    def _is_listening(self) -> bool:
        found = re.search(r"listening at http://127\.0\.0\.1:(\d+)", self.log.read_text())
        self.port = int(found[1]) if found else 0
        return found is not None

    def wait(self, condition: Any, seconds: float) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            if self.process.poll() is not None:
                raise Broken(f"the server ended: {self.process.returncode}: {self.log.read_text()}")
            if time.monotonic() > deadline:
                raise Broken(f"not so within {seconds:g} s: {condition.__name__}")
            time.sleep(0.02)

    def metric(self, name: str) -> float:
        """Return a number that it tells."""
        lines = self.client.get("/metrics", timeout=_SEEN_AFTER).text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    def memory_mb(self) -> float:
        """Return its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1000  # type: ignore[index]

    def files(self) -> int:
        """Return how many files it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def check(self, *, memory_mb: float) -> None:
        """Raise unless it is alive, ready, at rest, small, and has logged no error."""

        def at_rest() -> bool:
            return self.metric("textsr_in_flight") == 0

        if self.process.poll() is not None:
            raise Broken(f"the server ended: {self.process.returncode}: {self.log.read_text()}")
        for path in ("/healthz", "/readyz"):
            answer = self.client.get(path, timeout=_SEEN_AFTER)
            if answer.status_code != 200:
                raise Broken(f"{path}: {answer.status_code}: {answer.text}")
        self.wait(at_rest, 30)
        if self.memory_mb() > memory_mb:
            raise Broken(f"the server takes {self.memory_mb():.0f} MB of {memory_mb:.0f}")
        said = self.log.read_text()[self._fine :]
        self._fine += len(said)
        if "Traceback" in said or "could not be upscaled" in said:
            raise Broken(f"the server's log: {said}")

    def kill(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        self.client.close()


def check_answer(status: int, headers: Mapping[str, str], content: Any) -> None:
    """Raise unless an answer is a result, or a refusal that is documented and names the remedy.

    Args:
        status: of the answer.
        headers: of the answer, by their names in lower case.
        content: of a refusal: what its JSON says.
    """
    if 200 <= status < 400:
        return
    if status not in REFUSALS:
        raise Broken(f"{status} is not documented: {content}")
    if headers.get("content-type") != PROBLEM:
        raise Broken(f"{status}: {headers.get('content-type')} instead of {PROBLEM}")
    if set(content) != {"title", "status", "detail"} or content["status"] != status:
        raise Broken(f"{status}: no problem details: {content}")
    if len(content["detail"].split()) < 3:
        raise Broken(f"{status}: neither what nor the remedy: {content['detail']}")
    if status == 503 and not headers.get("retry-after", "").isdigit():
        raise Broken(f"503 without Retry-After: {content}")
