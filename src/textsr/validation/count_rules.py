"""Expectations on how many rows there are, counted over all of them."""

import math

import great_expectations.expectations as gxe
import pandas as pd
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column

from textsr.config.params import KINDS, SPLITS, Params
from textsr.validation.census import Census
from textsr.validation.rules import REMAKE, expect

# In a small split chance alone can leave out a rare kind.
_DEVIATIONS = 4
# Kinds miss their share where long texts are drawn anew.
_BIAS = 0.4


def count_rows(census: Census) -> pd.DataFrame:
    """Return `rows` for each `folder` (a split's) and `kind` of text, 0 where there is none."""
    found = census.query("SELECT folder, kind, count(*) AS rows FROM rows GROUP BY folder, kind")
    none = pd.DataFrame([(split, kind, 0) for split in SPLITS for kind in KINDS])
    every = pd.concat([found, none.set_axis(["folder", "kind", "rows"], axis=1)])
    return every.groupby(["folder", "kind"], dropna=False)["rows"].sum().reset_index()


def count_expectations(params: Params) -> list[Expectation]:
    """Return the expectations on the table of `count_rows`."""
    return [*_splits(params), *_kinds(params)]


def _splits(params: Params) -> list[Expectation]:
    return [
        expect(
            gxe.ExpectColumnSumToBeBetween,
            f"{split}_rows",
            f"The {split} split has {count} rows (synthesis.samples.{split}).",
            REMAKE,
            column="rows",
            min_value=count,
            max_value=count,
            row_condition=Column("folder") == split,
        )
        for split in SPLITS
        for count in (getattr(params.synthesis.samples, split),)
    ]


def _kinds(params: Params) -> list[Expectation]:
    """Expect each kind in each split; not `custom`, which is absent without text of the user's."""
    weights = params.synthesis.text.kinds
    share = params.validation.min_kind_share
    total = sum(weights.values())
    others = total - weights.get("custom", 0)
    return [
        _kind(split, kind, (weights[kind] / total, weights[kind] / others), rows, share)
        for split in SPLITS
        for rows in (getattr(params.synthesis.samples, split),)
        for kind in weights
        if weights[kind] > 0 and kind != "custom"
    ]


def _kind(
    split: str, kind: str, drawn: tuple[float, float], rows: int, share: float
) -> Expectation:
    """Expect rows of a kind as far as chance allows.

    It is drawn with the first probability, or with the second where `custom` has no text.
    """
    seldom, often = drawn

    def deviations(drawn: float) -> float:
        return _DEVIATIONS * math.sqrt(rows * drawn * (1 - drawn))

    least = math.ceil(share * rows)
    if rows * seldom - deviations(seldom) < least:
        least = 0
    most = math.ceil((1 + _BIAS) * rows * often + deviations(often))
    return expect(
        gxe.ExpectColumnSumToBeBetween,
        f"{split}_{kind}_share",
        f"The {split} split has {least} to {most} rows of kind `{kind}` "
        "(synthesis.text.kinds, validation.min_kind_share).",
        "Change its share in synthesis.text.kinds, or lower validation.min_kind_share.",
        column="rows",
        min_value=least,
        max_value=most,
        row_condition=(Column("folder") == split) & (Column("kind") == kind),
    )
