"""The table that is validated: one row a sample, with what its images show but without them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from textsr.datasets.schema import IMAGE, SCHEMA
from textsr.validation.census import Census, Numbers
from textsr.validation.effect_rules import effect_faults
from textsr.validation.measure import MEASURED_COLUMNS, measure_pair, size_text
from textsr.validation.shard_checks import Shard, open_shard

RECORDED_COLUMNS = tuple(field.name for field in SCHEMA if field.type != IMAGE)
"""The schema's columns that the table takes over as they are."""

_BATCH_ROWS = 256


def read_samples(
    census: Census, numbers: Numbers, advance: Callable[[int], None] = lambda rows: None
) -> pd.DataFrame:
    """Read and measure samples; at most 256 of them have their images in memory.

    Args:
        census: of the dataset.
        numbers: the rows to read, ascending.
        advance: called with a number of rows when they are measured.

    Returns:
        `RECORDED_COLUMNS`, `measure.MEASURED_COLUMNS`, those of `effect_faults`, `folder` (the
        split whose folder the row lies in), `number`, the columns of `Census.relations` and those
        of `_relate`, rows in the order of the shards.

    Raises:
        TextsrError: if a shard cannot be read; the message names it.
    """
    frames = []
    for shard, batch, first, wanted in chosen_batches(census.shards, numbers, SCHEMA.names):
        frames.append(_frame(batch, wanted).assign(folder=shard.split, number=first + wanted))
        advance(len(wanted))
    if not frames:
        empty = pa.RecordBatch.from_pylist([], SCHEMA)
        frames = [_frame(empty, np.array([], np.int64)).assign(folder=[], number=[])]
    rows = pd.concat(frames, ignore_index=True)
    return _relate(rows.join(census.relations(numbers)))


def chosen_batches(
    shards: list[Shard], numbers: Numbers, columns: list[str]
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


def _frame(batch: pa.RecordBatch, places: Numbers) -> pd.DataFrame:
    hr, lr = (pc.struct_field(batch[name], "bytes").to_pylist() for name in ("hr", "lr"))
    measured: list[dict[str, Any]] = [
        measure_pair(
            hr[place], lr[place], hr[max(place - 1, 0) : place] + hr[place + 1 : place + 2]
        )
        for place in places.tolist()
    ]
    chosen = batch.select(list(RECORDED_COLUMNS)).take(pa.array(places))
    shown = pd.DataFrame(measured, columns=list(MEASURED_COLUMNS))
    recorded: pd.DataFrame = chosen.to_pandas()
    return recorded.join(shown).assign(**effect_faults(chosen))


def _relate(rows: pd.DataFrame) -> pd.DataFrame:
    """Add columns that relate the columns of a row to one another."""
    scale = rows["scale"]
    ink_width = rows["hr_width"] - rows["margin_left_px"] - rows["margin_right_px"]
    # Of one letter, the ink is narrower than its advance by any amount.
    characters = rows["text"].str.len().where(rows["text"].str.len() > 1)
    return rows.assign(
        expected_id=pd.Series(
            [
                f"{split}-{index:07d}" if pd.notna(index) else None
                for split, index in zip(rows["folder"], rows["index"], strict=True)
            ],
            index=rows.index,
            dtype="str",
        ),
        hr_size=_sizes(rows["hr_height"], rows["hr_width"]),
        lr_size=_sizes(rows["lr_height"], rows["lr_width"]),
        hr_size_from_lr=_sizes(rows["lr_height"] * scale, rows["lr_width"] * scale),
        contrast=(rows["ink"] - rows["ground"]).abs(),
        light_ink=rows["ink"] > rows["ground"],
        em_advance=ink_width / (rows["font_size_px"] * characters),
    )


def _sizes(heights: pd.Series, widths: pd.Series) -> pd.Series:
    texts = [
        None if pd.isna(height) or pd.isna(width) else size_text(int(height), int(width))
        for height, width in zip(heights, widths, strict=True)
    ]
    return pd.Series(texts, index=heights.index, dtype="str")
