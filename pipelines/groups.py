"""The flows that bring one group of stages up to date: they differ in name and stages alone."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from prefect import Flow, State, flow
from pydantic import Field

from pipelines.execution import bring_up_to_date
from pipelines.parameters import Preset, Scale, Seeds, flow_run_name

_PARAMETERS = """

Args:
    stages: all of them where it is not given.
    preset: an overlay of params.yaml, for this run only.
    seeds: the pipeline runs once with each; params.yaml says which where it is not given.
    scale: HR pixels per LR pixel, instead of what params.yaml says.
    force: run stages although nothing that they need has changed.
"""


def group_flow(name: str, stages: Sequence[str], description: str) -> Flow[..., State[None]]:
    """Make the flow of a group of stages.

    Args:
        name: of the flow.
        stages: names of DVC stages: what its parameter `stages` may name, and its default.
        description: what Prefect's UI says of it.
    """
    every = tuple(stages)
    names: Any = Annotated[list[Literal[every]], Field(min_length=1)]  # type: ignore[valid-type]

    def bring_group_up_to_date(
        stages: names | None = None,
        preset: Preset | None = None,
        seeds: Seeds | None = None,
        scale: Scale | None = None,
        force: bool = False,
    ) -> State[None]:
        return bring_up_to_date(
            stages or every, preset=preset, seeds=seeds, scale=scale, force=force
        )

    bring_group_up_to_date.__doc__ = description + _PARAMETERS
    return flow(name=name, flow_run_name=flow_run_name)(bring_group_up_to_date)
