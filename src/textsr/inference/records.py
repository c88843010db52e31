"""What the results of a folder were made of, so that a batch that is begun again does the rest."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote_from_bytes

from pydantic import BaseModel, ValidationError

from textsr import __version__
from textsr.files import fingerprint, replace_file
from textsr.inference.planning import Job

NAME = ".textsr.jsonl"
"""The file, in the folder of results: an object a line, the last of each result being valid."""


def made_by(model: Path, options: Mapping[str, str | float | bool | None]) -> str:
    """Return what tells results of one model and options, by this version, from those of others.

    Args:
        model: its folder or file.
        options: by name, all that results depend on.
    """
    return fingerprint(json.dumps({"textsr": __version__, **options}, sort_keys=True), [model])


class Record(BaseModel):
    """A line of the file."""

    result: str
    """The result's path below the folder, with slashes, quoted as in URLs: names may be no text."""
    result_hash: str
    """Of the result's file: what has been changed since is not up to date."""
    source_hash: str
    """Of the image's file, wherever it lay."""
    made_by: str
    """Of the model and the options."""


class Records:
    """The records of a folder.

    A result's record is removed before the result is replaced and written after it, so that a batch
    may be killed at any time: a result without a record is made anew. Threads may share it; two
    batches that write the same results at once are not told apart.
    """

    def __init__(self, folder: Path, made_by: str) -> None:
        """Read the records of a folder, where there are any.

        Args:
            folder: of the results.
            made_by: as the function `made_by` returns it.
        """
        self._folder = folder
        self._made_by = made_by
        self._known = _read(folder / NAME)
        self._sources: dict[Job, str] = {}
        self._lock = threading.Lock()
        self._file: int | None = None

    def is_current(self, job: Job) -> bool:
        """Whether a result is there, as it was made, of this very image, model and options."""
        record = self._known.get(self._name(job))
        if record is None or record.made_by != self._made_by:
            return False
        if job.comparison is not None and not job.comparison.is_file():
            return False
        hashes = (record.result_hash, record.source_hash)
        try:
            return hashes == (_hash(job.result), _hash(job.source))
        except OSError:  # reading the image will say what is wrong
            return False

    @contextmanager
    def noting(self, jobs: Sequence[Job]) -> Iterator[None]:
        """Forget the results that are to be made anew; within the block, note those that are.

        Raises:
            OSError: if the folder cannot be written to.
        """
        for job in jobs:
            self._known.pop(self._name(job), None)
        path = self._folder / NAME
        with replace_file(path) as temporary:
            temporary.write_bytes(b"".join(map(_line, self._known.values())))
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
        try:
            yield
        finally:
            file, self._file = self._file, None
            os.close(file)

    def begin(self, job: Job) -> None:
        """Look at an image before it is read: what it becomes meanwhile is not what is upscaled."""
        with suppress(OSError):  # reading the image will say what is wrong
            self._sources[job] = _hash(job.source)

    def finish(self, job: Job) -> None:
        """Note a result that has been written.

        Raises:
            OSError: if it cannot be read, or its record cannot be written.
        """
        source_hash = self._sources.pop(job, None)
        if source_hash is None or self._file is None:
            return
        record = Record(
            result=self._name(job),
            result_hash=_hash(job.result),
            source_hash=source_hash,
            made_by=self._made_by,
        )
        with self._lock:
            os.write(self._file, _line(record))

    def _name(self, job: Job) -> str:
        return quote_from_bytes(os.fsencode(job.result.relative_to(self._folder)))


def _read(path: Path) -> dict[str, Record]:
    """Return the records by name; none where there is no file, or it cannot be read."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return {}
    records: dict[str, Record] = {}
    for line in lines:
        try:
            record = Record.model_validate_json(line)
        except ValidationError:  # cut off, or another program's
            continue
        records[record.result] = record
    return records


def _line(record: Record) -> bytes:
    return record.model_dump_json().encode() + b"\n"


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
