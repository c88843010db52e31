"""What was decided about a version, by whom and on what grounds: tags of it that nobody changes.

A record is written before the alias moves, so that no move is without one. A kill in between leaves
the record of a decision that the same command, run again, carries out.
"""

import getpass
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from pydantic import BaseModel, ValidationError

from textsr.errors import TextsrError, shorten
from textsr.redaction import redact
from textsr.registry.gate import Check
from textsr.tracking import Tracker, unreachable

Outcome = Literal["promoted", "refused", "rolled back to", "rolled back from", "failed"]

NOT_RECORDED = "not recorded"
A_PERSON, THE_GATE, THE_SMOKE_TEST = "a person", "the gate", "the smoke test"
"""Who decides."""

_PREFIX = "textsr.decision."  # of the tags; the time follows, so that their order is that of names
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_FLOW_RUN = "TEXTSR_FLOW_RUN_ID"  # as `tracking.lineage_tags` knows it


@dataclass(frozen=True)
class Grounds:
    """Why a decision is made.

    Attributes:
        by: who decides: `A_PERSON`, `THE_GATE` or `THE_SMOKE_TEST`.
        reason: in words, if one was given.
        checks: the conditions that were looked at, with the evidence.
        thresholds: of the gate.
        forced: whether it is made in spite of the gate or the smoke test.
    """

    by: str = A_PERSON
    reason: str | None = None
    checks: list[Check] = field(default_factory=list)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    forced: bool = False


class Record(BaseModel):
    """A decision about a version."""

    outcome: Outcome
    at: str
    by: str
    user: str
    """Who ran the command, or the Prefect flow run that did."""
    reason: str | None
    champion_before: str | None
    data_hash: str
    checks: list[Check]
    thresholds: dict[str, float]
    forced: bool


def record_decision(
    tracker: Tracker,
    version: ModelVersion,
    outcome: Outcome,
    champion: ModelVersion | None,
    grounds: Grounds,
) -> None:
    """Write a decision onto a version.

    Args:
        tracker: the tracking server.
        version: what is decided about.
        outcome: the decision.
        champion: the champion until then.
        grounds: why.
    """
    now = datetime.now(UTC)
    record = Record(
        outcome=outcome,
        at=f"{now:%Y-%m-%d %H:%M:%S} UTC",
        by=grounds.by,
        user=_user(),
        reason=None if grounds.reason is None else redact(grounds.reason),
        champion_before=None if champion is None else str(champion.version),
        data_hash=run_tags(tracker, version).get("data_hash", NOT_RECORDED),
        checks=grounds.checks,
        thresholds=dict(grounds.thresholds),
        forced=grounds.forced,
    )
    tracker.client.set_model_version_tag(
        version.name, str(version.version), f"{_PREFIX}{now:{_TIME}}", record.model_dump_json()
    )


def read_records(version: ModelVersion) -> list[Record]:
    """Return the decisions about a version, the oldest first.

    Raises:
        TextsrError: if one was changed into something else.
    """
    keys = sorted(key for key in version.tags if key.startswith(_PREFIX))
    try:
        return [Record.model_validate_json(version.tags[key]) for key in keys]
    except ValidationError as error:
        raise TextsrError(
            f"{version.name} version {version.version}: a tag {_PREFIX}* holds no decision "
            f"({shorten(str(error))}); remove it on the version's page in MLflow"
        ) from error


def gates_record(version: ModelVersion) -> Record | None:
    """Return the gate's newest decision about a version; None where it has made none."""
    found = [each for each in read_records(version) if each.by == THE_GATE]
    return found[-1] if found else None


def run_tags(tracker: Tracker, version: ModelVersion) -> Mapping[str, str]:
    """Return the tags of a version's run; none where the run is gone for good.

    Raises:
        TextsrError: if the server cannot be asked.
    """
    try:
        tags: Mapping[str, str] = tracker.client.get_run(str(version.run_id)).data.tags
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            raise unreachable(tracker.uri, error) from error
        return {}
    return tags


def _user() -> str:
    if _FLOW_RUN in os.environ:
        return f"Prefect flow run {os.environ[_FLOW_RUN]}"
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"
