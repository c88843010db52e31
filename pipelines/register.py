"""Registration as a Prefect flow: the gate decides, and what was promoted must work."""

from prefect import State, flow

from pipelines.execution import bring_up_to_date
from pipelines.parameters import Preset, Scale, Seeds, flow_run_name


@flow(name="register", flow_run_name=flow_run_name)
def register(
    preset: Preset | None = None,
    seeds: Seeds | None = None,
    scale: Scale | None = None,
    force: bool = False,
) -> State[None]:
    """Register the winner, and first bring up to date what that needs.

    A refusal by the gate ends the run in the state `Refused`, which is no failure.

    Args:
        preset: an overlay of params.yaml, for this run only.
        seeds: the pipeline runs once with each; params.yaml says which where it is not given.
        scale: HR pixels per LR pixel, instead of what params.yaml says.
        force: register again although nothing that it needs has changed.
    """
    return bring_up_to_date(["register"], preset=preset, seeds=seeds, scale=scale, force=force)


if __name__ == "__main__":
    raise SystemExit(0 if register(return_state=True).is_completed() else 1)
