"""Reading shards."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from textsr.datasets.schema import shard_paths
from textsr.errors import TextsrError

Image = npt.NDArray[np.uint8]
"""A grey image, HxW, 0 to 255."""


def read_table(folder: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read the named columns (all by default) of all shards of one split."""
    return pa.concat_tables(
        pq.read_table(path, columns=None if columns is None else list(columns))
        for path in shard_paths(folder)
    )


def iterate_rows(
    folder: Path, columns: Sequence[str] | None = None, batch_rows: int = 256
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one split in order, holding at most `batch_rows` in memory."""
    for path in shard_paths(folder):
        with pq.ParquetFile(path) as shard:
            for batch in shard.iter_batches(batch_rows, columns=columns):
                yield from batch.to_pylist()


def total_rows(folder: Path) -> int:
    """Return how many rows one split has."""
    return sum(pq.read_metadata(path).num_rows for path in shard_paths(folder))


def spread_rows(folder: Path, columns: Sequence[str], limit: int) -> Iterator[dict[str, Any]]:
    """Yield at most `limit` rows of one split, at equal distances, with their `sample_id`."""
    paths = shard_paths(folder)
    counts = [pq.read_metadata(path).num_rows for path in paths]
    total = sum(counts)
    chosen = np.unique(np.linspace(0, max(total - 1, 0), min(limit, total)).round().astype(int))
    first = 0
    for path, count in zip(paths, counts, strict=True):
        rows = chosen[(chosen >= first) & (chosen < first + count)] - first
        if rows.size:
            table = pq.read_table(path, columns=["sample_id", *columns])
            yield from table.take(pa.array(rows)).to_pylist()
        first += count


def alphabet_of(folder: Path) -> str:
    """Return every character of one split's texts, sorted."""
    characters: set[str] = set()
    for row in iterate_rows(folder, ["text"]):
        characters.update(row["text"])
    return "".join(sorted(characters))


def decode_grey(encoded: bytes | pa.Buffer, name: str = "image") -> Image:
    """Decode PNG bytes to an HxW uint8 image.

    Raises:
        TextsrError: if the bytes are not an image; the message names it as `name`.
    """
    raw = np.frombuffer(encoded, np.uint8)
    image = cv2.imdecode(raw, cv2.IMREAD_GRAYSCALE) if raw.size else None
    if image is None:
        raise TextsrError(
            f"{name}: cannot be decoded; remake the dataset (`dvc repro -f synthesize`)"
        )
    return np.asarray(image, np.uint8)


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
