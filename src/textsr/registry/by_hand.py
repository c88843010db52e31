"""Promoting a version by hand: what the gate or the smoke test refused takes force and a reason."""

from mlflow.entities.model_registry import ModelVersion

from textsr.errors import TextsrError
from textsr.registry.aliases import CHAMPION, GATE, PASSED, SMOKE_TEST, promote, version_of
from textsr.registry.catalogue import require_version
from textsr.registry.records import Grounds, gates_record
from textsr.tracking import Tracker


def promote_by_hand(
    tracker: Tracker, name: str, wanted: str, reason: str | None, *, force: bool
) -> str:
    """Make a version champion since a person wants it; return a sentence about what was done.

    Args:
        tracker: the tracking server.
        name: of the registered model.
        wanted: the version, see `require_version`.
        reason: why, for the record.
        force: also where the gate refused it or never saw it, or the smoke test failed.

    Raises:
        TextsrError: if there is no such version, it may not be promoted without force, force lacks
            a reason, or it was rolled back from.
    """
    version = require_version(tracker, name, wanted)
    said = f"{version.name} version {version.version}"
    doubts = _doubts(version)
    if doubts and not force:
        raise TextsrError(
            f"{said}: {'; '.join(doubts)}; to make it {CHAMPION} all the same: "
            f"`textsr promote {version.version} --force --reason TEXT`"
        )
    if force and not (reason or "").strip():
        raise TextsrError(f"{said}: --force needs a --reason, which is kept with the version")
    judged = gates_record(version)
    champion = version_of(tracker, version.name, CHAMPION)
    if champion is not None and champion.version == version.version:
        return f"{said} is {CHAMPION} already"
    grounds = Grounds(
        reason=reason,
        checks=judged.checks if judged else [],
        thresholds=judged.thresholds if judged else {},
        forced=bool(doubts),
    )
    promote(tracker, version.name, version, grounds)
    back = "" if champion is None else f"; `textsr rollback` returns to version {champion.version}"
    return f"{said} is {CHAMPION}{back}"


def _doubts(version: ModelVersion) -> list[str]:
    """Return what speaks against a version, a clause each."""
    doubts = []
    if version.tags.get(GATE) != "promoted":
        judged = gates_record(version)
        failed = [check.name for check in judged.checks if not check.passed] if judged else []
        verdict = "the gate refused it" if GATE in version.tags else "the gate has not judged it"
        doubts.append(f"{verdict} ({'; '.join(failed)})" if failed else verdict)
    if version.tags.get(SMOKE_TEST, PASSED) != PASSED:
        doubts.append(f"the smoke test {version.tags[SMOKE_TEST]}")
    return doubts
