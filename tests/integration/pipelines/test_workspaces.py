import multiprocessing
import os
import shutil
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml
from filelock import FileLock
from toy import make_project, run

from pipelines.stages import changed_stages, reproduce
from pipelines.workspaces import Overrides, exclusive, workspace
from textsr.errors import TextsrError


def silent(line: str) -> None:
    pass


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_NO_ANALYTICS", "1")
        return make_project(tmp_path_factory.mktemp("clone") / "project")


def visit(clone: Path, overrides: Overrides) -> Path:
    """The folder that a run which ends at once works in."""
    with workspace(clone, overrides, silent) as folder:
        return folder


def params(folder: Path) -> dict:
    return yaml.safe_load((folder / "params.yaml").read_text())


def test_without_changes_it_is_the_clone(clone: Path) -> None:
    assert visit(clone, Overrides()) == clone
    same = Overrides(seed=params(clone)["seed"], scale=params(clone)["synthesis"]["scale"])
    assert visit(clone, same) == clone
    assert not (clone / ".dvc" / "tmp" / "runs").exists()


@pytest.mark.slow
def test_a_copy_has_the_params_and_shares_the_cache(clone: Path) -> None:
    before = (clone / "params.yaml").read_bytes()
    copy = visit(clone, Overrides(preset="tiny", seed=5, scale=2))
    assert (clone / "params.yaml").read_bytes() == before
    assert run("git", "status", "--porcelain", cwd=clone) == ""
    assert params(copy)["seed"] == 5
    assert params(copy)["synthesis"]["scale"] == 2
    assert params(copy)["synthesis"]["samples"]["train"] == 96
    assert params(copy)["monitoring"] == params(clone)["monitoring"]

    def outcome(folder: Path) -> str:
        return reproduce("synthesize", force=False, log=silent, environment={}, root=folder)

    assert outcome(copy) == "Completed"
    assert visit(clone, Overrides(preset="tiny", seed=5, scale=2)) == copy
    assert "synthesize" not in (changed_stages(copy) or {"synthesize"})
    # A copy that was lost is made again, and its results come from the cache.
    copy.with_suffix(".made").unlink()
    assert visit(clone, Overrides(preset="tiny", seed=5, scale=2)) == copy
    assert not (copy / "dataset").exists()
    assert outcome(copy) == "Restored"


@pytest.mark.slow
def test_a_half_made_copy_is_made_again_and_old_ones_go(clone: Path) -> None:
    first = visit(clone, Overrides(seed=100))
    first.with_suffix(".made").unlink()
    (first / "params.yaml").write_text("half")
    assert params(visit(clone, Overrides(seed=100)))["seed"] == 100
    os.utime(first.with_suffix(".made"), (1, 1))
    for seed in range(101, 106):
        visit(clone, Overrides(seed=seed))
    assert not first.exists()
    assert len(list(first.parent.glob("*.made"))) == 5


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [None, ".making"])
def test_a_copy_that_is_used_stays_however_long_no_stage_runs(
    clone: Path, suffix: str | None
) -> None:
    # The run waits, perhaps for a training that it asked of another machine.
    with ExitStack() as run:
        with ExitStack() as one:
            for stack in (one, run):  # of two that use it at once, the first one leaves
                used = stack.enter_context(workspace(clone, Overrides(seed=200), silent))
            os.utime(used.with_suffix(".made"), (1, 1))
        if suffix is not None:
            run.close()
            run.enter_context(FileLock(used.with_suffix(suffix)))
        (used / "checkpoint").touch()
        for seed in range(201, 206):
            visit(clone, Overrides(seed=seed))
        assert (used / "checkpoint").exists()
        assert used.with_suffix(".made").exists()
    visit(clone, Overrides(seed=205))
    assert not used.exists()


def test_a_models_settings_that_are_left_out_are_logged(clone: Path) -> None:
    preset = clone / "presets" / "odd.yaml"
    preset.write_text("models: { gone: { steps: 3 } }")
    lines: list[str] = []
    with workspace(clone, Overrides(preset="odd"), lines.append) as folder:
        assert folder == clone
    assert lines == [f"{preset}: no model is called gone: left out"]
    preset.unlink()


def test_refuses_impossible_params_by_name(clone: Path) -> None:
    with pytest.raises(TextsrError, match=r"huge\.yaml: no such file"):
        visit(clone, Overrides(preset="huge"))
    preset = clone / "presets" / "bad.yaml"
    preset.write_text("training: { steps: -1 }")
    try:
        with pytest.raises(TextsrError, match=r"training\.steps"):
            visit(clone, Overrides(preset="bad"))
    finally:
        preset.unlink()


def _hold(root: Path, inside: Path, seconds: float) -> None:
    with exclusive(root, silent):
        (inside / str(os.getpid())).touch()
        assert len(list(inside.iterdir())) == 1
        time.sleep(seconds)
        (inside / str(os.getpid())).unlink()


def test_one_stage_at_a_time_and_a_dead_holder_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    inside = tmp_path / "inside"
    inside.mkdir()
    # Not forked: this process has threads of Prefect's, whose state a child would inherit.
    spawn = multiprocessing.get_context("spawn")
    three = [spawn.Process(target=_hold, args=(tmp_path, inside, 0.5)) for _ in range(3)]
    for process in three:
        process.start()
    for process in three:
        process.join(60)
        assert process.exitcode == 0
    holder = spawn.Process(target=_hold, args=(tmp_path, inside, 300))
    holder.start()
    while not list(inside.iterdir()):
        time.sleep(0.02)
    said: list[str] = []
    holder.kill()
    holder.join(10)
    shutil.rmtree(inside)
    with exclusive(tmp_path, said.append):
        assert said == []
