"""What Prefect does by itself: it retrains when production images drift.

`python -m pipelines.automations`, once the deployments are there, and again when they were made
anew. `prefect automation create` would add a second one each time.
"""

import argparse
from datetime import timedelta

from prefect.automations import Automation, EventTrigger, Posture, RunDeployment
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

from pipelines.monitor import DRIFT
from textsr.errors import TextsrError

NAME = "retrain-on-drift"
RETRAIN = "retrain/nightly"
"""Flow and deployment that drift starts."""

# The monitor runs every hour and finds the same drift until something is done about it.
_PAUSE = timedelta(days=1)


def retrain_on_drift(deployment: str = RETRAIN) -> Automation:
    """Make the automation, or bring it up to date: the event `textsr.drift` runs a deployment.

    After a run, further events of the same folder start none for a day.

    Args:
        deployment: FLOW/DEPLOYMENT.

    Raises:
        TextsrError: if the server has no such deployment.
    """
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound as error:
            raise TextsrError(
                f"{deployment}: no such deployment; make it with `prefect deploy --all`"
            ) from error
        known = client.read_automations_by_name(NAME)
    automation = Automation(
        id=known[0].id if known else None,
        name=NAME,
        description=f"Runs {deployment} when production images have drifted.",
        enabled=known[0].enabled if known else True,  # who paused it has a reason
        trigger=EventTrigger(
            expect={DRIFT},
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=_PAUSE,
        ),
        actions=[RunDeployment(deployment_id=found.id)],
    )
    if known:
        automation.update()
    else:
        automation.create()
    return automation


def main() -> None:
    """Apply the automation and say so."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deployment", default=RETRAIN, help="FLOW/DEPLOYMENT that drift starts")
    deployment = parser.parse_args().deployment
    automation = retrain_on_drift(deployment)
    print(f"automation {automation.name}: {DRIFT} runs {deployment}")  # noqa: T201


if __name__ == "__main__":
    try:
        main()
    except TextsrError as error:
        raise SystemExit(str(error)) from error
