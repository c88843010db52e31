"""Other tools, each in an environment of its own, since their pins clash with ours."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.console import Console

from textsr.files import fingerprint, write_text
from textsr.images.grey import Image

GENERATORS = ("trdg", "synthtiger")
"""Generators of text images, each with its `NAME.txt` of requirements and `NAME_lines.py`."""

SCALE = 4
"""By how much the upscalers magnify."""

FOLDER = Path("out/peers")
"""Where environments lie, and what was measured with them."""

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Upscaler:
    """A general super-resolution network.

    Attributes:
        environment: where it is installed, from `ENVIRONMENT.txt`; `ENVIRONMENT_upscaler.py` is
            its side of the talk.
        padding: LR pixels by which its own tool repeats an image's border before upscaling.
    """

    environment: str
    padding: int


UPSCALERS = {
    "realesr-animevideov3-x4": Upscaler("ncnn", 10),
    "dat-light-x4": Upscaler("dat", 0),
    "realesrgan-x4plus": Upscaler("ncnn", 10),
}


class PeerError(Exception):
    """A peer cannot be installed here, or does not run."""


@contextmanager
def start_generator(
    name: str, texts: Sequence[str], fonts: Sequence[str]
) -> Iterator[Callable[[int], None]]:
    """Start a generator's process, installing it the first time; yield what has it draw lines.

    Raises:
        PeerError: if that fails; the message is the end of what was said.
    """
    setup = {"texts": list(texts), "fonts": list(fonts)}
    with _start(name, f"{name}_lines.py", setup) as ask:
        yield ask


@dataclass(frozen=True)
class RunningUpscaler:
    """An upscaler's process: `ask` sends it a request, and images are exchanged in `folder`."""

    ask: Callable[[Any], None]
    folder: Path

    def upscale(self, image: Image, padding: int = 0) -> Image:
        """Upscale a grey HxW image, as RGB of three equal channels, to grey (BT.601).

        Args:
            image: 8-bit, HxW.
            padding: LR pixels by which the border is repeated, and cut off again.

        Returns:
            The image, 8-bit, `SCALE` times as high and wide.

        Raises:
            PeerError: if the process ends, or answers with another size.
        """
        padded = np.pad(image, padding, mode="edge")
        lr, hr = self.folder / "lr.npy", self.folder / "hr.npy"
        np.save(lr, cv2.cvtColor(padded, cv2.COLOR_GRAY2RGB))
        self.ask({"lr": str(lr), "hr": str(hr)})
        colour = np.load(hr)
        height, width = (SCALE * length for length in padded.shape)
        if colour.shape != (height, width, 3):
            raise PeerError(f"made {colour.shape} of {padded.shape}, not {SCALE} times the size")
        grey = np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), np.uint8)
        cut = SCALE * padding
        return grey[cut : height - cut, cut : width - cut]

    def repeat(self, times: int) -> None:
        """Upscale the last image again so many times and keep nothing, to be timed.

        Raises:
            PeerError: if the process ends.
        """
        self.ask(times)


@contextmanager
def start_upscaler(name: str, threads: int) -> Iterator[RunningUpscaler]:
    """Start the process of one of `UPSCALERS`, installing it the first time.

    Raises:
        PeerError: if that fails; the message is the end of what was said.
    """
    environment = UPSCALERS[name].environment
    setup = {"name": name, "threads": threads}
    with (
        tempfile.TemporaryDirectory() as folder,
        _start(environment, f"{environment}_upscaler.py", setup) as ask,
    ):
        yield RunningUpscaler(ask, Path(folder))


def upscaler_version(name: str) -> str:
    """Return what changes whenever images of one of `UPSCALERS` may: its pins, code and padding."""
    environment = UPSCALERS[name].environment
    files = (f"{environment}.txt", f"{environment}_upscaler.py", "protocol.py")
    return fingerprint(f"{name} {UPSCALERS[name]}", [_HERE / file for file in files])


@contextmanager
def _start(environment: str, script: str, setup: Any) -> Iterator[Callable[[Any], None]]:
    """Start a script in an environment; yield what sends it a request and awaits its answer."""
    python = _install(environment)
    with subprocess.Popen(
        [str(python), str(_HERE / script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        requests, answers, errors = process.stdin, process.stdout, process.stderr
        assert requests is not None
        assert answers is not None
        assert errors is not None

        def ask(request: Any) -> None:
            with suppress(BrokenPipeError):  # it has ended: what it said tells why
                requests.write(f"{json.dumps(request)}\n")
                requests.flush()
            # Before it is done come lines that libraries print.
            if "done\n" not in iter(answers.readline, ""):
                raise PeerError(_last_line(errors.read()))

        ask(setup)
        yield ask
        requests.close()


def _install(environment: str) -> Path:
    folder, requirements = FOLDER / environment, _HERE / f"{environment}.txt"
    python, stamp = folder / "bin" / "python", folder / ".installed"
    pins = requirements.read_text(encoding="utf-8")
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == pins:
        return python
    Console(stderr=True).print(f"installing {environment} into {folder} ...")
    for command in (
        [sys.executable, "-m", "venv", str(folder)],
        [str(python), "-m", "pip", "install", "-q", "-r", str(requirements)],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerError(_last_line(done.stderr))
    write_text(stamp, pins)
    return python


def _last_line(said: str) -> str:
    return ([line for line in said.splitlines() if line.strip()] or ["it said nothing"])[-1]
