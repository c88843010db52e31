"""MLflow runs on a real store: where, whose, and made again when they are lost."""

import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import responses
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from textsr.errors import TextsrError
from textsr.tracking import (
    RunRecord,
    Tracker,
    evaluation_metrics,
    flatten,
    is_unreachable,
    lineage_tags,
    set_metrics,
    tracking_uri,
)


def run(tracker: Tracker, name: str = "r") -> RunRecord:
    return tracker.start(name, "e", {"a": "1"}, {"t": "2"})


def test_address_is_absolute_and_the_environment_overrides_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert tracking_uri(Path()) == f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    assert tracking_uri(Path()) == "http://127.0.0.1:1"


def test_experiments_in_copies_use_the_store_of_their_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    store = f"sqlite:///{tmp_path}/mlruns/mlflow.db"
    assert tracking_uri(tmp_path / ".dvc/tmp/exps/tmp1") == store
    assert tracking_uri(tmp_path) == store
    other = tmp_path / "another-project"
    assert tracking_uri(other) == f"sqlite:///{other}/mlruns/mlflow.db"


@pytest.mark.slow
def test_processes_can_make_the_store_and_the_experiment_at_the_same_time(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from textsr.tracking import Tracker

root = Path(sys.argv[1])
(root / f"ready-{sys.argv[2]}").touch()
while not (root / "go").exists():
    pass
print(Tracker(root).experiment_id("e"))
"""
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path), str(number)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    while len(list(tmp_path.glob("ready-*"))) < len(processes):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.05)
    (tmp_path / "go").touch()
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert said[0] == said[1] != ""


def test_lost_run_is_made_again_once(tracker: Tracker) -> None:
    record = RunRecord(
        run_id="0" * 32,
        name="lost",
        experiment="e",
        params={"a": "1"},
        tags={"t": "2"},
        files={"params.yaml": "a: 1\n"},
        metrics={"train_seconds": 47.0},
    )
    curves = [{"step": 5.0, "loss": 0.5}, {"step": 9.0, "loss": 0.25}]
    made = tracker.locate(record, curves)
    assert tracker.locate(record, curves) == made
    found = tracker.client.get_run(made)
    assert found.data.params == {"a": "1"}
    assert found.data.tags["t"] == "2"
    assert found.data.metrics["train_seconds"] == 47
    assert Path(tracker.client.download_artifacts(made, "params.yaml")).read_text() == "a: 1\n"
    assert found.info.status == "FINISHED"
    history = tracker.client.get_metric_history(made, "loss")
    assert [(point.step, point.value) for point in history] == [(5, 0.5), (9, 0.25)]
    present = run(tracker, "present")
    assert tracker.locate(present, []) == present.run_id


def test_what_a_killed_process_left_running_is_ended_by_the_next_start(tracker: Tracker) -> None:
    killed = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    begun = f"{psutil.Process(killed.pid).create_time():.2f}"
    killed.kill()
    killed.wait()
    names = {
        "killed": f"{platform.node()} {killed.pid} {begun}",
        "came again": f"{platform.node()} {os.getpid()} 1.00",
        "elsewhere": f"other-{platform.node()} {killed.pid} {begun}",
        "unnamed": "",
    }
    runs = {name: tracker.start(name, "left", {}, {}).run_id for name in (*names, "mine")}
    for name, process in names.items():
        tracker.client.set_tag(runs[name], "textsr.process", process)
    tracker.start("next", "left", {}, {})
    status = {name: tracker.client.get_run(run_id).info.status for name, run_id in runs.items()}
    assert status == {
        **dict.fromkeys(("killed", "came again"), "KILLED"),
        **dict.fromkeys(("elsewhere", "unnamed", "mine"), "RUNNING"),
    }


def test_what_was_made_again_in_part_is_made_again_whole(tracker: Tracker) -> None:
    record = RunRecord(run_id="1" * 32, name="lost", experiment="part", params={}, tags={})
    with pytest.MonkeyPatch.context() as patch:
        for name in ("log_curves", "finish"):  # as a kill leaves it
            patch.setattr(tracker, name, lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            tracker.locate(record, [])
    tracker.locate(record, [{"step": 5.0, "loss": 0.5}])
    made = tracker.locate(record, [])
    assert tracker.client.get_run(made).data.metrics == {"loss": 0.5}


def test_a_reference_that_was_made_in_part_is_made_whole(tracker: Tracker) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("log", "finish"):
            patch.setattr(tracker, name, lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            tracker.publish_baseline("half", "bicubic", {"test/psnr_db": 20.0}, "key")
    tracker.publish_baseline("half", "bicubic", {"test/psnr_db": 20.0}, "key")
    found = tracker.client.search_runs([tracker.experiment_id("half")])
    assert [run.data.metrics for run in found if run.info.status == "FINISHED"] == [
        {"test/psnr_db": 20.0}
    ]


def test_a_start_that_fails_leaves_a_failed_run(tracker: Tracker) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracker.client, "log_text", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tracker.start("fails", "fails", {}, {}, {"a.txt": "a"})
    [found] = tracker.client.search_runs([tracker.experiment_id("fails")])
    assert found.info.status == "FAILED"


def test_reference_runs_are_made_once(tracker: Tracker) -> None:
    for _ in range(2):
        tracker.publish_baseline("refs", "bicubic", {"test/psnr_db": 20.0}, "key")
    experiment = tracker.experiment_id("refs")
    assert len(tracker.client.search_runs([experiment])) == 1


def test_metrics_are_flat_and_carry_the_interval_that_decides() -> None:
    engine = {"accuracy": 0.5, "gain": 0.1, "gain_ci": [0.0, 0.2]}
    summary = {"samples": 3, "psnr_db": 20.5, "psnr_db_ci": [20, 21], "ssim": None}
    assert set_metrics({"test": summary | {"rapidocr": engine}}) == {
        "test/psnr_db": 20.5,
        "test/rapidocr_accuracy": 0.5,
        "test/rapidocr_gain": 0.1,
        "test/rapidocr_gain_low": 0.0,
        "test/rapidocr_gain_high": 0.2,
    }


def test_lineage_of_a_clean_and_a_dirty_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lineage_tags(tmp_path, 7)["data_hash"] == "none"
    (tmp_path / "data.dvc").write_text("outs:\n- md5: abc.dir\n  path: data\n")
    (tmp_path / "dvc.lock").write_text("x")
    for command in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    monkeypatch.setenv("TEXTSR_FLOW_RUN_ID", "flow-1")
    monkeypatch.setenv("DVC_EXP_NAME", "wider")
    clean = lineage_tags(tmp_path, 7)
    assert len(clean["git_commit"]) == 40
    assert clean["git_dirty"] == "false"
    assert clean["git_changes"] == "none"
    assert clean["data_hash"] == "abc.dir"
    assert clean["seed"] == "7"
    assert clean["prefect_flow_run_id"] == "flow-1"
    assert clean["dvc_experiment"] == "wider"
    # What the pipeline writes as it runs.
    (tmp_path / "dvc.lock").write_text("y")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/leaderboard.md").touch()
    assert lineage_tags(tmp_path, 7) == clean
    (tmp_path / "data.dvc").write_text("outs:\n- md5: def.dir\n  path: data\n")
    dirty = lineage_tags(tmp_path, 7)
    assert dirty["git_dirty"] == "true"
    assert dirty["git_changes"] == "data.dvc"
    (tmp_path / "data.dvc").write_text("outs:\n- md5: abc.dir\n  path: data\n")
    (tmp_path / "an odd\u2028name.txt").touch()
    Path(os.fsdecode(bytes(tmp_path) + b"/caf\xe9.txt")).touch()
    assert len(lineage_tags(tmp_path, 7)["git_changes"].split(", ")) == 2
    (tmp_path / "data.dvc").write_text("outs:\n- md5: def.dir\n  path: data\n")
    for number in range(9):
        (tmp_path / f"{number:02}.txt").touch()
    changes = lineage_tags(tmp_path, 7)["git_changes"].split(", ")
    assert changes[:2] == ["data.dvc", "00.txt"]
    assert changes[-1] == "2 more"


@pytest.fixture
def dead_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    """A tracking server's address at which nothing listens."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return Tracker(tmp_path)


def test_run_on_a_server_that_is_down_is_not_taken_for_lost(dead_server: Tracker) -> None:
    record = RunRecord(run_id="0" * 32, name="r", experiment="e", params={}, tags={})
    for ask in (lambda: dead_server.exists("0" * 32), lambda: dead_server.locate(record, [])):
        with pytest.raises(TextsrError, match=r"http://127\.0\.0\.1:1.*MLFLOW_TRACKING_URI"):
            ask()


def test_project_with_a_server_keeps_no_store_of_its_own(
    dead_server: Tracker, tmp_path: Path
) -> None:
    assert not (tmp_path / "mlruns").exists()


def test_run_carries_what_it_was_started_with(tracker: Tracker) -> None:
    record = run(tracker, "mine")
    found = tracker.client.get_run(record.run_id)
    assert (found.info.run_name, found.info.status) == ("mine", "RUNNING")
    assert (found.data.params, found.data.tags["t"]) == ({"a": "1"}, "2")
    assert RunRecord.model_validate_json(record.model_dump_json()) == record
    tracker.log(record.run_id, {"loss": 2, "psnr": 20.5}, 7)
    tracker.finish(record.run_id, "FAILED")
    tracker.resume(record)
    assert tracker.client.get_run(record.run_id).info.status == "RUNNING"
    tracker.finish(record.run_id)
    found = tracker.client.get_run(record.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.metrics == {"loss": 2.0, "psnr": 20.5}


def test_deleted_run_is_lost_and_made_again(tracker: Tracker) -> None:
    record = run(tracker, "deleted")
    assert tracker.exists(record.run_id)
    tracker.client.delete_run(record.run_id)
    assert not tracker.exists(record.run_id)
    made = tracker.locate(record, [])
    assert made != record.run_id
    assert tracker.exists(made)


def test_deleted_experiment_is_named_with_the_way_back(tracker: Tracker) -> None:
    deleted = tracker.experiment_id("gone")
    tracker.client.delete_experiment(deleted)
    with pytest.raises(TextsrError, match=f"gone is deleted.*--experiment-id {deleted}"):
        tracker.start("r", "gone", {}, {})
    tracker.client.restore_experiment(deleted)
    assert tracker.experiment_id("gone") == deleted


def test_experiment_is_made_once_and_explains_itself(tracker: Tracker) -> None:
    first = tracker.experiment_id("explained")
    assert tracker.experiment_id("explained") == first
    tags = tracker.client.get_experiment(first).tags
    assert "gain" in tags["mlflow.note.content"]
    folder = tracker.client.get_experiment(first).artifact_location
    assert folder.startswith("file:///")
    assert folder.endswith("/mlruns/artifacts")


def test_evaluation_is_on_its_trainings_run_but_for_the_model(
    tracker: Tracker, tmp_path: Path
) -> None:
    sheet = "panels/cases/test-rapidocr.png"
    for name in ("metrics.json", "panels/test.png", sheet, "model/model.json"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    record = run(tracker, "evaluated")
    assert tracker.evaluation_key(record.run_id) is None
    tracker.log_evaluation(record.run_id, {"test/ssim": 0.5}, tmp_path, "key")
    assert tracker.evaluation_key(record.run_id) == "key"
    assert tracker.client.get_run(record.run_id).data.metrics == {"test/ssim": 0.5}
    folders = ("evaluation", "evaluation/panels", "evaluation/panels/cases")
    logged = [item.path for folder in folders
              for item in tracker.client.list_artifacts(record.run_id, folder)
              if not item.is_dir]  # fmt: skip
    assert logged == [f"evaluation/{name}" for name in ("metrics.json", "panels/test.png", sheet)]


def test_reference_of_another_evaluation_is_another_run(tracker: Tracker) -> None:
    for key in ("first", "second", "second"):
        tracker.publish_baseline("references", "hr", {"test/ssim": 1.0}, key)
    found = tracker.client.search_runs([tracker.experiment_id("references")])
    assert sorted(item.data.tags["textsr.evaluated"] for item in found) == ["first", "second"]


def test_one_database_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "project" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    addresses = {tracking_uri(Path()), tracking_uri(tmp_path / "project")}
    monkeypatch.chdir(tmp_path / "project" / "deep")
    addresses |= {tracking_uri(Path("..")), tracking_uri(Path("../../project"))}
    assert addresses == {f"sqlite:///{tmp_path}/project/mlruns/mlflow.db"}


def test_lineage_without_a_repository_says_so(tmp_path: Path) -> None:
    tags = lineage_tags(tmp_path, 1)
    assert [tags[key] for key in ("git_commit", "data_hash")] == ["none"] * 2
    assert "prefect_flow_run_id" not in tags
    assert tags["hardware"]


def test_params_are_flattened_to_dotted_names() -> None:
    nested = {"seed": 1, "training": {"steps": 2, "net": {"rate": 1e-4}}, "sets": [1, 2]}
    assert flatten(nested) == {
        "seed": "1", "training.steps": "2", "training.net.rate": "0.0001", "sets": "[1, 2]"
    }  # fmt: skip


def test_evaluations_metrics_are_the_blends_the_speed_the_paper_and_the_sets() -> None:
    paper = {"added_levels": 0.5, "lines_checkerboard_levels": None, "kinds": {}}
    result = {
        "validation": {"chosen": {"weight": 0.4}, "blends": {"people": 1.0, "any": 0.4}},
        "paper": [paper | {"weight": 0.4}, paper | {"weight": 1.0, "added_levels": 3.0}],
        "sets": {"test": {"ssim": 0.5, "ssim_ci": [0.4, 0.6], "samples": 3}},
    }
    assert evaluation_metrics(result, {"ms_per_line": 2.0}) == {
        "blend": 0.4,
        "blends/people": 1.0,
        "blends/any": 0.4,
        "ms_per_line": 2.0,
        "paper/added_levels": 0.5,
        "test/ssim": 0.5,
    }


def test_a_server_that_goes_away_is_told_from_other_errors(
    tracker: Tracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for retries in ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR"):
        monkeypatch.setenv(retries, "0")
    away = MlflowClient("http://127.0.0.1:9")  # where nothing listens
    with pytest.raises(MlflowException) as refused:
        away.log_metric("0" * 32, "loss", 1.0)
    assert is_unreachable(refused.value)
    with pytest.raises(MlflowException) as unknown:
        tracker.client.log_metric("0" * 32, "loss", 1.0)
    assert not is_unreachable(unknown.value)
    assert not is_unreachable(ValueError("API request to http"))


@pytest.mark.parametrize(
    ("status", "body", "away"),
    [
        (502, "<html>Bad Gateway</html>", True),  # what a proxy says whose server is down
        (503, "", True),
        (500, '{"error_code": "INTERNAL_ERROR", "message": "database is locked"}', True),
        (404, '{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such run"}', False),
        (403, "Forbidden", False),
    ],
)
@responses.activate
def test_a_server_that_fails_is_one_that_may_come_back(
    status: int, body: str, away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    responses.add("POST", re.compile(r"http://server/.*"), body=body, status=status)
    with pytest.raises(MlflowException) as failed:
        MlflowClient("http://server").log_metric("0" * 32, "loss", 1.0)
    assert is_unreachable(failed.value) == away


def test_the_local_store_is_its_users_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    Tracker(tmp_path)
    store = tmp_path / "mlruns"
    assert store.stat().st_mode & 0o777 == 0o700
    assert (store / "mlflow.db").stat().st_mode & 0o777 == 0o600
    store.chmod(0o775)  # shared with a group on purpose, and with all by default
    Tracker(tmp_path)
    assert store.stat().st_mode & 0o777 == 0o770


@pytest.mark.slow
def test_a_verb_that_loses_its_server_says_so_in_one_line(tmp_path: Path) -> None:
    script = """
import sys
from textsr.cli import main as cli
from mlflow import MlflowClient
def lose(**_):
    MlflowClient("http://127.0.0.1:9").log_metric("0" * 32, "loss", 1.0)
cli.app = lose
cli.main()
"""
    environment = {
        **os.environ,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "textsr: http://127.0.0.1:9: MLflow gives no answer" in done.stderr
    assert "Traceback" not in done.stderr
