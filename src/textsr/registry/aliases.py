"""Versions and aliases of the registered model: `champion`, `challenger`, `previous`.

`previous` is where a bare rollback goes. MLflow changes one alias at a time, so a change is made in
an order in which it can be cut off anywhere: the version that will be champion is tagged with what
`previous` will be; then `champion` moves, the one write that counts; then `previous` follows the
tag, and the tag goes. What was cut off after the move is finished by whoever changes aliases next.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from filelock import FileLock, Timeout
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    BAD_REQUEST,
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)

from textsr.errors import TextsrError, shorten
from textsr.pages import render_page
from textsr.registry.records import THE_SMOKE_TEST, Grounds, record_decision
from textsr.tracking import Tracker, model_id, unreachable

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
ALIASES = (CHAMPION, CHALLENGER, PREVIOUS)
ROLLED_BACK = "rolled_back"
"""Tag of a version that was rolled back from: no promotion or bare rollback returns to it."""
GATE = "gate"
"""Tag of a version: what the gate decided last, `promoted` or `refused`."""
SMOKE_TEST, PASSED = "smoke_test", "passed"
"""Tag of a version that was champion: what the smoke test found; and what it says of a good one."""

_SINCE = "champion_since"  # tag: when it became champion
_PENDING = "textsr.previous"  # tag of a champion: what `previous` must become
_NONE = "none"
_LOCK_SECONDS = 120.0
_SKEW = timedelta(seconds=2)  # by how much the clocks of two machines may differ
# What MLflow answers where the registered model, the version or the alias does not exist.
_MISSING = {ErrorCode.Name(code) for code in (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE)}


def version_of(tracker: Tracker, name: str, alias: str) -> ModelVersion | None:
    """Return the version that an alias names, or None; None also of one that was deleted.

    Raises:
        TextsrError: if the server cannot be asked: a champion that cannot be seen is not absent.
    """
    try:
        return tracker.client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        _require_missing(tracker, error)
        return None


def find_version(tracker: Tracker, name: str, version: str) -> ModelVersion | None:
    """Return a version by its number, or None.

    Raises:
        TextsrError: if the server cannot be asked.
    """
    try:
        return tracker.client.get_model_version(name, version)
    except MlflowException as error:
        _require_missing(tracker, error)
        return None


def aliases_of(tracker: Tracker, name: str) -> dict[str, str]:
    """Return the versions that the aliases of a registered model name, gone or not; by alias.

    Raises:
        TextsrError: if the server cannot be asked.
    """
    try:
        found = tracker.client.get_registered_model(name).aliases
    except MlflowException as error:
        _require_missing(tracker, error)
        return {}
    return {alias: str(version) for alias, version in found.items()}


def _require_missing(tracker: Tracker, error: MlflowException) -> None:
    if error.error_code not in _MISSING:
        raise unreachable(tracker.uri, error) from error


def register_challenger(
    tracker: Tracker, name: str, model_uri: str, run_id: str, description: str
) -> ModelVersion:
    """Register a model as a version with the alias `challenger`.

    A model that is a version already is not registered twice.
    """
    with _alone(tracker):
        _make_registered_model(tracker, name)
        known = [
            version
            for version in tracker.client.search_model_versions(f"name = '{name}'")
            if version.run_id == run_id and version.tags.get("model_uri") == model_uri
        ]
        version = (
            known[0]
            if known
            else tracker.client.create_model_version(
                name,
                model_uri,
                run_id,
                tags={"model_uri": model_uri},
                description=description,
                # A server demands the id beside the address; a store that is a file does not.
                model_id=model_id(model_uri),
            )
        )
        tracker.client.set_registered_model_alias(name, CHALLENGER, version.version)
    return version


def _make_registered_model(tracker: Tracker, name: str) -> None:
    """Make it where it is missing; give it a description where it has none."""
    about = render_page("textsr.registry", "registered_model.md.j2", model=name)
    for found in tracker.client.search_registered_models(f"name = '{name}'"):
        if not found.description:
            tracker.client.update_registered_model(name, about)
        return
    try:
        tracker.client.create_registered_model(name, description=about)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise  # else another machine has made it since it was looked for


def promote(
    tracker: Tracker, name: str, version: ModelVersion, grounds: Grounds | None = None
) -> None:
    """Make a version champion; the champion until now becomes `previous`.

    Args:
        tracker: the tracking server.
        name: of the registered model.
        version: the champion to be.
        grounds: why; None: a person wants it.

    Raises:
        TextsrError: if it was rolled back from.
    """
    with _alone(tracker):
        _settle(tracker, name)
        _promote(tracker, name, version, version_of(tracker, name, CHAMPION), grounds or Grounds())


def promote_over(
    tracker: Tracker,
    name: str,
    version: ModelVersion,
    champion: ModelVersion | None,
    grounds: Grounds,
) -> bool:
    """Make a version champion that was judged against the present one; see `promote`.

    Args:
        tracker: the tracking server.
        name: of the registered model.
        version: the champion to be.
        champion: what it was judged against; None if there was no champion.
        grounds: why.

    Returns:
        Whether it is champion. It is not where another became champion in the meantime: it has to
        be judged against that one.
    """
    with _alone(tracker):
        _settle(tracker, name)
        now = version_of(tracker, name, CHAMPION)
        if _number(now) not in (_number(champion), str(version.version)):
            return False
        _promote(tracker, name, version, now, grounds)
    return True


def _promote(
    tracker: Tracker,
    name: str,
    version: ModelVersion,
    champion: ModelVersion | None,
    grounds: Grounds,
) -> None:
    number = str(version.version)
    if why := rolled_back(tracker, name, number):
        raise TextsrError(f"{name}: {why}")
    if _number(champion) == number:
        return
    record_decision(tracker, version, "promoted", champion, grounds)
    # What was rolled back from is nowhere to go back to; without a champion, none is replaced.
    keep = champion is None or ROLLED_BACK in champion.tags
    _move(tracker, name, number, None if keep else _number(champion), champion)


def _number(version: ModelVersion | None) -> str | None:
    return None if version is None else str(version.version)


def rolled_back(tracker: Tracker, name: str, version: str) -> str | None:
    """Return a sentence about when a version was rolled back from; None if it was not."""
    found = find_version(tracker, name, version)
    if found is None or ROLLED_BACK not in found.tags:
        return None
    return (
        f"version {version} was rolled back from ({found.tags[ROLLED_BACK]}); "
        f"`textsr rollback --to {version}` makes it {CHAMPION} all the same"
    )


def roll_back(
    tracker: Tracker,
    name: str,
    to: str | None = None,
    asked: datetime | None = None,
    reason: str | None = None,
) -> str:
    """Make another version champion, and mark the one that was as rolled back from.

    The mark keeps a bare rollback, or the gate, from returning to it. Afterwards no version is
    `previous`: how far back to go from there is for a person to say.

    Args:
        tracker: the tracking server.
        name: of the registered model.
        to: the version; None for `previous`.
        asked: when the rollback was asked for. A champion that is newer, by more than clocks may
            differ, is not what was meant.
        reason: why, for the record.

    Returns:
        A sentence about what was done.

    Raises:
        TextsrError: if there is no such version, or none to go back to.
    """
    with _alone(tracker):
        settled = _settle(tracker, name)
        champion = version_of(tracker, name, CHAMPION)
        now = _number(champion)
        if to is None and settled == _NONE:
            return f"{name}: {CHAMPION} is version {now}; a rollback that was cut off is finished"
        version = _target(tracker, name, champion, to, asked)
        target = str(version.version)
        if champion is not None and now != target:
            record_decision(tracker, champion, "rolled back from", champion, Grounds(reason=reason))
            mark = f"to version {target}, {_now():%Y-%m-%d %H:%M:%S} UTC"
            tracker.client.set_model_version_tag(name, str(now), ROLLED_BACK, mark)
        tracker.client.delete_model_version_tag(name, target, ROLLED_BACK)
        if now == target:
            return f"{name}: {CHAMPION} is version {target} already"
        record_decision(tracker, version, "rolled back to", champion, Grounds(reason=reason))
        _move(tracker, name, target, _NONE, champion)
    said = f"{name}: {CHAMPION} is version {target}"
    return said if now is None else f"{said}; only `textsr rollback --to {now}` returns to {now}"


def put_back(
    tracker: Tracker, name: str, version: str, before: str | None, reason: str | None = None
) -> str | None:
    """Take `champion` from a version that does not work, and give it to the champion before it.

    Does nothing where another version is champion by now. With no champion before it, none is left.

    Args:
        tracker: the tracking server.
        name: of the registered model.
        version: what does not work.
        before: the champion before it, if there was one.
        reason: what the smoke test found.

    Returns:
        The version that is champion now, if any.
    """
    with _alone(tracker):
        _settle(tracker, name)
        champion = version_of(tracker, name, CHAMPION)
        if champion is None or str(champion.version) != version:
            return None if champion is None else str(champion.version)
        grounds = Grounds(by=THE_SMOKE_TEST, reason=reason)
        record_decision(tracker, champion, "failed", champion, grounds)
        back = None if before in (None, version) else find_version(tracker, name, str(before))
        if back is None:
            tracker.client.delete_registered_model_alias(name, CHAMPION)
            return None
        record_decision(tracker, back, "rolled back to", champion, grounds)
        _move(tracker, name, str(back.version), _NONE, champion)
    return before


def finish_interrupted(tracker: Tracker, name: str) -> None:
    """Finish a change of aliases that was cut off, if one was."""
    with _alone(tracker):
        _settle(tracker, name)


def _target(
    tracker: Tracker,
    name: str,
    champion: ModelVersion | None,
    to: str | None,
    asked: datetime | None,
) -> ModelVersion:
    """Return the version to roll back to, which is there."""
    if to is not None:
        found = find_version(tracker, name, to)
        if found is None:
            raise TextsrError(f"{name}: no version {to}; {_choice(tracker, name)}")
        return found
    since = None if champion is None else champion.tags.get(_SINCE)
    if champion is not None and since and asked and datetime.fromisoformat(since) > asked + _SKEW:
        raise TextsrError(
            f"{name}: nothing was changed: version {champion.version} became {CHAMPION} only after "
            f"this rollback was asked for; to leave it too, {_choice(tracker, name)}"
        )
    previous = version_of(tracker, name, PREVIOUS)
    if previous is None or (champion is not None and previous.version == champion.version):
        raise TextsrError(
            f"{name}: nothing to roll back to, no other version is {PREVIOUS}; "
            f"{_choice(tracker, name)}"
        )
    if why := rolled_back(tracker, name, str(previous.version)):
        raise TextsrError(f"{name}: {PREVIOUS}: {why}, or {_choice(tracker, name)}")
    return previous


def _choice(tracker: Tracker, name: str) -> str:
    versions = tracker.client.search_model_versions(f"name = '{name}'")
    if not versions:
        return "it has no versions; `textsr register` makes them"
    numbers = sorted((int(each.version) for each in versions), reverse=True)
    marked = {int(each.version) for each in versions if ROLLED_BACK in each.tags}
    said = ", ".join(f"{n} (rolled back from)" if n in marked else str(n) for n in numbers)
    return f"choose one by `textsr rollback --to VERSION`: {said}"


def _move(
    tracker: Tracker,
    name: str,
    version: str,
    previous: str | None,
    before: ModelVersion | None,
) -> None:
    """Make a version champion, in an order that may be cut off anywhere; see the module.

    Args:
        tracker: the tracking server.
        name: of the registered model.
        version: the champion to be.
        previous: what `previous` becomes; `_NONE` for nothing, None to leave it as it is.
        before: the champion until now.

    Raises:
        TextsrError: if another machine moved `champion`, or deleted the version, at the same time.
    """
    client = tracker.client
    client.set_model_version_tag(name, version, _SINCE, _now().isoformat())
    if previous is None:
        client.delete_model_version_tag(name, version, _PENDING)  # of a change that was cut off
    else:
        client.set_model_version_tag(name, version, _PENDING, previous)
    client.set_registered_model_alias(name, CHAMPION, version)
    _settle(tracker, name)
    # A server has no compare-and-set, and the lock is this machine's.
    found = _number(version_of(tracker, name, CHAMPION))
    if found is None and find_version(tracker, name, version) is not None:
        # Another machine removed it, and meant that of a version that was gone: `_drop_lost`.
        client.set_registered_model_alias(name, CHAMPION, version)
        return
    if found == version:
        return
    if found is not None:
        raise TextsrError(
            f"{name}: another machine made version {found} {CHAMPION} at the same time as this one "
            f"version {version}; look at both, and `textsr rollback --to VERSION`"
        )
    back = None if before is None else find_version(tracker, name, str(before.version))
    if back is not None:
        client.set_registered_model_alias(name, CHAMPION, str(back.version))
    said = "no version" if back is None else f"version {back.version}"
    raise TextsrError(
        f"{name}: version {version} was deleted while it became {CHAMPION}, which is {said} now; "
        "`textsr models` lists what there is"
    )


def _settle(tracker: Tracker, name: str) -> str | None:
    """Let `previous` follow the champion's tag, if it has one; return what the tag said.

    Before that, aliases go that name a version which was deleted as they were set.
    """
    _drop_lost(tracker, name)
    champion = version_of(tracker, name, CHAMPION)
    wanted = None if champion is None else champion.tags.get(_PENDING)
    if champion is None or wanted is None:
        return None
    if wanted == _NONE:
        tracker.client.delete_registered_model_alias(name, PREVIOUS)
    elif find_version(tracker, name, wanted) is not None:
        tracker.client.set_registered_model_alias(name, PREVIOUS, wanted)
    tracker.client.delete_model_version_tag(name, str(champion.version), _PENDING)
    return wanted


def _drop_lost(tracker: Tracker, name: str) -> None:
    """Remove aliases of versions that are not there.

    MLflow removes a version's aliases as it deletes it; one that is set in that moment stays.
    """
    for alias, version in aliases_of(tracker, name).items():
        if alias not in ALIASES or find_version(tracker, name, version) is not None:
            continue
        # Another machine may have moved it since; what it does in the next moment, `_move` mends.
        if aliases_of(tracker, name).get(alias) == version:
            tracker.client.delete_registered_model_alias(name, alias)


@contextmanager
def _alone(tracker: Tracker) -> Iterator[None]:
    """Hold this project's right to change aliases."""
    tracker.registry_lock.parent.mkdir(exist_ok=True)
    try:
        with FileLock(tracker.registry_lock, timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise TextsrError(
            f"{tracker.registry_lock}: held for {_LOCK_SECONDS:.0f} s by another "
            "`textsr register`, `rollback` or `smoke-test`; end it, and try again"
        ) from error
    except OSError as error:
        raise TextsrError(f"{tracker.registry_lock}: {error}; see to its permissions") from error
    except MlflowException as error:
        if error.error_code == ErrorCode.Name(BAD_REQUEST):  # of MLflow's database
            raise TextsrError(
                f"{tracker.uri}: MLflow could not change what it was to ({shorten(str(error))}); "
                "another machine may have changed the same: see `textsr models`, and try again"
            ) from error
        if error.error_code not in _MISSING:
            raise
        raise TextsrError(
            f"{tracker.uri}: deleted while it was to be changed ({error}); `textsr models` lists "
            "what there is"
        ) from error


def _now() -> datetime:
    return datetime.now(UTC)
