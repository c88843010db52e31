"""Commands that write, ended at random moments: a plain rerun ends as an unbroken run does."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from random import Random
from signal import SIGKILL

from filelock import FileLock

from tests.faults.campaign.attack import Attack
from tests.faults.campaign.commands import COMMANDS, require_same, require_whole, run_unbroken
from tests.faults.campaign.killing import Done, draw, environment, require, require_no_partial, run
from tests.faults.campaign.projects import make_once
from tests.faults.campaign.tracked_stage import STAGE, make_project, require_logged


def try_kills(number: int, folder: Path) -> None:
    """End a command, once or several times, and run it again."""
    random = Random(number)
    command = COMMANDS[number % len(COMMANDS)]
    unbroken = run_unbroken(command, folder.parent)
    project = shutil.copytree(unbroken.base, folder / "project")
    (folder / "tmp").mkdir()
    variables = environment(TMPDIR=str(folder / "tmp"))
    words = ["textsr", *command.words]
    said = " ".join(words)
    for nth in range(random.choice((1, 1, 2, 3))):
        moment = draw(random, unbroken.done)
        said += f"; {moment}"
        run(words, project, variables, folder / f"killed-{nth}.log", moment)
        if moment.signal != SIGKILL:
            require_no_partial(project, said)
        require_whole(command, project, unbroken, said)
    done = run(words, project, variables, folder / "again.log")
    require_same(command, project, unbroken, done, said)
    require_no_partial(project, said)


def try_kills_of_runs(number: int, folder: Path) -> None:
    """End a stage that logs to MLflow, once or several times, and run it again."""
    from mlflow import MlflowClient

    from textsr.tracking import Tracker

    random = Random(number)
    store = make_once(folder.parent / "store", Tracker)
    project = make_project(folder, "case")
    (project / "mlruns").mkdir(mode=0o700)
    shutil.copy(store / "mlruns/mlflow.db", project / "mlruns")
    variables = environment(TEXTSR_TEST_NAME="case")
    unbroken = _unbroken_stage(store, folder.parent)
    said = "stage"
    for nth in range(random.choice((1, 1, 2, 3))):
        moment = draw(random, unbroken)
        said += f"; {moment}"
        run(STAGE, project, variables, folder / f"killed-{nth}.log", moment)
    done = run(STAGE, project, variables, folder / "again.log")
    require(done.status == 0, f"{said}; again: {done.said}")
    require_logged(MlflowClient(f"sqlite:///{project}/mlruns/mlflow.db"), "case", said)
    require_no_partial(project, said)


def _unbroken_stage(store: Path, scratch: Path) -> Done:
    """Run the stage to its end, once for all cases."""
    kept = scratch / "unbroken-stage.json"
    with FileLock(kept.with_suffix(".lock")):
        if not kept.exists():
            place = scratch / "unbroken-stage"
            place.mkdir()
            project = make_project(place, "case")
            shutil.copytree(store / "mlruns", project / "mlruns")
            done = run(STAGE, project, environment(TEXTSR_TEST_NAME="case"), place / "log")
            require(done.status == 0, done.said)
            kept.write_text(json.dumps(asdict(done)))
    return Done(**json.loads(kept.read_text()))


ATTACKS = [
    Attack("kills-of-runs", try_kills_of_runs, cases=1000, sample=0, seconds=900),
    Attack("kills", try_kills, cases=len(COMMANDS) * 100, sample=3, seconds=900),
]
