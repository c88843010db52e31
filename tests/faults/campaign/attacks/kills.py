"""Commands that write, ended at random moments: a plain rerun ends as an unbroken run does."""

import shutil
from pathlib import Path
from random import Random
from signal import SIGKILL

from tests.faults.campaign.attack import Attack
from tests.faults.campaign.commands import COMMANDS, require_same, require_whole, run_unbroken
from tests.faults.campaign.killing import draw, environment, require_no_partial, run


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


ATTACKS = [
    Attack("kills", try_kills, cases=len(COMMANDS) * 100, sample=2, seconds=900),
]
