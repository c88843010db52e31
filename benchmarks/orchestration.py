"""What Prefect and DVC cost beyond the stages' own time: a full `retrain`, and one with no work.

The stages of the project's own DAG are run as copies that do nothing, in a folder of its own, so
all that is measured is orchestration.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
SECONDS_A_STAGE = 10.0
SECONDS_NO_WORK = 60.0

# Of what the flow reads.
_CONTENT = {
    "artifacts/validation/result.json": (
        '{"success": true, "expectations": {}, "findings": [], "rows": {}, "validated": "none"}'
    ),
    "reports/registration.json": (
        '{"model_name": "textsr", "version": "1", "method": "byol", "run_id": "none", '
        '"promoted": false, "checks": []}'
    ),
}

_FLOW = """
import sys
from prefect.testing.utilities import prefect_test_harness
from pipelines.retrain import retrain
import time
with prefect_test_harness(server_startup_timeout=180):
    for _ in range(2):
        start = time.monotonic()
        state = retrain(return_state=True)
        assert state.is_completed(), state.message
        print("SECONDS", time.monotonic() - start, file=sys.stderr)
"""


def main() -> None:
    """Print seconds a stage of a full run, and of a run that finds nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        stages = _make_project(project)
        environment = {
            **os.environ,
            "PREFECT_HOME": str(Path(folder) / "prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DVC_NO_ANALYTICS": "1",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        }
        command = [sys.executable, "-c", _FLOW]
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False
        )
    said = [line.split() for line in done.stderr.splitlines() if line.startswith("SECONDS")]
    if done.returncode != 0 or len(said) != 2:
        raise SystemExit(done.stderr[-3000:])
    full, idle = (float(words[1]) for words in said)
    console = Console()
    for what, seconds, most in (
        (f"overhead a stage, {stages} stages that do nothing", full / stages, SECONDS_A_STAGE),
        ("a retrain with nothing to do, in all", idle, SECONDS_NO_WORK),
    ):
        verdict = "within" if seconds <= most else "ABOVE"
        console.print(f"{what}: {seconds:.1f} s, {verdict} {most:.0f} s")


def _make_project(project: Path) -> int:
    """Make a project with the DAG of ours, whose commands only make their outputs."""
    project.mkdir()
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    count = 0
    for stage in pipeline["stages"].values():
        inner = stage.get("do", stage)
        inner["deps"] = [path for path in inner["deps"] if _is_made(path)] or ["data/fonts"]
        outs = [*inner["outs"], *inner.pop("metrics", [])]
        inner["outs"] = [path if isinstance(path, str) else next(iter(path)) for path in outs]
        inner["cmd"] = [
            f"mkdir -p $(dirname {path}) && echo '{_CONTENT.get(path, 'made')}' > {path}"
            for path in inner["outs"]
        ]
        count += _expanded(stage)
    pipeline.pop("plots")
    _make_files(project, pipeline)
    return count


def _is_made(path: str) -> bool:
    return path.startswith(("artifacts/", "reports/", "${item.start}"))


def _expanded(stage: dict[str, Any]) -> int:
    if "matrix" in stage:
        return len(next(iter(stage["matrix"].values())))
    return len(stage.get("foreach", [0]))


def _make_files(project: Path, pipeline: dict[str, Any]) -> None:
    (project / "data" / "fonts").mkdir(parents=True)
    (project / "data" / "fonts" / "a.ttf").write_text("a font")
    # What `evaluate` leaves is a folder that later stages name as a whole.
    for stage in pipeline["stages"].values():
        inner = stage.get("do", stage)
        inner["deps"] = [
            f"{path}/metrics.json" if Path(path).parent == Path("artifacts/evaluation") else path
            for path in inner["deps"]
        ]
    train = pipeline["stages"]["train"]["foreach"]
    train["reference"]["start"] = train["scratch"]["start"]
    (project / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    shutil.copy(ROOT / "params.yaml", project / "params.yaml")
    shutil.copytree(ROOT / "presets", project / "presets")
    subprocess.run(["dvc", "init", "-q", "--no-scm"], cwd=project, check=True)


if __name__ == "__main__":
    main()
