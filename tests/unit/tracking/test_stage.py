"""The context that gives a stage its MLflow run."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import responses
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.tracking import RunRecord, Tracker, track


@pytest.fixture
def root(
    tmp_path: Path, make_store: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> Path:
    make_store(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def runs(root: Path, experiment: str) -> list[Run]:
    tracker = Tracker(root)
    return list(tracker.client.search_runs([tracker.experiment_id(experiment)]))


def test_a_failed_block_leaves_a_failed_run_alone(root: Path, tiny_params: Params) -> None:
    record = root / "run.json"

    def fail() -> None:
        with track("train@scratch", tiny_params, root, described={}, record=record) as run:
            run.log({"loss": 1.5}, 3)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    [found] = runs(root, "textsr")
    assert (found.info.run_name, found.info.status) == ("scratch", "FAILED")
    assert found.data.metrics == {"loss": 1.5}
    assert not record.exists()


def test_a_finished_block_leaves_its_record(root: Path, tiny_params: Params) -> None:
    record = root / "run.json"
    with track(
        "train@scratch", tiny_params, root, described={"a": "1"}, tags={"b": "2"}, record=record
    ):
        assert not record.exists()
    [found] = runs(root, "textsr")
    assert found.info.status == "FINISHED"
    kept = RunRecord.read(record)
    assert (kept.run_id, kept.params) == (found.info.run_id, {"a": "1"})
    assert kept.tags["b"] == found.data.tags["b"] == "2"
    assert kept.tags["seed"] == str(tiny_params.seed)


def test_a_run_with_the_same_unique_tag_goes_on(root: Path, tiny_params: Params) -> None:
    for value in ("x", "y", "x"):
        with track(
            "validate",
            tiny_params,
            root,
            name=value,
            described={},
            tags={"of": value},
            unique_tag="of",
        ) as run:
            run.log({"rows": 1.0})
    assert sorted(run.info.run_name for run in runs(root, "textsr-data")) == ["x", "y"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, '{"error_code": "INVALID_PARAMETER_VALUE", "message": "no such filter"}'),
        (403, "Forbidden"),
        (404, "<html>no such page"),
        (404, '{"error_code": "ENDPOINT_NOT_FOUND", "message": "no such endpoint"}'),
        (409, '{"error_code": "RESOURCE_CONFLICT", "message": "conflict"}'),
        (502, "<html>bad gateway"),
    ],
)
@pytest.mark.parametrize("stage", ["validate", "pretrain@byol", "train@scratch"])
@responses.activate
def test_a_server_that_does_not_do_what_it_is_asked_is_one_message(
    tiny_params: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    status: int,
    body: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for method in ("GET", "POST"):
        responses.add(method, re.compile(r"http://server/.*"), body=body, status=status)
    with (
        pytest.raises(TextsrError, match=r"^http://server: MLflow .*MLFLOW_TRACKING_URI"),
        track(stage, tiny_params, tmp_path, described={}),
    ):
        pytest.fail("it has no run")


def test_a_server_that_went_away_does_not_hide_what_happened(
    root: Path, tiny_params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def away(tracker: Tracker, run_id: str, status: str) -> None:
        asked.append(status)
        raise MlflowException("API request to http://server failed")

    monkeypatch.setattr(Tracker, "finish", away)
    with (
        pytest.raises(TextsrError, match=r"^the loss is not a number$"),
        track("train@scratch", tiny_params, root, described={}),
    ):
        raise TextsrError("the loss is not a number")
    assert asked == ["FAILED"]
