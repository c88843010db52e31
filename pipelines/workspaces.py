"""Where a run works: the clone itself, or a copy of it with other params.

`params.yaml` in the clone belongs to its users. A run with a preset, a seed or a scale of its own
works in a copy of the clone's commit under `.dvc/tmp/runs`, which shares DVC's cache: the same DAG,
the same results, and nothing that two runs could overwrite for each other. The copy is found again
by what it is made of, so a run that was killed goes on from its checkpoints.
"""

import fcntl
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import yaml
from filelock import FileLock, Timeout

from pipelines.stages import run_command
from textsr.config import project
from textsr.config.params import parse_params
from textsr.config.presets import apply_overrides, read_sections
from textsr.files import write_text

_RUNS = Path(".dvc/tmp/runs")
_STAGE_LOCK = Path(".dvc/tmp/textsr-stage.lock")
_KEPT = 4  # copies beside the one in use; each holds a dataset


@dataclass(frozen=True)
class Overrides:
    """What a run changes in `params.yaml`; None leaves it as it is."""

    preset: str | None = None
    seed: int | None = None
    scale: Literal[2, 4] | None = None


@contextmanager
def workspace(clone: Path, overrides: Overrides, log: Callable[[str], None]) -> Iterator[Path]:
    """Keep the folder to work in: `clone`, where the overrides change nothing in it.

    A copy is not removed before all runs that work in it have left, or died.

    Raises:
        TextsrError: if the preset or the resulting params are not valid, or `clone` is not in git.
    """
    params = clone / project.PARAMS
    changed = _overridden(params, clone, overrides, log) if overrides != Overrides() else None
    if changed is None or changed == read_sections(params):
        yield clone
        return
    commit = _run(["git", "rev-parse", "HEAD"], clone)[-1]
    key = blake2b(f"{commit} {json.dumps(changed)}".encode(), digest_size=6).hexdigest()
    folder = clone / _RUNS / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as used:
        with FileLock(folder.with_suffix(".making")):
            used.enter_context(_hold(folder, fcntl.LOCK_SH))
            _make(clone, commit, changed, folder, log)
        _forget_old(folder)
        yield folder


def _make(clone: Path, commit: str, params: Any, folder: Path, log: Callable[[str], None]) -> None:
    """Make a copy unless it is there, and note that it is used now."""
    made = folder.with_suffix(".made")
    if not made.exists():
        log(f"copying the clone at {commit[:8]} to {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        _copy(clone, commit, folder)
        write_text(folder / project.PARAMS, yaml.safe_dump(params, sort_keys=False))
    made.touch()


@contextmanager
def exclusive(root: Path, log: Callable[[str], None]) -> Iterator[None]:
    """Hold the only right to run a stage in `root`; wait for it while another run has it.

    DVC would refuse the second of two stages that share a file, hours into a run.
    """
    (root / _STAGE_LOCK).parent.mkdir(exist_ok=True)
    lock = FileLock(root / _STAGE_LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(f"waiting: another run's stage is at work in {root.resolve()}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _overridden(path: Path, clone: Path, overrides: Overrides, log: Callable[[str], None]) -> Any:
    params = read_sections(path)
    source = str(project.PARAMS)
    if overrides.preset is not None:
        preset = clone / "presets" / f"{overrides.preset}.yaml"
        if absent := apply_overrides(params, read_sections(preset)):
            log(f"{preset}: no model is called {', '.join(absent)}: left out")
        source += f" with {preset}"
    if overrides.seed is not None:
        apply_overrides(params, {"seed": overrides.seed})
    if overrides.scale is not None:
        apply_overrides(params, {"synthesis": {"scale": overrides.scale}})
    parse_params(params, source)
    return params


def _copy(clone: Path, commit: str, folder: Path) -> None:
    """Clone by hard links, at the same commit, with the same DVC settings and cache."""
    _run(["git", "clone", "--quiet", "--no-checkout", str(clone.resolve()), str(folder)], clone)
    _run(["git", "checkout", "--quiet", "--detach", commit], folder)
    local = clone / ".dvc" / "config.local"
    if local.exists():
        shutil.copy(local, folder / ".dvc" / "config.local")
    cache = clone / _run(["textsr", "dvc", "cache", "dir"], clone)[-1]
    _run(["textsr", "dvc", "cache", "dir", "--local", str(cache.resolve())], folder)


def _forget_old(used: Path) -> None:
    """Remove the copies that were longest not used, unless a run works in them."""
    made = sorted(used.parent.glob("*.made"), key=_changed, reverse=True)
    for marker in made[1 + _KEPT :]:
        folder = marker.with_suffix("")
        with suppress(Timeout, BlockingIOError), ExitStack() as locks:
            # In the order in which they are taken by a run that is about to work there.
            locks.enter_context(FileLock(folder.with_suffix(".making"), timeout=0))
            locks.enter_context(_hold(folder, fcntl.LOCK_EX | fcntl.LOCK_NB))
            locks.enter_context(FileLock(folder / _STAGE_LOCK, timeout=0))
            marker.unlink(missing_ok=True)
            shutil.rmtree(folder)


def _changed(path: Path) -> float:
    """Return when a file was last changed, in seconds; another run may just have removed it."""
    return path.stat().st_mtime if path.exists() else 0.0


@contextmanager
def _hold(folder: Path, operation: int) -> Iterator[None]:
    """Hold a copy as one of its users (`LOCK_SH`), or as the only one (`LOCK_EX`); see flock(2).

    The system lets go for a process that dies. Raises BlockingIOError by `LOCK_NB`.
    """
    with folder.with_suffix(".used").open("a+") as file:
        fcntl.flock(file, operation)
        yield


def _run(command: list[str], root: Path) -> list[str]:
    return run_command(command, log=lambda line: None, environment={}, root=root)
