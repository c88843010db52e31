"""What Prefect's server must hold before workers start: pools, limits, deployments, automations."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL, temporary_settings

from pipelines.automations import retrain_on_drift
from pipelines.stages import run_command

_TEMPLATE = Path(__file__).parent / "work_pools" / "process.json"


def deploy_all(environment: Mapping[str, str]) -> None:
    """Make pools, limits and deployments what `prefect.yaml` and the machine say.

    Args:
        environment: variables by which the services are told, see `pipelines.services`.

    Raises:
        TextsrError: if `prefect deploy` fails; the message ends with its last lines.
    """
    settings = {
        PREFECT_API_URL: environment["PREFECT_API_URL"],
        PREFECT_API_AUTH_STRING: environment["PREFECT_API_AUTH_STRING"],
    }
    template = json.loads(_TEMPLATE.read_text(encoding="utf-8"))
    with temporary_settings(settings), get_client(sync_client=True) as client:
        # On the CPU, flows wait for each other where they share a clone; a run that waits for
        # the GPU's takes a slot all the same.
        for pool, limit in (("cpu", 8), ("gpu", max(int(environment["TEXTSR_GPUS"]), 1))):
            try:
                found = client.read_work_pool(pool)
            except ObjectNotFound:
                made = WorkPoolCreate(name=pool, type="process", base_job_template=template)
                found = client.create_work_pool(made)
            # Older versions let who asks for a run choose its command.
            if found.type == "process" and found.base_job_template != template:
                print(f"work pool {pool}: gets the template {_TEMPLATE.name} again")  # noqa: T201
                client.update_work_pool(pool, WorkPoolUpdate(base_job_template=template))
            # Other machines' devices are counted in by hand, and not taken away here.
            if found.concurrency_limit is None:
                client.update_work_pool(pool, WorkPoolUpdate(concurrency_limit=limit))
        deploy = ["prefect", "--no-prompt", "deploy", "--all"]
        run_command(deploy, log=lambda line: None, environment=dict(environment))
        retrain_on_drift()


if __name__ == "__main__":
    deploy_all(os.environ)
