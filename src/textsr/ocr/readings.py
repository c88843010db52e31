"""Readings that are kept, so that an image is read once by each version of an engine."""

import hashlib
import json
import sqlite3
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

Reading = str | float
"""A text, or how sure an engine is of one."""

MOST = 1_000_000
"""Readings that a file holds, some 100 MB; the oldest make room for new ones."""

_LOCK_SECONDS = 60.0  # for another process to finish writing; it takes milliseconds
_TABLE = """
CREATE TABLE IF NOT EXISTS readings (
    number INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value TEXT NOT NULL, digest BLOB NOT NULL
)
"""
# What says nothing of the content: the file is locked, may not be written, or the disk is full.
_NOT_DAMAGED = {
    *(sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
    *(sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY),
    *(sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR),
}

_Result = TypeVar("_Result")


class Readings:
    """A file of readings, for several processes at once.

    It is a cache. Where it cannot be used, that is told once, and all goes on without it. Where it
    is damaged, it is removed and begun anew; each reading has a digest of its own, so that a
    damaged file gives no wrong one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._usable = True

    def find(self, keys: Sequence[bytes]) -> dict[bytes, Reading]:
        """Return what is kept of these keys."""

        def look_up(database: sqlite3.Connection) -> dict[bytes, Reading]:
            found = {}
            for key in keys:
                row = database.execute("SELECT value, digest FROM readings WHERE key = ?", [key])
                for value, digest in row:
                    if digest != _digest(key, value):
                        raise sqlite3.DatabaseError("a reading is not as it was written")
                    found[key] = json.loads(value)
            return found

        return self._use(look_up) or {}

    def keep(self, new: Mapping[bytes, Reading]) -> None:
        """Keep readings by their keys, and no more than `MOST` of all."""

        def write(database: sqlite3.Connection) -> None:
            values = ((key, json.dumps(reading)) for key, reading in new.items())
            database.executemany(
                "INSERT OR IGNORE INTO readings (key, value, digest) VALUES (?, ?, ?)",
                ((key, value, _digest(key, value)) for key, value in values),
            )
            database.execute(
                "DELETE FROM readings WHERE number <= (SELECT MAX(number) FROM readings) - ?",
                [MOST],
            )

        self._use(write)

    def _use(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result | None:
        """Do something with the database; return None where it cannot be used."""
        if not self._usable:
            return None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # Opened anew each time: a process that holds a file which another has removed would
            # write the journal of that file beside its successor.
            with closing(sqlite3.connect(self._path, timeout=_LOCK_SECONDS)) as database, database:
                database.execute("PRAGMA synchronous = OFF")  # what a power cut spoils is read anew
                database.execute(_TABLE)
                return work(database)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF in _NOT_DAMAGED:
                self._leave(str(error))
            else:
                self._clear(str(error))
        except OSError as error:
            self._leave(str(error.strerror))
        return None

    def _clear(self, why: str) -> None:
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            self._leave(f"{why}; not to be removed: {error.strerror}")
            return
        _warn(f"{self._path}: damaged ({why}), and removed; lines are read anew")

    def _leave(self, why: str) -> None:
        self._usable = False
        _warn(f"{self._path}: kept readings cannot be used ({why}); lines are read anew")


def _warn(said: str) -> None:
    warnings.warn(said, stacklevel=2)


def _digest(key: bytes, value: str) -> bytes:
    return hashlib.blake2b(key + value.encode(), digest_size=8).digest()
