"""Expectations that every recorded parameter lies within its range in `params.yaml`."""

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column

from textsr.params import Degradation, Render, Synthesis
from textsr.validation.rules import GENERATOR, expect

# Ranges are compared with a slack for rounding in floating point.
_SLACK = 1e-6
# Sizes are whole pixels, so a ratio of sizes misses the drawn one by up to half a pixel.
_RESIZE_SLACK = 0.05
_PARAMS_SCALE = 4  # the scale at which params.yaml states the lengths of `render`


def range_expectations(synthesis: Synthesis) -> list[Expectation]:
    """Return an expectation a parameter of rendering and of the two passes of degradation."""
    return [
        *_render(synthesis.render, synthesis.scale / _PARAMS_SCALE),
        *_degradation(synthesis.degradation),
        *_resizes(synthesis.degradation, synthesis.scale),
        *(
            _within(f"{name}_{order}", (0, 180), "degrees, half a turn")
            for name in ("blur_angle", "motion_angle")
            for order in (1, 2)
        ),
    ]


def _render(render: Render, unit: float) -> list[Expectation]:
    # Margins and font sizes are whole pixels, rounded down.
    margin = (int(render.margin_px[0] * unit), render.margin_px[1] * unit)
    # `font_height_px` is ascent plus descent, which is 0.7 to 2 times the em in known fonts, and
    # long text is drawn smaller.
    font = (render.font_height_px[0] * unit / 4, render.font_height_px[1] * unit * 1.5)
    by_name = {
        "ground_gradient": render.ground_gradient,
        "ground_texture": render.ground_texture,
        "rotation_degrees": render.rotation_degrees,
        "perspective": render.perspective,
        "contrast": render.contrast,
    }
    return [
        *(
            _within(name, interval, f"synthesis.render.{name}")
            for name, interval in by_name.items()
        ),
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


def _degradation(degradation: Degradation) -> list[Expectation]:
    by_columns = {
        ("noise_sigma_1", "noise_sigma_2"): "noise_sigma",
        ("jpeg_quality_1", "jpeg_quality_2"): "jpeg_quality",
        # `*_2_hr_px` undo the first resize, so that both passes are compared in HR pixels.
        ("blur_sigma_x_1", "blur_sigma_x_2_hr_px"): "blur_sigma_px",
        ("blur_sigma_y_1", "blur_sigma_y_2_hr_px"): "blur_sigma_px",
        ("motion_length_1", "motion_length_2_hr_px"): "motion_length_px",
    }
    return [
        _within(
            column,
            getattr(degradation, name),
            f"synthesis.degradation.{name}",
            whole_numbers=name == "jpeg_quality",
            zero_means_unused=True,
        )
        for columns, name in by_columns.items()
        for column in columns
    ]


def _resizes(degradation: Degradation, scale: int) -> list[Expectation]:
    # The first pass never goes below the size of LR.
    low, high = (max(end, 1 / scale) for end in degradation.first_resize)
    return [
        _within(
            "resize_1",
            (low - _RESIZE_SLACK, high + _RESIZE_SLACK),
            "synthesis.degradation.first_resize to the nearest pixel, and no smaller than LR",
        ),
        _within("resize_total", (1 / scale, 1 / scale), "1 / scale, the two resizes together"),
    ]


def _within(
    column: str,
    interval: tuple[float, float],
    source: str,
    *,
    whole_numbers: bool = False,
    zero_means_unused: bool = False,
) -> Expectation:
    low, high = (int(end) for end in interval) if whole_numbers else interval
    where = f"is {low:g}" if low == high else f"lies within {low:g} to {high:g}"
    exemption = ", or is 0 where the effect was not applied" if zero_means_unused else ""
    return expect(
        gxe.ExpectColumnValuesToBeBetween,
        f"{column}_range",
        f"`{column}` {where} ({source}){exemption}.",
        GENERATOR,
        column=column,
        min_value=low - _SLACK,
        max_value=high + _SLACK,
        row_condition=Column(column) != 0 if zero_means_unused else None,
    )
