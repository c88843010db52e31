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
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import WorkerFilter, WorkerFilterStatus
from prefect.client.schemas.objects import FlowRun, State, WorkerStatus, WorkPoolStatus
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling, Crashed

from pipelines.server import ask
from textsr.errors import TextsrError

_DEPLOYMENTS = {
    "pretrain": "pretrain/on-demand",
    "recognizer": "train/on-demand",
    "train": "train/on-demand",
}
"""What runs a stage of each group."""

WORKER_LABEL = "textsr.worker"
"""Label of a flow run: the worker that started its process."""

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

        A run whose worker stays away counts as crashed: its machine is not expected back.

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
        attended = time.monotonic()
        with get_client(sync_client=True) as client:
            while True:
                run = ask(lambda: client.read_flow_run(run_id))
                assert run.state is not None
                if run.state.is_final():
                    return run
                if _is_attended(client, run):
                    attended = time.monotonic()
                elif time.monotonic() - attended > _WORKER_SECONDS:
                    self._give_up(client, stage, run)
                    continue
                time.sleep(_POLL_SECONDS)

    def _give_up(self, client: SyncPrefectClient, stage: str, run: FlowRun) -> None:
        """End a run that nobody attends to; there is nothing to end where none has begun."""
        minutes = f"{_WORKER_SECONDS / 60:.0f} minutes"
        assert run.state is not None
        if _waits(run):
            pool = run.work_pool_name
            raise TextsrError(
                f"{stage}: no worker of the pool {pool} has been online for {minutes}; start one "
                f"with `make up` or `prefect worker start --pool {pool}`, or run with train_on=here"
            )
        message = f"Its worker has not been online for {minutes}."
        cancelled = run.state.is_cancelling()
        lost: State[Any] = Cancelled(message=message) if cancelled else Crashed(message=message)
        self._log(f"{stage}: run {run.name} is lost: {message}")
        ask(lambda: client.set_flow_run_state(run.id, lost, force=True))


def _waits(run: FlowRun) -> bool:
    assert run.state is not None
    return run.state.is_scheduled() or run.state.is_pending()


def _is_attended(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Tell whether a worker is online that will start a run, or is where the run is.

    A process ends with the machine of its worker. What other pools start does not depend on the
    one worker, nor can a run that does not bear its name be told from the others': for these, any
    worker of the pool will do.
    """
    name = run.work_pool_name
    assert name is not None
    pool = ask(lambda: client.read_work_pool(name))
    worker = run.labels.get(WORKER_LABEL)
    if _waits(run) or worker is None or pool.type != "process":
        return pool.status == WorkPoolStatus.READY
    online = WorkerFilter(status=WorkerFilterStatus(any_=[WorkerStatus.ONLINE.value]))
    found = ask(lambda: client.read_workers_for_work_pool(name, online))
    return worker in [each.name for each in found]
