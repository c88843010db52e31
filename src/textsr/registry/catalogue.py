"""What the registry holds: a row for each version, and all that was decided about one."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from mlflow.entities.model_registry import ModelVersion
from pydantic import BaseModel

from textsr.errors import TextsrError, quote
from textsr.evaluation.statistics import Estimate
from textsr.ocr.engines import known_engines
from textsr.pages import render_page
from textsr.registry.aliases import ALIASES, GATE, ROLLED_BACK, aliases_of, find_version, version_of
from textsr.registry.gate import engines_of
from textsr.registry.records import NOT_RECORDED, read_records, run_tags
from textsr.tracking import Tracker

_GAINS = "textsr.gains"  # tag: value and interval by OCR engine, as JSON
_ADDRESS = "models:/"


class Entry(BaseModel):
    """A version of the registered model."""

    version: str
    aliases: list[str]
    method: str
    """How the leaderboard calls it."""
    gate: str
    """`promoted`, `refused` or `not judged`."""
    rolled_back: str | None
    """To which version and when it was rolled back from, if it was."""
    gains: dict[str, Estimate]
    """In accuracy over bicubic on the test split, by OCR engine; empty where not recorded."""
    data_hash: str
    commit: str
    made: str
    run_id: str


def record_gains(
    tracker: Tracker, version: ModelVersion, over_bicubic: Mapping[str, Estimate]
) -> None:
    """Tag a version with what it gains over bicubic, by OCR engine."""
    gains = {
        engine: [over_bicubic[engine].value, *over_bicubic[engine].interval]
        for engine in engines_of(over_bicubic)
    }
    tracker.client.set_model_version_tag(
        version.name, str(version.version), _GAINS, json.dumps(gains)
    )


def list_versions(tracker: Tracker, name: str) -> list[Entry]:
    """Return all versions of a registered model, the newest first.

    Raises:
        TextsrError: if the server cannot be asked.
    """
    aliases = aliases_of(tracker, name)
    found = tracker.client.search_model_versions(f"name = '{name}'")
    newest_first = sorted(found, key=lambda version: int(version.version), reverse=True)
    return [_entry(tracker, version, aliases) for version in newest_first]


def require_version(tracker: Tracker, name: str, wanted: str) -> ModelVersion:
    """Return the version that is meant.

    Args:
        tracker: the tracking server.
        name: of the registered model.
        wanted: a number, an alias, or an address: `models:/NAME/VERSION`, `models:/NAME@ALIAS`.

    Raises:
        TextsrError: if there is no such version, or the server cannot be asked.
    """
    if wanted.startswith(_ADDRESS):
        for mark in "@/":
            model, found, wanted_here = wanted.removeprefix(_ADDRESS).partition(mark)
            if found:
                name, wanted = model, wanted_here
                break
    look = find_version if wanted.isdecimal() else version_of
    version = look(tracker, name, wanted) if wanted else None
    if version is None:
        known = [entry.version for entry in list_versions(tracker, name)]
        choice = f"choose one of {', '.join(known)}" if known else "`textsr register` makes them"
        raise TextsrError(f"{name}: no version or alias {quote(wanted)}; {choice}")
    return version


def render_versions(name: str, entries: list[Entry]) -> str:
    """Render versions as a table in Markdown."""
    engines = list(dict.fromkeys(engine for entry in entries for engine in entry.gains))
    titles = {key: entry.title for key, entry in known_engines().items()}
    return render_page(
        "textsr.registry",
        "models.md.j2",
        model_name=name,
        entries=entries,
        engines={engine: titles.get(engine, engine) for engine in engines},
    )


def render_version(tracker: Tracker, version: ModelVersion) -> str:
    """Render a version with every decision about it as Markdown."""
    entry = _entry(tracker, version, aliases_of(tracker, version.name))
    titles = {key: engine.title for key, engine in known_engines().items()}
    return render_page(
        "textsr.registry",
        "model.md.j2",
        model_name=version.name,
        entry=entry,
        gains={titles.get(key, key): gain.in_points() for key, gain in entry.gains.items()},
        records=read_records(version),
    )


def versions_as_json(entries: list[Entry]) -> str:
    """Return versions as JSON."""
    return json.dumps([entry.model_dump(mode="json") for entry in entries], indent=2)


def version_as_json(tracker: Tracker, version: ModelVersion) -> str:
    """Return a version with every decision about it as JSON."""
    entry = _entry(tracker, version, aliases_of(tracker, version.name))
    records = [record.model_dump(mode="json") for record in read_records(version)]
    return json.dumps(entry.model_dump(mode="json") | {"decisions": records}, indent=2)


def _entry(tracker: Tracker, version: ModelVersion, aliases: Mapping[str, str]) -> Entry:
    number = str(version.version)
    tags = run_tags(tracker, version)
    made = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    named = [alias for alias, at in aliases.items() if at == number]
    return Entry(
        version=number,
        aliases=sorted(named, key=_rank),
        method=tags.get("mlflow.runName", NOT_RECORDED),
        gate=version.tags.get(GATE, "not judged"),
        rolled_back=version.tags.get(ROLLED_BACK),
        gains={
            engine: Estimate(*numbers)
            for engine, numbers in json.loads(version.tags.get(_GAINS, "{}")).items()
        },
        data_hash=tags.get("data_hash", NOT_RECORDED),
        commit=tags.get("git_commit", NOT_RECORDED),
        made=f"{made:%Y-%m-%d %H:%M} UTC",
        run_id=str(version.run_id),
    )


def _rank(alias: str) -> tuple[bool, str]:
    return alias not in ALIASES, alias
