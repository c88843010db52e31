"""Where a run works: the clone itself, or a copy of it with other params.

`params.yaml` in the clone belongs to its users. A run with a preset, a seed or a scale of its own
works in a copy of the clone's commit under `.dvc/tmp/runs`, which shares DVC's cache: the same DAG,
the same results, and nothing that two runs could overwrite for each other. The copy is found again
by what it is made of, so a run that was killed goes on from its checkpoints.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

import yaml
from filelock import FileLock, Timeout

from pipelines.stages import run_command
from textsr import project
from textsr.errors import TextsrError
from textsr.files import write_text
from textsr.params import parse_params
from textsr.presets import merge

_RUNS = Path(".dvc/tmp/runs")
_KEPT = 4  # copies beside the one in use; each holds a dataset


@dataclass(frozen=True)
class Overrides:
    """What a run changes in `params.yaml`; None leaves it as it is."""

    preset: str | None = None
    seed: int | None = None
    scale: Literal[2, 4] | None = None


def workspace(clone: Path, overrides: Overrides, log: Callable[[str], None]) -> Path:
    """Return the folder to work in: `clone`, where the overrides change nothing in it.

    Raises:
        TextsrError: if the preset or the resulting params are not valid, or `clone` is not in git.
    """
    params = clone / project.PARAMS
    if overrides == Overrides():
        return clone
    current = _read(params)
    changed = _overridden(_read(params), clone, overrides)
    if changed == current:
        return clone
    commit = _run(["git", "rev-parse", "HEAD"], clone)[-1]
    key = blake2b(f"{commit} {json.dumps(changed)}".encode(), digest_size=6).hexdigest()
    folder = clone / _RUNS / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".making")):
        if not folder.with_suffix(".made").exists():
            log(f"copying the clone at {commit[:8]} to {folder}")
            shutil.rmtree(folder, ignore_errors=True)
            _copy(clone, commit, folder)
            write_text(folder / project.PARAMS, yaml.safe_dump(changed, sort_keys=False))
        folder.with_suffix(".made").touch()
    _forget_old(folder)
    return folder


@contextmanager
def exclusive(root: Path, log: Callable[[str], None]) -> Iterator[None]:
    """Hold the only right to run a stage in `root`; wait for it while another run has it.

    DVC would refuse the second of two stages that share a file, hours into a run.
    """
    folder = root / ".dvc" / "tmp"
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / "textsr-stage.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(f"waiting: another run's stage is at work in {root.resolve()}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _overridden(params: Any, clone: Path, overrides: Overrides) -> Any:
    source = str(project.PARAMS)
    if overrides.preset is not None:
        path = clone / "presets" / f"{overrides.preset}.yaml"
        merge(params, _read(path), path)
        source += f" with {path}"
    if overrides.seed is not None:
        params["seed"] = overrides.seed
    if overrides.scale is not None:
        params["synthesis"]["scale"] = overrides.scale
    parse_params(params, source)
    return params


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TextsrError(f"{path}: no such file; choose a preset that is there") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise TextsrError(f"{path}: not valid YAML: {error}") from error


def _copy(clone: Path, commit: str, folder: Path) -> None:
    """Clone by hard links, at the same commit, with the same DVC settings and cache."""
    _run(["git", "clone", "--quiet", "--no-checkout", str(clone.resolve()), str(folder)], clone)
    _run(["git", "checkout", "--quiet", "--detach", commit], folder)
    local = clone / ".dvc" / "config.local"
    if local.exists():
        shutil.copy(local, folder / ".dvc" / "config.local")
    cache = clone / _run(["dvc", "cache", "dir"], clone)[-1]
    _run(["dvc", "cache", "dir", "--local", str(cache.resolve())], folder)


def _forget_old(used: Path) -> None:
    """Remove the copies that were longest not used, unless a stage is at work in them."""
    made = sorted(used.parent.glob("*.made"), key=lambda path: path.stat().st_mtime, reverse=True)
    for marker in made[1 + _KEPT :]:
        folder = marker.with_suffix("")
        try:
            with FileLock(folder / ".dvc" / "tmp" / "textsr-stage.lock", timeout=0):
                marker.unlink()
                shutil.rmtree(folder)
        except Timeout:
            continue


def _run(command: list[str], root: Path) -> list[str]:
    return run_command(command, log=lambda line: None, environment={}, root=root)
