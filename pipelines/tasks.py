"""The tasks of which all flows are made: one DVC stage each, with what is seen of it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from prefect import State, Task, get_run_logger, runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.states import Completed, Failed

from pipelines.progress import Progress
from pipelines.reports import report_stage
from pipelines.server import ask
from pipelines.stages import reproduce, reproduce_all, run_command
from pipelines.workspaces import exclusive
from textsr.errors import TextsrError
from textsr.redaction import redact

CLONE = Path()
"""The clone is the working directory of every flow."""

SHARE = "TEXTSR_SHARE"
"""Set where workers on several machines exchange results through DVC's default remote."""

# Of `textsr.tracking`, where MLflow's server cannot be reached. The stage goes on where it was.
_MLFLOW_IS_AWAY = "MLflow gives no answer"
_RETRY_SECONDS = (10, 60, 300)


def _mlflow_is_away(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    return _MLFLOW_IS_AWAY in (state.message or "")


# DVC is the one cache of results: Prefect keeps none and reuses none.
@task(cache_policy=NO_CACHE, persist_result=False)
def get_data(root: Path) -> State[None]:
    """Get the source material: what `data.dvc` names, or what the installed packages hold."""
    log = get_run_logger().info
    fetch = ["pull"] if shares() else ["checkout"]
    try:
        if (root / "data.dvc").exists():
            run_command(["textsr", "dvc", *fetch, "data.dvc"], log=log, environment={}, root=root)
    except TextsrError as error:
        log(f"data.dvc: not in DVC's cache ({str(error).splitlines()[-1]})")
    try:
        if not (root / "data" / "fonts").exists():
            run_command(["textsr", "fetch-data"], log=log, environment={}, root=root)
    except TextsrError as error:
        return Failed(message=str(error))
    return Completed()


@task(cache_policy=NO_CACHE, persist_result=False)
def note_stage(stage: str, outcome: str) -> State[None]:
    """Record that a stage is up to date without a look at it: `Unchanged`, or `Delegated`."""
    get_run_logger().info(f"'{stage}' is up to date")
    return Completed(name=outcome)


@task(
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=len(_RETRY_SECONDS),
    retry_delay_seconds=list(_RETRY_SECONDS),
    retry_condition_fn=_mlflow_is_away,
)
def smoke_test(root: Path) -> State[None]:
    """See that the new champion can be loaded and upscales; otherwise the one before it is back."""
    log = get_run_logger().info
    try:
        run_command(["textsr", "smoke-test"], log=log, environment=_environment(root), root=root)
    except TextsrError as error:
        return Failed(message=str(error))
    return Completed()


@task(
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=len(_RETRY_SECONDS),
    retry_delay_seconds=list(_RETRY_SECONDS),
    retry_condition_fn=_mlflow_is_away,
)
def run_needed(stages: list[str], root: Path) -> State[None]:
    """Bring stages and all that they need up to date."""
    log, progress = get_run_logger().info, Progress("what they need")
    try:
        with exclusive(root, log):
            reproduce_all(
                stages,
                log=_both(log, progress.see),
                environment=_environment(root),
                root=root,
                shared=shares(),
            )
    except TextsrError as error:
        return Failed(message=str(error))
    return Completed()


@task(
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=len(_RETRY_SECONDS),
    retry_delay_seconds=list(_RETRY_SECONDS),
    retry_condition_fn=_mlflow_is_away,
)
def run_stage(stage: str, force: bool, root: Path) -> State[None]:
    """Bring one stage up to date and show what it found; the state's name says what that took."""
    log, progress = get_run_logger().info, Progress(stage)
    try:
        with exclusive(root, log):
            outcome = reproduce(
                stage,
                force=force,
                log=_both(log, progress.see),
                environment=_environment(root),
                root=root,
                shared=shares(),
            )
    except TextsrError as error:
        # A state of its own, since Prefect would log its traceback over the stage's last lines.
        return Failed(message=str(error))
    if outcome != "Unchanged":
        _report(stage, root, log)
    return Completed(name=outcome)


def _report(stage: str, root: Path, log: Callable[[str], None]) -> None:
    """Show what a stage found; its results are safe, whether the server takes that or not."""
    try:
        ask(lambda: report_stage(stage, root, str(runtime.flow_run.id), log), delays=(1, 4, 15))
    except (TextsrError, httpx.HTTPError, OSError) as error:
        get_run_logger().warning(redact(f"{stage}: no report: {error}"))


def _both(*calls: Callable[[str], None]) -> Callable[[str], None]:
    def call(line: str) -> None:
        for each in calls:
            each(line)

    return call


def _environment(root: Path) -> dict[str, str]:
    # `textsr.tracking` tags MLflow runs with the first, and finds the clone's store by the second.
    return {"TEXTSR_FLOW_RUN_ID": str(runtime.flow_run.id)} | (
        {} if root == CLONE else {"DVC_ROOT": str(CLONE.resolve())}
    )


def shares() -> bool:
    """Tell whether results are exchanged through DVC's remote."""
    return os.environ.get(SHARE, "") not in ("", "0")
