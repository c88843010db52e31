"""How the recorded values of all rows are distributed."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from textsr.datasets.schema import SCHEMA
from textsr.validation.census import Census
from textsr.validation.shards import RECORDED_COLUMNS

_BINS = 24
_PARTS = 100  # of each bin, to find the median by
_MOST_BARS = 30
# What tells rows apart, or is the same in all of them.
_NO_MEASURES = ("sample_id", "split", "index", "seed", "text", "scale", "font_file")


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: how many rows have one, quantiles, and counts in bins of equal width."""

    name: str
    share: float
    least: float
    median: float
    greatest: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Names:
    """A column of few strings, or of true and false: rows by value, the most frequent first."""

    name: str
    share: float
    counts: dict[str, int]


@dataclass(frozen=True)
class Profile:
    """What is told of a dataset: its columns, and rows and texts by split, kind and family."""

    columns: list[Numbers | Names]
    rows: dict[str, int]
    texts: dict[str, int]
    kinds: dict[str, dict[str, int]]
    families: dict[str, dict[str, int]]


def profile_dataset(census: Census) -> Profile:
    """Describe all rows of a dataset."""
    texts = census.query("SELECT folder, count(DISTINCT text_key) AS n FROM rows GROUP BY folder")
    return Profile(
        columns=profile_columns(census),
        rows={str(split): rows for split, rows in census.counts().items()},
        texts=dict(zip(texts["folder"].tolist(), texts["n"].tolist(), strict=True)),
        kinds=_by_split(census, "kind"),
        families=_by_split(census, "font_family"),
    )


def _by_split(census: Census, column: str) -> dict[str, dict[str, int]]:
    """Return rows by value of `column`, then by split."""
    found = census.query(
        f"SELECT {column} AS value, folder, count(*) AS rows FROM rows "
        f"WHERE {column} IS NOT NULL GROUP BY value, folder ORDER BY value"
    )
    counts: dict[str, dict[str, int]] = {}
    for value, split, rows in found.itertuples(index=False):
        counts.setdefault(str(value), {})[str(split)] = int(rows)
    return counts


def profile_columns(census: Census) -> list[Numbers | Names]:
    """Describe every recorded column that says something of how a row was made, in order."""
    return [
        _names(census, name)
        if pa.types.is_string(SCHEMA.field(name).type)
        or pa.types.is_boolean(SCHEMA.field(name).type)
        else _numbers(census, name)
        for name in RECORDED_COLUMNS
        if name not in _NO_MEASURES
    ]


def _numbers(census: Census, name: str) -> Numbers:
    finite = f'isfinite(CAST("{name}" AS DOUBLE))'
    found = census.query(
        f"SELECT count(*) AS known, coalesce(min({name}), 0) AS least, "
        f"coalesce(max({name}), 0) AS greatest FROM rows WHERE {finite}"
    ).iloc[0]
    least, greatest = float(found["least"]), float(found["greatest"])
    parts = _BINS * _PARTS
    width = (greatest - least) / parts or 1.0
    bins = census.query(
        f"SELECT CAST(least(floor(({name} - {least!r}) / {width!r}), {parts - 1}) AS INTEGER) "
        f"AS bin, count(*) AS rows FROM rows WHERE {finite} GROUP BY bin"
    )
    fine = np.zeros(parts, np.int64)
    fine[bins["bin"].to_numpy(int)] = bins["rows"].to_numpy()
    return Numbers(
        name=name,
        share=float(found["known"]) / max(census.total, 1),
        least=least,
        # Exact to a part of a bin. DuckDB's own would hold all values in memory.
        median=least + width * int(np.searchsorted(fine.cumsum(), fine.sum() / 2)),
        greatest=greatest,
        counts=tuple(fine.reshape(_BINS, _PARTS).sum(axis=1).tolist()),
    )


def _names(census: Census, name: str) -> Names:
    found = census.query(
        f"SELECT CAST({name} AS VARCHAR) AS value, count(*) AS rows FROM rows "
        f"WHERE {name} IS NOT NULL GROUP BY value ORDER BY rows DESC, value LIMIT {_MOST_BARS}"
    )
    counts = dict(zip(found["value"].tolist(), map(int, found["rows"].tolist()), strict=True))
    return Names(name, sum(counts.values()) / max(census.total, 1), counts)
