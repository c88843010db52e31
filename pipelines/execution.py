"""What all flows do: bring DVC stages up to date, one Prefect task a stage."""

import os
import socket
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import State, Task, get_run_logger, runtime
from prefect.client.orchestration import get_client
from prefect.states import Completed, Failed
from prefect.types import KeyValueLabels

from pipelines.delegation import WORKER_LABEL, Delegates, is_delegable
from pipelines.limits import demand_limit
from pipelines.parameters import Scale, TrainOn
from pipelines.reports import promoted, refusal
from pipelines.server import ask
from pipelines.stages import Graph, changed_stages, select_stages, stage_graph
from pipelines.tasks import (
    CLONE,
    SHARE,
    get_data,
    note_stage,
    run_needed,
    run_stage,
    shares,
    smoke_test,
)
from pipelines.workspaces import Overrides, exclusive, workspace
from textsr.errors import TextsrError
from textsr.redaction import redact

HOST_LABEL = "textsr.host"
"""Label of a flow run: the machine that its process is on."""


@contextmanager
def keep_secrets() -> Iterator[None]:
    """Take secrets out of what a flow raises: Prefect shows it, with its traceback and its causes.

    Raises:
        TextsrError: in the place of an exception that tells a secret.
    """
    try:
        yield
    except Exception as error:
        told = traceback.format_exc()
        if redact(told) == told:
            raise
        raise TextsrError(str(error) if isinstance(error, TextsrError) else told) from None


@keep_secrets()
def bring_up_to_date(
    stages: Collection[str] | None,
    *,
    preset: str | None = None,
    seeds: Sequence[int] | None = None,
    scale: Scale | None = None,
    force: bool = False,
    train_on: TrainOn = "here",
) -> State[None]:
    """Bring stages up to date for each seed, and first what they need; return the run's last state.

    Stages run one after another: each uses all cores. The first failure ends the run. Completed
    under the name `Refused` tells that the gate refused the winner.

    Args:
        stages: as `select_stages` takes them.
        preset, seeds, scale: what to change in params.yaml, see `pipelines.workspaces`.
        force: run the stages although nothing that they need has changed.
        train_on: where training and pretraining run: in this process, or in the pool `gpu`.

    Raises:
        TextsrError: if a name is not a stage's, or `dvc.yaml` or the params are not valid.
    """
    log = get_run_logger().info
    label_run()
    demand_limit()
    variants = [Overrides(preset, seed, scale) for seed in seeds or (None,)]
    done, refused = 0, ""
    for overrides in variants:
        with workspace(CLONE, overrides, log) as root:
            graph = stage_graph(root)
            chosen = select_stages(graph, stages)
            many = f"seed {overrides.seed}: " if len(variants) > 1 else ""
            runner = _Runner(root, graph, overrides, force, train_on == "gpu", many)
            failure = runner.run(chosen)
            if failure is not None:
                return Failed(message=failure)
            done += len(chosen)
            reason = refusal(root) if "register" in chosen else None
            refused += f"{many}{reason}\n" if reason else ""
    if refused:
        return Completed(name="Refused", message=refused.strip())
    return Completed(message=f"{done} stages are up to date")


class _Runner:
    """One pass over the DAG in one folder."""

    def __init__(
        self,
        root: Path,
        graph: Graph,
        overrides: Overrides,
        force: bool,
        delegate: bool,
        prefix: str,
    ) -> None:
        self._root = root
        self._graph = graph
        self._overrides = overrides
        self._force = force
        self._delegate = delegate
        self._prefix = prefix
        # What GPU workers run and what they need: other machines must be able to get it.
        delegable = set(filter(is_delegable, graph))
        self._exchanged = delegable | _ancestors(graph, delegable)
        self._states: dict[str, State[Any]] = {}
        self._delegates = Delegates(get_run_logger().info)

    def run(self, chosen: Sequence[str]) -> str | None:
        """Bring the chosen stages up to date, in their order; return what failed first, if any."""
        try:
            return (
                self._prepare(chosen)
                or self._run(chosen)
                or self._settle(chosen)
                or self._smoke_test(chosen)
            )
        except BaseException:
            self._delegates.cancel()
            raise

    def _prepare(self, chosen: Sequence[str]) -> str | None:
        """See to source material and to what the chosen stages need but were not asked for."""
        if not (self._root / "data" / "fonts").exists():
            state = self._task(get_data, "get-data")(self._root, return_state=True)
            if state.is_failed():
                return f"get-data: {state.message}"
        self._changed = changed_stages(self._root)
        needed = _ancestors(self._graph, chosen)
        # Where results are shared, also if unchanged: the run that made them may have died before
        # others could get them.
        if needed and (shares() or self._changed is None or needed & self._changed):
            direct = [name for stage in chosen for name in self._graph[stage] if name in needed]
            named = self._task(run_needed, "what they need")
            state = named(sorted(set(direct)), self._root, return_state=True)
            if state.is_failed():
                return f"what {', '.join(chosen)} need: {state.message}"
            self._changed = changed_stages(self._root)
        return None

    def _run(self, chosen: Sequence[str]) -> str | None:
        for stage in chosen:
            failure = self._settle(self._graph[stage])
            if failure is not None:
                return failure
            unchanged = self._is_unchanged(stage)
            if unchanged and not (shares() and stage in self._exchanged):
                self._start(note_stage, stage, stage, "Unchanged")
            elif self._delegate and is_delegable(stage) and not unchanged:
                self._delegates.start(stage, self._parameters())
            else:
                state = self._start(run_stage, stage, stage, self._force, self._root)
                if state.is_failed():
                    return f"{self._prefix}{stage}: {state.message}"
        return None

    def _is_unchanged(self, stage: str) -> bool:
        """Tell without running DVC's own check: neither the stage nor what it needs has changed."""
        if self._force:
            return False
        if self._changed is None:  # a stage of another run was at work in the folder
            self._changed = changed_stages(self._root)
        if self._changed is None or stage in self._changed:
            return False
        needed = [self._states[name] for name in self._graph[stage] if name in self._states]
        return all(state.name == "Unchanged" for state in needed)

    def _settle(self, stages: Collection[str]) -> str | None:
        """Wait for those of the stages that other workers run; return what failed, if any."""
        ended = self._delegates.wait(stages)
        for stage, run in ended.items():
            assert run.state is not None
            if not run.state.is_completed():
                return f"{self._prefix}{stage}: {run.name}: {run.state.name}: {run.state.message}"
        if not ended:
            return None
        # DVC tells nothing while a stage is at work in the folder, and what is not known here may
        # be missing: so after such a stage, and where DVC is silent all the same, by `dvc repro`.
        with exclusive(self._root, get_run_logger().info):
            changed = changed_stages(self._root)
        for stage in ended:
            if changed is not None and stage not in changed:
                self._start(note_stage, stage, stage, "Delegated")
            elif changed is not None and not shares():
                return (
                    f"{stage}: a worker has run it, but its results are not in "
                    f"{self._root.resolve()}; workers in other clones need a DVC remote, and "
                    f"{SHARE}=1 on both sides"
                )
            else:
                state = self._start(run_stage, stage, stage, False, self._root)
                if state.is_failed():
                    return f"{self._prefix}{stage}: {state.message}"
        return None

    def _smoke_test(self, chosen: Collection[str]) -> str | None:
        # Also where nothing was run: the last run may have ended between promotion and test.
        if "register" not in chosen or not promoted(self._root):
            return None
        state = self._task(smoke_test, "smoke-test")(self._root, return_state=True)
        return f"{self._prefix}smoke-test: {state.message}" if state.is_failed() else None

    def _parameters(self) -> dict[str, Any]:
        seed = self._overrides.seed
        return {
            "preset": self._overrides.preset,
            "seeds": None if seed is None else [seed],
            "scale": self._overrides.scale,
            "force": self._force,
        }

    def _start(self, what: Task[..., State[None]], stage: str, *arguments: Any) -> State[Any]:
        needed = [self._states[name] for name in self._graph[stage] if name in self._states]
        named = self._task(what, stage)
        self._states[stage] = named(*arguments, wait_for=needed, return_state=True)
        return self._states[stage]

    def _task(self, what: Task[..., State[None]], name: str) -> Task[..., State[None]]:
        name = f"{self._prefix}{name}"
        return what.with_options(name=name, task_run_name=name)


def _ancestors(graph: Graph, chosen: Collection[str]) -> frozenset[str]:
    """Return all that the chosen stages need, directly or not, less themselves."""
    found: set[str] = set()
    for stage in reversed(list(graph)):
        if stage in chosen or stage in found:
            found.update(graph[stage])
    return frozenset(found - set(chosen))


def label_run() -> None:
    """Note where the run is: `pipelines.recovery` and who asked for it see whether it is alive."""
    run_id = runtime.flow_run.id
    # Prefect's worker tells its name to what it starts; a flow that is run by hand has none.
    worker = os.environ.get("PREFECT__WORKER_NAME")
    labels: KeyValueLabels = {HOST_LABEL: socket.gethostname()}
    if worker is not None:
        labels[WORKER_LABEL] = worker
    with get_client(sync_client=True) as client:
        ask(lambda: client.update_flow_run_labels(run_id, labels))
