"""Commands that are run to their end, or ended at a random moment by a signal."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.faults.campaign.attack import Broken

ROOT = Path(__file__).parents[3]
SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)

_HOOK = Path(__file__).parent / "hook"
_GIT = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "test"), ("EMAIL", "test@example.org"))
}
_END_SECONDS = 60  # to end in, after a signal


def environment(code: Path = ROOT, **more: str) -> dict[str, str]:
    """Return the environment of a user's shell, with the code of `code`."""
    inherited = {k: v for k, v in os.environ.items() if k not in ("MLFLOW_TRACKING_URI", "TMPDIR")}
    return {
        **inherited,
        **_GIT,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(map(str, (_HOOK, code / "src", code))),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        **more,
    }


@dataclass(frozen=True)
class Done:
    """How a command ended.

    Attributes:
        status: its exit status; negative where a signal ended it.
        said: on standard error.
        seconds: that it took.
        writes: that it and its children did.
    """

    status: int
    said: str
    seconds: float
    writes: int


@dataclass(frozen=True)
class Moment:
    """When a command is ended, and how.

    Attributes:
        signal: that it gets.
        write: at which of its writes; 0: at a time.
        seconds: after its start.
        alone: whether the process gets the signal and its children do not, as by `kill PID`.
    """

    signal: signal.Signals
    write: int
    seconds: float
    alone: bool = False

    def __str__(self) -> str:
        when = f"at write {self.write}" if self.write else f"after {self.seconds:.2f} s"
        return f"{self.signal.name} {when}{' to the process alone' if self.alone else ''}"


def draw(random: Random, unbroken: Done) -> Moment:
    """Draw a moment of a command, by time as often as by writes."""
    number = random.choice(SIGNALS)
    if random.random() < 0.5 and unbroken.writes:
        return Moment(number, random.randint(1, unbroken.writes), 0.0)
    seconds = random.uniform(0.05, 1.05) * unbroken.seconds
    return Moment(number, 0, seconds, alone=number == signal.SIGTERM and random.random() < 0.5)


def run(
    command: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    log: Path,
    moment: Moment | None = None,
    most_seconds: float = 600,
) -> Done:
    """Run a command to its end, or to a moment; return when all its processes are gone.

    Raises:
        Broken: if it does not end, of itself or after the signal.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    counter = log.with_suffix(".writes")
    counter.unlink(missing_ok=True)
    told = {
        **variables,
        "TEXTSR_TEST_WRITES": str(counter),
        "TEXTSR_TEST_END_AT": str(0 if moment is None else moment.write),
        "TEXTSR_TEST_SIGNAL": str(int(signal.SIGKILL if moment is None else moment.signal)),
    }
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=told,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=output,
            start_new_session=True,
        )
    by_time = moment is not None and not moment.write
    limit = moment.seconds if moment is not None and by_time else most_seconds
    try:
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            if moment is None or not by_time:
                raise Broken(f"{command} did not end within {limit} s") from None
            (os.kill if moment.alone else os.killpg)(process.pid, moment.signal)
            try:
                process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                raise Broken(f"{command} did not end within {_END_SECONDS} s of {moment}") from None
        _await_children(process.pid, f"{command}, {moment}")
    finally:
        if process.poll() is None or _is_alive(process.pid):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return Done(
        process.returncode,
        log.read_text(errors="replace"),
        time.monotonic() - begun,
        counter.stat().st_size if counter.exists() else 0,
    )


def _await_children(group: int, what: str) -> None:
    deadline = time.monotonic() + _END_SECONDS
    while _is_alive(group):
        if time.monotonic() > deadline:
            raise Broken(f"{what}: children are at work {_END_SECONDS} s after it ended")
        time.sleep(0.05)


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def require_no_partial(project: Path, when: str) -> None:
    """Raise where something half-written lies about."""
    found = [path for path in project.rglob(".*.partial-*") if ".dvc" not in path.parts]
    if found:
        raise Broken(f"{when}: {', '.join(str(path.relative_to(project)) for path in found)}")


def require(held: bool, said: object) -> None:
    """Raise where a law does not hold."""
    if not held:
        raise Broken(str(said))


def differences(found: Mapping[str, str], wanted: Mapping[str, str]) -> Iterable[str]:
    """Return the names in which two mappings differ."""
    return sorted(k for k in found.keys() | wanted.keys() if found.get(k) != wanted.get(k))
