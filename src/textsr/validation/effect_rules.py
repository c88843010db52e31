"""Expectations on the columns of effects, which are null where an effect was not applied."""

import great_expectations.expectations as gxe
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from great_expectations.expectations.expectation import Expectation

from textsr.config.effects import CameraPass, Render
from textsr.config.sections import effect_fields, interval_columns
from textsr.validation.rules import REMAKE, expect

EFFECTS: dict[str, list[str]] = {
    f"{name}{suffix}": list(interval_columns(effect, name, suffix))
    for section, suffix in ((Render, ""), (CameraPass, "_1"), (CameraPass, "_2"))
    for name, effect in effect_fields(section)
}
"""The columns that record each effect of `synthesis.render` and of the two passes."""

NULLABLE_COLUMNS = frozenset(column for columns in EFFECTS.values() for column in columns)
"""The recorded columns that may be null."""


def effect_expectations() -> list[Expectation]:
    """Return the expectations on the columns of `effect_faults`."""
    return [
        expect(
            gxe.ExpectColumnValuesToBeInSet,
            "not_nan",
            "No number is NaN; null says that an effect was not applied.",
            REMAKE,
            column="nan_columns",
            value_set=["none"],
        ),
        expect(
            gxe.ExpectColumnValuesToBeInSet,
            "effects_whole",
            "The parameters of an effect are recorded all or not at all.",
            REMAKE,
            column="partial_effects",
            value_set=["none"],
        ),
    ]


def effect_faults(batch: pa.RecordBatch) -> dict[str, list[str]]:
    """Name for each row the columns that are NaN, and the effects that are recorded in part.

    Told from Arrow's table, as pandas takes null for NaN.

    Returns:
        `nan_columns` and `partial_effects`, names joined by `, `, or `none`.
    """
    floats = [field.name for field in batch.schema if pa.types.is_floating(field.type)]
    nan = {name: _mask(pc.is_nan(batch[name])) for name in floats}
    partial = {
        effect: np.ptp([_mask(batch[column].is_null()) for column in columns], axis=0)
        for effect, columns in EFFECTS.items()
        if len(columns) > 1
    }
    return {
        "nan_columns": _named(nan, len(batch)),
        "partial_effects": _named(partial, len(batch)),
    }


def _mask(values: pa.Array) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    return np.asarray(values.fill_null(False)).astype(np.uint8)


def _named(masks: dict[str, "np.ndarray[tuple[int], np.dtype[np.uint8]]"], rows: int) -> list[str]:
    found: list[list[str]] = [[] for _ in range(rows)]
    for name, mask in masks.items():
        for row in np.flatnonzero(mask).tolist():
            found[row].append(name)
    return [", ".join(names) or "none" for names in found]
