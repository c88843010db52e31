"""MLflow behind a proxy that misbehaves: done all the same, or one clear error and then a rerun.

Nothing is lost by that, and no run is left running.
"""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

from tests.faults.campaign.attack import Attack
from tests.faults.campaign.killing import Done, environment, require, run
from tests.faults.campaign.proxy import Faults, misbehaving
from tests.faults.campaign.tracked_stage import STAGE, make_project, require_logged

# One that was champion, one that is, and one to be promoted.
_REGISTER = """
import sys
from pathlib import Path
from textsr.registry.aliases import promote, register_challenger
from textsr.tracking import Tracker

tracker, name = Tracker(Path.cwd()), sys.argv[1]
for number in (1, 2, 3):
    run = tracker.start(f"run {number}", name, {}, {"data_hash": "none"}).run_id
    version = register_challenger(tracker, name, f"s3://none/{name}/{number}", run, "")
    if number < 3:
        promote(tracker, name, version)
    tracker.finish(run)
"""
_PROMOTE = ["textsr", "promote", "3", "--force", "--reason", "better"]
_COMMANDS = {
    "stage": (STAGE, {}),
    "promote": (_PROMOTE, {"champion": "3", "previous": "2", "challenger": "3"}),
    "roll back": (["textsr", "rollback", "--to", "1"], {"champion": "1", "challenger": "3"}),
    "models": (
        ["textsr", "models", "--json"],
        {"champion": "2", "previous": "1", "challenger": "3"},
    ),
}


def try_network(number: int, folder: Path) -> None:
    """Run a command through a proxy that misbehaves, then once more when it is well."""
    from mlflow import MlflowClient

    random = Random(number)
    what = list(_COMMANDS)[number % len(_COMMANDS)]
    words, aliases = _COMMANDS[what]
    name = f"case-{number}"
    server = _server(folder.parent)
    project = make_project(folder, name)
    client = MlflowClient(server)
    if what != "stage":
        prepare = [sys.executable, "-c", _REGISTER, name]
        done = run(prepare, project, _variables(server, name), folder / "prepare.log")
        require(done.status == 0, done.said)
    faults = Faults(random, many=random.choice((1, 2, 5, 20)), share=random.choice((0.1, 0.3, 1)))
    with misbehaving(server, faults) as address:
        variables = _variables(address, name)
        done = run(words, project, variables, folder / "log")
        faults.end()
        said = f"{what}; {'; '.join(faults.seen)}"
        _require_said(done, address, said)
        again = done
        if done.status or what != "stage":
            again = run(words, project, variables, folder / "again.log")
        require(again.status == 0, f"{said}; again: {again.said}")
    if what == "stage":
        require_logged(client, name, said)
    else:
        found = {k: str(v) for k, v in client.get_registered_model(name).aliases.items()}
        require(found == aliases, f"{said}: aliases are {found}")


def _variables(address: str, name: str) -> dict[str, str]:
    return environment(
        MLFLOW_TRACKING_URI=address,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="3",
        MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR="1",
        MLFLOW_HTTP_REQUEST_TIMEOUT="20",
        TEXTSR_TEST_NAME=name,
    )


def _require_said(done: Done, address: str, said: str) -> None:
    if done.status == 0:
        return
    require(done.status == 1, f"{said}: status {done.status}: {done.said}")
    errors = [line for line in done.said.splitlines() if line.startswith("textsr: ")]
    require(len(errors) == 1 and "Traceback" not in done.said, f"{said}: {done.said}")
    require(address in errors[0], f"{said}: {errors[0]}")


_servers: dict[int, str] = {}


def _server(scratch: Path) -> str:
    """Return the address of this process's MLflow server, which ends with the process."""
    from tests.faults.test_registry_at_once import await_server, free_port, server_command

    if os.getpid() not in _servers:
        folder = scratch / f"server-{os.getpid()}"
        folder.mkdir()
        port = free_port()
        log = (folder / "server.log").open("wb")
        server = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *server_command(folder, port)],
            cwd=folder,
            env=environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false"),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        address = f"http://127.0.0.1:{port}"
        await_server(server, address, folder / "server.log")
        _servers[os.getpid()] = address
    return _servers[os.getpid()]


ATTACKS = [Attack("network", try_network, cases=400, sample=0, seconds=900)]
