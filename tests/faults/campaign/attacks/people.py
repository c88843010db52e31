"""People who change one registry at once: in one clone, or in clones of their own.

Clones of their own share an SQLite database here, and each has a lock of its own, as machines that
share a server have.
"""

import os
import shutil
from pathlib import Path
from random import Random

from tests.faults.campaign.attack import Attack
from tests.faults.campaign.projects import make_once

_PEOPLE = 100  # at most, of a case: each has a seed of their own


def try_people(number: int, folder: Path) -> None:
    """Let people register, promote, roll back and delete in an order of chance."""
    import pytest

    from tests.faults.test_registry_at_once import require_sound, run_busy
    from textsr.tracking import Tracker

    random = Random(number)
    store = make_once(folder.parent / "store", Tracker)
    many = random.choice((2, 2, 3, 4))
    clones = 1 if random.random() < 0.5 else many
    roots = [folder / f"clone-{nth}" for nth in range(clones)]
    for root in roots:
        (root / "mlruns").mkdir(mode=0o700, parents=True)
    shutil.copy(store / "mlruns/mlflow.db", roots[0] / "mlruns/mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        if clones > 1:
            patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{roots[0]}/mlruns/mlflow.db")
        (folder / "go").mkdir()
        places = [roots[nth % clones] for nth in range(many)]
        said = run_busy(places, folder / "go", dict(os.environ), number * _PEOPLE)
        require_sound(Tracker(roots[0]), said)


ATTACKS = [Attack("people", try_people, cases=500, sample=0, seconds=900)]
