"""The whole pipeline as a Prefect flow: what a schedule runs, and what `dvc repro` does by hand."""

from typing import Annotated

from prefect import State, flow
from pydantic import Field

from pipelines.execution import bring_up_to_date
from pipelines.parameters import Preset, Scale, Seeds, TrainOn, flow_run_name

StageNames = Annotated[list[str], Field(min_length=1)]


@flow(name="retrain", flow_run_name=flow_run_name)
def retrain(
    stages: StageNames | None = None,
    preset: Preset | None = None,
    seeds: Seeds | None = None,
    scale: Scale | None = None,
    force: bool = False,
    train_on: TrainOn = "here",
) -> State[None]:
    """Bring the pipeline up to date, one task a DVC stage, as `dvc repro` would.

    A refusal by the gate ends the run in the state `Refused`, which is no failure.

    Args:
        stages: names of DVC stages; a group's name (`train`) stands for all its stages. What they
            need is brought up to date first. All stages where it is not given.
        preset: an overlay of params.yaml, for this run only.
        seeds: the pipeline runs once with each; params.yaml says which where it is not given.
        scale: HR pixels per LR pixel, instead of what params.yaml says.
        force: run stages although nothing that they need has changed.
        train_on: `gpu` asks the workers of that pool to train and pretrain.
    """
    return bring_up_to_date(
        stages, preset=preset, seeds=seeds, scale=scale, force=force, train_on=train_on
    )


if __name__ == "__main__":
    raise SystemExit(0 if retrain(return_state=True).is_completed() else 1)
