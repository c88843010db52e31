"""A champion that does not work is champion no longer."""

from pathlib import Path

import pytest
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from textsr.errors import TextsrError
from textsr.pretrained import FOLDER
from textsr.registry.aliases import CHAMPION, PREVIOUS, promote, put_back, register_challenger
from textsr.registry.packaging import log_model
from textsr.registry.records import read_records
from textsr.registry.smoke import smoke_test
from textsr.tracking import Tracker

SAMPLE = Path(__file__).parents[3] / "docs" / "images" / "sample.png"


def register(tracker: Tracker, name: str, uri: str) -> ModelVersion:
    run_id = tracker.start("r", "smoke", {}, {}).run_id
    return register_challenger(tracker, name, uri, run_id, "")


def aliases(tracker: Tracker, name: str) -> dict[str, str]:
    found = tracker.client.get_registered_model(name).aliases
    return {alias: str(version) for alias, version in found.items()}


def no_model(folder: Path) -> str:
    """The address of files that are there, and are no model."""
    folder.mkdir()
    (folder / "notes.txt").touch()
    return folder.as_uri()


def record(name: str, version: ModelVersion, before: ModelVersion | None) -> dict[str, object]:
    return {
        "model_name": name,
        "version": str(version.version),
        "champion_before": before and str(before.version),
        "promoted": True,
    }


def test_a_model_that_cannot_be_loaded_gives_the_alias_back(
    tracker: Tracker, tmp_path: Path
) -> None:
    good, bad = (register(tracker, "broken", no_model(tmp_path / f"{n}")) for n in range(2))
    promote(tracker, "broken", good)
    promote(tracker, "broken", bad)
    said = record("broken", bad, good)
    with pytest.raises(TextsrError, match=f"champion is version {good.version} again"):
        smoke_test(tracker, said, SAMPLE, tmp_path / "large.png")
    assert aliases(tracker, "broken") == {
        CHAMPION: str(good.version),
        "challenger": str(bad.version),
    }
    decisions = read_records(tracker.client.get_model_version("broken", bad.version))
    assert [decision.outcome for decision in decisions] == ["promoted", "failed"]
    assert decisions[1].by == "the smoke test"
    assert "not a textsr model" in str(decisions[1].reason)
    with pytest.raises(TextsrError, match=r"is not champion now \(smoke test: failed"):
        smoke_test(tracker, said, SAMPLE, tmp_path / "large.png")


@pytest.mark.parametrize("before", [0, 1])
def test_files_that_are_not_found_with_all_others_say_nothing_about_the_model(
    tracker: Tracker, tmp_path: Path, before: int
) -> None:
    """A project that was moved, or a disk that is away."""
    name = f"moved{before}"
    versions = [register(tracker, name, f"file://{tmp_path}/{n}") for n in range(before + 1)]
    for version in versions:
        promote(tracker, name, version)
    said = record(name, versions[-1], versions[0] if before else None)
    for _ in range(2):
        with pytest.raises(TextsrError, match=r"No such artifact.*so it stays champion"):
            smoke_test(tracker, said, SAMPLE, tmp_path / "large.png")
        assert aliases(tracker, name)[CHAMPION] == str(versions[-1].version)


def test_files_that_alone_are_not_found_are_the_version_s_own_fault(
    tracker: Tracker, tmp_path: Path
) -> None:
    run_id = tracker.start("r", "smoke", {}, {}).run_id
    good = register_challenger(tracker, "lost", log_model(tracker, run_id, FOLDER), run_id, "")
    bad = register(tracker, "lost", f"file://{tmp_path}/none")
    promote(tracker, "lost", good)
    promote(tracker, "lost", bad)
    with pytest.raises(TextsrError, match=f"champion is version {good.version} again"):
        smoke_test(tracker, record("lost", bad, good), SAMPLE, tmp_path / "large.png")


def test_without_a_champion_before_it_none_is_left(tracker: Tracker, tmp_path: Path) -> None:
    only = register(tracker, "only", no_model(tmp_path / "0"))
    promote(tracker, "only", only)
    with pytest.raises(TextsrError, match="champion is no version again"):
        smoke_test(tracker, record("only", only, None), SAMPLE, tmp_path / "large.png")
    assert CHAMPION not in aliases(tracker, "only")


def test_another_champion_is_left_alone(tracker: Tracker, tmp_path: Path) -> None:
    one, two = (register(tracker, "other", f"file://{tmp_path}/{n}") for n in range(2))
    promote(tracker, "other", one)
    promote(tracker, "other", two)
    put_back(tracker, "other", str(one.version), None)
    assert aliases(tracker, "other")[CHAMPION] == str(two.version)
    assert aliases(tracker, "other")[PREVIOUS] == str(one.version)


def test_a_server_that_is_away_says_nothing_about_the_model(
    tracker: Tracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, new = (register(tracker, "away", f"file://{tmp_path}/{n}") for n in range(2))
    promote(tracker, "away", good)
    promote(tracker, "away", new)

    def lose(**arguments: object) -> None:
        raise MlflowException("API request to http://server failed with exception: refused")

    monkeypatch.setattr("mlflow.artifacts.download_artifacts", lose)
    with pytest.raises(TextsrError, match="MLflow gives no answer"):
        smoke_test(tracker, record("away", new, good), SAMPLE, tmp_path / "large.png")
    assert aliases(tracker, "away")[CHAMPION] == str(new.version)


def test_a_champion_that_took_its_place_is_no_failure(tracker: Tracker, tmp_path: Path) -> None:
    good, new = (register(tracker, "rolled", f"file://{tmp_path}/{n}") for n in range(2))
    promote(tracker, "rolled", new)
    promote(tracker, "rolled", good)  # by hand, before the test
    said = smoke_test(tracker, record("rolled", new, good), SAMPLE, tmp_path / "large.png")
    assert f"version {good.version} took its place" in said
    assert aliases(tracker, "rolled")[CHAMPION] == str(good.version)


def test_a_model_that_works_is_tried_once(tracker: Tracker, tmp_path: Path) -> None:
    run_id = tracker.start("r", "smoke", {}, {}).run_id
    uri = log_model(tracker, run_id, FOLDER)
    version = register_challenger(tracker, "works", uri, run_id, "")
    promote(tracker, "works", version)
    said = record("works", version, None)
    assert "upscales" in smoke_test(tracker, said, SAMPLE, tmp_path / "large.png")
    assert "has passed" in smoke_test(tracker, said, tmp_path / "missing", tmp_path / "x.png")
    assert aliases(tracker, "works")[CHAMPION] == str(version.version)
