"""DVC's view of the pipeline, asked of the `dvc` command: the DAG, and one stage at a time."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Literal

from textsr.errors import TextsrError
from textsr.redaction import redact

Graph = Mapping[str, Collection[str]]
"""The stages that each stage needs, by stage, in topological order."""

Outcome = Literal["Completed", "Unchanged", "Restored"]
"""A stage ran, changed nothing, or had its outputs restored from DVC's run cache."""

_TAIL_LINES = 30
# Its commands lock the repository for seconds; without the flag another one fails at once.
_DVC = ["textsr", "dvc", "--wait-for-lock"]
# Below the 30 s that a Prefect worker gives a cancelled flow run before it kills that.
_GRACE_SECONDS = 10.0
_PUSH_DELAYS = (5.0, 30.0, 120.0)  # seconds after a push that fails, and before the next try

# Runs the command as leader of the process group, beside a guard that reads a pipe which only the
# parent has open: it ends the group when the parent closes the pipe or dies, by SIGKILL even.
_GUARDED = """
grace=$1; shift
exec 3<&0
(trap '' TERM; read -r _ <&3; kill -TERM 0; sleep "$grace"; kill -KILL 0) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"""


def stage_graph(root: Path = Path()) -> Graph:
    """Return the DAG that `dvc repro` runs in the folder `root`.

    Expanded stages have DVC's names (`train@byol`), and so have `.dvc` files that stages need
    (`data.dvc`), which `dvc repro` brings up to date first.

    Raises:
        TextsrError: if DVC finds no valid pipeline here; the message is DVC's own.
    """
    environment = _environment({})
    command = _located([*_DVC, "dag", "--dot", "dvc.yaml"], environment)
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=root
    )
    if result.returncode != 0:
        raise TextsrError(f"dvc.yaml: mend what DVC says of it:\n{result.stderr.strip()}")
    nodes = re.findall(r'^"([^"]+)";$', result.stdout, re.MULTILINE)
    needs: dict[str, list[str]] = {node: [] for node in nodes}
    for upstream, stage in re.findall(r'^"([^"]+)" -> "([^"]+)";$', result.stdout, re.MULTILINE):
        needs[stage].append(upstream)
    return {stage: needs[stage] for stage in TopologicalSorter(needs).static_order()}


def changed_stages(root: Path = Path()) -> frozenset[str] | None:
    """Return the stages whose own code, params, inputs or outputs are not what `dvc.lock` says.

    None where DVC does not tell. What comes after a changed stage is not among them.
    """
    environment = _environment({})
    command = _located([*_DVC, "status", "--json"], environment)
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, cwd=root
    )
    return frozenset(json.loads(result.stdout)) if result.returncode == 0 else None


def select_stages(graph: Graph, names: Collection[str] | None) -> list[str]:
    """Return the named stages in topological order; all of them where `names` is None.

    The name of a group (`train`) stands for all its stages (`train@byol`, ...), as in DVC.

    Raises:
        TextsrError: if DVC knows no stage by one of the names.
    """
    if names is None:
        return list(graph)
    known = {*graph, *map(_group, graph)}
    if unknown := [name for name in names if name not in known]:
        raise TextsrError(
            f"stages: dvc.yaml has no {', '.join(map(repr, unknown))}; it has {', '.join(graph)}"
        )
    return [stage for stage in graph if stage in names or _group(stage) in names]


def reproduce(
    stage: str,
    *,
    force: bool,
    log: Callable[[str], None],
    environment: Mapping[str, str],
    root: Path = Path(),
    shared: bool = False,
) -> Outcome:
    """Bring one stage up to date, logging each line of its output as it comes.

    Args:
        stage: a name from `stage_graph`; what it needs must be up to date already.
        force: run it although nothing that it needs has changed.
        log: called with each line.
        environment: variables added to this process's own.
        root: the clone to work in.
        shared: take results from DVC's remote, and send them there.

    Raises:
        TextsrError: if the stage or the remote fails; the message ends with the last lines of the
            output.
    """
    if shared and stage.endswith(".dvc"):
        _share_sources([stage], log=log, environment=environment, root=root)
    flags = [*(["--pull"] if shared else []), *(["--force"] if force else [])]
    command = [*_DVC, "repro", "--single-item", *flags, stage]
    tail = run_command(command, log=log, environment=environment, root=root)
    # An unchanged one too: the run that made it may have died before all of it was there.
    if shared and not stage.endswith(".dvc"):
        _push([stage], log=log, environment=environment, root=root)
    if any(line.endswith(f"'{stage}' didn't change, skipping") for line in tail):
        return "Unchanged"
    if any(line.startswith(f"Stage '{stage}' is cached - skipping run") for line in tail):
        return "Restored"
    # DVC runs the stage `engines` each time. Where that found nothing new, `dvc.lock` stays.
    if not force and not any("lock file 'dvc.lock'" in line for line in tail):
        return "Unchanged"
    return "Completed"


def reproduce_all(
    stages: Collection[str],
    *,
    log: Callable[[str], None],
    environment: Mapping[str, str],
    root: Path = Path(),
    shared: bool = False,
) -> None:
    """Bring stages and all that they need up to date. For the arguments see `reproduce`.

    Raises:
        TextsrError: if a stage or the remote fails; the message ends with the last lines of the
            output.
    """
    if shared:
        sources = sorted(path.name for path in root.glob("*.dvc") if path.is_file())
        _share_sources(sources, log=log, environment=environment, root=root)
    command = [*_DVC, "repro", *(["--pull"] if shared else []), *stages]
    run_command(command, log=log, environment=environment, root=root)
    if shared:
        targets = ["--with-deps", *stages]
        _push(targets, log=log, environment=environment, root=root)


def _push(
    targets: Sequence[str],
    *,
    log: Callable[[str], None],
    environment: Mapping[str, str],
    root: Path,
) -> None:
    """Send results to DVC's remote, which may be away for a while; what is there is not sent again.

    Args:
        targets: stages, and options of `dvc push`.
        log, environment, root: as `reproduce` takes them.

    Raises:
        TextsrError: if the remote still fails after the last try.
    """
    command = [*_DVC, "push", "--run-cache", *targets]
    for delay in _PUSH_DELAYS:
        try:
            run_command(command, log=log, environment=environment, root=root)
        except TextsrError as error:
            log(f"{error}\nagain in {delay:g} s")
            time.sleep(delay)
        else:
            return
    run_command(command, log=log, environment=environment, root=root)


def _share_sources(
    sources: Sequence[str],
    *,
    log: Callable[[str], None],
    environment: Mapping[str, str],
    root: Path,
) -> None:
    """Bring to the remote what lies here as `.dvc` files say, but is not in DVC's cache yet.

    `textsr fetch-data` makes such, and `dvc repro --pull` would refuse to replace it.
    """
    if not sources:
        return
    command = [*_DVC, "status", "--json", *sources]
    told = run_command(command, log=lambda line: None, environment=environment, root=root)
    for source, changes in json.loads(told[-1]).items():
        states = [state for each in changes for state in each.get("changed outs", {}).values()]
        if set(states) != {"not in cache"}:
            continue
        try:
            for step in ("commit", "push"):
                run_command([*_DVC, step, source], log=log, environment=environment, root=root)
        except TextsrError as error:  # what is here is not what the file says: `--pull` mends it
            log(f"{source}: {str(error).splitlines()[-1]}")


def run_command(
    command: list[str],
    *,
    log: Callable[[str], None],
    environment: Mapping[str, str],
    root: Path = Path(),
    grace_seconds: float = _GRACE_SECONDS,
) -> list[str]:
    """Run a program of this Python environment; return the last lines of its output, redacted.

    Neither it nor its descendants outlive the wait for it: when that is interrupted (by a signal's
    exception, an error in `log`) or when this process is killed, they are terminated, and killed
    after `grace_seconds`.

    Raises:
        TextsrError: if it exits with another status than 0; the message ends with the last lines.
    """
    full_environment = _environment(environment)
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    with subprocess.Popen(
        ["sh", "-c", _GUARDED, "sh", str(grace_seconds), *_located(command, full_environment)],
        env=full_environment,
        cwd=root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            for raw in process.stdout:
                # Of a progress bar, which redraws its line, the last state is worth a log entry.
                line = redact(raw.decode(errors="replace").rstrip().rpartition("\r")[2])
                tail.append(line)
                log(line)
            status = process.wait()
        finally:
            process.stdin.close()
            process.stdout.read()  # to its end: no descendant has it open any more
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the guard, and what closed its output
    if status != 0:
        shown = "\n".join(tail)
        raise TextsrError(f"`{' '.join(command)}` failed with exit status {status}:\n{shown}")
    return list(tail)


def _group(stage: str) -> str:
    return stage.partition("@")[0]


def _located(command: list[str], environment: Mapping[str, str]) -> list[str]:
    program, *arguments = command
    path = shutil.which(program, path=environment["PATH"])
    if path is None:
        raise TextsrError(f"{program}: not installed beside {sys.executable}; install the project")
    return [path, *arguments]


def _environment(added: Mapping[str, str]) -> dict[str, str]:
    # The environment of the running Python before whatever else PATH has, in stages too.
    bin_folder = str(Path(sys.executable).parent)
    path = os.pathsep.join([bin_folder, os.environ.get("PATH", os.defpath)])
    # Unbuffered, or a stage's lines would arrive together when it ends.
    return {**os.environ, "PATH": path, "PYTHONUNBUFFERED": "1", **added}
