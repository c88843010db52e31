"""Whether two samples of measured images differ by more than chance and by more than matters.

On SciPy's tests and not with a drift library: Evidently asks for significance or for distance, not
for both, and brings 23 packages, a web server among them.
"""

from itertools import zip_longest
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.stats import ks_2samp, wasserstein_distance

from textsr.config.params import Monitoring
from textsr.monitoring.measure import UNITS

Verdict = Literal["drift", "no drift", "too few images"]


class Finding(BaseModel):
    """One property on both sides.

    Attributes:
        name: of the property, a key of `UNITS`.
        unit: of `distance`, `tolerance` and the quartiles.
        reference: number of values of what the champion was trained on.
        production: number of values of the production images.
        reference_quartiles: of the former's values: 25%, 50%, 75%.
        production_quartiles: of the latter's.
        distance: earth mover's distance: how far values must move on average to turn one
            distribution into the other.
        tolerance: the distance that is no matter.
        p_value: probability of such a difference by chance (Kolmogorov-Smirnov), times the
            number of properties that are judged (Bonferroni), at most 1.
        drifted: whether it is significant and no trifle.
    """

    name: str
    unit: str
    reference: int
    production: int
    reference_quartiles: list[float]
    production_quartiles: list[float]
    distance: float
    tolerance: float
    p_value: float
    drifted: bool


def compare(reference: pd.DataFrame, production: pd.DataFrame, params: Monitoring) -> list[Finding]:
    """Compare each property of which both sides have at least `min_images` values.

    Of a large sample every trifle is significant, and a small sample is far from anything by
    chance; so both must be: significance and distance.

    Args:
        reference: as `measure_images` returns it.
        production: the same.
        params: thresholds.
    """
    samples = {
        name: (reference[name].dropna().to_numpy(), production[name].dropna().to_numpy())
        for name in UNITS
    }
    judged = {
        name: both
        for name, both in samples.items()
        if min(len(values) for values in both) >= params.min_images
    }
    findings = []
    for name, (trained, seen) in judged.items():
        # Asymptotic: what it is off by at these sizes is far less than the correction.
        chance = float(ks_2samp(trained, seen, method="asymp").pvalue) * len(judged)
        distance = float(wasserstein_distance(trained, seen))
        tolerance: float = getattr(params.tolerance, name)
        findings.append(
            Finding(
                name=name,
                unit=UNITS[name],
                reference=len(trained),
                production=len(seen),
                reference_quartiles=np.percentile(trained, (25, 50, 75)).tolist(),
                production_quartiles=np.percentile(seen, (25, 50, 75)).tolist(),
                distance=distance,
                tolerance=tolerance,
                p_value=min(chance, 1.0),
                drifted=chance < params.significance and distance > tolerance,
            )
        )
    return findings


def judge(findings: list[Finding]) -> Verdict:
    """Return the verdict over all properties: drift where one has drifted."""
    return "drift" if any(finding.drifted for finding in findings) else "no drift"


def unusual(
    reference: pd.DataFrame, production: pd.DataFrame, params: Monitoring
) -> list[tuple[int, str]]:
    """Find the production images that are furthest out, of each property in turn.

    Returns:
        The number of an image and the property by which it is out, no image twice: the one
        furthest out by each property, then the second, and so on. An image is out by a property
        that is more than half of what is tolerated outside the middle 95% of the reference.
    """
    columns = []
    for name in UNITS:
        known, values = reference[name].dropna(), production[name]
        low, high = np.percentile(known, (2.5, 97.5)) if len(known) else (-np.inf, np.inf)
        beyond = pd.Series(np.maximum(low - values, values - high))
        out = beyond[beyond > getattr(params.tolerance, name) / 2]
        order = out.sort_values(ascending=False, kind="stable").index
        columns.append([(int(number), name) for number in order])
    found: dict[int, str] = {}
    for turn in zip_longest(*columns):
        for number, name in filter(None, turn):
            found.setdefault(number, name)
    return list(found.items())
