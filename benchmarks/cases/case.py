"""A case: what is given, what `textsr upscale` is told, and what is to come out."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

_PROGRAM = "from textsr.cli.main import main; main()"
_SECONDS = 900

# Of a project and a server, the default model would be another one's; of a terminal, messages have
# its width.
_LEFT_OUT = ("MLFLOW_TRACKING_URI", "DVC_ROOT", "COLUMNS", "PYTHONIOENCODING")


class WrongError(Exception):
    """What came out is not what should have; the message says what it is."""


@dataclass(frozen=True)
class Run:
    """What a command did.

    Attributes:
        folder: where it ran, with its inputs and results.
        status: its exit status.
        printed: on standard output.
        said: on standard error.
    """

    folder: Path
    status: int
    printed: bytes
    said: str


Write = Callable[[Path], object]
"""Writes a file."""

Judge = Callable[[Run], str]
"""Says what came out of a run; raises `WrongError` if that is not right."""


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        given: what its inputs are, for people.
        files: what writes each, by their names in the folder in which the command runs.
        arguments: of `textsr`.
        wanted: what is to come out, for people.
        judge: says what came out.
        environment: what the command finds besides the usual.
        shell: a command of the shell in place of `arguments`, where `textsr` is the program.
    """

    given: str
    files: Mapping[str, Write]
    arguments: Sequence[str]
    wanted: str
    judge: Judge
    environment: dict[str, str] = field(default_factory=dict)
    shell: str | None = None

    @property
    def command(self) -> str:
        """The command, for people."""
        variables = "".join(f"{name}={value} " for name, value in self.environment.items())
        return variables + (self.shell or " ".join(("textsr", *self.arguments)))


@dataclass(frozen=True)
class Outcome:
    """What came of a case: in words, and whether it is right."""

    case: Case
    said: str
    is_right: bool


def run_case(case: Case) -> Outcome:
    """Write a case's inputs, run its command in a process of its own and judge what came out."""
    with TemporaryDirectory(prefix="case-") as place:
        folder = Path(place)
        write_files(folder, case.files)
        run = _run(case, folder)
        if "Traceback" in run.said:
            return Outcome(case, f"a traceback: {run.said.splitlines()[-1]}", False)
        try:
            return Outcome(case, case.judge(run), True)
        except WrongError as wrong:
            return Outcome(case, str(wrong), False)


def write_files(folder: Path, files: Mapping[str, Write]) -> None:
    """Write files into a folder, each by what writes it; names may have folders in them."""
    for name, write in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)


def _run(case: Case, folder: Path) -> Run:
    usual = {name: value for name, value in os.environ.items() if name not in _LEFT_OUT}
    program = [sys.executable, "-c", _PROGRAM]
    if case.shell is None:
        command = [*program, *case.arguments]
    else:
        function = f'textsr() {{ "{sys.executable}" -c "{_PROGRAM}" "$@"; }}\n'
        command = ["bash", "-c", function + case.shell]
    done = subprocess.run(
        command,
        cwd=folder,
        env=usual | case.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    return Run(folder, done.returncode, done.stdout, done.stderr.decode(errors="replace"))


def message(run: Run) -> str:
    """Return what a command said, its lines joined, without that on the model."""
    lines = [line for line in run.said.splitlines() if not line.startswith("model: ")]
    text = "; ".join(line.strip() for line in lines if line.strip())
    return re.sub(r"\b(?:textsr|warning): ", "", text)


def succeeded(run: Run) -> None:
    """Demand that a command ended well.

    Raises:
        WrongError: if it did not, with what it said.
    """
    if run.status != 0:
        raise WrongError(f"status {run.status}: {message(run)}")
