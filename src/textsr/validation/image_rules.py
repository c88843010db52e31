"""Expectations on the images themselves, and on LR and HR being one line."""

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation

from textsr.params import Synthesis
from textsr.validation.rules import GENERATOR, REMAKE, WARNING, expect

_PAIRING = "LR and HR are swapped or of different samples, or too degraded to learn from: "

# Pairs of the default degradation correlate by 0.35 to 0.95, and by 0.46 or more in 99% of rows;
# LR and HR of different lines by -0.6 to 0.55, and by less than 0.36 in 95%.
_USUAL_CORRELATION = 0.3
_USUAL_SHARE = 0.99
# Blur and resizing keep the mean grey level; clipping and compression move it by up to 4 levels,
# and clipped noise by less than its standard deviation.
_BRIGHTNESS_SHIFT = 8.0


def image_expectations(synthesis: Synthesis) -> list[Expectation]:
    """Return the expectations on decoding, sizes, content and pairing."""
    return [
        *(
            expect(
                gxe.ExpectColumnValuesToBeInSet,
                f"{name}_decodes",
                f"Every {name.upper()} image decodes: it is whole and its checksums agree.",
                REMAKE,
                column=f"{name}_decodes",
                value_set=[True],
            )
            for name in ("hr", "lr")
        ),
        *_sizes(synthesis),
        *_content(synthesis),
        *_pairing(synthesis.degradation.noise_sigma[1]),
    ]


def _sizes(synthesis: Synthesis) -> list[Expectation]:
    pairs = [
        ("hr_size", "hr_size_decoded", "HR images have the size that is recorded for them."),
        ("lr_size", "lr_size_decoded", "LR images have the size that is recorded for them."),
        ("hr_size", "hr_size_from_lr", "HR's recorded size is `scale` times LR's."),
    ]
    return [
        *(
            expect(
                gxe.ExpectColumnPairValuesToBeEqual,
                f"{second}_agrees",
                description,
                REMAKE,
                column_A=first,
                column_B=second,
                ignore_row_if="either_value_is_missing",
            )
            for first, second, description in pairs
        ),
        expect(
            gxe.ExpectColumnValuesToBeBetween,
            "lr_width_range",
            f"`lr_width` is at most {synthesis.max_lr_width} pixels (synthesis.max_lr_width).",
            GENERATOR,
            column="lr_width",
            min_value=1,
            max_value=synthesis.max_lr_width,
        ),
    ]


def _content(synthesis: Synthesis) -> list[Expectation]:
    # Thin ink on a twentieth of the line still leaves a fifth of the contrast as deviation.
    floor = min(2.0, 0.05 * synthesis.render.contrast[0])
    return [
        *(
            expect(
                gxe.ExpectColumnValuesToBeBetween,
                f"{name}_not_blank",
                f"No {name.upper()} image is blank: grey levels deviate by {level:g} or more.",
                REMAKE,
                column=f"{name}_std",
                min_value=level,
            )
            for name, level in (("hr", floor), ("lr", floor / 2))
        ),
        expect(
            gxe.ExpectColumnValuesToBeInSet,
            "hr_copies",
            "No two HR images of a split are the same, pixel for pixel.",
            "Samples drawn twice add nothing; look at the seeds in src/textsr/synthesis.",
            WARNING,
            column="hr_copies",
            value_set=[1],
        ),
    ]


def _pairing(noise_sigma: float) -> list[Expectation]:
    shift = _BRIGHTNESS_SHIFT + noise_sigma
    return [
        expect(
            gxe.ExpectColumnValuesToBeBetween,
            "lr_resembles_hr",
            f"LR, upscaled by bicubic interpolation, correlates with HR by {_USUAL_CORRELATION} "
            f"or more in {_USUAL_SHARE:.0%} of samples.",
            _PAIRING + "remake the dataset or soften synthesis.degradation.",
            column="lr_hr_correlation",
            min_value=_USUAL_CORRELATION,
            mostly=_USUAL_SHARE,
        ),
        expect(
            gxe.ExpectColumnValuesToBeBetween,
            "lr_not_unlike_hr",
            "LR, upscaled by bicubic interpolation, correlates with HR positively in all samples.",
            _PAIRING + "remake the dataset or soften synthesis.degradation.",
            column="lr_hr_correlation",
            min_value=0,
        ),
        expect(
            gxe.ExpectColumnValuesToBeBetween,
            "lr_as_bright_as_hr",
            f"LR and HR are equally bright on average, to {shift:g} grey levels.",
            _PAIRING + "remake the dataset or soften synthesis.degradation.",
            column="lr_hr_brightness_shift",
            min_value=-shift,
            max_value=shift,
        ),
    ]
