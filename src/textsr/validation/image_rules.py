"""Expectations on the images themselves, and on LR and HR being one line."""

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation

from textsr.config.effects import Degradation
from textsr.config.params import Synthesis
from textsr.validation.measure import GREY_PNG
from textsr.validation.rules import GENERATOR, REMAKE, WARNING, expect

_PAIRING = "LR and HR are swapped or of different samples, or too degraded to learn from: "

# Of 2,000 pairs of the default synthesis, 99% correlate by 0.79 or more and 99.8% by 0.5; of LR and
# HR of different lines, 99% by 0.61 at most, half by 0.09. The few pairs below are lines of so low
# a contrast that two grey levels are all that is left of them.
_USUAL_CORRELATION = 0.6
_USUAL_SHARE = 0.97
# All but 1 of 2,000 LR images are most like their own HR image; of LR images paired with another
# line, half are.
_OWN_SHARE = 0.95
# Blur and resizing keep the mean grey level; clipping and compression move it by up to 4 levels,
# and clipped noise by less than its standard deviation. A picture of two levels is brighter or
# darker by as much as its threshold errs: by up to 32 levels in 3,000 rows.
_BRIGHTNESS_SHIFT = 8.0
_LARGEST_SHIFT = 64.0


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
        *(
            expect(
                gxe.ExpectColumnValuesToBeInSet,
                f"{name}_format",
                f"Every {name.upper()} image is a PNG file of 8-bit grey levels.",
                REMAKE,
                column=f"{name}_format",
                value_set=[GREY_PNG],
            )
            for name in ("hr", "lr")
        ),
        *_sizes(synthesis),
        *_content(synthesis),
        *_pairing(_most_noise(synthesis.degradation)),
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
    floor = min(2.0, 0.05 * synthesis.render.contrast_levels[0])
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


def _most_noise(degradation: Degradation) -> float:
    """Return the largest standard deviation of noise that a pass can add, grey levels."""
    noises = (degradation.first.noise, degradation.second.noise)
    return max(noise.read_levels[1] + noise.shot_levels[1] for noise in noises)


def _pairing(noise_sigma: float) -> list[Expectation]:
    return [
        expect(
            gxe.ExpectColumnValuesToBeBetween,
            "lr_resembles_hr",
            f"LR correlates with HR, shrunk to its size, by {_USUAL_CORRELATION} or more in "
            f"{_USUAL_SHARE:.0%} of samples.",
            _PAIRING + "remake the dataset or soften synthesis.degradation.",
            column="lr_hr_correlation",
            min_value=_USUAL_CORRELATION,
            mostly=_USUAL_SHARE,
        ),
        expect(
            gxe.ExpectColumnValuesToBeBetween,
            "lr_not_unlike_hr",
            "LR correlates with HR, shrunk to its size, positively in all samples.",
            _PAIRING + "remake the dataset or soften synthesis.degradation.",
            column="lr_hr_correlation",
            min_value=0,
        ),
        expect(
            gxe.ExpectColumnPairValuesAToBeGreaterThanB,
            "lr_nearer_own_hr",
            "LR correlates with its own HR no less than with that of the rows before and after, in "
            f"{_OWN_SHARE:.0%} of samples.",
            _PAIRING + "remake the dataset or soften synthesis.degradation.",
            column_A="lr_hr_correlation",
            column_B="lr_neighbour_correlation",
            or_equal=True,
            ignore_row_if="either_value_is_missing",
            mostly=_OWN_SHARE,
        ),
        *(
            expect(
                gxe.ExpectColumnValuesToBeBetween,
                name,
                f"LR and HR are equally bright on average, to {limit:g} grey levels, in "
                f"{share:.0%} of samples.",
                _PAIRING + "remake the dataset or soften synthesis.degradation.",
                column="lr_hr_brightness_shift",
                min_value=-limit,
                max_value=limit,
                mostly=share,
            )
            for name, limit, share in (
                ("lr_as_bright_as_hr", _BRIGHTNESS_SHIFT + noise_sigma, _USUAL_SHARE),
                ("lr_nearly_as_bright_as_hr", _LARGEST_SHIFT, 1),
            )
        ),
    ]
