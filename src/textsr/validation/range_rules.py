"""Expectations that every recorded parameter lies within its range in `params.yaml`."""

from collections.abc import Iterator
from dataclasses import dataclass

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column, Condition

from textsr.config.effects import CameraPass, Render
from textsr.config.params import Synthesis
from textsr.config.sections import Section, effect_fields, interval_columns
from textsr.validation.rules import GENERATOR, expect

# Ranges are compared with a slack for rounding in floating point.
_SLACK = 1e-6
# Sizes are whole pixels, so a ratio of sizes misses the drawn one by up to half a pixel.
_SIZE_SLACK = 0.05
_PARAMS_SCALE = 4  # the scale at which params.yaml states lengths
# The share of rows that an effect was applied to misses its probability by chance, and because
# lines that come out too wide are drawn anew: wide letters are more often among those.
_SHARE_DEVIATIONS = 5
_SHARE_BIAS = 0.3
_FEW_ROWS = 20


def range_expectations(synthesis: Synthesis, rows: int) -> list[Expectation]:
    """Return the expectations of every recorded parameter.

    Args:
        synthesis: the section of params.yaml that the dataset was made by.
        rows: how many rows the expectations will see.
    """
    render, degradation = synthesis.render, synthesis.degradation
    scans = int(rows * _share_of_scans(synthesis))
    of_scans, of_others = (Column("scanned") == scanned for scanned in (True, False))
    return [
        *_line(render, synthesis.scale / _PARAMS_SCALE),
        *_effects(_Source("synthesis.render"), render, rows),
        *_pass(_Source("synthesis.degradation.first", "_1", of_others), degradation.first, rows),
        *_pass(
            _Source("synthesis.degradation.scan", "_1", of_scans, "scan_"), degradation.scan, scans
        ),
        *_pass(_Source("synthesis.degradation.second", "_2"), degradation.second, rows),
        _first_size(degradation.first_size, synthesis.scale),
    ]


def _line(render: Render, unit: float) -> list[Expectation]:
    # Margins and font sizes are whole pixels, rounded down.
    margin = (int(render.margin_px[0] * unit), render.margin_px[1] * unit)
    # `font_height_px` is ascent plus descent, which is 0.7 to 2 times the em in known fonts, and
    # long or tall text is drawn smaller.
    font = (render.font_height_px[0] * unit / 4, render.font_height_px[1] * unit * 1.5)
    return [
        _within("contrast", render.contrast_levels, "synthesis.render.contrast_levels"),
        _within("ink", (0, 255), "grey levels"),
        _within("ground", (0, 255), "grey levels"),
        _within("margin_left_px", margin, f"synthesis.render.margin_px times {unit:g}"),
        _within("margin_right_px", margin, f"synthesis.render.margin_px times {unit:g}"),
        _within("font_size_px", font, "loosely, synthesis.render.font_height_px"),
        expect(
            gxe.ExpectColumnPairValuesToBeEqual,
            "inverted",
            "A line is marked `inverted` exactly where its ink is lighter than its ground.",
            GENERATOR,
            column_A="inverted",
            column_B="light_ink",
            ignore_row_if="either_value_is_missing",
        ),
    ]


@dataclass(frozen=True)
class _Source:
    """A section of params.yaml, the suffix of its columns, which rows it made, and a prefix that
    tells its expectations from those of another section on the same columns."""

    key: str
    suffix: str = ""
    made: Condition | None = None
    prefix: str = ""


def _share_of_scans(synthesis: Synthesis) -> float:
    """Return the least share of rows that are scanned: dark ink on paper exposed to white."""
    render = synthesis.render
    white = render.clipping.probability * (1 - render.inverted)
    # Shadows, stains and the like leave some of the paper grey.
    return synthesis.degradation.scanned * white / 2


def _pass(source: _Source, params: CameraPass, rows: int) -> Iterator[Expectation]:
    yield from _effects(source, params, rows)
    used = sorted(name for name, share in params.kernels.items() if share > 0)
    column = f"kernel{source.suffix}"
    yield expect(
        gxe.ExpectColumnValuesToBeInSet,
        f"{source.prefix}{column}_known",
        f"`{column}` is one with a share in {source.key}.kernels: {', '.join(used)}.",
        GENERATOR,
        column=column,
        value_set=used,
        row_condition=source.made,
    )


def _effects(source: _Source, section: Section, rows: int) -> Iterator[Expectation]:
    for name, kind in effect_fields(type(section)):
        effect = getattr(section, name)
        for column, interval in interval_columns(kind, name, source.suffix).items():
            key = f"{source.key}.{name}"
            yield _within(column, getattr(effect, interval), f"{key}.{interval}", source)
            # Of few rows, chance alone may leave any share.
            if rows >= _FEW_ROWS:
                yield _applied(column, effect.probability, f"{key}.probability", rows, source)


def _applied(column: str, probability: float, key: str, rows: int, source: _Source) -> Expectation:
    deviation = (probability * (1 - probability) / rows) ** 0.5
    slack = _SHARE_DEVIATIONS * deviation + _SHARE_BIAS * min(probability, 1 - probability)
    low, high = max(probability - slack, 0.0), min(probability + slack, 1.0)
    return expect(
        gxe.ExpectColumnProportionOfNonNullValuesToBeBetween,
        f"{source.prefix}{column}_applied",
        f"`{column}` is recorded for a share of rows within {low:.3f} to {high:.3f}, around "
        f"{probability:g} ({key}).",
        GENERATOR,
        column=column,
        min_value=low,
        max_value=high,
        row_condition=source.made,
    )


def _first_size(interval: tuple[float, float], scale: int) -> Expectation:
    # The first pass never goes below the size of LR.
    low, high = (max(end, 1 / scale) for end in interval)
    return _within(
        "first_size",
        (low - _SIZE_SLACK, high + _SIZE_SLACK),
        "synthesis.degradation.first_size to the nearest pixel, and no smaller than LR",
    )


def _within(
    column: str, interval: tuple[float, float], told: str, source: _Source | None = None
) -> Expectation:
    low, high = interval
    where = f"is {low:g}" if low == high else f"lies within {low:g} to {high:g}"
    return expect(
        gxe.ExpectColumnValuesToBeBetween,
        f"{source.prefix if source else ''}{column}_range",
        f"`{column}` {where} ({told}).",
        GENERATOR,
        column=column,
        min_value=low - _SLACK,
        max_value=high + _SLACK,
        row_condition=source.made if source else None,
    )
