"""The watch over production images as a Prefect flow: what a schedule runs, and who hears of it."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import State, flow, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.events import emit_event
from prefect.states import Completed, Failed

from pipelines.execution import keep_secrets, label_run
from pipelines.limits import demand_limit
from pipelines.reports import embed_picture
from pipelines.stages import run_command
from textsr.config.params import load_params
from textsr.errors import TextsrError
from textsr.files import read_json, read_text
from textsr.redaction import redact

DRIFT = "textsr.drift"
"""The event that is raised for drift; `pipelines.automations` answers it."""

OUTPUT = Path("artifacts/monitoring/report")
_PICTURE = re.compile(r"!\[(.*)\]\((.*)\)")
_STATES = {"drift": "Drift", "no drift": "NoDrift", "too few images": "TooFewImages"}


def _flow_run_name() -> str:
    folder = runtime.flow_run.parameters.get("folder") or "the folder in params.yaml"
    return f"{redact(folder)}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


@flow(name="monitor", flow_run_name=_flow_run_name)
def monitor(folder: str | None = None) -> State[None]:
    """Compare production images with what the champion was trained on, by `textsr monitor`.

    The report, its pictures in it, becomes the artifact `drift`. Drift is a finding, not an error:
    the run completes in a state `Drift`. Of the folder that params.yaml names, the event
    `textsr.drift` carries the evidence; another one is looked at, and starts no retraining.

    Args:
        folder: of production images, or a bucket's address; `monitoring.folder` of params.yaml
            where it is not given. Where that names none either, there is nothing to do.

    Raises:
        TextsrError: if params.yaml is not valid, or nothing limits concurrent runs.
    """
    with keep_secrets():
        label_run()
        demand_limit()
        return _watch(folder)


def _watch(folder: str | None) -> State[None]:
    configured = load_params().monitoring.folder
    if not folder and configured is None:
        return Completed(
            name="NothingToWatch", message="params.yaml: monitoring.folder names no folder"
        )
    log = get_run_logger()
    # What params.yaml says is not repeated here: all users of the machine see command lines.
    named = [folder] if folder else []
    command = ["textsr", "monitor", *named, "--output", str(OUTPUT)]
    environment = {"TEXTSR_FLOW_RUN_ID": str(runtime.flow_run.id)}
    try:
        run_command(command, log=log.info, environment=environment)
    except TextsrError as error:
        # A state of its own, since Prefect would log its traceback over the last lines.
        return Failed(message=str(error))
    report = read_json(OUTPUT / "drift.json", dict[str, Any])
    page = read_text(OUTPUT / "report.md")
    create_markdown_artifact(
        _PICTURE.sub(_embed, page), key="drift", description=f"The report in {OUTPUT.resolve()}"
    )
    message = page.partition("\n")[0].removeprefix("# ")
    if report["verdict"] == "drift":
        if folder and folder != configured:
            message += "; no retraining: that is for monitoring.folder of params.yaml"
        elif not _raise_event(report):
            return Failed(message=f"{message}; but the event {DRIFT} could not be raised")
    return Completed(name=_STATES[report["verdict"]], message=message)


def _embed(link: re.Match[str]) -> str:
    """Put a picture's bytes in the place of its file, which Prefect's page cannot show."""
    return embed_picture(OUTPUT / link[2], link[1])


def _raise_event(report: dict[str, Any]) -> bool:
    """Tell Prefect of drift; return whether it took the event."""
    drifted = [finding for finding in report["findings"] if finding["drifted"]]
    event = emit_event(
        DRIFT,
        resource={
            "prefect.resource.id": f"textsr.production.{report['folder']}",
            "prefect.resource.name": report["folder"],
        },
        payload={
            "images": report["measured"],
            "model": report["model"],
            "reference": report["reference"],
            "drifted": {
                finding["name"]: {
                    key: finding[key] for key in ("unit", "distance", "tolerance", "p_value")
                }
                for finding in drifted
            },
        },
    )
    return event is not None


if __name__ == "__main__":
    raise SystemExit(0 if monitor(return_state=True).is_completed() else 1)
