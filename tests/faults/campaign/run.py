"""Runs the cases of attacks in processes of their own, and keeps what came of each.

A case that crashes its process, hangs or takes too much memory is a finding like any other. What is
kept: a row for each case in `journal.sqlite`, and the folders of those that found something.
"""

import resource
import shutil
import sqlite3
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, TimeoutError, wait
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from pebble import ProcessExpired, ProcessPool

from tests.faults.campaign.attack import Attack, Broken

_CASES_A_PROCESS = 500  # so that what a decoder leaks does not add up to a finding


@dataclass(frozen=True)
class Outcome:
    """What came of a case: `finding` is empty where the law holds."""

    case: int
    finding: str
    seconds: float


class Journal:
    """Which cases are done, in a file: a campaign that was stopped goes on."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "journal.sqlite"
        with closing(self._open()) as db, db:
            db.execute(
                "CREATE TABLE IF NOT EXISTS cases (attack TEXT, number INTEGER, finding TEXT, "
                "seconds REAL, PRIMARY KEY (attack, number))"
            )

    def held(self, attack: str) -> set[int]:
        """Return the cases where the law held: all others are tried, again too."""
        with closing(self._open()) as db:
            rows = db.execute(
                "SELECT number FROM cases WHERE attack = ? AND finding = ''", (attack,)
            )
            return {number for (number,) in rows}

    def note(self, attack: str, outcome: Outcome) -> None:
        """Keep what came of a case."""
        with closing(self._open()) as db, db:
            db.execute(
                "REPLACE INTO cases VALUES (?, ?, ?, ?)",
                (attack, outcome.case, outcome.finding, outcome.seconds),
            )

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=60)
        # A kill loses nothing by it; waiting for the disk takes longer than most cases.
        db.execute("PRAGMA synchronous = OFF")
        return db


def run_cases(
    attack: Attack, cases: Iterable[int], *, processes: int, failures: Path
) -> Iterator[Outcome]:
    """Try cases, and yield what came of each as it ends.

    Args:
        attack: whose cases.
        cases: their numbers.
        processes: at once.
        failures: folder that gets the folder of each case that found something.
    """
    numbers = iter(cases)
    with (
        tempfile.TemporaryDirectory(prefix=f"{attack.name}-") as scratch,
        ProcessPool(
            processes, _CASES_A_PROCESS, _begin, (attack,), get_context("forkserver")
        ) as pool,
    ):
        running: dict[Future[tuple[str, float]], int] = {}
        while True:
            for number in islice(numbers, 2 * processes - len(running)):
                folder = Path(scratch) / str(number)
                folder.mkdir()
                future = pool.schedule(_try, (attack, number, folder), timeout=attack.seconds)
                running[future] = number
            if not running:
                return
            ended, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in ended:
                number = running.pop(future)
                finding, seconds = _result(future, attack)
                folder = Path(scratch) / str(number)
                if finding:
                    kept = failures / attack.name / str(number)
                    shutil.rmtree(kept, ignore_errors=True)
                    shutil.copytree(folder, kept, symlinks=True)
                    (kept / "finding.txt").write_text(finding)
                shutil.rmtree(folder, ignore_errors=True)
                yield Outcome(number, finding, seconds)


def _result(future: Future[tuple[str, float]], attack: Attack) -> tuple[str, float]:
    try:
        return future.result()
    except TimeoutError:
        return f"did not end within {attack.seconds} s", attack.seconds
    except ProcessExpired as error:
        return f"its process ended with {error.exitcode}", float("nan")


_room: int | None = None


def _begin(attack: Attack) -> None:
    """Prepare a process, and note how much memory it may take."""
    global _room
    if attack.prepare is not None:
        attack.prepare()
    if attack.memory_mb is not None:
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _room = size + attack.memory_mb * 1_000_000
        resource.setrlimit(resource.RLIMIT_AS, (_room, -1))


def _try(attack: Attack, number: int, folder: Path) -> tuple[str, float]:
    begun = time.monotonic()
    try:
        attack.case(number, folder)
    except Broken as error:
        finding = str(error)
    except BaseException:
        finding = traceback.format_exc()
    else:
        finding = ""
    return finding, time.monotonic() - begun
