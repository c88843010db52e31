"""Whether HR lines can be read at all, and say what their rows say: an OCR engine's readings."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from rapidfuzz.distance import Levenshtein

from textsr.config.params import SPLITS
from textsr.datasets.shards import decode_grey, row_name
from textsr.images.grey import Image
from textsr.ocr.scoring import normalise
from textsr.validation.census import Census, divide
from textsr.validation.shards import Numbers, chosen_batches

ReadLines = Callable[[Sequence[Image]], list[str]]
"""Reads grey HxW images of one line each; returns their texts."""

READ_CHARACTERS = 4
"""A shorter reading, letters and digits, is too little to compare transcripts by."""

# Readings of 490 lines were alike to their own text by 0.61 in 98 of 100, and to other lines' by
# 0.33 at most in 99 of 100.
_UNLIKE = 0.5
_OTHERS = 20
_COMPARED = ["reading_similarity", "reading_other_similarity", "reads_as_another"]


def add_readings(
    rows: pd.DataFrame,
    census: Census,
    count: int,
    seed: int,
    read_lines: ReadLines,
    advance: Callable[[int], None] = lambda lines: None,
) -> pd.DataFrame:
    """Have `count` HR lines read, and compare what was read with what the rows say.

    The lines are spread evenly over the splits and within them, chosen by `seed`; images that do
    not decode, and those without a text, are never chosen.

    Returns:
        `rows` with the columns below, missing where a line was not chosen, and the last three where
        the reading has fewer than `READ_CHARACTERS` letters and digits:
        `text_normalised`, `reading_normalised`; `reading_similarity` of the reading to the row's
        own text, 1 less the edit distance over the longer one's length;
        `reading_other_similarity`, the greatest to the texts of the 20 lines read after it; and
        `reads_as_another`, whether the reading is the text of another of `rows` and unlike its own.
    """
    chosen = _choose(rows, count, seed)
    readings: dict[int, str] = {}
    for shard, batch, first, places in chosen_batches(census.shards, chosen, ["hr"]):
        images = pc.struct_field(batch["hr"], "bytes")
        lines = [
            decode_grey(images[p].as_py(), row_name(shard.path, first - shard.first + p))
            for p in places.tolist()
        ]
        for place, text in zip(places.tolist(), read_lines(lines), strict=True):
            readings[first + place] = normalise(text)
        advance(len(lines))
    found = pd.DataFrame({"reading_normalised": pd.Series(readings, dtype="str")})
    found["text_normalised"] = rows.set_index("number")["text"].reindex(found.index).map(normalise)
    texts = set(rows["text"].dropna().map(normalise))
    return rows.join(found.join(_compare(found, texts)), on="number")


def _choose(rows: pd.DataFrame, count: int, seed: int) -> Numbers:
    readable = rows["hr_decodes"].eq(True) & rows["text"].notna() & rows["text"].ne("")
    candidates = {split: rows["number"][readable & (rows["folder"] == split)] for split in SPLITS}
    quotas = divide(count, {split: len(numbers) for split, numbers in candidates.items()})
    chosen = [
        np.random.default_rng([seed, SPLITS.index(split)]).choice(
            candidates[split].to_numpy(np.int64), quotas[split], replace=False
        )
        for split in SPLITS
    ]
    return np.sort(np.concatenate(chosen))


def _compare(found: pd.DataFrame, texts: set[str]) -> pd.DataFrame:
    """Compare each reading that is long enough with its own text and with those of others."""
    imported = found["text_normalised"].tolist()
    compared: dict[int, tuple[float, float, bool]] = {}
    for row, (number, reading) in enumerate(found["reading_normalised"].items()):
        if len(reading) < READ_CHARACTERS:
            continue
        others = [imported[(row + step) % len(imported)] for step in range(1, _OTHERS + 1)]
        near, *away = _similarities(reading, [imported[row], *others])
        compared[int(str(number))] = (near, max(away), near < _UNLIKE and reading in texts)
    return pd.DataFrame.from_dict(compared, orient="index", columns=_COMPARED).reindex(found.index)


def _similarities(reading: str, texts: list[str]) -> list[float]:
    return [Levenshtein.normalized_similarity(reading, text) for text in texts]
