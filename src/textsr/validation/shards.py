"""The shards of a dataset: their columns, held against the schema, and reads of chosen rows."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from textsr.config.effects import CameraPass, Render
from textsr.config.params import SPLITS, Split
from textsr.config.sections import effect_fields, interval_columns
from textsr.datasets.schema import IMAGE, SCHEMA, shard_paths
from textsr.errors import TextsrError, shorten
from textsr.parquet import readable, remedy

Numbers = npt.NDArray[np.int64]
"""Rows by their number: from 0 through the shards of train, then val, then test."""

RECORDED_COLUMNS = tuple(field.name for field in SCHEMA if field.type != IMAGE)
"""The schema's columns besides the images."""

EFFECTS: dict[str, list[str]] = {
    f"{name}{suffix}": list(interval_columns(effect, name, suffix))
    for section, suffix in ((Render, ""), (CameraPass, "_1"), (CameraPass, "_2"))
    for name, effect in effect_fields(section)
}
"""The columns that record each effect of `synthesis.render` and of the two passes."""

NULLABLE_COLUMNS = frozenset(column for columns in EFFECTS.values() for column in columns)
"""The recorded columns that may be null."""

_BATCH_ROWS = 256


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


def chosen_batches(
    shards: Sequence[Shard], numbers: Numbers, columns: list[str]
) -> Iterator[tuple[Shard, pa.RecordBatch, int, Numbers]]:
    """Yield the batches that hold chosen rows.

    Yields:
        The shard, the batch, the number of its first row, and the places of the chosen rows in it.
    """
    for shard in shards:
        here = numbers[(numbers >= shard.first) & (numbers < shard.first + shard.rows)]
        if not len(here):
            continue
        first = shard.first
        with open_shard(shard.path) as opened:
            for batch in opened.iter_batches(_BATCH_ROWS, columns=columns):
                places = here[(here >= first) & (here < first + len(batch))] - first
                if len(places):
                    yield shard, batch, first, places
                first += len(batch)


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
