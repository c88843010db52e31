"""Writing a dataset: shards made in parallel, each a pure function of its row numbers."""

import os
from collections.abc import Callable
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import pyarrow as pa
import pyarrow.parquet as pq

from textsr.datasets.schema import SCHEMA, shard_name
from textsr.datasets.shards import COMPRESSION
from textsr.files import replace_file, replace_folder
from textsr.params import SPLITS, Params, Split
from textsr.processes import worker_pool
from textsr.synthesis.sample import Source, load_source, make_sample


@dataclass(frozen=True)
class ShardTask:
    """One shard to write: rows `first` to `last` - 1 of a split."""

    params: Params
    split: Split
    data: Path
    path: Path
    first: int
    last: int


def plan_shards(params: Params, split: Split, data: Path, folder: Path) -> list[ShardTask]:
    """Divide a split into shards of `synthesis.shard_rows` rows, the last one shorter."""
    rows: int = getattr(params.synthesis.samples, split)
    starts = range(0, rows, params.synthesis.shard_rows)
    return [
        ShardTask(
            params=params,
            split=split,
            data=data,
            path=folder / shard_name(number, len(starts)),
            first=first,
            last=min(first + params.synthesis.shard_rows, rows),
        )
        for number, first in enumerate(starts)
    ]


@lru_cache(maxsize=len(SPLITS))
def _cached_source(params_json: str, split: Split, data: Path) -> Source:
    return load_source(Params.model_validate_json(params_json), split, data)


def write_shard(task: ShardTask) -> int:
    """Make and write one shard; return its number of rows."""
    cv2.setNumThreads(1)  # the shards are the parallelism
    source = _cached_source(task.params.model_dump_json(), task.split, task.data)
    rows = [make_sample(source, index) for index in range(task.first, task.last)]
    with replace_file(task.path) as temporary:
        # The images are compressed already.
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), temporary, compression=COMPRESSION)
    return len(rows)


def write_dataset(
    params: Params, data: Path, output: Path, progress: Callable[[int], None]
) -> None:
    """Write all splits under `output`, each split whole or not at all.

    The bytes do not depend on `compute.processes` or on the order in which shards finish.

    Args:
        params: the whole of params.yaml.
        data: folder of source material.
        output: folder that gets `train/`, `val/` and `test/`.
        progress: called with a number of rows when they are written.
    """
    for split in SPLITS:
        load_source(params, split, data)  # a missing source is refused before work starts
    for split in SPLITS:
        with replace_folder(output / split) as folder:
            _write_shards(plan_shards(params, split, data, folder), params, progress)


def _write_shards(tasks: list[ShardTask], params: Params, progress: Callable[[int], None]) -> None:
    processes = min(params.compute.processes or os.cpu_count() or 1, len(tasks))
    if processes == 1:
        for task in tasks:
            progress(write_shard(task))
        return
    with worker_pool(processes) as pool:
        try:
            for future in as_completed([pool.submit(write_shard, task) for task in tasks]):
                progress(future.result())
        finally:  # after a failure, shards not yet begun would be made for nothing
            pool.shutdown(cancel_futures=True)
