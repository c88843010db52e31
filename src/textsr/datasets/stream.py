"""An endless shuffled order over shards, with a window of them in memory at a time.

Libraries for streaming shards (WebDataset, MosaicML Streaming, torchdata, Hugging Face's iterable
datasets) shuffle through a buffer, whose content depends on all that was read before: a training
that resumes at step k has to read its way there, or goes on with other batches. Here row k of the
order is a function of the seed and k.
"""

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from textsr.config.streams import Stream
from textsr.datasets.schema import shard_paths
from textsr.datasets.shards import decode_grey, row_name
from textsr.images.grey import Image
from textsr.parquet import count_rows, read_table, readable


class EncodedShard:
    """The encoded images of one shard, decoded when asked for, and plain values of its rows."""

    def __init__(self, path: Path, columns: tuple[str, ...], values: tuple[str, ...]) -> None:
        table = read_table(path, ["sample_id", *columns, *values])
        self._path = path
        with readable(path):  # of texts that are not UTF-8
            self._ids = table.column("sample_id").to_pylist()
            self._values = {name: table.column(name).to_pylist() for name in values}
        self._encoded = {
            name: table.column(name).combine_chunks().field("bytes") for name in columns
        }

    def decode(self, column: str, row: int) -> Image:
        """Decode one image."""
        name = f"{row_name(self._path, row, self._ids[row])} ({column})"
        return decode_grey(self._encoded[column][row].as_buffer(), name)

    def value(self, column: str, row: int) -> Any:
        """Return one plain value."""
        return self._values[column][row]


class StoredLine(NamedTuple):
    """A row of a shard."""

    shard: EncodedShard
    row: int

    def decode(self, column: str) -> Image:
        """Decode one image."""
        return self.shard.decode(column, self.row)

    def value(self, column: str) -> Any:
        """Return one plain value."""
        return self.shard.value(column, self.row)


class ShuffledLines:
    """The lines of one split in an endless order that visits each once an epoch.

    Shards are put into a random order, cut into windows of about `window_rows` rows, and the rows
    of each window shuffled, all anew each epoch. A split of one window is shuffled as a whole.
    Only the shards of one window are in memory.
    """

    def __init__(
        self,
        folder: Path,
        columns: tuple[str, ...] = ("lr", "hr"),
        *,
        window_rows: int,
        seed: int,
        values: tuple[str, ...] = (),
    ) -> None:
        """Stream the images in `columns` and the plain `values` of a split's shards."""
        self._paths = shard_paths(folder)
        self._columns = columns
        self._values = values
        self._counts = [count_rows(path) for path in self._paths]
        self._length: int = sum(self._counts)
        self._window_rows = window_rows
        self._seed = seed
        # A window never holds more shards than there are of the smallest ones in `window_rows`.
        smallest_first = list(accumulate(sorted(count for count in self._counts if count)))
        held = max(bisect_right(smallest_first, window_rows), 1)
        self._shard: Callable[[int], EncodedShard] = lru_cache(maxsize=held)(self._load)
        self._plan = lru_cache(maxsize=2)(self._make_plan)
        self._permutation = lru_cache(maxsize=2)(self._permute)

    def __len__(self) -> int:
        return self._length

    def line(self, position: int) -> StoredLine:
        """Return the line at `position` of the order."""
        shard, row = self.locate(position)
        return StoredLine(self._shard(shard), row)

    def decode(self, column: str, position: int) -> Image:
        """Decode an image of the line at `position` of the order."""
        return self.line(position).decode(column)

    def locate(self, position: int) -> tuple[int, int]:
        """Return the shard, and the row of it, at `position` of the order."""
        epoch, offset = divmod(position, self._length)
        windows, starts = self._plan(epoch)
        number = bisect_right(starts, offset) - 1
        shards, rows = windows[number]
        row = int(self._permutation(epoch, number, rows)[offset - starts[number]])
        for shard in shards:
            if row < self._counts[shard]:
                return shard, row
            row -= self._counts[shard]
        raise AssertionError("a window holds as many rows as its shards")

    def _make_plan(self, epoch: int) -> tuple[list[tuple[list[int], int]], list[int]]:
        """Return the windows of an epoch: their shards, how many rows they hold, their starts."""
        order = list(range(len(self._paths)))
        if self._length > self._window_rows:
            rng = Stream.SHARDS.generator(self._seed, epoch)
            order = rng.permutation(len(order)).tolist()
        windows: list[tuple[list[int], int]] = []
        for shard in order:
            rows = self._counts[shard]
            if windows and windows[-1][1] + rows <= self._window_rows:
                windows[-1] = ([*windows[-1][0], shard], windows[-1][1] + rows)
            elif rows:
                windows.append(([shard], rows))
        return windows, list(accumulate((rows for _, rows in windows), initial=0))

    def _permute(self, epoch: int, window: int, rows: int) -> npt.NDArray[np.int64]:
        return Stream.ORDER.generator(self._seed, epoch, window).permutation(rows)

    def _load(self, shard: int) -> EncodedShard:
        return EncodedShard(self._paths[shard], self._columns, self._values)
