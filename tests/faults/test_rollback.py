"""Changes of aliases that are cut off between any two writes, made at once, or asked for twice."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow.entities.model_registry import ModelVersion

from textsr.cli import main as cli
from textsr.errors import TextsrError
from textsr.registry.aliases import (
    CHAMPION,
    PREVIOUS,
    ROLLED_BACK,
    promote,
    put_back,
    register_challenger,
    roll_back,
)
from textsr.registry.smoke import smoke_test
from textsr.tracking import Tracker

SAMPLE = Path(__file__).parents[2] / "docs" / "images" / "sample.png"
WRITES = (
    "set_registered_model_alias",
    "delete_registered_model_alias",
    "set_model_version_tag",
    "delete_model_version_tag",
)


class KilledError(BaseException):
    """Ends a change where a signal would."""


def register(
    tracker: Tracker, name: str, count: int, place: str = "file:///none"
) -> list[ModelVersion]:
    """Register so many models that cannot be loaded; versions are 1, 2, ..."""
    made = []
    for number in range(count):
        run_id = tracker.start("r", "e", {}, {}).run_id
        made.append(register_challenger(tracker, name, f"{place}/{number}", run_id, ""))
    return made


def promoted(tracker: Tracker, name: str, count: int) -> list[ModelVersion]:
    """Register and promote one after the other."""
    versions = register(tracker, name, count)
    for version in versions:
        promote(tracker, name, version)
    return versions


def aliases(tracker: Tracker, name: str) -> dict[str, str]:
    found = tracker.client.get_registered_model(name).aliases
    return {alias: str(found[alias]) for alias in (CHAMPION, PREVIOUS) if alias in found}


def cut_off(tracker: Tracker, after: int, change: Callable[[], object]) -> bool:
    """Make a change and cut it off after so many writes; tell whether it was."""
    done = 0

    def counted(write: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            nonlocal done
            if done == after:
                raise KilledError
            done += 1
            return write(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(tracker.client, name, counted(getattr(tracker.client, name)))
        try:
            change()
        except KilledError:
            return True
        except TextsrError:  # the smoke test's finding
            return False
    return False


def test_rollback_goes_to_the_version_before_and_never_back_to_the_bad_one(
    tracker: Tracker,
) -> None:
    good, bad = promoted(tracker, "back", 2)
    assert "champion is version 1; only `textsr rollback --to 2`" in roll_back(tracker, "back")
    assert aliases(tracker, "back") == {CHAMPION: "1"}
    with pytest.raises(TextsrError, match=r"--to VERSION`: 2 \(rolled back from\), 1"):
        roll_back(tracker, "back")
    with pytest.raises(TextsrError, match=r"version 2 was rolled back from .* --to 2`"):
        promote(tracker, "back", bad)
    promote(tracker, "back", good)
    assert aliases(tracker, "back") == {CHAMPION: "1"}
    assert "champion is version 2;" in roll_back(tracker, "back", "2")
    assert ROLLED_BACK not in tracker.client.get_model_version("back", "2").tags
    promote(tracker, "back", bad)  # what a person chose, the gate may confirm
    assert aliases(tracker, "back") == {CHAMPION: "2"}


def test_a_bad_alias_set_by_hand_is_not_followed(tracker: Tracker) -> None:
    promoted(tracker, "hand", 3)
    roll_back(tracker, "hand")
    tracker.client.set_registered_model_alias("hand", PREVIOUS, "3")
    with pytest.raises(TextsrError, match="previous: version 3 was rolled back from"):
        roll_back(tracker, "hand")
    tracker.client.set_registered_model_alias("hand", PREVIOUS, "2")  # the champion itself
    with pytest.raises(TextsrError, match="nothing to roll back to"):
        roll_back(tracker, "hand")


@pytest.mark.parametrize("to", ["9", "x", "", "-1", "1.5"])
def test_a_version_that_is_not_there_is_refused_with_those_that_are(
    tracker: Tracker, to: str
) -> None:
    if not tracker.client.search_registered_models("name = 'absent'"):
        promoted(tracker, "absent", 2)
    with pytest.raises(TextsrError, match=f"no version {to}; choose one by .*: 2, 1"):
        roll_back(tracker, "absent", to)
    assert aliases(tracker, "absent") == {CHAMPION: "2", PREVIOUS: "1"}


def test_a_deleted_champion_is_rolled_back_from(tracker: Tracker) -> None:
    promoted(tracker, "gone", 2)
    tracker.client.delete_model_version("gone", "2")
    assert "champion is version 1" in roll_back(tracker, "gone")
    assert aliases(tracker, "gone") == {CHAMPION: "1"}


def test_a_deleted_previous_version_is_named_with_the_way_on(tracker: Tracker) -> None:
    promoted(tracker, "before", 3)
    tracker.client.delete_model_version("before", "2")
    with pytest.raises(TextsrError, match="--to VERSION`: 3, 1"):
        roll_back(tracker, "before")
    roll_back(tracker, "before", "1")
    assert aliases(tracker, "before") == {CHAMPION: "1"}


def test_a_champion_newer_than_the_wish_to_roll_back_stays(tracker: Tracker) -> None:
    *_, bad, new = register(tracker, "newer", 3)
    promote(tracker, "newer", bad)
    promote(tracker, "newer", new)
    promoted_at = datetime.fromisoformat(
        tracker.client.get_model_version("newer", new.version).tags["champion_since"]
    )
    with pytest.raises(TextsrError, match="version 3 became champion only after"):
        roll_back(tracker, "newer", asked=promoted_at - timedelta(seconds=2.1))
    assert aliases(tracker, "newer") == {CHAMPION: "3", PREVIOUS: "2"}
    # As if the clock of the machine that promoted it were ahead.
    roll_back(tracker, "newer", asked=promoted_at - timedelta(seconds=1.9))
    assert aliases(tracker, "newer") == {CHAMPION: "2"}


def test_the_verb_tells_when_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[datetime] = []
    monkeypatch.setattr("textsr.tracking.Tracker", lambda folder: None)
    monkeypatch.setattr(
        "textsr.registry.aliases.roll_back",
        lambda tracker, name, to, asked, reason: told.append(asked),
    )
    monkeypatch.setattr("signal.signal", lambda number, handler: None)
    monkeypatch.setattr("sys.argv", ["textsr", "rollback"])
    before = datetime.now(UTC)
    with pytest.raises(SystemExit):
        cli.main()
    assert before <= told[0] <= datetime.now(UTC)


@pytest.fixture(scope="module")
def versions(tracker: Tracker, tmp_path_factory: pytest.TempPathFactory) -> list[ModelVersion]:
    """Three versions of the model `cut`; registering takes many writes, and resetting a few.

    Their files are there, and are no models.
    """
    place = tmp_path_factory.mktemp("cut")
    for number in range(3):
        (place / f"{number}").mkdir()
        (place / f"{number}" / "notes.txt").touch()
    return register(tracker, "cut", 3, place.as_uri())


def reset(tracker: Tracker, versions: list[ModelVersion], champion: str, previous: str) -> None:
    """Forget what was done to the model `cut`."""
    for version in versions:
        found = tracker.client.get_model_version("cut", version.version)
        for tag in set(found.tags) - {"model_uri"}:
            tracker.client.delete_model_version_tag("cut", version.version, tag)
    tracker.client.set_registered_model_alias("cut", CHAMPION, champion)
    tracker.client.set_registered_model_alias("cut", PREVIOUS, previous)


def every_cut(
    tracker: Tracker,
    change: Callable[[], object],
    prepare: Callable[[], None],
    usable: set[str],
    ends_as: dict[str, str],
) -> int:
    """Cut a change off after 0, 1, 2, ... writes; see the champion, and let a rerun finish it."""
    for after in range(20):
        prepare()
        was_cut = cut_off(tracker, after, change)
        assert aliases(tracker, "cut")[CHAMPION] in usable, after
        if was_cut:
            cut_off(tracker, -1, change)
        assert aliases(tracker, "cut") == ends_as, after
        if not was_cut:
            return after
    raise AssertionError("it never ends")


@pytest.mark.parametrize(("to", "good"), [(None, "2"), ("1", "1")])
def test_rollback_may_be_cut_off_anywhere(
    tracker: Tracker, versions: list[ModelVersion], to: str | None, good: str
) -> None:
    writes = every_cut(
        tracker,
        lambda: roll_back(tracker, "cut", to),
        lambda: reset(tracker, versions, "3", "2"),
        {good, "3"},
        {CHAMPION: good},
    )
    assert writes >= 4


def test_promotion_may_be_cut_off_anywhere(tracker: Tracker, versions: list[ModelVersion]) -> None:
    every_cut(
        tracker,
        lambda: promote(tracker, "cut", versions[2]),
        lambda: reset(tracker, versions, "2", "1"),
        {"2", "3"},
        {CHAMPION: "3", PREVIOUS: "2"},
    )


def test_rollback_after_a_promotion_that_was_cut_off_goes_to_the_champion_before(
    tracker: Tracker, versions: list[ModelVersion]
) -> None:
    for after in range(6):
        reset(tracker, versions, "2", "1")
        cut_off(tracker, after, lambda: promote(tracker, "cut", versions[2]))
        wanted = {"3": "2", "2": "1"}[aliases(tracker, "cut")[CHAMPION]]
        roll_back(tracker, "cut")
        assert aliases(tracker, "cut") == {CHAMPION: wanted}, after


def test_smoke_test_may_be_cut_off_anywhere(
    tracker: Tracker, versions: list[ModelVersion], tmp_path: Path
) -> None:
    """Version 3 cannot be loaded; cut off or not, the test has found that in the end."""
    record = {"model_name": "cut", "version": "3", "champion_before": "2"}

    def change() -> None:
        smoke_test(tracker, record, SAMPLE, tmp_path / "large.png")

    every_cut(
        tracker,
        change,
        lambda: reset(tracker, versions, "3", "2"),
        {"2", "3"},
        {CHAMPION: "2"},
    )
    with pytest.raises(TextsrError, match="smoke test: failed"):
        change()


def test_smoke_test_of_a_version_whose_predecessor_was_deleted(tracker: Tracker) -> None:
    promoted(tracker, "lost", 2)
    tracker.client.delete_model_version("lost", "1")
    assert put_back(tracker, "lost", "2", "1") is None
    assert aliases(tracker, "lost") == {}


def test_another_machine_that_moves_champion_at_the_same_time_is_told(tracker: Tracker) -> None:
    promoted(tracker, "race", 2)
    move = tracker.client.set_registered_model_alias

    def lose(name: str, alias: str, version: str) -> None:
        move(name, alias, version)
        if alias == CHAMPION:
            move(name, alias, "2")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracker.client, "set_registered_model_alias", lose)
        with pytest.raises(TextsrError, match="another machine made version 2 champion"):
            roll_back(tracker, "race")


AT_ONCE = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from textsr.errors import TextsrError
from textsr.registry.aliases import promote, roll_back
from textsr.tracking import Tracker

root, me, asked = Path(sys.argv[1]), sys.argv[2], datetime.fromisoformat(sys.argv[3])
tracker = Tracker(root)
for name in sys.argv[4:]:
    (root / f"ready-{name}-{me}").touch()
    while not (root / f"go-{name}").exists():
        time.sleep(0.001)
    try:
        if me == "1" or name.startswith("backs"):
            roll_back(tracker, name, asked=asked)
        else:
            wanted = "2" if name.startswith("again") else "3"
            promote(tracker, name, tracker.client.get_model_version(name, wanted))
    except TextsrError as error:
        print(error)
"""


@pytest.mark.slow
def test_two_processes_at_once_leave_the_good_version(tracker: Tracker) -> None:
    """Two rollbacks; a rollback and the bad version's promotion again, or the next one's."""
    good = {"backs": "1", "again": "1", "next": "3"}
    names = [f"{what}{number}" for what in good for number in range(5)]
    for name in names:
        for version in register(tracker, name, 3)[:2]:
            promote(tracker, name, version)
    root = tracker.registry_lock.parents[1]
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    asked = (datetime.now(UTC) - timedelta(seconds=2)).isoformat()  # clocks may differ by as much
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, str(root), str(me), asked, *names],
            env=environment,
            stdout=subprocess.PIPE,
        )
        for me in range(2)
    ]
    for name in names:
        while len(list(root.glob(f"ready-{name}-*"))) < 2:
            assert all(process.poll() is None for process in processes)
            time.sleep(0.01)
        (root / f"go-{name}").touch()
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode == 0
    for name in names:
        assert aliases(tracker, name)[CHAMPION] == good[name.rstrip("01234")], name


KILLED = """
import os, signal, sys
from pathlib import Path
from textsr.registry.aliases import roll_back
from textsr.tracking import Tracker

tracker = Tracker(Path(sys.argv[1]))
move = tracker.client.set_registered_model_alias
def kill(*arguments):
    move(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
tracker.client.set_registered_model_alias = kill
roll_back(tracker, "killed")
"""


@pytest.mark.slow
def test_a_killed_rollback_holds_no_lock_and_is_finished_by_the_next(tracker: Tracker) -> None:
    promoted(tracker, "killed", 2)
    root = tracker.registry_lock.parents[1]
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(root)], env=environment, check=False, timeout=120
    )
    assert done.returncode == -9
    assert aliases(tracker, "killed") == {CHAMPION: "1", PREVIOUS: "1"}
    assert "cut off is finished" in roll_back(tracker, "killed")
    assert aliases(tracker, "killed") == {CHAMPION: "1"}
