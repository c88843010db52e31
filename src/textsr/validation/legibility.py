"""Whether HR lines can be read at all: what they say against what an OCR engine sees."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textsr.datasets.shards import Image, decode_grey, iterate_rows
from textsr.evaluation.ocr import normalise
from textsr.params import SPLITS, Split

ReadLines = Callable[[Sequence[Image]], list[str]]
"""Reads grey HxW images of one line each; returns their texts."""

_BATCH_LINES = 64


def add_readings(
    rows: pd.DataFrame, dataset: Path, count: int, seed: int, read_lines: ReadLines
) -> pd.DataFrame:
    """Have `count` HR lines read; add `text_normalised` and `reading_normalised`.

    Both are missing where a line was not chosen. The lines are spread evenly over the splits and
    within them, chosen by `seed`; lines that lack a text or do not decode are never chosen.
    """
    readable = rows["hr_decodes"].eq(True) & rows["text"].notna()
    candidates = {split: rows.index[readable & (rows["folder"] == split)] for split in SPLITS}
    chosen = _choose(candidates, count, seed)
    readings: dict[int, str] = {}
    lines = _lines(dataset, rows, chosen)
    while batch := list(islice(lines, _BATCH_LINES)):
        texts = read_lines([image for _, image in batch])
        for (row, _), text in zip(batch, texts, strict=True):
            readings[row] = normalise(text)
    wanted = rows.loc[list(readings), "text"].map(normalise)
    return rows.assign(
        text_normalised=wanted.reindex(rows.index),
        reading_normalised=pd.Series(readings, dtype="str").reindex(rows.index),
    )


def _choose(candidates: Mapping[Split, "pd.Index[Any]"], count: int, seed: int) -> set[int]:
    """Choose `count` rows, as many of each split as of any other where there are enough."""
    chosen: set[int] = set()
    # The smallest first, so that what it lacks is made up for by the larger ones.
    ascending = sorted(candidates, key=lambda split: len(candidates[split]))
    for done, split in enumerate(ascending):
        share = (count - len(chosen)) // (len(ascending) - done)
        rng = np.random.default_rng([seed, SPLITS.index(split)])
        rows = candidates[split]
        chosen.update(rng.choice(rows, min(share, len(rows)), replace=False).tolist())
    return chosen


def _lines(dataset: Path, rows: pd.DataFrame, chosen: set[int]) -> Iterator[tuple[int, Image]]:
    """Yield the chosen rows of the table with their HR images, in order."""
    row = 0
    for split in SPLITS:
        for values in iterate_rows(dataset / split, ["hr"]):
            if row in chosen:
                yield row, decode_grey(values["hr"]["bytes"], str(rows.loc[row, "sample_id"]))
            row += 1
