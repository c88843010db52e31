"""The real servers and workers on loopback, under toy stages: up, killed, cancelled, down."""

import json
import signal
import sys
from collections.abc import Iterator

import psutil
import pytest
from served import Project, await_that
from toy import REGISTRATION, STAGES

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]


@pytest.fixture(autouse=True)
def as_it_was(project: Project) -> Iterator[None]:
    """What a test that fails tells the toy stages to do must not make the next one fail."""
    yield
    for name in ("slow", "broken"):
        (project.root / name).unlink(missing_ok=True)
    (project.root / "registration").write_text(json.dumps(REGISTRATION))


def test_a_nightly_run_trains_on_the_gpu_pool_and_ends_refused(project: Project) -> None:
    run = project.start("retrain/nightly")
    ended = project.wait(run)
    assert ended["state"]["name"] == "Refused", ended["state"]["message"]
    assert "PSNR above bicubic: -0.2 dB" in ended["state"]["message"]
    assert project.ran() == [
        name.replace("@", " ").replace("pretrain simclr", "pretrain") for name in STAGES
    ]
    tasks = project.tasks(run)
    assert {tasks[name] for name in STAGES if "train@" in name} == {"Delegated"}
    assert {tasks[name] for name in STAGES if "train@" not in name} == {"Completed"}
    keys = {each["key"] for each in project.request("POST", "artifacts/filter", {})}
    assert {"validation", "leaderboard", "registration", "data-docs"} <= keys
    assert project.services("status")[0] == 0


def test_params_of_a_run_leave_the_clone_as_it_is(project: Project) -> None:
    before = (project.root / "params.yaml").read_bytes()
    run = project.start("retrain/nightly", seeds=[7, 8], stages=["train@byol"])
    ended = project.wait(run)
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    assert (project.root / "params.yaml").read_bytes() == before
    assert project.ran() == []
    runs = sorted((project.root / ".dvc" / "tmp" / "runs").glob("*/byol.model"))
    assert len(runs) == 2


def test_a_run_whose_process_is_killed_goes_on(project: Project) -> None:
    project.ran()
    (project.root / "slow").touch()
    run = project.start("train/on-demand", stages=["train@byol"], force=True)
    await_that(lambda: "train byol" in "".join(ran_of(project)), 120, "the stage")
    stage = project.process("while test -e slow")
    found = [p for p in project.processes() if p.environ().get("PREFECT__FLOW_RUN_ID") == str(run)]
    engines = [p for p in found if "prefect" in " ".join(p.cmdline())]
    for process in engines:
        process.send_signal(signal.SIGKILL)
    await_that(lambda: not stage.is_running(), 30, "the end of its stage")
    (project.root / "slow").unlink()
    ended = project.wait(run)
    assert ended["state"]["type"] == "COMPLETED", ended["state"]
    assert ended["run_count"] == 2
    assert project.ran()[-2:] == ["train byol", "train byol"]


def ran_of(project: Project) -> list[str]:
    record = project.root / "ran"
    return record.read_text().splitlines() if record.exists() else []


def test_cancelling_ends_the_stage_and_it_can_run_again(project: Project) -> None:
    project.ran()
    (project.root / "slow").touch()
    run = project.start("retrain/nightly", stages=["train@byol"], force=True)
    await_that(lambda: "train byol" in "".join(ran_of(project)), 120, "the stage")
    stage = project.process("while test -e slow")
    project.request("POST", f"flow_runs/{run}/set_state", {"state": {"type": "CANCELLING"}})
    assert project.wait(run)["state"]["type"] == "CANCELLED"
    await_that(lambda: not stage.is_running(), 60, "the end of the stage, which a child runs")
    (project.root / "slow").unlink()
    again = project.wait(project.start("train/on-demand", stages=["train@byol"], force=True))
    assert again["state"]["type"] == "COMPLETED", again["state"]["message"]


def test_a_second_retrain_waits_for_the_first(project: Project) -> None:
    project.ran()
    (project.root / "slow").touch()
    first = project.start("retrain/nightly", stages=["train@byol"], force=True)
    await_that(lambda: "train byol" in ran_of(project), 120, "the stage")
    second = project.start("retrain/nightly", stages=["train@byol"], force=True)
    state = "AwaitingConcurrencySlot"
    await_that(lambda: project.read(second)["state"]["name"] == state, 60, "a run that waits")
    assert ran_of(project) == ["train byol"]
    (project.root / "slow").unlink()
    for run in (first, second):
        ended = project.wait(run)
        assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    assert project.ran() == ["train byol", "train byol"]


def test_a_failed_validation_starts_no_training(project: Project) -> None:
    project.ran()
    (project.root / "broken").touch()
    (project.root / "data" / "fonts" / "lato.ttf").write_text("another font")
    ended = project.wait(project.start("retrain/nightly"))
    assert ended["state"]["type"] == "FAILED"
    assert ended["state"]["message"].startswith("validate: ")
    assert project.ran() == ["synthesize", "validate"]


def test_a_missing_limit_is_an_error(project: Project) -> None:
    project.request("PATCH", "work_pools/gpu", {"concurrency_limit": None})
    try:
        ended = project.wait(project.start("train/on-demand", stages=["train@byol"]))
    finally:
        project.request("PATCH", "work_pools/gpu", {"concurrency_limit": 1})
    assert ended["state"]["type"] == "FAILED"
    assert "has a concurrency limit" in ended["state"]["message"]


def test_a_champion_that_does_not_work_fails_the_run(project: Project) -> None:
    (project.root / "registration").write_text(json.dumps({**REGISTRATION, "promoted": True}))
    ended = project.wait(project.start("register/on-demand"))
    assert ended["state"]["type"] == "FAILED"
    assert ended["state"]["message"].startswith("smoke-test: ")


def test_a_stage_outlives_the_server(project: Project) -> None:
    project.ran()
    (project.root / "slow").touch()
    run = project.start("train/on-demand", stages=["train@scratch"], force=True)
    await_that(lambda: "train scratch" in "".join(ran_of(project)), 120, "the stage")
    server = project.process("pipelines.web", "prefect")
    for process in [*server.children(recursive=True), server]:
        process.kill()
    await_that(lambda: not project.is_up(), 20, "the server's end")
    (project.root / "slow").unlink()  # the stage ends while the server is away
    await_that(project.is_up, 120, "the server's return")
    ended = project.wait(run)
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    assert project.ran()[0] == "train scratch"


def test_what_is_killed_comes_back(project: Project) -> None:
    supervisor = project.process("supervisor.supervisord")
    server, worker = (
        project.process("pipelines.web", "mlflow"),
        project.process("worker", "--pool cpu"),
    )
    worker.kill()
    server.kill()
    supervisor.kill()
    psutil.wait_procs([supervisor, server, worker], timeout=20)
    assert project.services("status")[0] == 1
    code, said = project.services("up")
    assert code == 0, said
    assert project.services("status")[0] == 0
    ended = project.wait(project.start("retrain/nightly"))
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]


def test_one_automation_answers_drift_however_often_services_come_up(project: Project) -> None:
    code, said = project.services("up")
    assert code == 0, said
    found = project.api.post("automations/filter", json={}).raise_for_status().json()
    assert [automation["name"] for automation in found] == ["retrain-on-drift"]


def test_schedules_make_runs(project: Project) -> None:
    def scheduled() -> set[str]:
        body = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
        runs = project.api.post("flow_runs/filter", json=body).raise_for_status().json()
        return {run["deployment_id"] for run in runs if run["auto_scheduled"]}

    found = project.api.post("deployments/filter", json={}).raise_for_status().json()
    expected = {one["id"] for one in found if one["name"] in ("nightly", "hourly")}
    assert len(expected) == 2
    # The server looks for what is due once a minute.
    await_that(lambda: scheduled() == expected, 120, "runs of every schedule")


def test_down_stops_all_and_nothing_else(project: Project) -> None:
    bystander = psutil.Popen([sys.executable, "-m", "http.server", "0"], cwd=project.root)
    try:
        assert project.processes()
        assert project.services("down")[0] == 0
        assert project.processes() == []
        assert bystander.is_running()
        code, said = project.services("status")
        assert code == 1
        assert "ok" not in said.split()
    finally:
        bystander.kill()
        bystander.wait()
