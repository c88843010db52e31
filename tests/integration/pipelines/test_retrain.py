import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prefect import State
from prefect.artifacts import Artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.exceptions import ParameterTypeError
from prefect.settings import PREFECT_API_URL
from toy import REGISTRATION, ROOT

from pipelines.retrain import retrain
from pipelines.tasks import run_stage
from textsr.errors import TextsrError

# Out of order, as stages may be. `ran` and `flow_run_id` are unknown to DVC.
PIPELINE = """
stages:
  register:
    cmd: >-
      echo register >> ran &&
      cp refused.json reports/registration.json
    deps: [reports/leaderboard.md]
    outs: [reports/registration.json]
  compare:
    cmd: echo compare >> ran && echo '# The winner' > reports/leaderboard.md
    deps: [simclr.model, byol.model]
    outs: [reports/leaderboard.md]
  train:
    foreach: [simclr, byol]
    do:
      cmd: echo train ${item} >> ran && cp artifacts/validation/result.json ${item}.model
      deps: [artifacts/validation/result.json]
      outs: ["${item}.model"]
  validate:
    cmd: >-
      echo validate >> ran && echo "$TEXTSR_FLOW_RUN_ID" > flow_run_id &&
      echo '{"success": true, "expectations": {"no_leak": true}, "findings": [],
      "rows": {"train": 96}, "validated": "all 96 rows"}' > artifacts/validation/result.json &&
      echo '{"tall": {"success": true, "expectations": {}, "findings": [],
      "rows": {"train": 8}, "validated": "all 8 rows"}}' > artifacts/extra_validation/results.json
    deps: [data/fonts]
    outs: [artifacts/validation/result.json]
"""
pytestmark = pytest.mark.usefixtures("server")

STAGES = ["validate", "train@simclr", "train@byol", "compare", "register"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "project"
    for folder in (
        *(".dvc", "data/fonts", "reports"),
        *("artifacts/validation", "artifacts/extra_validation"),
    ):
        (root / folder).mkdir(parents=True)
    (root / ".dvc" / "config").write_text("[core]\nno_scm = true\n")
    (root / "data" / "fonts" / "lato.ttf").write_text("a font")
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / "refused.json").write_text(json.dumps(REGISTRATION))
    monkeypatch.chdir(root)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    return root


def ran(project: Path) -> list[str]:
    """What ran, in order, since the last call."""
    record = project / "ran"
    names = record.read_text().splitlines() if record.exists() else []
    record.unlink(missing_ok=True)
    return names


def task_states(state: State[Any], count: int) -> dict[str, State[Any]]:
    """States of the flow run's tasks by name, in order of start."""
    run = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    deadline = time.monotonic() + 30
    with get_client(sync_client=True) as client:
        while True:  # the server hears of task runs as events, a moment later
            tasks = client.read_task_runs(flow_run_filter=run)
            if len(tasks) >= count and all(task.state.is_final() for task in tasks):
                break
            assert time.monotonic() < deadline, f"{len(tasks)} of {count} task runs"
            time.sleep(0.1)
    return {task.name: task.state for task in sorted(tasks, key=lambda task: task.start_time)}


def flat(text: str) -> str:
    return " ".join(text.split())


def state_names(states: dict[str, State[Any]]) -> dict[str, str]:
    return {task: state.name for task, state in states.items()}


@pytest.mark.slow
def test_brings_all_stages_up_to_date_in_order(project: Path) -> None:
    state = retrain(return_state=True)
    assert state.is_completed(), state.message
    assert ran(project) == ["validate", "train simclr", "train byol", "compare", "register"]
    states = state_names(task_states(state, 5))
    assert list(states) == STAGES
    assert set(states.values()) == {"Completed"}
    assert (project / "flow_run_id").read_text().strip() == str(state.state_details.flow_run_id)
    assert Artifact.get("leaderboard").data == "# The winner\n"
    validation = flat(Artifact.get("validation").data)
    assert "## dataset **passed**: 1 expectations of all 96 rows" in validation
    assert "## tall **passed**: 0 expectations of all 8 rows" in validation
    assert "| **fail** | PSNR above bicubic | -0.2 dB |" in Artifact.get("registration").data
    assert state.name == "Refused"
    assert "stays challenger: PSNR above bicubic: -0.2 dB" in state.message

    second = retrain(return_state=True)
    assert second.is_completed(), second.message
    assert ran(project) == []
    assert state_names(task_states(second, 5)) == dict.fromkeys(STAGES, "Unchanged")


@pytest.mark.slow
def test_a_failing_stage_ends_the_run_and_keeps_what_is_done(project: Path) -> None:
    failing = PIPELINE.replace("echo compare >> ran &&", "echo 'no winner' && exit 3 &&")
    (project / "dvc.yaml").write_text(failing)
    state = retrain(return_state=True)
    assert state.is_failed()
    assert "compare: " in state.message
    assert "\nno winner\n" in state.message
    assert ran(project) == ["validate", "train simclr", "train byol"]
    states = task_states(state, 4)
    assert list(states) == STAGES[:4]
    assert states["compare"].is_failed()
    assert "\nno winner\n" in states["compare"].message

    (project / "dvc.yaml").write_text(PIPELINE)
    state = retrain(stages=["compare", "train"], return_state=True)
    assert state_names(task_states(state, 3)) == {
        "train@simclr": "Unchanged",
        "train@byol": "Unchanged",
        "compare": "Completed",
    }


def test_a_stage_goes_on_where_it_was_once_mlflow_answers(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A training that has a checkpoint, and whose server is away twice.
    command = (
        "echo validate >> ran && echo step >> checkpoint && test $(wc -l < checkpoint) -gt 2"
        " || { echo 'textsr: http://x: MLflow gives no answer'; exit 1; } &&"
    )
    (project / "dvc.yaml").write_text(PIPELINE.replace("echo validate >> ran &&", command))
    monkeypatch.setattr(run_stage, "retry_delay_seconds", [0, 0, 0])
    state = retrain(stages=["validate"], return_state=True)
    assert state.is_completed(), state.message
    assert ran(project) == ["validate"] * 3
    (project / "dvc.yaml").write_text(PIPELINE.replace("echo validate", "exit 5 && echo validate"))
    state = retrain(stages=["validate"], force=True, return_state=True)
    assert state.is_failed()
    assert ran(project) == [], "a stage that fails for another reason is not run again"


@pytest.mark.slow
def test_two_runs_at_once_take_turns(project: Path) -> None:
    slow = PIPELINE.replace("echo validate >> ran &&", "echo validate >> ran && sleep 3 &&")
    (project / "dvc.yaml").write_text(slow)
    environment = {
        **os.environ,
        "PREFECT_API_URL": str(PREFECT_API_URL.value()),
        "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
    }
    command = [sys.executable, "-m", "pipelines.retrain"]
    both = [subprocess.Popen(command, cwd=project, env=environment) for _ in range(2)]
    assert [process.wait(300) for process in both] == [0, 0]
    assert ran(project) == ["validate", "train simclr", "train byol", "compare", "register"]
    assert retrain(return_state=True).is_completed()
    assert ran(project) == []


def test_runs_and_forces_named_stages_only(project: Path) -> None:
    for _ in range(2):
        state = retrain(stages=["validate"], force=True, return_state=True)
        assert state.is_completed(), state.message
        assert ran(project) == ["validate"]
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(state.state_details.flow_run_id)
    assert run.name.startswith("validate; forced; 20")


def test_refuses_unknown_stages_before_any_work(project: Path) -> None:
    with pytest.raises(TextsrError, match="'trian'"):
        retrain(stages=["validate", "trian"])
    assert ran(project) == []


@pytest.mark.parametrize("arguments", [{"stages": []}, {"stages": "train"}, {"force": "maybe"}])
def test_refuses_parameters_of_wrong_types(project: Path, arguments: dict[str, object]) -> None:
    with pytest.raises(ParameterTypeError):
        retrain(**arguments)
    assert ran(project) == []


@pytest.fixture
def fake_textsr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a shell script in the place of the project's own command, but for `textsr dvc`."""

    def install(script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        textsr = shutil.which(
            "textsr", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        )
        imported = f'[ "$1" = dvc ] && exec {textsr} "$@"'
        (folder / "textsr").write_text(f"#!/bin/sh\n{imported}\n{script}\n")
        (folder / "textsr").chmod(stat.S_IRWXU)
        monkeypatch.setattr(sys, "executable", str(folder / "python"))

    return install


def test_fetches_data_that_a_fresh_clone_lacks(
    project: Path, fake_textsr: Callable[[str], None]
) -> None:
    shutil.rmtree(project / "data")
    fake_textsr('[ "$*" = fetch-data ] && mkdir -p data/fonts && echo fetch-data >> ran')
    state = retrain(stages=["validate"], return_state=True)
    assert state.is_completed(), state.message
    assert ran(project) == ["fetch-data", "validate"]
    assert list(task_states(state, 2)) == ["get-data", "validate"]


def test_runs_no_stage_without_data(project: Path, fake_textsr: Callable[[str], None]) -> None:
    shutil.rmtree(project / "data")
    fake_textsr("echo no fonts are installed; exit 1")
    state = retrain(stages=["validate"], return_state=True)
    assert state.is_failed()
    assert state.message.startswith("get-data: ")
    assert "no fonts are installed" in state.message
    assert ran(project) == []
