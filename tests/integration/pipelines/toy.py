"""A project of toy stages under the project's own flows, deployments and services."""

import json
import shutil
import socket
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]

REGISTRATION = {
    "model_name": "textsr",
    "version": "3",
    "method": "byol",
    "run_id": "none",
    "champion_before": None,
    "promoted": False,
    "checks": [
        {"name": "PSNR above bicubic", "passed": False, "evidence": "-0.2 dB"},
        {"name": "fast", "passed": True, "evidence": "3 ms"},
    ],
}

# `ran` is unknown to DVC. `slow` and `broken` are files by which a test steers a stage.
PIPELINE = """
stages:
  synthesize:
    cmd: echo synthesize >> ran && cp data/fonts/lato.ttf dataset
    deps: [data/fonts]
    params: [seed, synthesis.scale]
    outs: [dataset]
  validate:
    cmd: >-
      echo validate >> ran && test ! -e broken &&
      echo '{"success": true, "expectations": {"no_leak": true}, "findings": [],
      "rows": {"train": 96}, "validated": "all 96 rows"}' > artifacts/validation/result.json &&
      mkdir -p artifacts/extra_validation && echo '{}' > artifacts/extra_validation/results.json
    deps: [dataset]
    outs: [artifacts/validation/result.json]
  pretrain:
    matrix: { method: [simclr] }
    cmd: echo pretrain >> ran && cp dataset ${item.method}.encoder
    deps: [dataset, artifacts/validation/result.json]
    outs: ["${item.method}.encoder"]
  train:
    foreach: { byol: {}, scratch: {} }
    do:
      cmd: >-
        echo train ${key} >> ran && echo 'step 1/2: loss 0.5' &&
        while test -e slow; do sleep 0.1; done && cp dataset ${key}.model
      deps: [simclr.encoder]
      params: [seed]
      outs: ["${key}.model"]
  compare:
    cmd: echo compare >> ran && echo '# The winner' > reports/leaderboard.md
    deps: [byol.model, scratch.model]
    outs: [reports/leaderboard.md]
  register:
    cmd: echo register >> ran && cp registration reports/registration.json
    deps: [reports/leaderboard.md, registration]
    outs: [reports/registration.json]
"""
STAGES = [
    "synthesize",
    "validate",
    "pretrain@simclr",
    "train@byol",
    "train@scratch",
    "compare",
    "register",
]


def make_project(root: Path) -> Path:
    """Make a clone of toy stages with our pipelines, in git, at one commit."""
    for folder in ("data/fonts", "artifacts/validation", "reports"):
        (root / folder).mkdir(parents=True)
        (root / folder / ".gitkeep").touch()
    (root / "data" / "fonts" / "lato.ttf").write_text("a font")
    (root / "dvc.yaml").write_text(PIPELINE)
    (root / "registration").write_text(json.dumps(REGISTRATION))
    for name in ("pipelines", "presets"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "prefect.yaml"):
        shutil.copy(ROOT / name, root / name)
    (root / ".gitignore").write_text("/.services/\n/mlruns/\n/ran\n")
    run("git", "init", "-q", cwd=root)
    run("dvc", "init", "-q", cwd=root)
    run("git", "add", "-A", cwd=root)
    identity = ("-c", "user.name=toy", "-c", "user.email=toy@localhost")
    run("git", *identity, "commit", "-qm", "Toy", cwd=root)
    return root


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports
