"""Lines held decoded in the memory of the device that trains.

A GPU trains on lines several times as fast as processors decode them. Decoded once and kept beside
the network, they cost a step a few kernels. The order stays a function of the seed and the step.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from textsr.compute import free_memory
from textsr.config.streams import Stream
from textsr.datasets.pairs import WIDTH_STEP, Batch, extend
from textsr.datasets.schema import shard_paths
from textsr.datasets.stream import EncodedShard
from textsr.errors import TextsrError
from textsr.parquet import read_table

_THREADS = 4
_SPARE = 0.5  # of the free memory, for what training itself needs


@dataclass(frozen=True)
class _Drawer:
    """Lines of like width: (N, h, w) and (N, h * scale, w * scale), 0 to 255."""

    lr: Tensor
    hr: Tensor
    texts: list[str]
    widths: list[int]


class CachedBatches:
    """Whole lines of like width, half of them with ink and ground exchanged.

    What `textsr.datasets.pairs.PairBatches` makes, of the synthetic lines alone. Lines are sorted
    into drawers by width; in an epoch each drawer is shuffled and cut into batches, and the batches
    of all drawers are shuffled. What is left over of a drawer, less than a batch, sits the epoch
    out: other lines in each.
    """

    def __init__(
        self, folder: Path, *, batch_size: int, scale: int, seed: int, max_shift: int = 0
    ) -> None:
        """Plan the drawers; the lines are decoded when the first batch is asked for.

        Args:
            folder: shards of a split, all of one height.
            batch_size: lines a batch.
            scale: HR pixels per LR pixel.
            seed: of the order and of what is drawn beside it.
            max_shift: LR pixels by which a line is moved up or down, at most; its first or last
                row fills the gap.

        Raises:
            TextsrError: if the split has less than one batch.
        """
        self._folder = folder
        self._batch_size = batch_size
        self._scale = scale
        self._seed = seed
        self._max_shift = max_shift
        self._widths = [
            read_table(path, ["lr_width"]).column(0).to_numpy() for path in shard_paths(folder)
        ]
        # Of each drawer, the width of its widest lines.
        self._limits = _limits(np.concatenate(self._widths), batch_size)
        if not self._limits:
            raise TextsrError(
                f"{folder}: fewer lines than training.batch_size {batch_size}; lower it, or set "
                "training.cache_in_memory to false"
            )
        counts = np.bincount(
            np.searchsorted(self._limits, np.concatenate(self._widths)), minlength=len(self._limits)
        )
        self._counts: list[int] = counts.tolist()
        self._plan = lru_cache(maxsize=1)(self._make_plan)
        self._drawers = lru_cache(maxsize=1)(self._load)

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step, on the device that trains.

        Raises:
            TextsrError: at first, if the lines do not fit into its memory or cannot be decoded.
        """
        number, rows = self._rows(step)
        drawer = self._drawers()[number]
        rng = Stream.BATCH.generator(self._seed, step)
        shifts = rng.integers(-self._max_shift, self._max_shift + 1, len(rows))
        inverted = rng.random(len(rows)) < 0.5
        device = drawer.lr.device
        chosen = torch.from_numpy(rows).to(device)
        mask = torch.from_numpy(np.where(inverted, 255, 0).astype(np.uint8)).to(device)

        def take(lines: Tensor, factor: int) -> Tensor:
            height = lines.shape[1]
            moved = np.arange(height) - (shifts * factor)[:, None]
            from_rows = torch.from_numpy(moved.clip(0, height - 1)).to(device)
            taken = lines[chosen[:, None], from_rows] ^ mask[:, None, None]
            return taken[:, None].float().div_(255)

        return Batch(
            take(drawer.lr, 1),
            take(drawer.hr, self._scale),
            tuple(drawer.texts[row] for row in rows),
            tuple(drawer.widths[row] for row in rows),
        )

    def _rows(self, step: int) -> tuple[int, npt.NDArray[np.int64]]:
        """Return which drawer the batch of a step comes from, and which of its lines."""
        epoch, offset = divmod(step, sum(count // self._batch_size for count in self._counts))
        orders, batches = self._plan(epoch)
        number, first = batches[offset]
        return number, orders[number][first : first + self._batch_size]

    def _make_plan(self, epoch: int) -> tuple[list[npt.NDArray[np.int64]], list[tuple[int, int]]]:
        rng = Stream.ORDER.generator(self._seed, epoch)
        orders = [rng.permutation(count) for count in self._counts]
        batches = [
            (number, first)
            for number, count in enumerate(self._counts)
            for first in range(0, count - self._batch_size + 1, self._batch_size)
        ]
        return orders, [batches[turn] for turn in rng.permutation(len(batches)).tolist()]

    def _load(self) -> list[_Drawer]:
        """Decode all lines."""
        device = _device()
        paths = shard_paths(self._folder)
        height = EncodedShard(paths[0], ("lr",), ()).decode("lr", 0).shape[0]
        self._require_memory(height, device)
        drawers = [self._empty_drawer(number, height) for number in range(len(self._limits))]
        filled = [0] * len(self._limits)
        places: list[list[tuple[int, int]]] = []  # of each line, its drawer and row there
        for widths in self._widths:
            places.append([])
            for number in np.searchsorted(self._limits, widths).tolist():
                places[-1].append((number, filled[number]))
                filled[number] += 1

        def fill(path: Path, places: Sequence[tuple[int, int]]) -> None:
            shard = EncodedShard(path, ("lr", "hr"), ("text",))
            for row, (number, place) in enumerate(places):
                drawer = drawers[number]
                lr, hr = shard.decode("lr", row), shard.decode("hr", row)
                drawer.lr.numpy()[place] = extend(lr, drawer.lr.shape[2])
                drawer.hr.numpy()[place] = extend(hr, drawer.hr.shape[2])
                drawer.texts[place] = shard.value("text", row) or ""
                drawer.widths[place] = lr.shape[1]

        # More would wait for the interpreter, which every line needs for a moment.
        with ThreadPoolExecutor(_THREADS) as pool:
            list(pool.map(fill, paths, places))
        return [
            _Drawer(drawer.lr.to(device), drawer.hr.to(device), drawer.texts, drawer.widths)
            for drawer in drawers
        ]

    def _empty_drawer(self, number: int, height: int) -> _Drawer:
        count, width, scale = self._counts[number], self._limits[number], self._scale
        return _Drawer(
            torch.empty((count, height, width), dtype=torch.uint8),
            torch.empty((count, height * scale, width * scale), dtype=torch.uint8),
            [""] * count,
            [0] * count,
        )

    def _require_memory(self, height: int, device: torch.device) -> None:
        pixels = sum(c * w for c, w in zip(self._counts, self._limits, strict=True)) * height
        needed = pixels * (1 + self._scale**2)
        # Decoded on the host, whatever trains; room for training is needed where it takes place.
        spare = {"the host": _SPARE}
        free = {"the host": free_memory()}
        if device.type == "cuda":
            spare = {"the host": 0.0, "the GPU": _SPARE}
            free["the GPU"] = torch.cuda.mem_get_info(device)[0]
        for place, bytes_free in free.items():
            if needed > bytes_free * (1 - spare[place]):
                raise TextsrError(
                    f"training.cache_in_memory: {self._folder} needs {needed / 1e9:.1f} GB of "
                    f"{place}'s memory, of which {bytes_free / 1e9:.1f} GB are free, "
                    f"{spare[place]:.0%} of them for training; set it to false, or draw fewer "
                    "lines (samples.train)"
                )


def _limits(widths: npt.NDArray[np.int64], batch_size: int) -> list[int]:
    """Return the drawers' widths: multiples of `WIDTH_STEP`, each drawer with a batch or more."""
    rounded = -(-widths // WIDTH_STEP) * WIDTH_STEP
    limits: list[int] = []
    waiting = 0
    for width, count in zip(*np.unique(rounded, return_counts=True), strict=True):
        waiting += int(count)
        if waiting >= batch_size:
            limits.append(int(width))
            waiting = 0
    if waiting and limits:  # too few of the widest: they join those before them
        limits[-1] = int(rounded.max())
    return limits


def _device() -> torch.device:
    """Return where the trainer has put this process: Lightning sets it before the first batch."""
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
