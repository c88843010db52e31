"""Evaluations as MLflow metrics, which are flat."""

from collections.abc import Mapping
from typing import Any


def evaluation_metrics(result: Mapping[str, Any], speed: Mapping[str, float]) -> dict[str, float]:
    """Flatten an evaluation to metric names; the UI groups charts by what stands before `/`."""
    blend = result["validation"]["chosen"]["weight"]
    blends = result["validation"].get("blends", {})
    paper = [measure for measure in result.get("paper", []) if measure["weight"] == blend]
    return {
        "blend": blend,
        **{f"blends/{reader}": weight for reader, weight in blends.items()},
        **speed,
        **{
            f"paper/{key}": value
            for measure in paper
            for key, value in measure.items()
            if key.endswith("_levels") and value is not None
        },
        **set_metrics(result["sets"]),
    }


def set_metrics(sets: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Flatten summaries by set (see `evaluation.summary.summarise`) to `SET/METRIC`.

    The interval of an engine's gain over bicubic, which decides, becomes two metrics of its own;
    the other intervals are in the evaluation's files.
    """
    flat: dict[str, float] = {}
    for name, summary in sets.items():
        for key, value in summary.items():
            if isinstance(value, float):
                flat[f"{name}/{key}"] = value
            if not isinstance(value, Mapping):
                continue
            for metric, number in value.items():
                if isinstance(number, float):
                    flat[f"{name}/{key}_{metric}"] = number
            if "gain_ci" in value:
                low, high = value["gain_ci"]
                flat |= {f"{name}/{key}_gain_low": low, f"{name}/{key}_gain_high": high}
    return flat
