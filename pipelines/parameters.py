"""The parameters that flows share, as Prefect's UI shows and checks them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import runtime
from pydantic import Field, NonNegativeInt

from textsr.config import project
from textsr.config.params import load_params

_CLONE = Path(__file__).parents[1]

PRESETS = tuple(sorted(path.stem for path in _CLONE.glob("presets/*.yaml")))
Preset = Literal[PRESETS]  # type: ignore[valid-type]
Seeds = Annotated[list[NonNegativeInt], Field(min_length=1)]
Scale = Literal[2, 4]
TrainOn = Literal["here", "gpu"]


def model_names() -> tuple[str, ...]:
    """Return the models that the clone's params.yaml names; presets change settings alone.

    Raises:
        TextsrError: if params.yaml is not valid.
    """
    return tuple(load_params(_CLONE / project.PARAMS).models)


def flow_run_name() -> str:
    """Return a readable name of the current flow run, out of its parameters."""
    return name_run(runtime.flow_run.flow_name, runtime.flow_run.parameters, datetime.now(UTC))


def name_run(flow: str, parameters: dict[str, Any], now: datetime) -> str:
    """Return what a run does, with what params, and when."""
    seeds: Sequence[int] = parameters.get("seeds") or []
    parts = [
        ", ".join(parameters.get("stages") or [f"all of {flow}"]),
        f"preset {parameters['preset']}" if parameters.get("preset") else "",
        f"seed {', '.join(map(str, seeds))}" if seeds else "",
        f"scale {parameters['scale']}" if parameters.get("scale") else "",
        "forced" if parameters.get("force") else "",
        f"{now:%Y-%m-%d %H:%M} UTC",
    ]
    return "; ".join(part for part in parts if part)
