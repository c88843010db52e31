"""What a run came from: code, data, seed, hardware, and the params that decided it."""

import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from joblib import cpu_count

from textsr.config import project
from textsr.config.params import Params
from textsr.config.yaml_files import read_yaml
from textsr.errors import TextsrError

LINES = "lines.json"
"""Artifact of a training's run: which lines it drew, as `describe_lines` tells it."""

SOURCES = (".", ":!dvc.lock", f":!{project.REPORTS}")
"""For git: the project without what the pipeline itself writes, which is no change of code."""

_CHANGES_NAMED = 10  # files; a clone may hold thousands that git does not know
# Tags of what called for a run, and the variables in which it says so.
_CALLERS = {"prefect_flow_run_id": "TEXTSR_FLOW_RUN_ID", "dvc_experiment": "DVC_EXP_NAME"}


def lineage_tags(root: Path, seed: int) -> dict[str, str]:
    """Return what a run came from: code, data, seed, flow and hardware."""
    changes = list(filter(None, _git(root, "status", "--porcelain", "--", *SOURCES).split("\n")))
    tags = {
        "git_commit": _git(root, "rev-parse", "HEAD") or "none",
        "git_dirty": str(bool(changes)).lower(),
        "git_changes": _name_files(changes),
        "data_hash": _data_hash(root / "data.dvc"),
        "seed": str(seed),
        "hardware": _hardware(),
        "mlflow.source.name": "textsr",
        "mlflow.source.type": "LOCAL",
    }
    tags["mlflow.source.git.commit"] = tags["git_commit"]
    for tag, variable in _CALLERS.items():
        if variable in os.environ:
            tags[tag] = os.environ[variable]
    return tags


def _git(root: Path, *arguments: str) -> str:
    try:
        result = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:  # no git: an unpacked archive
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def _name_files(changes: Sequence[str]) -> str:
    """Name the files of `git status --porcelain`, which tell a changed knob from changed code."""
    names = [change.strip().partition(" ")[2].strip() for change in changes]
    more = [f"{len(names) - _CHANGES_NAMED} more"] if len(names) > _CHANGES_NAMED else []
    return ", ".join(names[:_CHANGES_NAMED] + more) or "none"


def _data_hash(path: Path) -> str:
    if not path.exists():
        return "none"
    try:
        return str(read_yaml(path)["outs"][0]["md5"])
    except (TypeError, LookupError) as error:
        raise TextsrError(f"{path}: not a file of DVC; make it anew with `dvc add data`") from error


def _hardware() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{platform.machine()} CPU, {cpu_count()} cores, {capability}"


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Flatten nested params to dotted names and strings; an effect is one param."""
    flat: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and "probability" in value:
            flat[f"{prefix}{key}"] = ", ".join(f"{name} {part}" for name, part in value.items())
        elif isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def describe_lines(params: Params) -> dict[str, str]:
    """Return the params that decide which lines training draws, flattened.

    Of an extra dataset, what makes it another than the dataset, however params.yaml puts it.
    """

    def synthesis(of: Params) -> dict[str, str]:
        return flatten(of.synthesis.model_dump(mode="json", exclude_none=True))

    dataset = synthesis(params)
    extra_datasets = {
        name: dict(synthesis(params.extra_dataset(name)).items() - dataset.items())
        for name in params.extra_datasets
    }
    mixture = {"mixture": params.training.mixture}
    return flatten({"synthesis": dataset, "extra_datasets": extra_datasets, "training": mixture})
