"""Drawing the strengths of effects, and the record of what was drawn."""

from collections.abc import Mapping
from functools import cache

import numpy as np

from textsr.config.sections import Effect, interval_columns


class Draws:
    """Draws effects' parameters from one generator and records them.

    `recorded` gets a column an interval, in the unit of `params.yaml`; None where the effect was
    not applied.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.recorded: dict[str, float | int | bool | str | None] = {}

    def uniform(self, interval: tuple[float, float]) -> float:
        """Draw from a closed interval."""
        low, high = interval
        return low + (high - low) * float(self.rng.random())

    def effect(self, name: str, effect: Effect, suffix: str = "") -> list[float] | None:
        """Draw whether an effect is applied, and a value of each of its intervals, in order."""
        columns = _columns(type(effect), name, suffix)
        if self.rng.random() >= effect.probability:
            self.recorded.update(dict.fromkeys(columns))
            return None
        values = [self.uniform(getattr(effect, key)) for key in columns.values()]
        self.recorded.update(zip(columns, values, strict=True))
        return values


def draw_key(shares: Mapping[str, float], rng: np.random.Generator) -> str:
    """Draw a key with a probability proportional to its value."""
    # Ten times as fast as numpy's `choice`, which would be called several times a sample.
    left = float(rng.random()) * sum(shares.values())
    for name, share in shares.items():
        left -= share
        if left < 0:
            return name
    return next(name for name in reversed(list(shares)) if shares[name] > 0)


_columns = cache(interval_columns)
