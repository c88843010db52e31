"""Aliases in every order of promotion and rollback, and on a server that is down."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow.entities.model_registry import ModelVersion

from textsr.errors import TextsrError
from textsr.registry import aliases as registry_aliases
from textsr.registry.aliases import (
    CHAMPION,
    ROLLED_BACK,
    find_version,
    finish_interrupted,
    promote,
    register_challenger,
    roll_back,
    version_of,
)
from textsr.tracking import Tracker

pytestmark = pytest.mark.slow


def register(tracker: Tracker, name: str, count: int) -> list[ModelVersion]:
    """Register so many models; the registry takes any address for one."""
    versions = []
    for number in range(count):
        run_id = tracker.start("r", "e", {}, {}).run_id
        uri = f"file:///models/{name}/{number}"
        versions.append(register_challenger(tracker, name, uri, run_id, "described"))
    return versions


def aliases(tracker: Tracker, name: str) -> dict[str, str]:
    found = tracker.client.get_registered_model(name).aliases
    return {alias: str(version) for alias, version in found.items()}


def test_challenger_is_the_newest_and_registered_once(tracker: Tracker) -> None:
    first, second = register(tracker, "once", 2)
    assert aliases(tracker, "once") == {"challenger": str(second.version)}
    again = register_challenger(tracker, "once", first.tags["model_uri"], first.run_id, "described")
    assert again.version == first.version
    assert aliases(tracker, "once") == {"challenger": str(first.version)}
    assert len(tracker.client.search_model_versions("name = 'once'")) == 2
    assert first.description == "described"


def test_the_registered_model_says_how_to_choose_and_load_it(tracker: Tracker) -> None:
    tracker.client.create_registered_model("told")  # as earlier versions made it
    register(tracker, "told", 1)
    about = tracker.client.get_registered_model("told").description
    assert "models:/told@champion" in about
    tracker.client.update_registered_model("told", "ours")
    register(tracker, "told", 1)
    assert tracker.client.get_registered_model("told").description == "ours"


def test_another_model_of_the_same_run_is_another_version(tracker: Tracker) -> None:
    """An evaluation made anew logs the same training's model with another blend."""
    [first] = register(tracker, "blends", 1)
    second = register_challenger(tracker, "blends", "file:///models/other", first.run_id, "")
    assert second.version != first.version


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(st.sampled_from([0, 1, 2, "back"]), max_size=6))
def test_champion_and_previous_follow_promotions_and_rollbacks(
    tracker: Tracker, steps: list[int | str]
) -> None:
    """Against the rules written out: a version that was rolled back from does not come back."""
    name = "rules"
    versions = tracker.client.search_model_versions(f"name = '{name}'") or register(
        tracker, name, 3
    )
    for alias in aliases(tracker, name):
        tracker.client.delete_registered_model_alias(name, alias)
    for version in versions:
        tracker.client.delete_model_version_tag(name, version.version, ROLLED_BACK)
    champion: str | None = None
    previous: str | None = None
    left: set[str] = set()
    for step in steps:
        if step != "back":
            version = str(versions[int(step)].version)
            if version in left:
                with pytest.raises(TextsrError, match=f"rolled back from.*--to {version}"):
                    promote(tracker, name, versions[int(step)])
                continue
            if champion not in (None, version):
                previous = champion
            champion = version
            promote(tracker, name, versions[int(step)])
        elif previous is None:
            with pytest.raises(TextsrError, match=f"{name}: nothing to roll back.*--to VERSION"):
                roll_back(tracker, name)
        elif previous in left:
            with pytest.raises(TextsrError, match=f"version {previous} was rolled back from"):
                roll_back(tracker, name)
        else:
            assert champion is not None
            roll_back(tracker, name)
            left.add(champion)
            champion, previous = previous, None
        expected = {"champion": champion, "previous": previous}
        assert aliases(tracker, name) == {k: v for k, v in expected.items() if v}


def test_an_alias_that_another_machine_moves_meanwhile_stays(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It named a version that is gone as it was looked at, and names one that is there now."""
    name = "meanwhile"
    gone, there = register(tracker, name, 2)
    promote(tracker, name, gone)

    def look(_: Tracker, __: str, version: str) -> ModelVersion | None:
        if version != str(gone.version):
            return find_version(tracker, name, version)
        tracker.client.set_registered_model_alias(name, CHAMPION, there.version)
        return None

    monkeypatch.setattr(registry_aliases, "find_version", look)
    finish_interrupted(tracker, name)
    assert aliases(tracker, name)[CHAMPION] == str(there.version)


def test_an_alias_that_another_machine_removes_is_set_again(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It meant to remove that of a version that was gone."""
    name = "removed"
    [version] = register(tracker, name, 1)

    def settle(*_: object) -> None:
        tracker.client.delete_registered_model_alias(name, CHAMPION)

    monkeypatch.setattr(registry_aliases, "_settle", settle)
    promote(tracker, name, version)
    assert aliases(tracker, name)[CHAMPION] == str(version.version)


def test_what_does_not_exist_is_none_and_the_remedy_is_named(tracker: Tracker) -> None:
    assert version_of(tracker, "never", "champion") is None
    with pytest.raises(TextsrError, match="never: nothing to roll back to"):
        roll_back(tracker, "never")


def test_champion_that_cannot_be_asked_for_is_not_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the gate would leave out its comparison with the champion."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    down = Tracker(tmp_path)
    with pytest.raises(TextsrError, match=r"http://127\.0\.0\.1:1: MLflow gives no answer"):
        version_of(down, "m", "champion")
