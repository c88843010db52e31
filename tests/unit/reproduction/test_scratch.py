"""The scratch copy: code and files of then, and nothing of it left in the project."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from textsr.errors import TextsrError
from textsr.reproduction import scratch
from textsr.reproduction.scratch import (
    copy_project,
    get_data,
    lost_changes,
    run_stages,
    scratch_folder,
)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    for name in ("params.yaml", "dvc.lock", "data.dvc", "src/code.py"):
        (folder / name).write_text(f"{name} 1\n")
    git(folder, "init", "-qb", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    return folder


@pytest.fixture
def kept(project: Path, tmp_path: Path) -> Path:
    """What a version kept when code and params were changed beside the commit."""
    folder = tmp_path / "kept"
    folder.mkdir()
    (project / "params.yaml").write_text("params.yaml, changed\n")
    (project / "src/code.py").write_text("src/code.py, changed\n")
    (folder / "changes.patch").write_text(git(project, "diff", "HEAD", "--binary") + "\n")
    for name in ("params.yaml", "dvc.lock", "data.dvc"):
        (folder / name).write_bytes((project / name).read_bytes())
    git(project, "checkout", "-q", ".")
    return folder


def test_a_copy_is_of_then_and_the_project_is_not_touched(
    project: Path, kept: Path, tmp_path: Path
) -> None:
    commit = git(project, "rev-parse", "HEAD")
    (project / "src/code.py").write_text("src/code.py 2\n")
    # No branch leads to the commit any more.
    git(project, "checkout", "-q", "--orphan", "other")
    git(project, "commit", "-qam", "two")
    git(project, "branch", "-qD", "main")
    before = git(project, "status", "--porcelain"), git(project, "for-each-ref")
    with scratch_folder(project, tmp_path / "copy", keep=False) as folder:
        copy_project(project, commit, kept, folder)
        assert (folder / "src/code.py").read_text() == "src/code.py, changed\n"
        assert (folder / "params.yaml").read_text() == "params.yaml, changed\n"
        assert (folder / "dvc.lock").read_text() == "dvc.lock 1\n"
        changed = "params.yaml, src/code.py, src/new.py, reports/registration.json"
        assert lost_changes(folder, changed) == [
            "changed beside the commit, and not kept: src/new.py"
        ]
        assert lost_changes(folder, "none") == []
    assert not (tmp_path / "copy").exists()
    assert (git(project, "status", "--porcelain"), git(project, "for-each-ref")) == before
    assert len(git(project, "worktree", "list").splitlines()) == 1


def test_a_commit_that_is_not_here_is_refused_with_the_remedy(
    project: Path, kept: Path, tmp_path: Path
) -> None:
    for commit in ("0" * 40, "--all"):
        with pytest.raises(TextsrError, match=f"'{commit}' is not in this clone.*git fetch"):
            copy_project(project, commit, kept, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_changes_that_do_not_fit_are_told(project: Path, kept: Path, tmp_path: Path) -> None:
    (project / "src/code.py").write_text("another\n")
    git(project, "commit", "-qam", "two")
    with pytest.raises(TextsrError, match=r"`git apply` failed \(.*src/code\.py"):
        copy_project(project, git(project, "rev-parse", "HEAD"), kept, tmp_path / "copy")


def test_a_folder_goes_whatever_happens_and_stays_on_demand(project: Path, tmp_path: Path) -> None:
    def work() -> None:
        with scratch_folder(project, None, keep=False) as folder:
            (folder / "file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert list((project / ".cache").iterdir()) == []
    with scratch_folder(project, tmp_path / "new/mine", keep=True) as folder:
        (folder / "file").touch()
    assert (tmp_path / "new/mine/file").exists()
    with (
        pytest.raises(TextsrError, match=r"mine: not an empty folder"),
        scratch_folder(project, tmp_path / "new/mine", keep=False),
    ):
        pass
    assert (tmp_path / "new/mine/file").exists()


def test_what_dvc_has_started_ends_with_an_interruption(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = tmp_path / "pid"
    script = f"sleep 300 & echo $! > {pid}.part; mv {pid}.part {pid}; wait"
    monkeypatch.setattr(scratch, "_located", lambda *_: ["sh", "-c", script])

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 2)
        with pytest.raises(KeyboardInterrupt):
            run_stages(tmp_path, "evaluate@byol")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    deadline = time.monotonic() + 5
    while psutil.pid_exists(int(pid.read_text())) and time.monotonic() < deadline:
        if psutil.Process(int(pid.read_text())).status() == psutil.STATUS_ZOMBIE:
            return  # dead, and nobody here to reap it
        time.sleep(0.02)
    assert not psutil.pid_exists(int(pid.read_text()))


def test_code_of_then_runs_and_no_server_of_today_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    monkeypatch.setattr(scratch, "_located", lambda *_: ["sh", "-c", f"env > {told}; exit 3"])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("DVC_ROOT", "/elsewhere")
    monkeypatch.setenv("PYTHONPATH", "/today")
    with pytest.raises(
        TextsrError, match=r"`textsr dvc repro .*` failed with exit status 3.*--keep"
    ):
        run_stages(tmp_path, "evaluate@byol")
    said = told.read_text().splitlines()
    assert f"PYTHONPATH={tmp_path / 'src'}{os.pathsep}/today" in said
    assert not [line for line in said if line.startswith(("MLFLOW_TRACKING_URI", "DVC_ROOT"))]


@pytest.mark.parametrize("elsewhere", [True, False])
def test_source_material_comes_from_the_cache_or_the_remote(
    elsewhere: bool, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where neither has it, the remedy is told."""
    asked = []

    def dvc(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        asked.append((folder.name, arguments[0]))
        status = {"cache": 0, "checkout": 1, "pull": 0 if elsewhere else 1}[arguments[0]]
        return subprocess.CompletedProcess([], status, "a hint\n.dvc/cache\n", "no remote\n")

    monkeypatch.setattr(scratch, "_dvc", dvc)
    for folder in (project, tmp_path / "copy"):
        (folder / ".dvc").mkdir(parents=True)
    (project / ".dvc/config.local").write_text("a remote's key\n")
    if elsewhere:
        get_data(project, tmp_path / "copy")
    else:
        with pytest.raises(TextsrError, match=r"data\.dvc: neither .*\(no remote\); `dvc push`"):
            get_data(project, tmp_path / "copy")
    assert asked == [
        ("project", "cache"),
        ("copy", "cache"),
        ("copy", "checkout"),
        ("copy", "pull"),
    ]
    assert (tmp_path / "copy/.dvc/config.local").read_text() == "a remote's key\n"


def test_a_machine_without_git_is_told_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(TextsrError, match=r"git: no such command here; install it"):
        scratch.require_commit(project, "0" * 40)
