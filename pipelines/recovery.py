"""Runs whose process is gone: marked as crashed, and run again.

A worker that is killed, or a machine that loses power, leaves its runs in the state they had. Each
machine looks after those that carry its name; a run without a process on it is dead.
"""

import os
import socket
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import AwaitingRetry, Cancelled, Crashed

from pipelines.execution import HOST_LABEL
from textsr.redaction import redact

_SECONDS = 10.0  # between looks
_ATTEMPTS = 3  # of a run in all; one that crashes each time is not run for ever
_FORGOTTEN = timedelta(days=1)  # a crash of before yesterday is nobody's concern now
_STARTING = timedelta(minutes=3)  # in which a run has no process, or no name of its machine yet
_ID = "PREFECT__FLOW_RUN_ID"  # in the environment of a run's process


def recover(client: SyncPrefectClient, log: Callable[[str], None]) -> None:
    """Mark this machine's dead runs as crashed, and let crashed runs run again."""
    now = datetime.now(UTC)
    alive = living_runs()
    for run in _runs(client, (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)):
        if not is_dead(run, alive, socket.gethostname(), now):
            continue
        assert run.state is not None
        # A look at all runs takes a while, above all at a server that has just come back.
        if run.id in living_runs() or not _is_as_seen(client, run):
            continue
        if run.state.is_cancelling():
            log(f"{run.name}: cancelled")
            client.set_flow_run_state(run.id, Cancelled(), force=True)
        else:
            log(f"{run.name}: its process is gone")
            lost: State[Any] = Crashed(
                message="The run's process is gone: killed, or its machine went down."
            )
            client.set_flow_run_state(run.id, lost, force=True)
    for run in _runs(client, (StateType.CRASHED,)):
        # By its history: `run_count` leaves out runs that crash before they begin.
        crashes = sum(state.is_crashed() for state in client.read_flow_run_states(run.id))
        if deserves_retry(run, crashes, now) and _is_as_seen(client, run):
            log(f"{run.name}: again, attempt {crashes + 1} of {_ATTEMPTS}")
            client.set_flow_run_state(run.id, AwaitingRetry(scheduled_time=now), force=True)


def is_dead(run: FlowRun, alive: Collection[UUID], host: str, now: datetime) -> bool:
    """Tell whether a run in progress has lost its process, as far as this machine can know."""
    assert run.state is not None
    if run.id in alive or (_is_starting(run) and now - run.state.timestamp < _STARTING):
        return False
    return run.labels.get(HOST_LABEL) == host or _is_starting(run)


def _is_starting(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_pending()


def _is_as_seen(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Tell whether a run is still in the state in which it was found."""
    found = client.read_flow_run(run.id).state
    return found is not None and run.state is not None and found.id == run.state.id


def deserves_retry(run: FlowRun, crashes: int, now: datetime) -> bool:
    """Tell whether a crashed run is to run again: who asked for a part of a run asks again."""
    assert run.state is not None
    return (
        run.parent_task_run_id is None
        and crashes < _ATTEMPTS
        and now - run.state.timestamp < _FORGOTTEN
    )


def living_runs() -> set[UUID]:
    """Return the flow runs that have a process on this machine."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error, KeyError, ValueError):
            found.add(UUID(process.environ()[_ID]))
    return found


def _runs(client: SyncPrefectClient, states: tuple[StateType, ...]) -> list[FlowRun]:
    found = client.read_flow_runs(
        deployment_filter=DeploymentFilter(tags=DeploymentFilterTags(all_=["textsr"])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
        ),
    )
    return [run for run in found if run.state is not None]


def main() -> None:
    """Look again and again, until ended."""
    while True:
        try:
            with get_client(sync_client=True) as client:
                recover(client, lambda line: print(line, flush=True))  # noqa: T201
        except httpx.HTTPError as error:
            address = os.environ.get("PREFECT_API_URL")
            print(redact(f"{address}: {error}"), flush=True)  # noqa: T201
        time.sleep(_SECONDS)


if __name__ == "__main__":
    main()
