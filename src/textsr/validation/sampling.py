"""Which rows the suite runs over: all, or a seeded sample of every shard and the odd ones out."""

from dataclasses import dataclass

import numpy as np

from textsr.config.params import SPLITS, Split
from textsr.validation.census import Census, Numbers


@dataclass(frozen=True)
class Choice:
    """The rows to validate, in order, and how they were come by."""

    numbers: Numbers
    scope: str


def choose_rows(census: Census, max_rows: int, seed: int) -> Choice:
    """Choose all rows, or `max_rows` drawn by `seed` where there are more.

    Splits are as large as one another where they have rows enough, and of each split every shard
    gives its part. To the drawn rows come those that offend in a relation to others and those
    with extreme values, so that a single row among millions whose record is wrong is among the
    validated ones. Of images and transcripts, only the drawn ones are looked at.

    Args:
        census: of all rows.
        max_rows: the most to draw; 0 for no limit.
        seed: of the draw.
    """
    if not max_rows or census.total <= max_rows:
        return Choice(np.arange(census.total), f"all {census.total} rows")
    quotas = divide(max_rows, census.counts())
    drawn = [number for split in SPLITS for number in _draw(census, split, quotas[split], seed)]
    odd = np.union1d(census.offenders(), census.extremes())
    return Choice(
        np.union1d(np.array(drawn, np.int64), odd),
        f"a sample of {len(drawn)} of {census.total} rows, with every row that offends in a "
        "relation or holds an extreme value",
    )


def divide(count: int, available: dict[Split, int]) -> dict[Split, int]:
    """Divide `count` evenly; what a split lacks is made up for by the larger ones."""
    quotas: dict[Split, int] = {}
    ascending = sorted(available, key=lambda split: available[split])
    for done, split in enumerate(ascending):
        share = (count - sum(quotas.values())) // (len(ascending) - done)
        quotas[split] = min(share, available[split])
    return quotas


def _draw(census: Census, split: Split, quota: int, seed: int) -> list[int]:
    """Draw `quota` rows of a split, of each shard in proportion to its rows."""
    shards = [shard for shard in census.shards if shard.split == split]
    total = sum(shard.rows for shard in shards)
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    drawn: list[int] = []
    seen = 0
    for shard in shards:
        seen += shard.rows
        count = quota * seen // total - len(drawn)
        chosen = rng.choice(shard.rows, min(count, shard.rows), replace=False)
        drawn += (shard.first + chosen).tolist()
    return drawn
