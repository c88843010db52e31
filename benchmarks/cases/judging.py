"""What is demanded of runs besides that results are their inputs, larger."""

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.cases.case import Judge, Run, WrongError, message, succeeded


def refuses(pattern: str, *, leaves: str | None = None, writes: str | None = None) -> Judge:
    """Return what demands a refusal in words, with status 1.

    Args:
        pattern: a regular expression that is to be found in what is said.
        leaves: a file or folder that must not be there.
        writes: a file that must be there: of what was not refused.
    """

    def judge(run: Run) -> str:
        said = message(run)
        if run.status != 1:
            raise WrongError(f"status {run.status}: {said or 'nothing said'}")
        if not re.search(pattern, said, re.DOTALL):
            raise WrongError(f"refused, but said: {said}")
        if leaves is not None and (run.folder / leaves).exists():
            raise WrongError(f"refused, but wrote {leaves}: {said}")
        if writes is not None and not (run.folder / writes).exists():
            raise WrongError(f"no {writes}: {said}")
        return f"refused: {said}"

    return judge


def says(pattern: str, *, writes: str) -> Judge:
    """Return what demands that a command ends well, says something, and writes a file."""

    def judge(run: Run) -> str:
        succeeded(run)
        said = message(run)
        if not re.search(pattern, said, re.DOTALL):
            raise WrongError(f"said: {said or 'nothing'}")
        if not (run.folder / writes).exists():
            raise WrongError(f"no {writes}")
        return f"done; said: {said}"

    return judge


def holds(what: str, test: Callable[[Path], bool]) -> Judge:
    """Return what demands something of the folder after a command that ended well.

    Args:
        what: in words.
        test: whether it holds.
    """

    def judge(run: Run) -> str:
        succeeded(run)
        if not test(run.folder):
            raise WrongError(f"not so: {what}")
        return what

    return judge


def both(*judges: Judge) -> Judge:
    """Return what demands all of these; it says what the last one says."""

    def judge(run: Run) -> str:
        said = ""
        for one in judges:
            said = one(run)
        return said

    return judge
