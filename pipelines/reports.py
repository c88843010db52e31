"""What stages found, as Prefect artifacts: tables, pictures, and links to where there is more."""

import base64
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import httpx
from PIL import Image
from prefect.artifacts import create_link_artifact, create_markdown_artifact

from textsr.config import project
from textsr.files import read_json, read_text
from textsr.images.reading import read_image
from textsr.pages import render_page
from textsr.redaction import redact
from textsr.registry.gate import read_registration, render_decision

REGISTRATION = project.REPORTS / "registration.json"
DATA_DOCS_URL = "TEXTSR_DATA_DOCS_URL"
"""Where a web server shows the clone's Data Docs, for a browser opens no file from a web page."""

_MAX_PICTURE = 400_000  # bytes; Prefect keeps pictures in its database
_MLFLOW_SECONDS = 10
_TO_RGB = {2: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB}  # by the number of an array's axes
_TRACKED = ("validate", "pretrain", "train", "evaluate", "register")


def report_stage(stage: str, root: Path, flow_run_id: str, log: Callable[[str], None]) -> None:
    """Make the artifacts of a stage that has run, from what it left under `root`.

    Raises:
        httpx.HTTPError: if Prefect's server cannot be asked.
    """
    group, _, name = stage.partition("@")
    if group == "validate":
        results = {"dataset": read_json(root / project.VALIDATION / "result.json")}
        results |= read_json(root / project.EXTRA_VALIDATION / "results.json")
        text = render_page("pipelines", "validation.md.j2", results=results)
        _markdown("validation", text, "what was expected of the dataset and of the extra datasets")
        if DATA_DOCS_URL in os.environ and root == Path():
            create_link_artifact(os.environ[DATA_DOCS_URL], key="data-docs", link_text="Data Docs")
    if group == "evaluate":
        panels = root / project.EVALUATION / name / "panels"
        _picture(f"panel-{name}".lower(), panels / "test.png", f"lines upscaled by {name}")
        slices = panels / "slices" / "test.png"
        _picture(f"slices-{name}".lower(), slices, f"where {name} gains over bicubic")
    if group == "compare":
        board = root / project.REPORTS / "leaderboard.md"
        _markdown("leaderboard", read_text(board), str(board))
        _picture(
            "comparison", root / project.REPORTS / "comparison.png", "all methods side by side"
        )
    if group == "register":
        record = read_registration(root / REGISTRATION)
        _markdown("registration", render_decision(record), "what the gate decided, and on what")
    server = os.environ.get("MLFLOW_TRACKING_URI", "")
    if group in _TRACKED and server.startswith("http"):
        _link_runs(stage, root, flow_run_id, server.rstrip("/"), log)


def promoted(root: Path) -> bool:
    """Tell whether the last registration made a champion."""
    return (root / REGISTRATION).exists() and bool(
        read_registration(root / REGISTRATION)["promoted"]
    )


def refusal(root: Path) -> str | None:
    """Return why the gate refused the winner; None if it was promoted, or nothing is registered."""
    if not (root / REGISTRATION).exists():
        return None
    record = read_registration(root / REGISTRATION)
    if record["promoted"]:
        return None
    failed = [check for check in record["checks"] if not check["passed"]]
    reasons = "; ".join(f"{check['name']}: {check['evidence']}" for check in failed)
    return f"{record['model_name']} version {record['version']} stays challenger: {reasons}"


def _markdown(key: str, text: str, description: str) -> None:
    create_markdown_artifact(text, key=key, description=description)


def _picture(key: str, path: Path, description: str) -> None:
    """Show a picture inside a text: an image artifact is an address that the browser must reach."""
    if path.exists():
        _markdown(key, f"{embed_picture(path, description)}\n\n`{path}`", description)


def embed_picture(path: Path, description: str) -> str:
    """Return Markdown that holds a picture itself, as WebP of modest size."""
    encoded = base64.b64encode(_compressed(path)).decode()
    return f"![{description}](data:image/webp;base64,{encoded})"


def _compressed(path: Path) -> bytes:
    """Return a picture as WebP of modest size."""
    pixels = read_image(path).pixels
    picture = Image.fromarray(cv2.cvtColor(pixels, _TO_RGB[pixels.ndim]))
    while True:
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=80)
        if buffer.tell() <= _MAX_PICTURE:
            return buffer.getvalue()
        picture = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4))


def _link_runs(
    stage: str, root: Path, flow_run_id: str, server: str, log: Callable[[str], None]
) -> None:
    """Link the MLflow run that tells more about a stage; do without where MLflow is away."""
    group, _, name = stage.partition("@")
    records = {
        "train": project.MODELS / name / "run.json",
        "evaluate": project.MODELS / name / "run.json",
        "register": REGISTRATION,
    }
    try:
        address, login = f"{server}/api/2.0/mlflow/", _mlflow_login()
        with httpx.Client(base_url=address, auth=login, timeout=_MLFLOW_SECONDS) as mlflow:
            if group not in records:
                runs = _newest_run(mlflow, flow_run_id)
            elif (root / records[group]).exists():
                run_id = read_json(root / records[group])["run_id"]
                found = mlflow.get("runs/get", params={"run_id": run_id}).raise_for_status()
                runs = [found.json()["run"]]
            else:
                runs = []
    except httpx.HTTPError as error:
        log(redact(f"no link to MLflow's run: {error}"))
        return
    # Who follows the link has a password of their own.
    shown = str(httpx.URL(server).copy_with(userinfo=b""))
    for run in runs:
        address = f"{shown}/#/experiments/{run['info']['experiment_id']}/runs"
        key = re.sub("[^a-z0-9]+", "-", f"mlflow-{stage}".lower())
        create_link_artifact(
            f"{address}/{run['info']['run_id']}", key=key, link_text=f"MLflow's run of {stage}"
        )


def _mlflow_login() -> tuple[str, str] | None:
    """Return what MLflow's own client logs in with; None where it needs none."""
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    return None if user is None else (user, os.environ.get("MLFLOW_TRACKING_PASSWORD", ""))


def _newest_run(mlflow: httpx.Client, flow_run_id: str) -> list[dict[str, Any]]:
    """Return the newest run that this flow run has made, if any; `textsr.tracking` tags them."""
    every = {"max_results": 1000}
    experiments = mlflow.post("experiments/search", json=every).raise_for_status().json()
    question = {
        "experiment_ids": [each["experiment_id"] for each in experiments.get("experiments", [])],
        "filter": f"tags.prefect_flow_run_id = '{flow_run_id}'",
        "order_by": ["attributes.start_time DESC"],
        "max_results": 1,
    }
    found = mlflow.post("runs/search", json=question).raise_for_status().json()
    return list(found.get("runs", []))
