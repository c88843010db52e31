"""The table of versions, and promoting by hand: what is refused, and what is kept of it."""

import json

import pytest
from mlflow.entities.model_registry import ModelVersion

from textsr.errors import TextsrError
from textsr.evaluation.statistics import Estimate
from textsr.registry.aliases import GATE, SMOKE_TEST, promote, register_challenger, roll_back
from textsr.registry.by_hand import promote_by_hand
from textsr.registry.catalogue import (
    list_versions,
    record_gains,
    render_version,
    render_versions,
    require_version,
    version_as_json,
    versions_as_json,
)
from textsr.registry.gate import Check
from textsr.registry.records import THE_GATE, Grounds, read_records, record_decision
from textsr.tracking import Tracker

pytestmark = pytest.mark.slow

GAINS = {
    "psnr_db": Estimate(1.2, 1.1, 1.3),
    "rapidocr": Estimate(0.05, 0.025, 0.078),
    "other": Estimate(float("nan"), float("nan"), float("nan")),
}


def register(tracker: Tracker, name: str, number: int, *, passed: bool) -> ModelVersion:
    """Register a version that the gate has judged."""
    tags = {"data_hash": "0123456789ab.dir", "git_commit": "fedcba987654"}
    run_id = tracker.start("scratch", "e", {}, tags).run_id
    version = register_challenger(tracker, name, f"file:///none/{number}", run_id, "")
    record_gains(tracker, version, GAINS)
    outcome = "promoted" if passed else "refused"
    tracker.client.set_model_version_tag(name, version.version, GATE, outcome)
    check = Check(name="sharp enough", passed=passed, evidence="7 of 9")
    grounds = Grounds(by=THE_GATE, checks=[check], thresholds={"min_lines": 20})
    record_decision(tracker, version, outcome, None, grounds)
    return version


def decisions(tracker: Tracker, name: str, version: ModelVersion) -> list[tuple[str, str, bool]]:
    found = tracker.client.get_model_version(name, version.version)
    return [(record.outcome, record.by, record.forced) for record in read_records(found)]


def champion(tracker: Tracker, name: str) -> str | None:
    found = tracker.client.get_registered_model(name).aliases.get("champion")
    return None if found is None else str(found)


def test_the_table_names_what_chooses(tracker: Tracker) -> None:
    name = "table"
    first, second = (register(tracker, name, n, passed=n == 0) for n in range(2))
    promote(tracker, name, first)
    entries = list_versions(tracker, name)
    assert [entry.version for entry in entries] == ["2", "1"]
    assert [entry.aliases for entry in entries] == [["challenger"], ["champion"]]
    assert entries[0].gains["rapidocr"] == GAINS["rapidocr"]
    table = render_versions(name, entries)
    row = next(line for line in table.splitlines() if line.startswith("| 1 |"))
    assert row.startswith(
        "| 1 | champion | scratch | promoted | +5.0 points [+2.5, +7.8] | +nan points"
    )
    assert "| 01234567 | fedcba98 | 20" in row
    assert len(row.split("|")) == len(table.splitlines()[0].split("|"))
    [newer, _] = json.loads(versions_as_json(entries))
    assert newer["gate"] == "refused"
    assert newer["data_hash"] == "0123456789ab.dir"
    assert str(second.version) == newer["version"]


def test_a_registry_without_versions_says_so(tracker: Tracker) -> None:
    assert "none: no versions; `textsr register` makes" in render_versions(
        "none", list_versions(tracker, "none")
    )


def test_what_was_not_recorded_is_said_so(tracker: Tracker) -> None:
    run_id = tracker.start("old", "e", {}, {}).run_id
    version = register_challenger(tracker, "old", "file:///none", run_id, "")
    register(tracker, "old", 1, passed=True)
    row = render_versions("old", list_versions(tracker, "old")).splitlines()[3]
    assert row.startswith(
        "| 1 |  | old | not judged | not recorded | not recorded | not recorded | not recorded |"
    )
    assert "None is recorded." in render_version(tracker, version)


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ("1", "1"),
        ("challenger", "2"),
        ("models:/named/1", "1"),
        ("models:/named@challenger", "2"),
    ],
)
def test_a_version_is_named_by_number_alias_or_address(
    tracker: Tracker, wanted: str, number: str
) -> None:
    if not tracker.client.search_registered_models("name = 'named'"):
        for each in range(2):
            register(tracker, "named", each, passed=True)
    assert str(require_version(tracker, "named", wanted).version) == number


@pytest.mark.parametrize("wanted", ["7", "champion", "", "models:/unnamed/7", "models:/unnamed"])
def test_a_version_that_is_not_there_is_named_with_those_that_are(
    tracker: Tracker, wanted: str
) -> None:
    if not tracker.client.search_registered_models("name = 'unnamed'"):
        register(tracker, "unnamed", 0, passed=True)
    with pytest.raises(TextsrError, match=r"unnamed: no version or alias .*; choose one of 1"):
        require_version(tracker, "unnamed", wanted)


def test_what_the_gate_refused_takes_force_and_a_reason(tracker: Tracker) -> None:
    name = "force"
    good, bad = (register(tracker, name, n, passed=n == 0) for n in range(2))
    said = promote_by_hand(tracker, name, "1", None, force=False)
    assert said == "force version 1 is champion"
    with pytest.raises(TextsrError, match=r"refused it \(sharp enough\).*--force --reason TEXT"):
        promote_by_hand(tracker, name, "2", "looks good", force=False)
    for reason in (None, " "):
        with pytest.raises(TextsrError, match="--force needs a --reason"):
            promote_by_hand(tracker, name, "2", reason, force=True)
    assert champion(tracker, name) == "1"
    said = promote_by_hand(tracker, name, "2", "the customer's fonts", force=True)
    assert said == "force version 2 is champion; `textsr rollback` returns to version 1"
    assert champion(tracker, name) == "2"
    assert decisions(tracker, name, bad) == [
        ("refused", "the gate", False),
        ("promoted", "a person", True),
    ]
    page = render_version(tracker, tracker.client.get_model_version(name, "2"))
    assert "promoted by force, by a person" in page
    assert "the champion until then: 1; data: 0123456789ab.dir" in page
    assert "Reason: the customer's fonts" in page
    assert page.count("| **fail** | sharp enough | 7 of 9 |") == 2
    assert "Thresholds: min_lines 20" in page
    assert promote_by_hand(tracker, name, "2", "again", force=True).endswith("champion already")
    assert len(decisions(tracker, name, bad)) == 2
    roll_back(tracker, name, reason="it blurs")
    [*_, left] = read_records(tracker.client.get_model_version(name, "2"))
    assert (left.outcome, left.reason) == ("rolled back from", "it blurs")
    assert decisions(tracker, name, good)[-1] == ("rolled back to", "a person", False)
    with pytest.raises(TextsrError, match=r"rolled back from.*--to 2"):
        promote_by_hand(tracker, name, "2", "no", force=True)


def test_what_was_never_judged_or_failed_takes_force(tracker: Tracker) -> None:
    name = "doubtful"
    version = register(tracker, name, 0, passed=True)
    tracker.client.set_model_version_tag(name, version.version, SMOKE_TEST, "failed: blank")
    with pytest.raises(TextsrError, match="version 1: the smoke test failed: blank; to make it"):
        promote_by_hand(tracker, name, "1", None, force=False)
    tracker.client.delete_model_version_tag(name, version.version, GATE)
    tracker.client.set_model_version_tag(name, version.version, SMOKE_TEST, "passed")
    with pytest.raises(TextsrError, match="the gate has not judged it; to make it"):
        promote_by_hand(tracker, name, "1", None, force=False)
    assert champion(tracker, name) is None


def test_a_record_names_who_and_keeps_no_secret(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register(tracker, "who", 0, passed=True)
    monkeypatch.setenv("TEXTSR_FLOW_RUN_ID", "f1")
    promote_by_hand(tracker, "who", "1", "as https://me:hunter22@host says", force=False)
    found = json.loads(version_as_json(tracker, require_version(tracker, "who", "1")))
    assert found["decisions"][-1]["user"] == "Prefect flow run f1"
    assert found["decisions"][-1]["reason"] == "as https://***@host says"
    assert found["version"] == str(version.version)


def test_a_record_that_somebody_changed_is_named(tracker: Tracker) -> None:
    version = register(tracker, "changed", 0, passed=True)
    [key] = [key for key in require_version(tracker, "changed", "1").tags if "decision" in key]
    tracker.client.set_model_version_tag("changed", version.version, key, "{}")
    with pytest.raises(TextsrError, match=r"version 1: a tag textsr\.decision\.\* holds no"):
        render_version(tracker, require_version(tracker, "changed", "1"))
