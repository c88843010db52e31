"""Stages that another worker runs: training in the pool `gpu`, asked for and awaited.

The other worker runs the flow `pretrain` or `train` for one stage. On one machine both work in one
clone, and there is nothing to bring over. On two, `TEXTSR_SHARE` makes both use DVC's remote.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, WorkPoolStatus
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from pipelines.server import ask
from textsr.errors import TextsrError

_DEPLOYMENTS = {
    "pretrain": "pretrain/on-demand",
    "recogniser": "train/on-demand",
    "train": "train/on-demand",
}
"""What runs a stage of each group."""

_POLL_SECONDS = 1.0
_WORKER_SECONDS = 600.0  # a machine that starts anew is back by then
_ATTEMPTS = 3  # of a run whose process dies


def is_delegable(stage: str) -> bool:
    """Tell whether a stage is one that GPU workers run."""
    return stage.partition("@")[0] in _DEPLOYMENTS


class Delegates:
    """The runs that were asked of other workers and have not ended."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._running: dict[str, tuple[UUID, Mapping[str, Any], int]] = {}

    def __contains__(self, stage: object) -> bool:
        return stage in self._running

    def start(self, stage: str, parameters: Mapping[str, Any], attempt: int = 1) -> None:
        """Ask for a run of one stage.

        Raises:
            TextsrError: if there is no such deployment, or Prefect's server gives no answer.
        """
        name = _DEPLOYMENTS[stage.partition("@")[0]]
        asked = {**parameters, "stages": [stage]}
        try:
            run = ask(lambda: cast(FlowRun, run_deployment(name, parameters=asked, timeout=0)))
        except ObjectNotFound as error:
            raise TextsrError(
                f"{name}: no such deployment; make it with `prefect deploy --all`, or run with "
                "train_on=here"
            ) from error
        self._log(f"{stage}: asked of {name} as run {run.name}")
        self._running[stage] = (run.id, parameters, attempt)

    def wait(self, stages: Iterable[str]) -> dict[str, FlowRun]:
        """Wait for the runs of these stages; return how they ended. A crashed one is run again.

        Raises:
            TextsrError: if no worker takes a run, or Prefect's server gives no answer.
        """
        ended: dict[str, FlowRun] = {}
        for stage in [name for name in stages if name in self._running]:
            run = self._await(stage)
            run_id, parameters, attempt = self._running.pop(stage)
            assert run.state is not None
            if run.state.is_crashed() and attempt < _ATTEMPTS:
                self._log(f"{stage}: run {run.name} ({run_id}) crashed; asking again")
                self.start(stage, parameters, attempt + 1)
                ended |= self.wait([stage])
            else:
                ended[stage] = run
        return ended

    def cancel(self) -> None:
        """Cancel what has not ended: who waited for it is going."""
        with get_client(sync_client=True) as client:
            for run_id, _, _ in self._running.values():
                # Why it is going is what its caller must hear of.
                with suppress(httpx.HTTPError):
                    client.set_flow_run_state(run_id, Cancelling())
        self._running.clear()

    def _await(self, stage: str) -> FlowRun:
        run_id = self._running[stage][0]
        idle_since = time.monotonic()
        with get_client(sync_client=True) as client:
            while True:
                run = ask(lambda: client.read_flow_run(run_id))
                assert run.state is not None
                if run.state.is_final():
                    return run
                pool = run.work_pool_name
                assert pool is not None
                waits = run.state.is_scheduled() or run.state.is_pending()
                if not waits or _has_worker(client, pool):
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since > _WORKER_SECONDS:
                    raise TextsrError(
                        f"{stage}: no worker of the pool {pool} has been online for "
                        f"{_WORKER_SECONDS / 60:.0f} minutes; start one with `make up` or `prefect "
                        f"worker start --pool {pool}`, or run with train_on=here"
                    )
                time.sleep(_POLL_SECONDS)


def _has_worker(client: Any, pool: str) -> bool:
    status = ask(lambda: client.read_work_pool(pool)).status
    return bool(status == WorkPoolStatus.READY)
