"""What Prefect's server must hold before workers start: pools, limits, deployments, automations."""

import os
from collections.abc import Mapping

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.workers.process import ProcessWorker

from pipelines.automations import retrain_on_drift
from pipelines.stages import run_command


def deploy_all(environment: Mapping[str, str]) -> None:
    """Make pools, limits and deployments what `prefect.yaml` and the machine say.

    Args:
        environment: variables by which the services are told, see `pipelines.services`.

    Raises:
        TextsrError: if `prefect deploy` fails; the message ends with its last lines.
    """
    with (
        temporary_settings({PREFECT_API_URL: environment["PREFECT_API_URL"]}),
        get_client(sync_client=True) as client,
    ):
        # On the CPU, flows wait for each other where they share a clone; a run that waits for
        # the GPU's takes a slot all the same.
        for pool, limit in (("cpu", 8), ("gpu", max(int(environment["TEXTSR_GPUS"]), 1))):
            try:
                client.read_work_pool(pool)
                # Other machines' devices are counted in by hand, and not taken away here.
            except ObjectNotFound:
                template = ProcessWorker.get_default_base_job_template()
                client.create_work_pool(
                    WorkPoolCreate(name=pool, type="process", base_job_template=template)
                )
            if client.read_work_pool(pool).concurrency_limit is None:
                client.update_work_pool(pool, WorkPoolUpdate(concurrency_limit=limit))
        deploy = ["prefect", "--no-prompt", "deploy", "--all"]
        run_command(deploy, log=lambda line: None, environment=dict(environment))
        retrain_on_drift()


if __name__ == "__main__":
    deploy_all(os.environ)
