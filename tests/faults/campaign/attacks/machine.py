"""Machines that fail a command: it does what it should, or says in one line why not.

Nothing half-written is left then, and where the machine is well again, the same command ends as if
nothing had been.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from tests.faults.campaign.attack import Attack
from tests.faults.campaign.commands import (
    COMMANDS,
    Command,
    require_same,
    require_whole,
    run_unbroken,
)
from tests.faults.campaign.killing import Done, environment, require, require_no_partial, run

# A run under a condition: how it ended, and whether the condition lets the command do its work.
Condition = Callable[[list[str], Path, Random], tuple[Done, bool]]

_NOBODY = 65534


def _environment(project: Path, **more: str) -> dict[str, str]:
    temporary = project.with_name("tmp")
    temporary.mkdir(exist_ok=True)
    return environment() | {"TMPDIR": str(temporary), **more}


def _under(words: list[str], project: Path, prefix: list[str], **more: str) -> Done:
    return run([*prefix, *words], project, _environment(project, **more), project.with_name("log"))


def _limited(limit: str) -> list[str]:
    return ["sh", "-c", f'{limit} && exec "$@"', "sh"]


def full_disk(words: list[str], project: Path, random: Random) -> tuple[Done, bool]:
    """A file system with little room left, for the project and for temporary files."""
    disk = project.with_name("disk")
    taken = sum(path.stat().st_size for path in project.rglob("*") if path.is_file())
    files = sum(1 for _ in project.rglob("*"))
    size = taken + 4096 * files + random.randrange(0, 3_000_000)
    with _mounted(["-t", "tmpfs", "-o", f"size={size}", "none"], disk):
        moved = shutil.copytree(project, disk / "project")
        (disk / "tmp").mkdir()
        done = _under(words, moved, [])
        shutil.rmtree(project)
        shutil.copytree(moved, project)
    return done, False


def small_files(words: list[str], project: Path, random: Random) -> tuple[Done, bool]:
    """A limit on the size of files, which each write that goes beyond it meets."""
    blocks = int(2 ** random.uniform(0, 13))  # of 512 bytes
    return _under(words, project, _limited(f"ulimit -f {blocks}")), False


def few_open_files(words: list[str], project: Path, random: Random) -> tuple[Done, bool]:
    """A limit on open files."""
    return _under(words, project, _limited(f"ulimit -n {random.randrange(12, 64)}")), False


def little_memory(words: list[str], project: Path, random: Random) -> tuple[Done, bool]:
    """A limit on memory."""
    kilobytes = int(1_000_000 * 2 ** random.uniform(-2, 2))
    return _under(words, project, _limited(f"ulimit -v {kilobytes}")), False


def read_only_disk(words: list[str], project: Path, random: Random) -> tuple[Done, bool]:
    """A project on a file system that is read-only."""
    with _mounted(["--bind", str(project)], project):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(project)], check=True)
        return _under(words, project, []), False


def read_only_folder(words: list[str], project: Path, random: Random) -> tuple[Done, bool]:
    """A folder of the project, drawn, that another user may read and not write to."""
    folders = [project, *sorted(path for path in project.rglob("*") if path.is_dir())]
    closed = random.choice(folders)
    for path in (*folders, *project.rglob("*")):
        os.chown(path, _NOBODY, _NOBODY)
    for above in project.parents:
        if above.stat().st_mode & 0o005 != 0o005:
            above.chmod(0o755)
    _environment(project)
    os.chown(project.with_name("tmp"), _NOBODY, _NOBODY)
    closed.chmod(0o555)
    user = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    done = _under(words, project, user, HOME="/nonexistent")
    closed.chmod(0o755)
    return done, False


def odd_path(words: list[str], project: Path, random: Random) -> tuple[Done, bool]:
    """A path with spaces, quotes, percent signs and letters of many scripts, of 200 characters."""
    letters = [random.choice(" 'äß語ش%#?&;é~+=$()[]{}!@^,") for _ in range(200)]
    name = f"a{''.join(letters)}"
    while len(os.fsencode(name)) > 250:
        name = name[:-1]
    place = project.with_name(name.rstrip(" ") + "z")
    project.rename(place)
    done = _under(words, place, [])
    place.rename(project)
    return done, True


def closed_umask(words: list[str], project: Path, random: Random) -> tuple[Done, bool]:
    """A umask that closes all to others."""
    return _under(words, project, _limited("umask 077")), True


def no_home(words: list[str], project: Path, random: Random) -> tuple[Done, bool]:
    """A HOME that is not there, or is not set."""
    prefix = random.choice([["env", "-u", "HOME"], ["env", "HOME=/nonexistent"], ["env", "HOME="]])
    return _under(words, project, prefix), True


def no_git(words: list[str], project: Path, random: Random) -> tuple[Done, bool]:
    """No git, nor any other program."""
    found = shutil.which(words[0])
    assert found is not None
    return _under([found, *words[1:]], project, [], PATH="/nonexistent"), True


def one_core(words: list[str], project: Path, random: Random) -> tuple[Done, bool]:
    """One core."""
    core = random.choice(sorted(os.sched_getaffinity(0)))
    return _under(words, project, ["taskset", "-c", str(core)]), True


def wrong_clock(words: list[str], project: Path, random: Random) -> tuple[Done, bool]:
    """Files of the future, and from before 1970."""
    for path in sorted(project.rglob("*")):
        when = random.choice((-86_400 * 365, 0, 4_102_444_800, 253_402_300_799))
        os.utime(path, (when, when), follow_symlinks=False)
    return _under(words, project, []), True


CONDITIONS: list[Condition] = [
    *(small_files, odd_path, full_disk, read_only_folder, few_open_files, closed_umask),
    *(little_memory, no_home, read_only_disk, wrong_clock, no_git, one_core),
]
_OF_ROOT = {full_disk, read_only_disk, read_only_folder}


def try_machine(number: int, folder: Path) -> None:
    """Run a command under a condition, and once more without it."""
    condition = CONDITIONS[number % len(CONDITIONS)]
    # Another order with each round, so that each condition meets each command.
    command = COMMANDS[(number + number // len(CONDITIONS)) % len(COMMANDS)]
    if condition in _OF_ROOT and os.geteuid() != 0:
        return
    words = ["textsr", *command.words]
    unbroken = run_unbroken(command, folder.parent)
    project = shutil.copytree(unbroken.base, folder / "project")
    done, may_work = condition(words, project, Random(number))
    said = f"{' '.join(words)}; {condition.__name__}"
    _require_said(done, command, may_work, said)
    require_no_partial(project, said)
    require_whole(command, project, unbroken, said)
    again = run(words, project, _environment(project), folder / "again.log")
    require_same(command, project, unbroken, again, said)


def _require_said(done: Done, command: Command, may_work: bool, said: str) -> None:
    """Raise where a command neither worked nor said in one line why not."""
    if done.status == 0:
        return
    require(not may_work, f"{said}: status {done.status}: {done.said}")
    require(done.status == 1, f"{said}: status {done.status}: {done.said}")
    errors = [line for line in done.said.splitlines() if line.startswith("textsr: ")]
    require(len(errors) == 1, f"{said}: not one line: {done.said}")
    require("Traceback" not in done.said, f"{said}: {done.said}")


@contextmanager
def _mounted(what: list[str], where: Path) -> Iterator[None]:
    where.mkdir(exist_ok=True)
    subprocess.run(["mount", *what, str(where)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(where)], check=True)


ATTACKS = [
    Attack("machine", try_machine, cases=len(CONDITIONS) * len(COMMANDS) * 5, sample=4, seconds=900)
]
