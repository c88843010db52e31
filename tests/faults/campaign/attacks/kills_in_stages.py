"""Stages of the DAG, ended at random moments: a plain rerun ends as an unbroken run does.

Each at preset tiny, in a copy of a finished project from which what the stage has made is gone: as
the verb that it is, or by `textsr dvc repro`.
"""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from random import Random
from signal import SIGKILL

import yaml
from filelock import FileLock

from tests.faults.campaign.attack import Attack
from tests.faults.campaign.killing import (
    Done,
    differences,
    draw,
    environment,
    require,
    require_no_partial,
    run,
)
from tests.faults.campaign.projects import (
    finished_project,
    hashes,
    query,
    readings_of,
    registry,
    running,
)

# What holds ids of runs, times or durations; Data Docs have them in names of files, too.
_VOLATILE = ("run.json", "speed.json", "leaderboard", "registration.json")
_DOCS = "/data_docs/"

# By its name in dvc.yaml; `register` once more where MLflow has lost all runs, and makes them anew.
STAGES = {
    "validate": "validate",
    "train@scratch": "train scratch",
    "register": "register",
    "synthesize": "synthesize",
    "pretrain@byol": "pretrain byol",
    "register anew": "register",
    "recognizer": "recognizer",
    "evaluate@byol": "evaluate byol",
    "extra_datasets": "extra-datasets",
    "train@byol": "train byol",
    "baselines": "baselines",
    "compare": "compare",
    "train@pretrained": "train pretrained",
    "engines": "engines",
    "pretrain@simclr": "pretrain simclr",
    "ingest": "ingest",
    "evaluate@pretrained": "evaluate pretrained",
}


def try_kills(number: int, folder: Path) -> None:
    """End a stage, once or several times, and run it again."""
    random = Random(number)
    stage = list(STAGES)[number % len(STAGES)]
    by_dvc = number // len(STAGES) % 2 == 1
    base = finished_project()
    unbroken, wanted = _unbroken(stage, by_dvc, base)
    project = _copy(base, folder, stage)
    words, variables = _command(stage, by_dvc), _variables(base, project)
    said = " ".join(words)
    for nth in range(random.choice((1, 1, 2))):
        moment = draw(random, unbroken)
        said += f"; {moment}"
        run(words, project, variables, folder / f"killed-{nth}.log", moment)
        if moment.signal != SIGKILL and not by_dvc:
            require_no_partial(project, said)
        if not by_dvc:
            _require_whole(stage, project, wanted["outs"], said)
    done = run(words, project, variables, folder / "again.log")
    require(done.status == 0, f"{said}; again: {done.said}")
    found = _state(stage, project, base)
    for part in wanted:
        names = differences(found[part], wanted[part])
        was = [(name, found[part].get(name), wanted[part].get(name)) for name in names]
        require(not was, f"{said}: {part}: {was}")
    require(not running(project), f"{said}: RUNNING in MLflow: {running(project)}")
    require_no_partial(project, said)
    left = sorted(path.name for path in project.glob(".checkpoints/*"))
    require(not left, f"{said}: left in .checkpoints: {left}")


def _command(stage: str, by_dvc: bool) -> list[str]:
    if by_dvc:
        return ["textsr", "dvc", "repro", "--single-item", stage.partition(" ")[0]]
    return ["textsr", *STAGES[stage].split()]


def _variables(base: Path, project: Path) -> dict[str, str]:
    temporary = project.with_name("tmp")
    temporary.mkdir(exist_ok=True)
    readings = str(readings_of(base))
    return environment(project, TMPDIR=str(temporary), TEXTSR_READINGS=readings)


def _copy(base: Path, folder: Path, stage: str) -> Path:
    """Copy a finished project, without what a stage has made."""
    project = folder / "project"
    shutil.copytree(base, project, symlinks=True, ignore=_cache)
    # DVC never changes what is in its cache.
    shutil.copytree(base / ".dvc/cache", project / ".dvc/cache", copy_function=os.link)
    name, _, anew = stage.partition(" ")
    if anew:
        shutil.rmtree(project / "mlruns")
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    for out in lock["stages"].pop(name)["outs"]:
        path = project / out["path"]
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    (project / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    return project


def _cache(folder: str, names: list[str]) -> set[str]:
    return {"cache", "tmp"} & set(names) if Path(folder).name == ".dvc" else set()


def _outs(stage: str, base: Path) -> list[str]:
    lock = yaml.safe_load((base / "dvc.lock").read_text())
    return [out["path"] for out in lock["stages"][stage.partition(" ")[0]]["outs"]]


def _state(stage: str, project: Path, base: Path) -> dict[str, dict[str, str]]:
    """Return what the stage has made, what MLflow says of the finished runs, and the registry."""
    return {
        "outs": {k: v for out in _outs(stage, base) for k, v in _hashes(project, out).items()},
        "runs": _finished_runs(project),
        "registry": registry(project),
    }


def _hashes(project: Path, out: str) -> dict[str, str]:
    path = project / out
    found = hashes(path) if path.is_dir() else {}
    if path.is_file():
        found = {"": next(v for k, v in hashes(path.parent).items() if k == path.name)}
    named = {f"{out}/{name}".rstrip("/"): content for name, content in found.items()}
    # Volatile files have to be there all the same.
    docs = {f"{k.partition(_DOCS)[0]}{_DOCS}": "there" for k in named if _DOCS in k}
    return docs | {
        k: "there" if any(v in k for v in _VOLATILE) else c
        for k, c in named.items()
        if _DOCS not in k
    }


def _finished_runs(project: Path) -> dict[str, str]:
    """Return what a finished run of each name holds: names of params, metrics and tags."""
    if not (project / "mlruns/mlflow.db").exists():
        return {}
    kinds = {"params": "params", "latest_metrics": "metrics", "tags": "tags"}
    held: dict[str, set[str]] = {}
    names = {}
    for run_id, name in query(
        project, "SELECT run_uuid, name FROM runs WHERE status = 'FINISHED' ORDER BY start_time"
    ):
        names[str(run_id)] = str(name)
        held[str(run_id)] = set()
    for table, kind in kinds.items():
        for run_id, key in query(project, f"SELECT run_uuid, key FROM {table}"):
            if str(run_id) in held:
                held[str(run_id)].add(f"{kind}/{key}")
    # Which of several runs of one name comes first is of no matter.
    found: dict[str, list[str]] = {}
    for run_id, name in names.items():
        found.setdefault(name, []).append(" ".join(sorted(held[run_id])))
    return {
        f"{name} {nth}": content
        for name, contents in found.items()
        for nth, content in enumerate(sorted(contents))
    }


def _require_whole(stage: str, project: Path, wanted: Mapping[str, str], said: str) -> None:
    """Raise where a file has its final name and is not whole."""
    for out in _outs(stage, finished_project()):
        # What is half-written has a name of its own until it is renamed.
        for name, content in _hashes(project, out).items():
            held = ".partial-" in name or content == wanted.get(name)
            require(held, f"{said}: {name} is half-written")


def _unbroken(stage: str, by_dvc: bool, base: Path) -> tuple[Done, dict[str, dict[str, str]]]:
    """Run a stage to its end, once for all campaigns; return how that went, and the state after."""
    name = f"{stage}{' by DVC' if by_dvc else ''}".replace(" ", "-")
    kept = base.with_name(f"{base.name}-{name}.json")
    with FileLock(kept.with_suffix(".lock")):
        if not kept.exists():
            place = base.with_name(f"{base.name}-{name}")
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            project = _copy(base, place, stage)
            words = _command(stage, by_dvc)
            done = run(words, project, _variables(base, project), place / "log")
            require(done.status == 0, f"{words}: {done.said}")
            kept.write_text(json.dumps([asdict(done), _state(stage, project, base)]))
            shutil.rmtree(place)
    done, state = json.loads(kept.read_text())
    return Done(**done), state


# None of them in the tests: the finished project takes minutes to make.
ATTACKS = [
    Attack("kills-in-stages", try_kills, cases=len(STAGES) * 100, sample=0, seconds=3600),
]
