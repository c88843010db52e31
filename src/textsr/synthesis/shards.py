"""Writing a dataset: shards made in parallel, each a pure function of its row numbers.

Several machines make one dataset by making a part of its shards each. A part says what it was made
of; whoever makes the dataset takes over the shards of parts that are made of the same.
"""

import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import pyarrow as pa
import pyarrow.parquet as pq
from joblib import cpu_count

from textsr.config.closure import code_behind
from textsr.config.params import SPLITS, Params, Split
from textsr.datasets.schema import SCHEMA, shard_name
from textsr.datasets.shards import COMPRESSION
from textsr.errors import TextsrError
from textsr.files import fingerprint, replace_file, replace_folder, write_text
from textsr.processes import worker_pool
from textsr.synthesis.sample import Source, load_source, make_samples

_MADE_OF = "made-of"  # file in a part's folder


@dataclass(frozen=True)
class Part:
    """One of `count` shares of a dataset's shards; `number` counts from 1."""

    number: int
    count: int

    @classmethod
    def parse(cls, name: str) -> "Part":
        """Return the part by its name.

        Raises:
            TextsrError: if it is none, such as `3-of-2`.
        """
        match = re.fullmatch(r"(\d+)-of-(\d+)", name)
        part = cls(int(match[1]), int(match[2])) if match else cls(0, 0)
        if not 1 <= part.number <= part.count:
            raise TextsrError(f"part {name!r}: not a part; the first of three is 1-of-3")
        return part

    @property
    def name(self) -> str:
        """What the part's folder is called."""
        return f"{self.number}-of-{self.count}"


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
    rows = list(make_samples(source, task.first, task.last))
    with replace_file(task.path) as temporary:
        # The images are compressed already.
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), temporary, compression=COMPRESSION)
    return len(rows)


def write_dataset(
    params: Params,
    data: Path,
    output: Path,
    progress: Callable[[int], None],
    parts: Path | None = None,
) -> int:
    """Write all splits under `output`, each split whole or not at all.

    Returns how many shards were taken over from parts.

    The bytes do not depend on `compute.processes`, on the order in which shards finish, or on how
    many of them were made before as parts.

    Args:
        params: the whole of params.yaml.
        data: folder of source material.
        output: folder that gets `train/`, `val/` and `test/`.
        progress: called with a number of rows when they are written.
        parts: folder of parts, whose shards are taken over where they are made of the same.
    """
    for split in SPLITS:
        load_source(params, split, data)  # a missing source is refused before work starts
    usable = _usable_parts(parts, _made_of(params, data)) if parts and parts.is_dir() else []
    taken = 0
    for split in SPLITS:
        with replace_folder(output / split) as folder:
            missing = []
            for task in plan_shards(params, split, data, folder):
                if any(_take_over(part, task) for part in usable):
                    progress(task.last - task.first)
                    taken += 1
                else:
                    missing.append(task)
            _write_shards(missing, params, progress)
    return taken


def plan_part(params: Params, data: Path, part: Part, folder: Path) -> list[ShardTask]:
    """Return every `part.count`-th shard of all splits, from the part's number on."""
    tasks = [task for split in SPLITS for task in plan_shards(params, split, data, folder / split)]
    return tasks[part.number - 1 :: part.count]


def count_rows(params: Params, part: Part) -> int:
    """Return how many lines a part has."""
    tasks = plan_part(params, Path(), part, Path())
    return sum(task.last - task.first for task in tasks)


def write_part(
    params: Params, data: Path, parts: Path, part: Part, progress: Callable[[int], None]
) -> Path:
    """Write one part of a dataset, whole or not at all; return its folder under `parts`.

    For the arguments see `write_dataset`.
    """
    for split in SPLITS:
        load_source(params, split, data)
    made_of = _made_of(params, data)
    with replace_folder(parts / part.name) as folder:
        _write_shards(plan_part(params, data, part, folder), params, progress)
        write_text(folder / _MADE_OF, f"{made_of}\n")
    return parts / part.name


def _made_of(params: Params, data: Path) -> str:
    """Return a hash of all that decides a shard's bytes; the same as `part` needs in dvc.yaml."""
    sources = [data / "fonts", data / "corpora"]
    return fingerprint(params.synthesis.model_dump_json(), [*sources, *code_behind(__name__)])


def _usable_parts(parts: Path, made_of: str) -> list[Path]:
    return [
        path.parent
        for path in sorted(parts.glob(f"*/{_MADE_OF}"))
        if path.read_text(encoding="utf-8").strip() == made_of
    ]


def _take_over(part: Path, task: ShardTask) -> bool:
    """Bring a shard of a part into the dataset, if the part has it, whole."""
    source = part / task.split / task.path.name
    try:
        if pq.read_metadata(source).num_rows != task.last - task.first:
            return False
    except (OSError, pa.ArrowException):  # not there, or damaged
        return False
    try:
        os.link(source, task.path)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, task.path)
    return True


def _write_shards(tasks: list[ShardTask], params: Params, progress: Callable[[int], None]) -> None:
    processes = min(params.compute.processes or cpu_count(), len(tasks))
    if processes <= 1:
        for task in tasks:
            progress(write_shard(task))
        return
    with worker_pool(processes) as pool:
        try:
            for future in as_completed([pool.submit(write_shard, task) for task in tasks]):
                progress(future.result())
        finally:  # after a failure, shards not yet begun would be made for nothing
            pool.shutdown(cancel_futures=True)
