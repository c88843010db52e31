import socket
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling, Crashed, Pending, Running

from pipelines.execution import HOST_LABEL
from pipelines.recovery import deserves_retry, is_dead, recover

NOW = datetime.now(UTC)


def flow_run(
    state: Any, age_seconds: float = 0.0, host: str | None = "here", **more: Any
) -> FlowRun:
    state = state.model_copy(update={"timestamp": NOW - timedelta(seconds=age_seconds)})
    labels = {} if host is None else {HOST_LABEL: host}
    return FlowRun(id=uuid4(), flow_id=uuid4(), state=state, labels=labels, **more)


def test_a_run_without_a_process_on_its_machine_is_dead() -> None:
    for state in (Running(), Cancelling()):
        run = flow_run(state)
        assert is_dead(run, set(), "here", NOW)
        assert not is_dead(run, {run.id}, "here", NOW)
        assert not is_dead(run, set(), "elsewhere", NOW)


def test_a_run_that_has_not_said_where_it_is_is_left_alone() -> None:
    assert not is_dead(flow_run(Running(), host=None), set(), "here", NOW)


def test_a_run_may_take_a_while_to_start() -> None:
    assert not is_dead(flow_run(Pending(), 10, host=None), set(), "here", NOW)
    assert is_dead(flow_run(Pending(), 3600, host=None), set(), "here", NOW)


def test_crashed_runs_run_again_but_not_for_ever() -> None:
    assert deserves_retry(flow_run(Crashed()), 1, NOW)
    assert deserves_retry(flow_run(Crashed()), 2, NOW)
    assert not deserves_retry(flow_run(Crashed()), 3, NOW)
    assert not deserves_retry(flow_run(Crashed(), 2 * 86400), 1, NOW)
    part = flow_run(Crashed(), parent_task_run_id=uuid4())
    assert not deserves_retry(part, 1, NOW)


class Server:
    """What `recover` asks of Prefect's client: one run, its history, and what was set."""

    def __init__(self, run: FlowRun, history: list[Any]) -> None:
        self.run = run
        self.now: Any = run.state  # when it is asked for again
        self.history = history
        self.set: list[str] = []

    def read_flow_runs(self, flow_run_filter: Any, **others: Any) -> list[FlowRun]:
        assert self.run.state is not None
        return [self.run] if self.run.state.type in flow_run_filter.state.type.any_ else []

    def read_flow_run(self, run_id: UUID) -> FlowRun:
        return self.run.model_copy(update={"state": self.now})

    def read_flow_run_states(self, run_id: UUID) -> list[Any]:
        return self.history

    def set_flow_run_state(self, run_id: UUID, state: Any, force: bool) -> None:
        self.set.append(state.name)


def look(server: Server) -> list[str]:
    recover(cast(SyncPrefectClient, server), lambda line: None)
    return server.set


def test_a_run_that_crashes_before_it_begins_is_not_run_for_ever() -> None:
    for crashes, answer in ((1, ["AwaitingRetry"]), (2, ["AwaitingRetry"]), (3, [])):
        history = [Pending(), Crashed()] * crashes
        assert look(Server(flow_run(Crashed(), run_count=0), history)) == answer


def test_only_what_is_still_as_it_was_found_is_touched() -> None:
    host = socket.gethostname()
    for found in (Running(), Crashed()):
        assert look(Server(flow_run(found, host=host), [Crashed()]))
        moved = Server(flow_run(found, host=host), [Crashed()])
        moved.now = Running()
        assert look(moved) == []
