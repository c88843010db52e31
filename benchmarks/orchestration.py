"""What Prefect and DVC cost beyond the stages' own time: a full `retrain`, and one with no work.

The stages of the project's own DAG are run as copies that do nothing, in a clone of its own with
the servers and workers that `make up` starts, so all that is measured is orchestration: from the
moment a run is asked for to its end, the start of its process included.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from textsr.config.params import PRETRAINED, load_params

ROOT = Path(__file__).resolve().parents[1]
SECONDS_A_STAGE = 10.0
SECONDS_NO_WORK = 60.0
_PORTS = {"PREFECT": 4390, "MLFLOW": 5390, "DOCS": 4391}

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

_RUN = """
import json, sys
from prefect.deployments import run_deployment
run = run_deployment("retrain/nightly", parameters=json.loads(sys.argv[1]), poll_interval=0.5)
assert run.state.is_completed(), run.state
print("SECONDS", (run.end_time - run.created).total_seconds())
"""


def bench_orchestration() -> list[str]:
    """Run the pipeline of stages that do nothing, and again; return a sentence for each run."""
    said = []
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        stages = _make_clone(clone)
        with _services(clone) as environment:
            for where in ("here", "gpu"):
                # Each force makes all stages run, whose outputs the run before has made.
                full = _seconds(clone, environment, {"train_on": where, "force": where == "gpu"})
                idle = _seconds(clone, environment, {"train_on": where})
                said += [
                    f"orchestration, training in the pool {where}: "
                    f"{full / stages:.1f} s a stage that does nothing ({stages} stages), "
                    f"{_verdict(full / stages, SECONDS_A_STAGE)}; "
                    f"a retrain with nothing to do: {idle:.1f} s, "
                    f"{_verdict(idle, SECONDS_NO_WORK)}"
                ]
    return said


def _verdict(seconds: float, most: float) -> str:
    return f"{'within' if seconds <= most else 'ABOVE'} {most:.0f} s"


@contextmanager
def _services(clone: Path) -> Iterator[Mapping[str, str]]:
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))},
        **{f"TEXTSR_{name}_PORT": str(port) for name, port in _PORTS.items()},
        "PYTHONPATH": os.pathsep.join([str(clone), str(ROOT / "src")]),
        "PREFECT_PROFILES_PATH": str(clone / ".services" / "profiles.toml"),
        "DVC_NO_ANALYTICS": "1",
    }
    command = [sys.executable, "-m", "pipelines.services"]
    try:
        _run([*command, "up"], clone, environment)
        yield environment
    finally:
        _run([*command, "down"], clone, environment)


def _seconds(clone: Path, environment: Mapping[str, str], parameters: Mapping[str, Any]) -> float:
    """Run the deployment once; return the seconds from asking for it to its end."""
    said = _run([sys.executable, "-c", _RUN, json.dumps(parameters)], clone, environment)
    return float(said.rpartition("SECONDS")[2])


def _run(command: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-3000:]}")
    return done.stdout


def _make_clone(clone: Path) -> int:
    """Make a clone with the DAG of ours, whose commands only make their outputs."""
    clone.mkdir()
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    count = 0
    for stage in pipeline["stages"].values():
        inner = stage.get("do", stage)
        inner["deps"] = [path for path in inner["deps"] if _is_made(path)] or ["data/fonts"]
        outs = [*inner["outs"], *inner.pop("metrics", [])]
        inner["outs"] = [path if isinstance(path, str) else next(iter(path)) for path in outs]
        inner["cmd"] = [
            f"mkdir -p $(dirname {path}) && {_make(path)} {path}" for path in inner["outs"]
        ]
        count += _expanded(stage)
    pipeline.pop("plots")
    _make_files(clone, pipeline)
    return count


def _make(path: str) -> str:
    """Return the command that makes an output which the flow can show."""
    if path.endswith(".png"):
        return f"cp {ROOT}/docs/images/sample.png"
    default = '{"run_id": "none"}' if path.endswith("run.json") else "made"
    return f"echo '{_CONTENT.get(path, default)}' >"


def _is_made(path: str) -> bool:
    return path.startswith(("artifacts/", "reports/", "${item.start}"))


def _expanded(stage: dict[str, Any]) -> int:
    if "matrix" in stage:
        return len(next(iter(stage["matrix"].values())))
    params = load_params(ROOT / "params.yaml")
    listed = {"${models}": params.models, "${compute.parts}": params.compute.parts}
    return len(listed[stage["foreach"]]) if "foreach" in stage else 1


def _make_files(clone: Path, pipeline: dict[str, Any]) -> None:
    (clone / "data" / "fonts").mkdir(parents=True)
    (clone / "data" / "fonts" / "a.ttf").write_text("a font")
    pretrained = clone / PRETRAINED  # that a model starts from
    pretrained.mkdir(parents=True)
    (pretrained / "weights").write_text("weights")
    (clone / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    for name in ("params.yaml", "prefect.yaml"):
        shutil.copy(ROOT / name, clone / name)
    for name in ("pipelines", "presets"):
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("__pycache__"))
    (clone / ".gitignore").write_text("/.services/\n/mlruns/\n")
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    _run(["git", "init", "-q"], clone)
    _run(["dvc", "init", "-q"], clone)
    _run(["git", "add", "-A"], clone)
    _run(["git", *identity, "commit", "-qm", "Stages that do nothing"], clone)


if __name__ == "__main__":
    print("\n".join(bench_orchestration()))
