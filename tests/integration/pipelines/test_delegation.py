from collections.abc import Iterator

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.states import Cancelling, Running, State

from pipelines import delegation
from pipelines.delegation import WORKER_LABEL, Delegates
from textsr.errors import TextsrError


@pytest.fixture(scope="module")
def client(server: dict[str, str]) -> Iterator[SyncPrefectClient]:
    """Of a server with `train/on-demand` in the pool `gpu`, where one worker `here` is online."""
    with get_client(sync_client=True) as client:
        flow = client.create_flow_from_name("train")
        for pool, kind in (("gpu", "process"), ("pods", "kubernetes")):
            client.create_work_pool(WorkPoolCreate(name=pool, type=kind))
            heartbeat = {"name": "here", "heartbeat_interval_seconds": 600}
            client.request(
                "POST",
                "/work_pools/{work_pool_name}/workers/heartbeat",
                path_params={"work_pool_name": pool},
                json=heartbeat,
            )
        client.create_deployment(flow, "on-demand", work_pool_name="gpu")
        yield client


@pytest.fixture
def delegates(client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch) -> Delegates:
    """That asked for `train@byol`, and expect no worker back after half a second."""
    monkeypatch.setattr(delegation, "_WORKER_SECONDS", 0.5)
    monkeypatch.setattr(delegation, "_POLL_SECONDS", 0.1)
    monkeypatch.setattr(delegation, "_ATTEMPTS", 1)
    made = Delegates(lambda line: None)
    made.start("train@byol", {})
    return made


def begin(
    client: SyncPrefectClient, delegates: Delegates, worker: str | None, state: State
) -> None:
    """Let the run be what a worker makes of it."""
    run_id = delegates._running["train@byol"][0]
    client.set_flow_run_state(run_id, Running(), force=True)
    client.set_flow_run_state(run_id, state, force=True)
    if worker is not None:
        client.update_flow_run_labels(run_id, {WORKER_LABEL: worker})


class PatienceError(Exception):
    """A test has waited long enough."""


def run_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a wait end after 15 looks, three times as long as a worker is waited for."""
    looks = iter(range(15))
    sleep = delegation.time.sleep

    def wait(seconds: float) -> None:
        if next(looks, None) is None:
            raise PatienceError
        sleep(seconds)

    monkeypatch.setattr(delegation.time, "sleep", wait)


def test_a_run_whose_machine_is_gone_is_given_up(
    client: SyncPrefectClient, delegates: Delegates, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(client, delegates, "gone", Running())
    run_out(monkeypatch)
    ended = delegates.wait(["train@byol"])["train@byol"]
    assert ended.state is not None
    assert ended.state.is_crashed()
    assert "has not been online" in ended.state.message


def test_a_run_that_was_being_cancelled_there_is_not_run_again(
    client: SyncPrefectClient, delegates: Delegates, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(client, delegates, "gone", Cancelling())
    run_out(monkeypatch)
    ended = delegates.wait(["train@byol"])["train@byol"]
    assert ended.state is not None
    assert ended.state.is_cancelled()


@pytest.mark.parametrize("worker", ["here", None])
def test_a_run_is_awaited_while_its_worker_may_be_there(
    client: SyncPrefectClient,
    delegates: Delegates,
    monkeypatch: pytest.MonkeyPatch,
    worker: str | None,
) -> None:
    begin(client, delegates, worker, Running())
    run_out(monkeypatch)
    with pytest.raises(PatienceError):
        delegates.wait(["train@byol"])


def test_a_pod_outlives_the_worker_that_started_it(client: SyncPrefectClient) -> None:
    deployment = client.create_deployment(
        client.create_flow_from_name("train"), "pods", work_pool_name="pods"
    )
    run = client.create_flow_run_from_deployment(deployment, labels={WORKER_LABEL: "gone"})
    client.set_flow_run_state(run.id, Running(), force=True)
    assert delegation._is_attended(client, client.read_flow_run(run.id))


def test_a_run_that_no_worker_takes_is_an_error(
    delegates: Delegates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delegation, "_is_attended", lambda client, run: False)
    run_out(monkeypatch)
    with pytest.raises(TextsrError, match="train@byol: no worker of the pool gpu has been online"):
        delegates.wait(["train@byol"])
