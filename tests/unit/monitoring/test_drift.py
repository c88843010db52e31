"""When a difference is drift, and when it is chance or a trifle."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp

from textsr.config.params import Monitoring, Params
from textsr.monitoring.drift import compare, judge, unusual
from textsr.monitoring.measure import UNITS

# Of a width that two samples of 50 seldom differ by the tolerance.
SPREAD = 1.5


@pytest.fixture(scope="module")
def params(tiny_params: Params) -> Monitoring:
    return tiny_params.monitoring


def sample(params: Monitoring, count: int, seed: int, **shifts: float) -> pd.DataFrame:
    """Normal values, `SPREAD` tolerances wide, shifted by so many tolerances."""
    rng = np.random.default_rng(seed)
    tolerances = params.tolerance.model_dump()
    return pd.DataFrame(
        {
            name: tolerances[name] * (rng.normal(0, SPREAD, count) + 50 + shifts.get(name, 0))
            for name in UNITS
        }
    )


@pytest.mark.parametrize("name", list(UNITS))
@pytest.mark.parametrize("shift", [-2.5, 2.5])
def test_each_property_drifts_alone_and_both_ways(
    params: Monitoring, name: str, shift: float
) -> None:
    findings = compare(sample(params, 2000, 0), sample(params, 200, 1, **{name: shift}), params)
    assert [finding.name for finding in findings] == list(UNITS)
    assert [finding.name for finding in findings if finding.drifted] == [name]
    assert judge(findings) == "drift"


def test_a_trifle_in_many_images_is_significant_and_no_drift(params: Monitoring) -> None:
    shifts = dict.fromkeys(UNITS, 0.5)
    findings = compare(sample(params, 20000, 0), sample(params, 20000, 1, **shifts), params)
    assert all(finding.p_value < params.significance for finding in findings)
    assert judge(findings) == "no drift"


def test_a_large_difference_by_chance_is_no_drift(params: Monitoring) -> None:
    """Values so scattered that 50 of them are far off by chance."""
    trained, seen = sample(params, 2000, 0), sample(params, 50, 1)
    for frame in (trained, seen):
        frame["contrast_levels"] *= np.random.default_rng(len(frame)).exponential(1, len(frame))
    [finding] = [one for one in compare(trained, seen, params) if one.name == "contrast_levels"]
    assert finding.distance > finding.tolerance
    assert not finding.drifted


@settings(max_examples=40, deadline=None)
@given(shift=st.floats(-20, 20), seed=st.integers(0, 99))
def test_distance_is_how_far_the_values_moved(params: Monitoring, shift: float, seed: int) -> None:
    trained = sample(params, 300, seed)
    for finding in compare(trained, trained + shift, params):
        assert finding.distance == pytest.approx(abs(shift), abs=1e-9)


def test_the_same_images_have_not_moved(params: Monitoring) -> None:
    trained = sample(params, 100, 0)
    for finding in compare(trained, trained, params):
        assert (finding.distance, finding.p_value) == (0, 1)


def test_p_is_corrected_for_as_many_properties_as_are_judged(params: Monitoring) -> None:
    trained, seen = sample(params, 500, 0), sample(params, 60, 1, sharpness=1.0)
    seen.loc[20:, ["confidence_before", "confidence_after"]] = np.nan
    findings = compare(trained, seen, params)
    assert len(findings) == 5
    [finding] = [one for one in findings if one.name == "sharpness"]
    plain = ks_2samp(trained["sharpness"], seen["sharpness"], method="asymp").pvalue
    assert finding.p_value == pytest.approx(5 * plain)
    assert (finding.reference, finding.production) == (500, 60)


@pytest.mark.slow
def test_chance_alone_seldom_raises_an_alarm_whatever_the_tolerance(params: Monitoring) -> None:
    """With no tolerance at all, the correction must hold the rate that params.yaml names."""
    tolerance = params.tolerance.model_copy(update=dict.fromkeys(UNITS, 1e-9))
    strict = params.model_copy(update={"tolerance": tolerance, "significance": 0.05})
    trained = sample(params, 2000, 0)
    alarms = sum(
        judge(compare(trained, sample(params, 60, seed), strict)) == "drift"
        for seed in range(1, 201)
    )
    assert alarms <= 20  # 10 expected at most; more than 20 come once in 600 times


@pytest.mark.parametrize("count", [0, 1, 49])
def test_too_few_values_are_not_compared(params: Monitoring, count: int) -> None:
    seen = sample(params, count, 1, sharpness=99.0)
    assert compare(sample(params, 500, 0), seen, params) == []


def test_the_furthest_out_of_each_property_come_first(params: Monitoring) -> None:
    trained, seen = sample(params, 1000, 0), sample(params, 30, 1) * 0
    seen += trained.median()
    for number, name, distance in (
        (7, "sharpness", 9.0),
        (3, "sharpness", -12.0),
        (3, "noise_levels", 30.0),
        (9, "noise_levels", 20.0),
        (21, "blocking", 1.0),  # inside what is usual
    ):
        seen.loc[number, name] += distance * getattr(params.tolerance, name)
    assert unusual(trained, seen, params) == [
        (3, "sharpness"),
        (7, "sharpness"),
        (9, "noise_levels"),
    ]
    seen["blocking"] = np.nan
    assert len(unusual(trained, seen, params)) == 3
