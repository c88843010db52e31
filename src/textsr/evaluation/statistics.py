"""Means, rates and paired differences with bootstrap confidence intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import bootstrap

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A statistic of a sample and its percentile bootstrap interval."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> list[float]:
        """Return `[low, high]`, as reports show it."""
        return [self.low, self.high]

    def in_points(self) -> str:
        """Write a share's difference as points of a hundred, with its interval."""
        return f"{100 * self.value:+.1f} points [{100 * self.low:+.1f}, {100 * self.high:+.1f}]"

    @property
    def excludes_zero(self) -> bool:
        """Tell whether the whole interval lies on one side of zero."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are computed: resamples, confidence level and seed."""

    resamples: int
    confidence: float
    seed: int

    def mean(self, values: Sequence[float]) -> Estimate:
        """Estimate the mean."""
        return self._estimate(lambda v, axis=-1: np.mean(v, axis=axis), [values])

    def rate(self, counts: Sequence[float], sizes: Sequence[float]) -> Estimate:
        """Estimate the sum of counts over the sum of sizes, lines resampled whole.

        The character error rate: edits over reference characters.
        """

        def share(c: Values, s: Values, axis: int = -1) -> Any:
            count, size = np.sum(c, axis=axis), np.sum(s, axis=axis)
            # A resample without characters says nothing of their errors; it counts as none.
            return np.divide(count, size, out=np.zeros_like(count), where=size > 0)

        return self._estimate(share, [counts, sizes])

    def difference(self, first: Sequence[float], second: Sequence[float]) -> Estimate:
        """Estimate the mean of first - second, the same line in both, lines resampled."""
        difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
        return self.mean(difference.tolist())

    def gap_closed(
        self, model: Sequence[float], bicubic: Sequence[float], hr: Sequence[float]
    ) -> Estimate | None:
        """Estimate (model - bicubic) / (HR - bicubic); None where HR is no better than bicubic."""
        if np.mean(hr) <= np.mean(bicubic):
            return None

        def share(m: Values, b: Values, h: Values, axis: int = -1) -> Any:
            gap = np.mean(h, axis=axis) - np.mean(b, axis=axis)
            # A resample without a gap says nothing of its share; it counts as none closed.
            gain = np.mean(m, axis=axis) - np.mean(b, axis=axis)
            return np.divide(gain, gap, out=np.zeros_like(gain), where=gap > 0)

        return self._estimate(share, [model, bicubic, hr])

    def _estimate(self, statistic: Callable[..., Any], samples: list[Sequence[float]]) -> Estimate:
        arrays = [np.asarray(sample, np.float64) for sample in samples]
        value = float(statistic(*(array[None] for array in arrays), axis=-1)[0])
        if len(arrays[0]) < 2 or all(np.ptp(array) == 0 for array in arrays):
            return Estimate(value, value, value)
        interval = bootstrap(
            arrays,
            statistic,
            paired=True,
            vectorized=True,
            n_resamples=self.resamples,
            confidence_level=self.confidence,
            method="percentile",
            rng=np.random.default_rng(self.seed),
        ).confidence_interval
        return Estimate(value, float(interval.low), float(interval.high))
