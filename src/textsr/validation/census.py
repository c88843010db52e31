"""What is known of all rows, of however many: counts, relations, extremes; which to look at.

The recorded columns and digests of the images go into a DuckDB file, which keeps to a fixed memory
and spills to disk, so that a dataset of any size can be asked about.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pandas as pd

from textsr.config.params import KINDS, SPLITS, Split
from textsr.errors import TextsrError
from textsr.parquet import unreadable
from textsr.validation.shards import EFFECTS, Numbers, Shard, list_shards

MOJIBAKE = "[ÃÂ][\u0080-\u00bf\u20ac\u0192\u2020\u2021\u2030\u2122]|[\u0080-\u009f\ufffd]"
"""UTF-8 taken for Latin-1 or Windows-1252: Ã or Â, then what stands for a continuation byte;
control characters; and what decoders put for what they cannot decode."""

_PREFIX = ".census-"
_MEMORY = "512MB"
_THREADS = 2  # each takes its share of the memory
# Of each kind of breach; a dataset that is wrong throughout need not be listed whole.
_NAMED = 500
# Strings that tell rows apart, and how many others a column may have to be shown one of each.
_NAMES_OF_ROWS = ("folder", "sample_id", "text", "text_key", "hr_digest")
_MOST_VALUES = 300

_INSERTED = """
    ? AS folder, CAST(? + file_row_number AS BIGINT) AS number,
    CAST(? + file_row_number AS BIGINT) AS position,
    nullif(text_key(text), '') AS text_key,
    CASE WHEN text = '' THEN NULL ELSE md5(hr.bytes) END AS hr_digest,
    length(text) AS text_length, length(trim(text)) AS text_ink_length,
    abs(ink - ground) AS contrast, inverted <> (ink > ground) AS misinverted,
    split <> folder AS misplaced, "index" - position AS misordered,
    hr_height <> lr_height * scale OR hr_width <> lr_width * scale AS misscaled,
    CASE WHEN length(text) > 1 THEN (hr_width - margin_left_px - margin_right_px)
    / (font_size_px * length(text)) END AS em_advance,
    sample_id <> printf('%s-%07d', folder, "index") AS misnamed,
    regexp_matches(text, ?) AS misread,
    {partial} AS partial_effects,
    * EXCLUDE (hr, lr, file_row_number)
    FROM read_parquet(?, file_row_number = true)""".format(
    partial=" OR ".join(
        f"({first} IS NULL) <> ({other} IS NULL)"
        for first, *others in EFFECTS.values()
        for other in others
    )
)
_OWN = "CASE folder WHEN 'train' THEN in_train WHEN 'val' THEN in_val ELSE in_test END"
_USES = """
    SELECT {column} AS value, count(*) FILTER (folder = 'train') AS in_train,
    count(*) FILTER (folder = 'val') AS in_val, count(*) FILTER (folder = 'test') AS in_test,
    concat_ws('+', CASE WHEN in_train > 0 THEN 'train' END, CASE WHEN in_val > 0 THEN 'val' END,
    CASE WHEN in_test > 0 THEN 'test' END) AS splits
    FROM rows WHERE {column} IS NOT NULL GROUP BY {column}"""
_SHARED = {"text": "text_key", "font_family": "font_family", "hr": "hr_digest"}
"""What no two splits may share, and the column that identifies it."""
# Without a text, a crop of a page may be blank, and equal to others.
_DUPLICATES = ("sample_id", 'folder, "index"', "folder, hr_digest")
"""What no two rows may have in common."""


def text_key(text: str) -> str:
    """Return what makes two strings the same text: case and white space do not count.

    Not imported from synthesis: a check does not take its definition from what it checks.
    """
    return "".join(text.casefold().split())


class Census:
    """All rows of a dataset in a DuckDB file; made by `open_census`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, shards: list[Shard]) -> None:
        self._connection = connection
        self.shards = shards
        self.total = sum(shard.rows for shard in shards)

    def query(self, sql: str) -> pd.DataFrame:
        """Return the result of a query of the table `rows`, which must be small.

        Raises:
            TextsrError: if DuckDB fails, for want of disk above all.
        """
        return self._execute(sql).df()

    def _execute(self, sql: str) -> duckdb.DuckDBPyConnection:
        try:
            return self._connection.execute(sql)
        except duckdb.Error as error:
            raise TextsrError(
                f"the rows cannot be counted ({error}); free disk or memory and try again"
            ) from error

    def counts(self) -> dict[Split, int]:
        """Return the number of rows in the folder of each split."""
        return {split: sum(s.rows for s in self.shards if s.split == split) for split in SPLITS}

    def offenders(self) -> Numbers:
        """Return rows that share with others what is to be unique, or to stay in one split.

        At most a few hundred of each kind of breach.
        """
        queries = [
            f"SELECT number FROM rows JOIN ({_USES.format(column=column)}) ON {column} = value "
            f"WHERE contains(splits, '+') ORDER BY {column}, folder LIMIT {_NAMED}"
            for column in _SHARED.values()
        ] + [
            f"SELECT number FROM rows JOIN (SELECT {columns} FROM rows GROUP BY {columns} "
            f"HAVING count(*) > 1) USING ({columns}) ORDER BY {columns} LIMIT {_NAMED}"
            for columns in _DUPLICATES
        ]
        return self._numbers(*queries)

    def extremes(self) -> Numbers:
        """Return of every column a row of its least value, its greatest, and one without.

        Apart for scanned and other rows of each split, whose ranges differ. NaN counts as the
        greatest. Columns of few strings give a row of each. So an expectation on a recorded
        column's values that holds for these rows holds for all; what has to be decoded or read is
        looked at in the sample alone.
        """
        columns = self.query("DESCRIBE rows").set_index("column_name")["column_type"]
        text = columns.eq("VARCHAR")
        names = {name: f'"{name}"' for name in columns.index if name not in ("number", "position")}
        ends = [f"min(number) FILTER ({name} IS NULL)" for name in names.values()] + [
            f"{end}(number, {names[name]})"
            for name in columns.index[~text].intersection(list(names))
            for end in ("arg_min", "arg_max")
        ]
        found = self.query(f"SELECT {', '.join(ends)} FROM rows GROUP BY folder, scanned")
        extreme = np.unique(found.to_numpy(float, na_value=np.nan))
        extreme = extreme[np.isfinite(extreme)].astype(np.int64)
        strings = columns.index[text].difference(list(_NAMES_OF_ROWS))
        counted = ", ".join(f"count(DISTINCT {names[name]})" for name in strings)
        few = self.query(f"SELECT {counted} FROM rows").iloc[0].to_numpy() <= _MOST_VALUES
        queries = [
            f"SELECT min(number) FROM rows GROUP BY folder, {names[name]}" for name in strings[few]
        ]
        return np.union1d(extreme, self._numbers(*queries))

    def relations(self, numbers: Numbers) -> pd.DataFrame:
        """Return how the given rows, in order, relate to all others.

        Returns:
            `position` in the split; `*_splits`, which names the splits, joined by `+`, that a
            text, a font family or an HR image occurs in; `*_copies`, which counts the rows of the
            row's own split that it occurs in.
        """
        self._connection.register("chosen", pd.DataFrame({"number": numbers}))
        joins = " ".join(
            f"LEFT JOIN ({_USES.format(column=column)}) AS {name} ON {column} = {name}.value"
            for name, column in _SHARED.items()
        )
        values = ", ".join(
            f"{name}.splits AS {name}_splits, {_OWN.replace('in_', f'{name}.in_')} AS {name}_copies"
            for name in _SHARED
        )
        return self.query(
            f"SELECT position, {values} FROM rows JOIN chosen USING (number) {joins} "
            "ORDER BY number"
        )

    def _numbers(self, *queries: str) -> Numbers:
        found = [self._execute(sql).fetchnumpy() for sql in queries]
        arrays = [np.asarray(column, np.int64) for each in found for column in each.values()]
        return np.unique(np.concatenate(arrays)) if arrays else np.array([], np.int64)


def count_rows(census: Census, kinds: Sequence[str] = KINDS) -> pd.DataFrame:
    """Return `rows` for each `folder` (a split's) and `kind`, 0 where there is none of `kinds`."""
    found = census.query("SELECT folder, kind, count(*) AS rows FROM rows GROUP BY folder, kind")
    none = pd.DataFrame([(split, kind, 0) for split in SPLITS for kind in kinds])
    every = pd.concat([found, none.set_axis(["folder", "kind", "rows"], axis=1)])
    return every.groupby(["folder", "kind"], dropna=False)["rows"].sum().reset_index()


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


def remove_leftovers(scratch: Path) -> None:
    """Remove the databases of validations that were killed."""
    for folder in scratch.glob(f"{_PREFIX}*"):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def open_census(
    dataset: Path, scratch: Path, advance: Callable[[int], None] = lambda rows: None
) -> Iterator[Census]:
    """Read all rows of all splits; the database is removed when the block ends.

    Args:
        dataset: folder of `train/`, `val/` and `test/`.
        scratch: existing folder for the database and what it spills.
        advance: called with a number of rows when they are read.

    Raises:
        TextsrError: if shards are missing, or one is not Parquet or not of the schema; the
            message names it.
    """
    shards = list_shards(dataset)
    with (
        TemporaryDirectory(dir=scratch, prefix=_PREFIX) as folder,
        duckdb.connect(
            f"{folder}/rows.duckdb",
            config={
                "memory_limit": _MEMORY,
                "threads": _THREADS,
                "temp_directory": folder,
                "preserve_insertion_order": False,
            },
        ) as connection,
    ):
        _load(connection, shards, advance)
        yield Census(connection, shards)


def _load(
    connection: duckdb.DuckDBPyConnection, shards: list[Shard], advance: Callable[[int], None]
) -> None:
    starts: dict[str, int] = {}
    connection.create_function("text_key", text_key, ["VARCHAR"], "VARCHAR")
    try:
        for number, shard in enumerate(shards):
            begin = "CREATE TABLE rows AS" if number == 0 else "INSERT INTO rows"
            start = starts.setdefault(shard.split, shard.first)
            first = shard.first - start
            values = [shard.split, shard.first, first, MOJIBAKE, str(shard.path)]
            try:
                connection.execute(f"{begin} SELECT {_INSERTED}", values)
            except duckdb.Error as error:
                raise unreadable(shard.path, error) from error
            advance(shard.rows)
    finally:  # the connection and the function hold one another
        connection.remove_function("text_key")
