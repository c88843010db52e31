"""Other generators of text images, each in an environment of its own, since their pins clash."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console

NAMES = ("trdg", "synthtiger")
"""Each with a `NAME.txt` of requirements and a `NAME_lines.py` beside this file."""

_HERE = Path(__file__).parent
_ENVIRONMENTS = Path("out/peers")


class PeerError(Exception):
    """A peer cannot be installed here, or does not run."""


@contextmanager
def start(name: str, texts: Sequence[str], fonts: Sequence[str]) -> Iterator[Callable[[int], None]]:
    """Start a peer's process, installing it the first time; yield what has it draw lines.

    Raises:
        PeerError: if that fails; the message is the end of what was said.
    """
    python = _install(name)
    with subprocess.Popen(
        [str(python), str(_HERE / f"{name}_lines.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        requests, answers, errors = process.stdin, process.stdout, process.stderr
        assert requests is not None
        assert answers is not None
        assert errors is not None

        def ask(request: str) -> None:
            with suppress(BrokenPipeError):  # it has ended: what it said tells why
                requests.write(f"{request}\n")
                requests.flush()
            # Before it is done come lines that libraries print.
            if "done\n" not in iter(answers.readline, ""):
                raise PeerError(_last_line(errors.read()))

        ask(json.dumps({"texts": list(texts), "fonts": list(fonts)}))
        yield lambda count: ask(str(count))
        requests.close()


def _install(name: str) -> Path:
    folder = _ENVIRONMENTS / name
    python, stamp = folder / "bin" / "python", folder / ".installed"
    if stamp.is_file():
        return python
    Console(stderr=True).print(f"installing {name} into {folder} ...")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "-q", "-r", str(_HERE / f"{name}.txt")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerError(_last_line(done.stderr))
    stamp.touch()
    return python


def _last_line(said: str) -> str:
    return ([line for line in said.splitlines() if line.strip()] or ["it said nothing"])[-1]
