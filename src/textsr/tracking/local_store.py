"""The local MLflow store, `mlruns/`: whether its database can be used, and where its files lie.

MLflow writes absolute artifact locations into its database. A project that was moved takes the
files along, and the database would look for them where they were.
"""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from textsr.errors import TextsrError
from textsr.files import make_private

DATABASE = "mlflow.db"
_ARTIFACTS = "artifacts"
_LOCK_SECONDS = 30.0  # for a writer to finish; it takes milliseconds
# Where MLflow keeps locations: (table, column).
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
# A condition of SQL: the location is a place, or below it.
_BELOW = "substr({column} || '/', 1, length({place}) + 1) = {place} || '/'"


def artifacts_uri(store: Path) -> str:
    """Return where experiments of a store keep their artifacts, as `file://`."""
    return (store / _ARTIFACTS).as_uri()


def open_store(store: Path) -> None:
    """Make a store's folder; bring its database's artifact locations along if it was moved.

    Args:
        store: its folder, absolute.

    Raises:
        TextsrError: if the database is damaged, locked or cannot be read.
    """
    path = store / DATABASE
    try:
        make_private(store)
        if not path.exists():
            path.touch(mode=0o600)
        if not path.stat().st_size:
            return  # MLflow makes it
        with closing(sqlite3.connect(path, timeout=_LOCK_SECONDS)) as database, database:
            if _left_places(database, store):
                database.execute("BEGIN IMMEDIATE")  # another process may have seen the same
            for was in _left_places(database, store):
                count = _bring_along(database, was, artifacts_uri(store))
                print(  # noqa: T201
                    f"{path}: the store was at {was}; {count} locations in it name "
                    f"{store / _ARTIFACTS} now",
                    file=sys.stderr,
                )
    except (OSError, sqlite3.Error) as error:
        raise unusable(path, error) from error


def unusable(path: Path | str, error: object) -> TextsrError:
    """Return what to raise where MLflow's database cannot be used."""
    if "locked" in str(error):
        return TextsrError(
            f"{path}: {error}: another program has been writing for long; end it (`make status` "
            "tells of servers), and try again"
        )
    return TextsrError(
        f"{path}: MLflow's database cannot be used ({error}); see to its permissions, restore it "
        "as docs/how-to/back-up-and-upgrade.md says, or move it away: stages make runs again, and "
        "registered versions are lost"
    )


def _left_places(database: sqlite3.Connection, store: Path) -> list[str]:
    """Return the artifact locations of stores that this one was before it was moved or copied."""
    tables = database.execute("SELECT name FROM sqlite_master WHERE name = 'experiments'")
    if not tables.fetchone():
        return []
    found = database.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    return [uri for (uri,) in found if uri and _was_left(database, uri, store)]


def _was_left(database: sqlite3.Connection, uri: str, store: Path) -> bool:
    if not uri.startswith("file:") or not uri.endswith(f"/{store.name}/{_ARTIFACTS}"):
        return False  # chosen by hand: TEXTSR_ARTIFACT_ROOT, a bucket
    place = _path(uri)
    if not place.exists():  # moved, or on a disk that is not mounted now
        here, known = artifacts_uri(store), _known_below(database, uri)
        return not known or any(_path(here + each.removeprefix(uri)).exists() for each in known)
    # There: another project's, if this database is a copy of it.
    theirs = place.parent / DATABASE
    return theirs.exists() and not theirs.samefile(store / DATABASE)


def _known_below(database: sqlite3.Connection, place: str) -> list[str]:
    """Return the locations below a place that may have files: all but experiments'."""
    return [
        uri
        for table, column in _LOCATIONS
        if table != "experiments"
        for (uri,) in database.execute(
            f"SELECT {column} FROM {table} WHERE {_BELOW.format(column=column, place='?1')}",
            (place,),
        )
    ]


def _bring_along(database: sqlite3.Connection, was: str, here: str) -> int:
    """Put `here` for `was` in all locations, but where files lie at the old place alone."""

    def is_ours(uri: str) -> bool:
        return _path(here + uri.removeprefix(was)).exists() or not _path(uri).exists()

    database.create_function("is_ours", 1, is_ours)
    count = 0
    for table, column in _LOCATIONS:
        changed = database.execute(
            f"UPDATE {table} SET {column} = ?1 || substr({column}, length(?2) + 1) "
            f"WHERE {_BELOW.format(column=column, place='?2')} AND is_ours({column})",
            (here, was),
        )
        count += changed.rowcount
    return count


def _path(uri: str) -> Path:
    return Path(url2pathname(urlsplit(uri).path))
