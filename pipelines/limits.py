"""Limits to how many runs go on at once: a limit that is missing is an error, not a warning."""

from prefect import runtime
from prefect.client.orchestration import get_client

from pipelines.server import ask
from textsr.errors import TextsrError


def demand_limit() -> None:
    """See that this flow run's deployment or its work pool limits concurrent runs.

    A run that no deployment made has none to look at: whoever starts it by hand sees to it.

    Raises:
        TextsrError: if neither has a limit, or the server gives no answer.
    """
    deployment_id = runtime.deployment.id
    if deployment_id is None:
        return
    with get_client(sync_client=True) as client:
        deployment = ask(lambda: client.read_deployment(deployment_id))
        if deployment.global_concurrency_limit is not None:
            return
        pool = deployment.work_pool_name
        if pool is not None and ask(lambda: client.read_work_pool(pool)).concurrency_limit:
            return
    raise TextsrError(
        f"deployment {deployment.name}: neither it nor its work pool {pool} has a concurrency "
        f"limit; set one with `prefect work-pool set-concurrency-limit {pool} N`, or run `make up`"
    )
