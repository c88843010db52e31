"""Training of networks as a Prefect flow. Its deployment runs in the pool `gpu`."""

from typing import Annotated, Literal

from prefect import State, flow
from pydantic import Field

from pipelines.execution import bring_up_to_date
from pipelines.parameters import MODELS, Preset, Scale, Seeds, flow_run_name

STAGES = ("recognizer", *(f"train@{model}" for model in MODELS))

Stages = Annotated[list[Literal[STAGES]], Field(min_length=1)]  # type: ignore[valid-type]


@flow(name="train", flow_run_name=flow_run_name)
def train(
    stages: Stages | None = None,
    preset: Preset | None = None,
    seeds: Seeds | None = None,
    scale: Scale | None = None,
    force: bool = False,
) -> State[None]:
    """Train networks and our own recognizer, and first bring up to date what that needs.

    Args:
        stages: all of them where it is not given.
        preset: an overlay of params.yaml, for this run only.
        seeds: the pipeline runs once with each; params.yaml says which where it is not given.
        scale: HR pixels per LR pixel, instead of what params.yaml says.
        force: run stages although nothing that they need has changed.
    """
    return bring_up_to_date(stages or STAGES, preset=preset, seeds=seeds, scale=scale, force=force)


if __name__ == "__main__":
    raise SystemExit(0 if train(return_state=True).is_completed() else 1)
