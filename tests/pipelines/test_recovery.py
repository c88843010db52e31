from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from prefect.client.schemas.objects import FlowRun
from prefect.states import Cancelling, Crashed, Pending, Running

from pipelines.execution import HOST_LABEL
from pipelines.recovery import deserves_retry, is_dead

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
    assert deserves_retry(flow_run(Crashed(), run_count=1), NOW)
    assert deserves_retry(flow_run(Crashed(), run_count=2), NOW)
    assert not deserves_retry(flow_run(Crashed(), run_count=3), NOW)
    assert not deserves_retry(flow_run(Crashed(), 2 * 86400, run_count=1), NOW)
    part = flow_run(Crashed(), run_count=1, parent_task_run_id=uuid4())
    assert not deserves_retry(part, NOW)
