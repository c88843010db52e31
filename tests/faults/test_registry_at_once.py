"""Registrations, promotions, rollbacks and deletions at once: one champion, no alias to nothing.

In one clone they take turns; machines that share an MLflow server cannot, and read back.
"""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from textsr.errors import TextsrError
from textsr.registry.aliases import (
    CHAMPION,
    PREVIOUS,
    aliases_of,
    find_version,
    finish_interrupted,
    promote,
    promote_over,
    register_challenger,
    version_of,
)
from textsr.registry.records import THE_GATE, Grounds, read_records
from textsr.tracking import Tracker

pytestmark = pytest.mark.slow

NAME = "busy"
PROCESSES = 3
BUSY = """
import random, sys, time
from pathlib import Path
from textsr.errors import TextsrError
from textsr.registry.aliases import (
    CHAMPION, promote, promote_over, register_challenger, roll_back, version_of
)
from textsr.registry.records import THE_GATE, Grounds
from textsr.tracking import Tracker

root, go, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
draw = random.Random(seed)
tracker = Tracker(root)
(go / f"ready-{seed}").touch()
while not (go / "go").exists():
    time.sleep(0.001)
for step in range(8):
    try:
        what = draw.choice(["register", "register", "promote", "back", "delete"])
        known = tracker.client.search_model_versions("name = 'busy'")
        if what == "register" or not known:
            run_id = tracker.start("r", "e", {}, {}).run_id
            version = register_challenger(tracker, "busy", f"s3://none/{seed}/{step}", run_id, "")
            while not promote_over(
                tracker, "busy", version, version_of(tracker, "busy", CHAMPION), Grounds(THE_GATE)
            ):
                print("judged again")
        elif what == "promote":
            promote(tracker, "busy", draw.choice(known))
        elif what == "back":
            roll_back(tracker, "busy", str(draw.choice(known).version))
        else:
            tracker.client.delete_model_version("busy", draw.choice(known).version)
    except TextsrError as error:
        print(error)
    except Exception as error:
        if what != "delete":  # of what another has deleted, which is MLflow's to say
            raise
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_command(folder: Path, port: int) -> list[str]:
    """How MLflow's own server is started on loopback, with what it keeps in a folder."""
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--workers", "1"),
        *("--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/server.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]


def await_server(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + 600
    while True:
        try:
            if httpx.get(f"{address}/health", timeout=5).is_success:
                return
        except httpx.HTTPError:
            pass
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Run MLflow's own server on loopback; yield its address."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    log = (folder / "server.log").open("wb")
    server = subprocess.Popen(
        server_command(folder, port),
        cwd=folder,
        env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        await_server(server, address, folder / "server.log")
        yield address
    finally:
        server.terminate()
        server.wait(60)
        log.close()


def run_busy(roots: list[Path], go: Path, environment: dict[str, str], first_seed: int = 0) -> str:
    """Let processes change the registry at once; return all that they said."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", BUSY, str(root), str(go), str(seed)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed, root in enumerate(roots, first_seed)
    ]
    while len(list(go.glob("ready-*"))) < len(roots):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)
    (go / "go").touch()
    said = []
    for process in processes:
        out, error = process.communicate(timeout=600)
        assert process.returncode == 0, error
        said.append(out)
    return "".join(said)


def require_sound(tracker: Tracker, said: str) -> None:
    """No alias names what is gone, and `previous` is not the champion."""
    aliases = aliases_of(tracker, NAME)
    for alias, version in aliases.items():
        assert find_version(tracker, NAME, version) is not None, (alias, said)
    assert aliases.get(CHAMPION, "none") != aliases.get(PREVIOUS), said
    champion = version_of(tracker, NAME, CHAMPION)
    if champion is not None:  # it became so by a decision that is kept
        outcomes = {record.outcome for record in read_records(champion)}
        assert outcomes & {"promoted", "rolled back to"}, said
    registered(tracker, NAME, 1)  # and it goes on from there
    newest = version_of(tracker, NAME, "challenger")
    assert newest is not None
    promote(tracker, NAME, newest)
    assert aliases_of(tracker, NAME)[CHAMPION] == str(newest.version)


def test_processes_of_one_clone_take_turns(tracker: Tracker, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    root = tracker.registry_lock.parents[1]
    said = run_busy([root] * PROCESSES, tmp_path, environment)
    assert "another machine" not in said
    require_sound(tracker, said)


def test_machines_that_share_a_server_end_with_one_champion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roots = [tmp_path / f"machine{number}" for number in range(PROCESSES)]
    for root in roots:
        root.mkdir()
    with mlflow_server(tmp_path) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        said = run_busy(roots, tmp_path, dict(os.environ))
        require_sound(Tracker(tmp_path), said)


def registered(tracker: Tracker, name: str, count: int) -> None:
    for number in range(count):
        run_id = tracker.start("r", "e", {}, {}).run_id
        register_challenger(tracker, name, f"s3://none/{number}", run_id, "")


def test_what_was_judged_against_another_champion_is_not_promoted(tracker: Tracker) -> None:
    registered(tracker, "late", 3)
    one, two, three = (tracker.client.get_model_version("late", str(n)) for n in (1, 2, 3))
    gate = Grounds(THE_GATE)
    assert promote_over(tracker, "late", one, None, gate)
    assert not promote_over(tracker, "late", two, None, gate)
    assert promote_over(tracker, "late", two, one, gate)
    assert not promote_over(tracker, "late", three, one, gate)
    assert promote_over(tracker, "late", two, one, gate)  # it is champion already
    assert aliases_of(tracker, "late") == {CHAMPION: "2", PREVIOUS: "1", "challenger": "3"}


@pytest.mark.parametrize(("before", "left"), [(True, {CHAMPION: "1"}), (False, {})])
def test_a_version_deleted_as_it_becomes_champion_leaves_the_one_before(
    tracker: Tracker, before: bool, left: dict[str, str]
) -> None:
    name = f"deleted{before}"
    registered(tracker, name, 2)
    if before:
        promote(tracker, name, tracker.client.get_model_version(name, "1"))
    move = tracker.client.set_registered_model_alias

    def lose(name: str, alias: str, version: str) -> None:
        move(name, alias, version)
        if version == "2":
            tracker.client.delete_model_version(name, "2")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tracker.client, "set_registered_model_alias", lose)
        with pytest.raises(TextsrError, match="version 2 was deleted while it became champion"):
            promote(tracker, name, tracker.client.get_model_version(name, "2"))
    assert aliases_of(tracker, name) == left


def test_a_version_deleted_before_it_could_be_changed_is_named(tracker: Tracker) -> None:
    registered(tracker, "early", 1)
    version = tracker.client.get_model_version("early", "1")
    tracker.client.delete_model_version("early", "1")
    with pytest.raises(TextsrError, match=r"deleted while it was to be changed.*textsr models"):
        promote(tracker, "early", version)


def test_an_alias_of_a_version_that_is_gone_goes(tracker: Tracker) -> None:
    """As a deletion in the midst of MLflow's setting an alias may leave it."""
    registered(tracker, "dangling", 2)
    promote(tracker, "dangling", tracker.client.get_model_version("dangling", "1"))
    database = Path(tracker.uri.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE registered_model_aliases SET version = 9 WHERE name = 'dangling' "
            "AND alias = 'champion'"
        )
    assert aliases_of(tracker, "dangling")[CHAMPION] == "9"
    finish_interrupted(tracker, "dangling")
    assert aliases_of(tracker, "dangling") == {"challenger": "2"}
