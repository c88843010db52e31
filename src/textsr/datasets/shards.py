"""Reading shards."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from textsr.datasets.schema import shard_paths
from textsr.errors import TextsrError
from textsr.images.grey import Image
from textsr.images.reading import MAX_PIXELS
from textsr.parquet import count_rows, readable, remedy, require_columns
from textsr.parquet import read_table as read_shard

_WHERE = "where"  # a row's shard and its number there, for messages


def read_table(folder: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the named columns (all by default) of all shards of one split."""
    return pa.concat_tables(read_shard(path, columns) for path in shard_paths(folder))


def iterate_rows(
    folder: Path, columns: Sequence[str] | None = None, batch_rows: int = 256
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one split in order, holding at most `batch_rows` in memory.

    Each tells in `where` which row of which shard it is.
    """
    for path in shard_paths(folder):
        with readable(path), pq.ParquetFile(path) as shard:
            require_columns(path, shard.schema_arrow, columns or ())
            first = 0
            for batch in shard.iter_batches(batch_rows, columns=columns):
                yield from _placed(batch, path, range(first, first + len(batch)))
                first += len(batch)


def total_rows(folder: Path) -> int:
    """Return how many rows one split has."""
    return sum(map(count_rows, shard_paths(folder)))


def spread_rows(folder: Path, columns: Sequence[str], limit: int) -> Iterator[dict[str, Any]]:
    """Yield at most `limit` rows of one split, at equal distances, with their `sample_id`.

    Each tells in `where` which row of which shard it is.
    """
    paths = shard_paths(folder)
    counts = [count_rows(path) for path in paths]
    total = sum(counts)
    chosen = np.unique(np.linspace(0, max(total - 1, 0), min(limit, total)).round().astype(int))
    first = 0
    for path, count in zip(paths, counts, strict=True):
        rows = chosen[(chosen >= first) & (chosen < first + count)] - first
        if rows.size:
            table = read_shard(path, ["sample_id", *columns])
            with readable(path):
                yield from _placed(table.take(pa.array(rows)), path, rows.tolist())
        first += count


def _placed(
    table: pa.Table | pa.RecordBatch, path: Path, numbers: Sequence[int]
) -> Iterator[dict[str, Any]]:
    for number, row in zip(numbers, table.to_pylist(), strict=True):
        yield row | {_WHERE: row_name(path, number, row.get("sample_id"))}


def row_name(path: Path, number: int, sample_id: str | None = None) -> str:
    """Name a row of a shard, counted from 0, for messages."""
    return f"{path}: row {number}" + (f", {sample_id}" if sample_id else "")


def alphabet_of(folder: Path) -> str:
    """Return every character of one split's texts, sorted."""
    characters: set[str] = set()
    for row in iterate_rows(folder, ["text"]):
        characters.update(row["text"])
    return "".join(sorted(characters))


def decode_row(row: Mapping[str, Any], side: str) -> Image:
    """Decode the image in the column `side` of a row of `iterate_rows` or `spread_rows`.

    Raises:
        TextsrError: if there is none; the message names the shard and the row.
    """
    return decode_grey((row[side] or {}).get("bytes"), f"{row[_WHERE]} ({side})")


def decode_grey(encoded: bytes | pa.Buffer | None, name: str = "image") -> Image:
    """Decode PNG bytes to an HxW uint8 image.

    Raises:
        TextsrError: if the bytes are not a whole PNG of a line; the message names it as `name`.
    """
    raw = np.frombuffer(encoded or b"", np.uint8)
    image = cv2.imdecode(raw, cv2.IMREAD_GRAYSCALE) if _is_plausible(raw.data) else None
    if image is None:
        raise TextsrError(f"{name}: cannot be decoded as an image; {remedy(name)}")
    return np.asarray(image, np.uint8)


def _is_plausible(png: memoryview) -> bool:
    """Tell whether these are a PNG's bytes that ask a decoder for no more room than they should.

    By hand, since lines are read by the thousand a second.
    """
    start = bytes(png[:24])
    width, height = int.from_bytes(start[16:20]), int.from_bytes(start[20:24])
    if not start.startswith(b"\x89PNG\r\n\x1a\n") or width * height > MAX_PIXELS:
        return False
    place = 8
    while place < len(png):
        place += 12 + int.from_bytes(png[place : place + 4])  # a chunk
    return place == len(png)


# Not deflated: Parquet compresses instead, and lines are read many times as fast.
_PNG_OPTIONS = [
    *(cv2.IMWRITE_PNG_COMPRESSION, 0),
    *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE),
]
COMPRESSION = "lz4"
"""Of shards, by Parquet: read twice as fast as with Zstandard, and a sixth larger."""


def encode_png(image: Image) -> bytes:
    """Encode an HxW uint8 image as PNG."""
    ok, encoded = cv2.imencode(".png", image, _PNG_OPTIONS)
    assert ok
    return encoded.tobytes()
