"""The whole pipeline as a Prefect flow: what a schedule runs, and what `dvc repro` does by hand."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from prefect import State, flow, get_run_logger, runtime, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed, Failed
from pydantic import Field

from pipelines.stages import reproduce, run_command, select_stages, stage_graph
from textsr.errors import TextsrError

REPORTS = {
    "validate": ("validation", Path("artifacts/validation/result.json")),
    "compare": ("leaderboard", Path("reports/leaderboard.md")),
    "register": ("registration", Path("reports/registration.json")),
}
"""Key of the artifact, and the file it shows, of each stage that reports something."""

StageNames = Annotated[list[str], Field(min_length=1)]


def _flow_run_name() -> str:
    parameters = runtime.flow_run.parameters
    what = ", ".join(parameters.get("stages") or ["all stages"])
    forced = " (forced)" if parameters.get("force") else ""
    return f"{what}{forced}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


@flow(name="retrain", flow_run_name=_flow_run_name)
def retrain(stages: StageNames | None = None, force: bool = False) -> State[None]:
    """Bring the pipeline up to date, one task a DVC stage, as `dvc repro` would.

    Stages run one after another: each uses all cores, and DVC locks the repository. The first
    failure ends the run.

    Args:
        stages: names of DVC stages to run, without what they need; a group's name (`train`)
            stands for all its stages. All stages where it is not given.
        force: run stages although nothing that they need has changed.

    Raises:
        TextsrError: if a name is not a stage's, or `dvc.yaml` is not valid.
    """
    graph = stage_graph()
    chosen = select_stages(graph, stages)
    states: dict[str, State[Any]] = {}
    if not Path("data/fonts").exists():
        states["fetch-data"] = fetch_data(return_state=True)
        if states["fetch-data"].is_failed():
            return Failed(message=f"fetch-data: {states['fetch-data'].message}")
    for stage in chosen:
        needed = [states[name] for name in ("fetch-data", *graph[stage]) if name in states]
        named = run_stage.with_options(name=stage, task_run_name=stage)
        states[stage] = named(stage, force, wait_for=needed, return_state=True)
        if states[stage].is_failed():
            return Failed(message=f"{stage}: {states[stage].message}")
    return Completed(message=f"{len(chosen)} stages are up to date")


# DVC is the one cache of results: Prefect keeps none and reuses none.
@task(name="fetch-data", task_run_name="fetch-data", cache_policy=NO_CACHE, persist_result=False)
def fetch_data() -> State[None]:
    """Copy fonts and word lists out of installed packages: a fresh clone has no `data/`."""
    try:
        run_command(["textsr", "fetch-data"], log=get_run_logger().info, environment={})
    except TextsrError as error:
        return Failed(message=str(error))
    return Completed()


@task(cache_policy=NO_CACHE, persist_result=False)
def run_stage(stage: str, force: bool) -> State[None]:
    """Bring one stage up to date and show its report; the state's name says what that took."""
    # `textsr.tracking` tags MLflow runs with it.
    environment = {"TEXTSR_FLOW_RUN_ID": str(runtime.flow_run.id)}
    try:
        outcome = reproduce(stage, force=force, log=get_run_logger().info, environment=environment)
    except TextsrError as error:
        # A state of its own, since Prefect would log its traceback over the stage's last lines.
        return Failed(message=str(error))
    if stage in REPORTS:
        key, path = REPORTS[stage]
        create_markdown_artifact(_markdown(path), key=key, description=str(path))
    return Completed(name=outcome)


def _markdown(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return text if path.suffix == ".md" else "\n".join(_bullets(json.loads(text)))


def _bullets(value: dict[str, Any] | list[Any], indent: str = "") -> Iterator[str]:
    """Yield a JSON value as nested Markdown lists, short entries of an object first."""
    if isinstance(value, dict):
        shortest_first = sorted(value.items(), key=lambda entry: len(str(entry[1])))
        entries = [(f"- {name}:", item) for name, item in shortest_first]
    else:
        entries = [(f"{number}.", item) for number, item in enumerate(value, 1)]
    for mark, item in entries:
        if isinstance(item, dict | list) and item:
            yield f"{indent}{mark}"
            yield from _bullets(item, indent + "   ")
        else:
            yield f"{indent}{mark} {item if item != [] else 'none'}"


if __name__ == "__main__":
    raise SystemExit(0 if retrain(return_state=True).is_completed() else 1)
