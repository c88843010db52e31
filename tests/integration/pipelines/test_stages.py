import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import stages
from pipelines.stages import (
    reproduce,
    reproduce_all,
    run_command,
    select_stages,
    stage_graph,
)
from textsr.errors import TextsrError

GRAPH = {
    "data.dvc": [],
    "validate": ["data.dvc"],
    "train@simclr": ["validate"],
    "train@byol": ["validate"],
    "compare": ["train@simclr", "train@byol"],
}


def running(pid: int) -> bool:
    """Whether the process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def await_text(path: Path) -> str:
    deadline = time.monotonic() + 20
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < deadline, f"{path} was never written"
        time.sleep(0.02)
    return path.read_text()


def await_end(pid: int) -> None:
    deadline = time.monotonic() + 10
    while running(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)


@pytest.fixture
def pid_file(tmp_path: Path) -> Iterator[Path]:
    """Where a test's descendant writes its process id; it is killed if the test leaves it."""
    path = tmp_path / "pid"
    yield path
    if path.exists() and running(int(path.read_text())):
        os.kill(int(path.read_text()), signal.SIGKILL)


def silent(line: str) -> None:
    pass


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\nno_scm = true\n")
    return tmp_path


class TestStageGraph:
    def test_is_topological_whatever_the_order_in_the_file(self, project: Path) -> None:
        (project / "dvc.yaml").write_text(
            """
            stages:
              last: { cmd: "true", deps: [b-one, b-two] }
              middle:
                matrix: { which: [one, two] }
                cmd: cp a b-${item.which}
                deps: [a]
                outs: ["b-${item.which}"]
              first: { cmd: touch a, outs: [a] }
            """
        )
        graph = stage_graph()
        assert list(graph) == ["first", "middle@one", "middle@two", "last"]
        assert graph["middle@two"] == ["first"]
        assert sorted(graph["last"]) == ["middle@one", "middle@two"]

    def test_has_the_data_that_stages_need_and_no_other(self, project: Path) -> None:
        for name in ("data", "other"):
            (project / name).write_text(name)
            run_command(["dvc", "add", "-q", name], log=silent, environment={})
        (project / "dvc.yaml").write_text("stages: { train: { cmd: 'true', deps: [data] } }")
        assert stage_graph() == {"data.dvc": [], "train": ["data.dvc"]}

    def test_tells_what_dvc_says_of_an_invalid_file(self, project: Path) -> None:
        (project / "dvc.yaml").write_text("stages: { train: { command: 'true' } }")
        with pytest.raises(TextsrError, match=r"(?s)dvc\.yaml.*train -> command"):
            stage_graph()


class TestSelectStages:
    def test_takes_all_by_default(self) -> None:
        assert select_stages(GRAPH, None) == list(GRAPH)

    def test_keeps_topological_order(self) -> None:
        assert select_stages(GRAPH, ["compare", "validate"]) == ["validate", "compare"]

    def test_expands_groups(self) -> None:
        assert select_stages(GRAPH, ["train"]) == ["train@simclr", "train@byol"]

    def test_takes_one_of_a_group(self) -> None:
        assert select_stages(GRAPH, ["train@byol"]) == ["train@byol"]

    def test_refuses_unknown_names_by_name(self) -> None:
        with pytest.raises(TextsrError, match=r"no 'trian', 'train@seed'; it has data\.dvc, valid"):
            select_stages(GRAPH, ["trian", "validate", "train@seed"])


class TestReproduce:
    def test_tells_running_from_unchanged_and_restored(self, project: Path) -> None:
        (project / "dvc.yaml").write_text(
            "stages: { draw: { cmd: cp seed out, deps: [seed], outs: [out] } }"
        )
        (project / "seed").write_text("1")

        def outcome(*, force: bool = False) -> str:
            return reproduce("draw", force=force, log=silent, environment={})

        assert outcome() == "Completed"
        assert outcome() == "Unchanged"
        (project / "out").unlink()
        (project / "dvc.lock").unlink()
        assert outcome() == "Restored"
        assert (project / "out").read_text() == "1"
        assert outcome(force=True) == "Completed"

    def test_a_stage_that_always_runs_has_changed_where_its_output_has(self, project: Path) -> None:
        (project / "dvc.yaml").write_text(
            "stages: { ask: { cmd: cp asked out, always_changed: true, outs: [out] } }"
        )
        for asked, expected in (("1", "Completed"), ("1", "Unchanged"), ("2", "Completed")):
            (project / "asked").write_text(asked)
            assert reproduce("ask", force=False, log=silent, environment={}) == expected
            assert (project / "out").read_text() == asked


@pytest.fixture
def remote(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty default remote of a pipeline in which `sign` needs `draw`; `other` is on its own."""
    remote = tmp_path_factory.mktemp("remote")
    for name in ("draw", "sign", "other"):
        (project / f"{name}.in").write_text(name)
    (project / "dvc.yaml").write_text(
        """
        stages:
          draw: { cmd: cp draw.in drawn, deps: [draw.in], outs: [drawn] }
          sign: { cmd: cat sign.in drawn > signed, deps: [sign.in, drawn], outs: [signed] }
          other: { cmd: cp other.in others, deps: [other.in], outs: [others] }
        """
    )
    run_command(["dvc", "remote", "add", "-d", "x", str(remote)], log=silent, environment={})
    return remote


def contents(remote: Path) -> set[str]:
    """What the files in a remote say, without the run cache."""
    files = (remote / "files" / "md5").rglob("*")
    return {path.read_text() for path in files if path.is_file()}


def share(stage: str) -> str:
    return reproduce(stage, force=False, log=silent, environment={}, shared=True)


class TestSharing:
    def test_sends_what_an_earlier_run_could_not(self, remote: Path) -> None:
        # It ended between `dvc repro` and `dvc push`.
        reproduce("draw", force=False, log=silent, environment={})
        assert contents(remote) == set()
        assert share("draw") == "Unchanged"
        assert contents(remote) == {"draw"}
        assert list((remote / "runs").rglob("*"))

    def test_sends_what_was_needed_and_no_other(self, remote: Path) -> None:
        reproduce("other", force=False, log=silent, environment={})
        reproduce_all(["sign"], log=silent, environment={}, shared=True)
        assert contents(remote) == {"draw", "signdraw"}

    def test_tries_again_where_the_remote_is_away(
        self, remote: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        remote.rmdir()
        remote.write_text("no folder")
        waits: list[float] = []

        def wait(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                remote.unlink()
                remote.mkdir()

        monkeypatch.setattr(stages.time, "sleep", wait)
        assert share("draw") == "Completed"
        assert waits == [5, 30]
        assert contents(remote) == {"draw"}

    def test_fails_where_the_remote_stays_away(
        self, remote: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        remote.rmdir()
        remote.write_text("no folder")
        monkeypatch.setattr(stages, "_PUSH_DELAYS", (0.0,))
        with pytest.raises(TextsrError, match="dvc --wait-for-lock push"):
            share("draw")


class TestRunCommand:
    def test_logs_each_line_as_it_comes(self, tmp_path: Path) -> None:
        proceed = tmp_path / "proceed"
        lines = []

        def log(line: str) -> None:
            lines.append(line)
            if line == "first":  # the second line is written once the first one has arrived
                proceed.touch()

        script = f"echo first; until [ -e {proceed} ]; do sleep 0.02; done; echo second >&2"
        assert run_command(["sh", "-c", script], log=log, environment={}) == lines
        assert lines == ["first", "second"]

    def test_shows_the_last_state_of_a_progress_bar(self) -> None:
        lines: list[str] = []
        run_command(["printf", r"10%%\r50%%\r100%%\ndone\n"], log=lines.append, environment={})
        assert lines == ["100%", "done"]

    def test_survives_bytes_that_are_not_utf8(self) -> None:
        assert run_command(["printf", r"\377ok"], log=silent, environment={}) == ["\ufffdok"]

    def test_adds_the_environment_and_finds_this_python_first(self) -> None:
        lines = run_command(
            ["sh", "-c", "echo $COLOUR; command -v dvc"], log=silent, environment={"COLOUR": "red"}
        )
        assert lines == ["red", str(Path(sys.executable).parent / "dvc")]

    def test_failure_ends_with_the_last_lines(self) -> None:
        script = "for i in $(seq 100); do echo line $i; done; exit 7"
        with pytest.raises(TextsrError, match=r"(?s)exit status 7:.*line 99\nline 100$") as caught:
            run_command(["sh", "-c", script], log=silent, environment={})
        assert "line 50\n" not in str(caught.value)

    def test_names_a_program_that_is_missing(self) -> None:
        with pytest.raises(TextsrError, match="no-such-program: not installed"):
            run_command(["no-such-program"], log=silent, environment={})

    @pytest.mark.parametrize("stubborn", [False, True])
    def test_interruption_ends_all_descendants(self, pid_file: Path, stubborn: bool) -> None:
        trap = "trap '' TERM; " if stubborn else ""
        script = f"({trap}echo $$ ready; sh -c 'echo $$ > {pid_file}; exec sleep 300'; sleep 300)"

        def interrupt(line: str) -> None:
            await_text(pid_file)
            raise KeyboardInterrupt

        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            run_command(["sh", "-c", script], log=interrupt, environment={}, grace_seconds=0.5)
        pid = int(pid_file.read_text())
        # A process that was killed takes a moment to be gone, on a busy machine above all.
        while running(pid) and time.monotonic() - start < 20:
            time.sleep(0.02)
        assert not running(pid)

    def test_killing_the_caller_ends_the_command(self, pid_file: Path) -> None:
        caller = f"""
from pipelines.stages import run_command
run_command(["sh", "-c", "echo $$ > {pid_file}; sleep 300"], log=print, environment={{}})
"""
        process = subprocess.Popen(
            [sys.executable, "-c", caller],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        pid = int(await_text(pid_file))
        assert running(pid)
        process.kill()
        process.wait()
        await_end(pid)
