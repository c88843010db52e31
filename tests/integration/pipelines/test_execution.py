from collections.abc import Collection
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from filelock import FileLock
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed, State

from pipelines import execution
from pipelines.execution import _Runner
from pipelines.workspaces import Overrides

GRAPH = {
    "data.dvc": [],
    "validate": ["data.dvc"],
    "train@byol": ["validate"],
    "compare": ["train@byol"],
}


class Ended:
    """In the place of `Delegates`: workers have run whatever is waited for."""

    def __init__(self, log: Any) -> None:
        pass

    def wait(self, stages: Collection[str]) -> dict[str, FlowRun]:
        state: State[Any] = Completed()
        return {stage: FlowRun(id=uuid4(), flow_id=uuid4(), state=state) for stage in stages}


class Recorder:
    """What a runner does, with tasks that only note their name and DVC's answers made up."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch, *, shared: bool) -> None:
        self.done: list[tuple[str, ...]] = []
        (root / ".dvc").mkdir()
        monkeypatch.setattr(execution, "Delegates", Ended)
        monkeypatch.setattr(execution, "shares", lambda: shared)
        monkeypatch.setattr(execution, "get_run_logger", lambda: self)
        self.runner = _Runner(root, GRAPH, Overrides(), False, True, "")
        monkeypatch.setattr(self.runner, "_task", lambda task, name: self._noted(task.fn.__name__))

    def info(self, line: str) -> None:
        pass

    def _noted(self, task: str) -> Any:
        def call(*arguments: Any, **options: Any) -> State[Any]:
            self.done.append((task, *(each for each in arguments if isinstance(each, str))))
            outcome = arguments[1] if task == "note_stage" else "Unchanged"
            return Completed(name=outcome)

        return call


@pytest.mark.parametrize("shared", [False, True])
def test_what_dvc_does_not_tell_is_not_taken_as_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    recorder = Recorder(tmp_path, monkeypatch, shared=shared)
    monkeypatch.setattr(execution, "changed_stages", lambda root: None)
    assert recorder.runner._settle(["train@byol"]) is None
    assert recorder.done == [("run_stage", "train@byol")]


def test_looks_for_delegated_results_while_no_stage_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path, monkeypatch, shared=False)

    def changed(root: Path) -> frozenset[str]:
        with pytest.raises(TimeoutError):
            FileLock(root / ".dvc" / "tmp" / "textsr-stage.lock").acquire(timeout=0)
        return frozenset()

    monkeypatch.setattr(execution, "changed_stages", changed)
    assert recorder.runner._settle(["train@byol"]) is None
    assert recorder.done == [("note_stage", "train@byol", "Delegated")]


def test_results_in_another_clone_need_a_remote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path, monkeypatch, shared=False)
    monkeypatch.setattr(execution, "changed_stages", lambda root: frozenset({"train@byol"}))
    failure = recorder.runner._settle(["train@byol"])
    assert failure is not None
    assert "TEXTSR_SHARE=1" in failure
    assert recorder.done == []


@pytest.mark.parametrize("shared", [False, True])
def test_unchanged_results_that_other_machines_need_are_seen_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    recorder = Recorder(tmp_path, monkeypatch, shared=shared)
    recorder.runner._changed = frozenset()
    monkeypatch.setattr(recorder.runner._delegates, "wait", lambda stages: {})
    assert recorder.runner._run(["validate", "train@byol"]) is None
    if shared:
        assert recorder.done == [("run_stage", "validate"), ("run_stage", "train@byol")]
    else:
        assert {task for task, *_ in recorder.done} == {"note_stage"}
    recorder.done.clear()
    assert recorder.runner._run(["compare"]) is None
    assert recorder.done == [("note_stage", "compare", "Unchanged")]


def test_dvc_is_asked_again_once_no_other_run_keeps_it_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path, monkeypatch, shared=False)
    monkeypatch.setattr(recorder.runner._delegates, "wait", lambda stages: {})
    recorder.runner._changed = None
    answers = iter([None, frozenset({"compare"})])
    monkeypatch.setattr(execution, "changed_stages", lambda root: next(answers))
    assert recorder.runner._run(["validate", "train@byol", "compare"]) is None
    assert recorder.done == [
        ("run_stage", "validate"),
        ("note_stage", "train@byol", "Unchanged"),
        ("run_stage", "compare"),
    ]


@pytest.mark.parametrize("shared", [False, True])
def test_what_unchanged_stages_need_is_seen_to_where_it_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    recorder = Recorder(tmp_path, monkeypatch, shared=shared)
    (tmp_path / "data" / "fonts").mkdir(parents=True)
    monkeypatch.setattr(execution, "changed_stages", lambda root: frozenset())
    assert recorder.runner._prepare(["train@byol"]) is None
    assert recorder.done == ([("run_needed",)] if shared else [])
