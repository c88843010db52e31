"""Expectations that the dataset is complete and is the one that `params.yaml` describes."""

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column

from textsr.params import SPLITS, Params
from textsr.validation.rules import REMAKE, expect
from textsr.validation.tables import RECORDED_COLUMNS


def table_expectations(params: Params) -> list[Expectation]:
    """Return the expectations on rows, identifiers and the values that all rows share."""
    return [
        *_rows(params),
        *_identity(),
        *(
            expect(
                gxe.ExpectColumnValuesToBeInSet,
                name,
                f"`{name}` is {value} in every row, as in params.yaml ({key}).",
                REMAKE,
                column=name,
                value_set=[value],
            )
            for name, value, key in (
                ("seed", params.synthesis.seed, "synthesis.seed"),
                ("scale", params.synthesis.scale, "synthesis.scale"),
                ("lr_height", params.synthesis.lr_height, "synthesis.lr_height"),
            )
        ),
        *(
            expect(
                gxe.ExpectColumnValuesToNotBeNull,
                f"{name}_present",
                f"`{name}` is never missing and never NaN.",
                REMAKE,
                column=name,
            )
            for name in RECORDED_COLUMNS
        ),
    ]


def _rows(params: Params) -> list[Expectation]:
    expectations: list[Expectation] = []
    for split in SPLITS:
        count = getattr(params.synthesis.samples, split)
        expectations += [
            expect(
                gxe.ExpectTableRowCountToEqual,
                f"{split}_rows",
                f"The {split} split has {count} rows (synthesis.samples.{split}).",
                REMAKE,
                value=count,
                row_condition=Column("folder") == split,
            ),
            expect(
                gxe.ExpectColumnValuesToBeBetween,
                f"{split}_index",
                f"`index` of the {split} split lies within 0 to {count - 1}; being unique and "
                f"{count} in number, none is left out.",
                REMAKE,
                column="index",
                min_value=0,
                max_value=count - 1,
                row_condition=Column("folder") == split,
            ),
        ]
    return expectations


def _identity() -> list[Expectation]:
    return [
        expect(
            gxe.ExpectColumnValuesToBeUnique,
            "sample_id_unique",
            "No two samples share a `sample_id`.",
            REMAKE,
            column="sample_id",
        ),
        expect(
            gxe.ExpectCompoundColumnsToBeUnique,
            "index_unique",
            "No two samples of a split share an `index`.",
            REMAKE,
            column_list=["folder", "index"],
        ),
        expect(
            gxe.ExpectColumnPairValuesToBeEqual,
            "split_is_folder",
            "`split` names the split in whose folder the sample lies.",
            REMAKE,
            column_A="split",
            column_B="folder",
            ignore_row_if="either_value_is_missing",
        ),
    ]
