"""What the sections of `params.yaml` are made of: strict models, intervals, effects."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A mapping of `params.yaml`; an unknown key is refused."""

    # NaN would pass every threshold, and infinite shares have no proportions.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _ordered(interval: tuple[float, float]) -> tuple[float, float]:
    low, high = interval
    if low > high:
        raise ValueError(f"the lower end {low:g} is above the upper end {high:g}")
    return interval


Interval = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""A closed interval to draw from, `[low, high]`."""
Probability = Annotated[float, Field(ge=0, le=1)]
Frequency = Annotated[float, Field(ge=0, le=1_000_000)]
"""How often one of several is drawn, relative to the others."""


def inside(low: float, high: float) -> AfterValidator:
    """Return a validator of intervals that lie within `low` to `high`."""

    def check(interval: tuple[float, float]) -> tuple[float, float]:
        if interval[0] < low or interval[1] > high:
            raise ValueError(f"must lie within {low:g} to {high:g}")
        return interval

    return AfterValidator(check)


class Effect(Section):
    """How often something is done to an image, and the ranges that its strength is drawn from.

    Every field besides `probability` is an interval, and carries its unit in its name.
    """

    probability: Probability


def effect_fields(section: type[Section]) -> Iterator[tuple[str, type[Effect]]]:
    """Yield the fields of `section` that are effects, in order, each with its model."""
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Effect):
            yield name, field.annotation


def interval_columns(effect: type[Effect], name: str, suffix: str = "") -> dict[str, str]:
    """Return the names of an effect's intervals by the columns that record them.

    `jpeg: {probability, quality}` of the first pass is recorded as `jpeg_quality_1`.
    """
    return {f"{name}_{key}{suffix}": key for key in effect.model_fields if key != "probability"}


def effect_columns(section: type[Section], suffix: str = "") -> Iterator[str]:
    """Yield the column that records each interval of each effect of `section`."""
    for name, effect in effect_fields(section):
        yield from interval_columns(effect, name, suffix)
