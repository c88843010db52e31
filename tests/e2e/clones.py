"""Whole projects at their smallest size, and commands run in them as a user would."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"},
    "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    **{
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", "test"), ("EMAIL", "test@example.org"))
    },
}


def run(project: Path, *command: str, **environment: str) -> str:
    result = subprocess.run(
        command,
        cwd=project,
        env=ENVIRONMENT | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{command}:\n{result.stdout}\n{result.stderr}"
    return result.stdout + result.stderr


def commit(project: Path) -> None:
    run(project, "git", "add", "-A")
    run(project, "git", "commit", "-qm", "test")


def make_clone(folder: Path) -> Path:
    """Copy what git would commit; a new repository with the tiny preset and no cache."""
    listed = run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    run(folder, "textsr", "fetch-data")
    run(folder, "textsr", "use-preset", "tiny")
    run(folder, "git", "init", "-qb", "main")
    commit(folder)
    return folder


def recorded(project: Path, stage: str) -> list[str]:
    """The hashes of a stage's outputs in dvc.lock."""
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    return [out["md5"] for out in lock["stages"][stage]["outs"]]


def copy_committed(project: Path, folder: Path) -> Path:
    """Clone a committed project with its cache, whose files DVC never changes: hard links do."""
    run(project, "git", "clone", "-q", str(project), str(folder))
    shutil.copytree(project / ".dvc/cache", folder / ".dvc/cache", copy_function=os.link)
    run(folder, "dvc", "checkout")
    return folder
