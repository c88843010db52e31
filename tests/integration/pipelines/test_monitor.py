"""The watching flow and its automation, against a real Prefect server on loopback."""

import base64
import io
import re
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image
from prefect import State
from prefect.artifacts import Artifact
from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.events import emit_event
from prefect.events.filters import EventFilter, EventNameFilter
from prefect.flows import Flow

from pipelines.automations import NAME, retrain_on_drift
from pipelines.monitor import DRIFT, OUTPUT, monitor
from textsr.errors import TextsrError

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent

pytestmark = pytest.mark.usefixtures("server")

# In the place of `textsr`: notes what it was asked, and reports what the test put into `verdict`.
FAKE = """#!/bin/sh
echo "$@" >> asked
case "$2" in --*) folder=scans;; *) folder=$2;; esac # what params.yaml says
verdict=$(cat verdict)
[ "$verdict" = broken ] && { echo "no such bucket"; exit 1; }
mkdir -p artifacts/monitoring/report
cp distributions.png artifacts/monitoring/report
cat > artifacts/monitoring/report/report.md <<END
# $folder: $verdict

- Images: 60 measured

## How the properties are distributed

![How the properties are distributed](distributions.png)
END
cat > artifacts/monitoring/report/drift.json <<END
{"folder": "$folder", "verdict": "$verdict", "measured": 60, "model": "textsr version 3",
 "reference": "artifacts/dataset/train", "findings": [
  {"name": "height_px", "unit": "LR pixels", "distance": 5.5, "tolerance": 3.0,
   "p_value": 1e-9, "drifted": true, "production_quartiles": [1, 2, 3]},
  {"name": "sharpness", "unit": "share", "distance": 0.0, "tolerance": 0.1,
   "p_value": 1.0, "drifted": false, "production_quartiles": [1, 2, 3]}]}
END
"""
# In the place of `retrain`, in a file of its own as workers load it.
RETRAIN = """
from pathlib import Path
from prefect import flow

@flow(name="retrain")
def retrain():
    with Path("{record}").open("a") as record:
        record.write("retrained\\n")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose `textsr` is a stand-in, as the current folder."""
    root = tmp_path / "project"
    (root / "bin").mkdir(parents=True)
    (root / "bin/textsr").write_text(FAKE)
    (root / "bin/textsr").chmod(stat.S_IRWXU)
    shutil.copy(ROOT / "params.yaml", root)
    Image.new("L", (40, 30), 200).save(root / "distributions.png")
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "executable", str(root / "bin/python"))
    return root


def watch(project: Path, folder: str | None, verdict: str) -> State[Any]:
    (project / "verdict").write_text(verdict)
    return monitor(folder, return_state=True)


def events(folder: str) -> list[dict[str, Any]]:
    """The payloads of the folder's drift events, once the server has all that were raised.

    Events arrive in order: when one raised now is there, so are those before it.
    """
    marker = f"marker.{uuid4()}"
    emit_event(marker, resource={"prefect.resource.id": marker})
    deadline = time.monotonic() + 120
    with get_client(sync_client=True) as client:
        while not client.read_events(_named(marker), limit=1).events:
            assert time.monotonic() < deadline, "the server does not get events"
            time.sleep(0.2)
        return [
            event.payload
            for event in client.read_events(_named(DRIFT), limit=50).events
            if event.resource["prefect.resource.name"] == folder
        ]


def _named(event: str) -> EventFilter:
    return EventFilter(event=EventNameFilter(name=[event]))


def watch_always(project: Path, folder: str) -> None:
    """Name the folder in params.yaml."""
    params = project / "params.yaml"
    params.write_text(re.sub("folder: .*", f"folder: {folder}", params.read_text(), count=1))


def test_drift_raises_one_event_with_the_evidence(project: Path) -> None:
    watch_always(project, "s3://scans/new")
    state = watch(project, "s3://scans/new", "drift")
    assert state.is_completed()
    assert state.name == "Drift"
    assert state.message == "s3://scans/new: drift"
    assert (project / "asked").read_text() == f"monitor s3://scans/new --output {OUTPUT}\n"
    assert events("s3://scans/new") == [
        {
            "images": 60,
            "model": "textsr version 3",
            "reference": "artifacts/dataset/train",
            "drifted": {
                "height_px": {
                    "unit": "LR pixels",
                    "distance": 5.5,
                    "tolerance": 3.0,
                    "p_value": 1e-9,
                }
            },
        }
    ]
    shown = Artifact.get("drift")
    assert shown.data.startswith("# s3://scans/new: drift\n\n- Images: 60 measured\n\n## How ")
    picture = shown.data.partition("](data:image/webp;base64,")[2].partition(")")[0]
    assert Image.open(io.BytesIO(base64.b64decode(picture))).size == (40, 30)
    assert str(project / OUTPUT) in shown.description


@pytest.mark.parametrize("configured", ["null", "s3://scans/all"])
def test_drift_of_a_folder_looked_at_once_starts_nothing(project: Path, configured: str) -> None:
    watch_always(project, configured)
    folder = f"s3://once/{configured[-3:]}"
    state = watch(project, folder, "drift")
    assert state.name == "Drift"
    assert "no retraining: that is for monitoring.folder" in state.message
    assert events(folder) == []


@pytest.mark.parametrize(
    ("verdict", "name"), [("no drift", "NoDrift"), ("too few images", "TooFewImages")]
)
def test_what_is_no_drift_is_reported_and_raises_no_event(
    project: Path, verdict: str, name: str
) -> None:
    state = watch(project, name, verdict)
    assert state.is_completed()
    assert state.name == name
    assert Artifact.get("drift").data.startswith(f"# {name}: {verdict}")
    assert events(name) == []


def test_a_folder_that_cannot_be_read_fails_the_run_with_the_last_lines(project: Path) -> None:
    state = watch(project, "s3://gone", "broken")
    assert state.is_failed()
    assert state.message.endswith("no such bucket")
    assert events("s3://gone") == []


def test_without_a_folder_the_one_in_params_is_watched(project: Path) -> None:
    assert watch(project, None, "no drift").name == "NothingToWatch"
    assert not (project / "asked").exists()
    watch_always(project, "scans")
    assert watch(project, None, "no drift").message == "scans: no drift"
    asked = (project / "asked").read_text()
    assert "scans" not in asked  # its address may hold a secret, and all users see command lines


def test_drift_that_nobody_hears_of_is_a_failure(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.monitor.emit_event", lambda *args, **kwargs: None)
    watch_always(project, "scans")
    state = watch(project, None, "drift")
    assert state.is_failed()
    assert "the event textsr.drift could not be raised" in state.message


def test_a_deployment_that_is_not_there_is_named() -> None:
    with pytest.raises(TextsrError, match=r"retrain/hourly: no such deployment; make it"):
        retrain_on_drift("retrain/hourly")


@pytest.fixture
def deploy(tmp_path: Path) -> Callable[[], Path]:
    """Deploys a stand-in for `retrain`; returns the file that its runs write into."""
    pool = tmp_path.name.replace("_", "-")
    source = tmp_path / "flows"
    source.mkdir()
    record = tmp_path / "record"
    (source / "retraining.py").write_text(RETRAIN.format(record=record))

    def deployed() -> Path:
        with get_client(sync_client=True) as client:
            if pool not in {known.name for known in client.read_work_pools()}:
                client.create_work_pool(WorkPoolCreate(name=pool, type="process"))
        retrain = Flow.from_source(str(source), "retraining.py:retrain")
        retrain.deploy("nightly", work_pool_name=pool, print_next_steps=False, ignore_warnings=True)
        return record

    deployed.pool = pool  # type: ignore[attr-defined]
    return deployed


def runs_of(automation: Automation, count: int, seconds: float = 60) -> list[FlowRun]:
    """Runs of the deployment that the automation starts, once there are `count`."""
    deployment = automation.actions[0].deployment_id
    deadline = time.monotonic() + seconds
    with get_client(sync_client=True) as client:
        while True:
            found = [run for run in client.read_flow_runs() if run.deployment_id == deployment]
            if len(found) >= count or time.monotonic() > deadline:
                return found
            time.sleep(0.5)


@pytest.mark.slow
def test_drift_starts_a_retraining_once_a_day_and_folder(
    project: Path, server: dict[str, str], deploy: Callable[[], Path]
) -> None:
    record = deploy()
    automation = retrain_on_drift()
    assert retrain_on_drift().id == automation.id
    watch_always(project, "scans")
    # As a process of its own, which must not end before the server has the event.
    (project / "verdict").write_text("drift")
    (project / "bin/python").symlink_to(BIN / "python")
    program = (
        f"import sys; sys.executable = {str(project / 'bin/python')!r}; "
        "from pipelines.monitor import monitor; monitor()"
    )
    subprocess.run([str(BIN / "python"), "-c", program], env=server, check=True, timeout=120)
    [run] = runs_of(automation, 1)
    assert run.created_by.type == "AUTOMATION"

    worker = [str(BIN / "prefect"), "worker", "start", "--run-once", "--pool", deploy.pool]  # type: ignore[attr-defined]
    subprocess.run(worker, env=server, check=True, timeout=120)
    assert record.read_text() == "retrained\n"

    watch(project, "scans", "drift")  # an hour later, still so: retraining again changes nothing
    watch_always(project, "other")
    watch(project, "other", "drift")
    assert len(events("other")) == 1
    assert len(runs_of(automation, 2)) == 2
    assert len(runs_of(automation, 3, seconds=3)) == 2


@pytest.mark.slow
def test_the_automation_follows_a_deployment_that_was_made_anew(
    deploy: Callable[[], Path],
) -> None:
    deploy()
    first = retrain_on_drift()
    first.disable()
    with get_client(sync_client=True) as client:
        client.delete_deployment(first.actions[0].deployment_id)
    deploy()
    second = retrain_on_drift()
    assert second.id == first.id
    with get_client(sync_client=True) as client:
        [known] = client.read_automations_by_name(NAME)
        wanted = client.read_deployment_by_name("retrain/nightly").id
    assert not known.enabled, "it was paused"
    assert known.actions[0].deployment_id == wanted != first.actions[0].deployment_id
