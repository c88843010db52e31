"""Expectations that the dataset is complete and is the one that `params.yaml` describes."""

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column

from textsr.config.params import SPLITS, Params
from textsr.validation.effect_rules import NULLABLE_COLUMNS
from textsr.validation.rules import REMAKE, expect
from textsr.validation.tables import RECORDED_COLUMNS


def table_expectations(params: Params) -> list[Expectation]:
    """Return the expectations on identifiers and the values that all rows share."""
    return [
        *_indices(params),
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
                f"`{name}` is never missing.",
                REMAKE,
                column=name,
            )
            for name in RECORDED_COLUMNS
            if name not in NULLABLE_COLUMNS
        ),
    ]


def _indices(params: Params) -> list[Expectation]:
    return [
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
        )
        for split in SPLITS
        for count in (getattr(params.synthesis.samples, split),)
    ]


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
            "sample_id_agrees",
            "`sample_id` is made of the split and the `index`.",
            REMAKE,
            column_A="sample_id",
            column_B="expected_id",
            ignore_row_if="either_value_is_missing",
        ),
        expect(
            gxe.ExpectColumnPairValuesToBeEqual,
            "index_in_order",
            "Rows stand in the order of `index`, from 0, through the shards of a split.",
            REMAKE,
            column_A="index",
            column_B="position",
            ignore_row_if="either_value_is_missing",
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
