"""A sample of each attack of the campaign, and that the campaign sees what it should.

The whole of it: `make faults`.
"""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from tests.faults.campaign.attack import Attack, Broken, all_attacks
from tests.faults.campaign.run import Journal, Outcome, run_cases

_ATTACKS = all_attacks()


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in _ATTACKS if _ATTACKS[name].sample])
def test_sample_finds_nothing(name: str, tmp_path: Path) -> None:
    attack = _ATTACKS[name]
    outcomes = run_cases(attack, range(attack.sample), processes=1, failures=tmp_path)
    findings = {outcome.case: outcome.finding for outcome in outcomes if outcome.finding}
    assert not findings, f"again: python -m tests.faults.campaign {name} --case NUMBER"


def misbehave(case: int, folder: Path) -> None:
    """Behave, raise, crash, hang or fill memory, by the case."""
    (folder / "seen").touch()
    if case == 1:
        raise Broken("as it was told")
    if case == 2:
        os.abort()
    if case == 3:
        time.sleep(60)
    if case == 4:
        np.ones(100_000_000, np.uint8)


def test_every_misbehaviour_is_a_finding(tmp_path: Path) -> None:
    attack = Attack("misbehaviour", misbehave, cases=6, sample=6, seconds=2, memory_mb=50)
    found = {o.case: o.finding for o in run_cases(attack, range(6), processes=2, failures=tmp_path)}
    assert found[0] == found[5] == ""
    assert found[1] == "as it was told"
    assert found[2] == "its process ended with -6"
    assert found[3] == "did not end within 2 s"
    assert "MemoryError" in found[4]
    kept = sorted(path.parent.name for path in (tmp_path / "misbehaviour").glob("*/seen"))
    assert kept == ["1", "2", "3", "4"]


def test_what_held_is_not_tried_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.note("attack", Outcome(3, "", 1.0))
    journal.note("attack", Outcome(4, "found", 1.0))
    journal.note("other", Outcome(5, "", 1.0))
    assert Journal(tmp_path).held("attack") == {3}
