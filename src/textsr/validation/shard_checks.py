"""The shards of a dataset, held against the schema, and what to say of one that is not readable."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from textsr.config.params import SPLITS, Split
from textsr.datasets.schema import SCHEMA, shard_paths
from textsr.errors import TextsrError, shorten
from textsr.parquet import readable, remedy


@dataclass(frozen=True)
class Shard:
    """A shard whose rows are numbered from `first`."""

    path: Path
    split: Split
    first: int
    rows: int


@contextmanager
def open_shard(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a shard to be read in batches, without holding its row groups in memory.

    Raises:
        TextsrError: if the file is not Parquet or not of the schema, or if reading it in the
            block fails; the message names it.
    """
    with readable(path), pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16) as shard:
        _check_schema(path, shard.schema_arrow)
        yield shard


def list_shards(dataset: Path) -> list[Shard]:
    """Return the shards of all splits, each held against the schema by its footer."""
    shards: list[Shard] = []
    first = 0
    for split in SPLITS:
        for path in shard_paths(dataset / split):
            with open_shard(path) as shard:
                rows = shard.metadata.num_rows
            shards.append(Shard(path, split, first, rows))
            first += rows
    return shards


def _check_schema(path: Path, found: pa.Schema) -> None:
    problems = [f"column {name} is missing" for name in SCHEMA.names if name not in found.names]
    problems += [
        f"column {name} is not in the schema" for name in found.names if name not in SCHEMA.names
    ]
    problems += [
        f"column {field.name} is {found.field(field.name).type}, not {field.type}"
        for field in SCHEMA
        if field.name in found.names and found.field(field.name).type != field.type
    ]
    if problems:
        raise TextsrError(f"{path}: {shorten('; '.join(problems))}; {remedy(path)}")
