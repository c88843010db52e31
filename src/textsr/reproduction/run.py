"""`textsr reproduce`: rebuild a version in a scratch copy, and compare it with what is kept."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities.model_registry import ModelVersion

from textsr.config import project
from textsr.config.params import Params
from textsr.config.presets import read_sections
from textsr.errors import TextsrError, quote
from textsr.evaluation.judges import judges_of_summary
from textsr.evaluation.results import Metrics
from textsr.evaluation.run import TEST
from textsr.files import read_json
from textsr.registry import card
from textsr.registry.origin import DATA_DVC, DVC_LOCK, ORIGIN, kept_folder, write_origin
from textsr.registry.packaging import download_model
from textsr.registry.records import run_tags
from textsr.reproduction.differences import RESTORE, find_differences, hardware_of
from textsr.reproduction.scratch import (
    copy_project,
    get_data,
    lost_changes,
    require_commit,
    run_stages,
    scratch_folder,
)
from textsr.reproduction.verdict import (
    Reproduction,
    compare_engines,
    compare_metrics,
    compare_weights,
)
from textsr.tracking import Tracker

_NEEDED = (ORIGIN, DVC_LOCK, project.PARAMS.name, DATA_DVC, card.DATA)


def reproduce(
    tracker: Tracker,
    version: ModelVersion,
    root: Path,
    params: Params,
    say: Callable[[str], None],
    folder: Path | None = None,
    *,
    keep: bool = False,
) -> Reproduction:
    """Rebuild a version from what is kept with it: data, synthesis, training, evaluation.

    The project, its MLflow store and its registry stay as they are.

    Args:
        tracker: the tracking server.
        version: of the registered model.
        root: the project.
        params: the whole of its params.yaml of today.
        say: called with what is about to be done, and what differs from then.
        folder: where to work; by default a folder in `.cache`.
        keep: leave the folder when all is done.

    Raises:
        TextsrError: if too little is kept with the version, its commit or its data are not to be
            had, or a stage fails.
    """
    tags = run_tags(tracker, version)
    with (
        kept_folder(tracker, version) as kept,
        TemporaryDirectory(prefix="textsr-registered-") as registered,
        TemporaryDirectory(prefix="textsr-today-") as today,
    ):
        was = _read_origin(f"{version.name} version {version.version}", kept)
        require_commit(root, was.commit)
        address = f"models:/{version.name}/{version.version}"
        model = download_model(tracker, address, Path(registered))
        write_origin(Path(today), root, params, {})
        differences = find_differences(was.folder, Path(today), tags.get("hardware"))
        hardware = [hardware_of(was.folder), hardware_of(Path(today)), tags.get("hardware", "CPU")]
        with scratch_folder(root, folder, keep=keep) as scratch:
            say(f"{address} ({was.method}) of commit {was.commit[:12]}, rebuilt in {scratch}")
            copy_project(root, was.commit, was.folder, scratch)
            differences += lost_changes(scratch, was.changed)
            for line in differences or ["nothing that was recorded"]:
                say(f"differs from then: {line}")
            get_data(root, scratch)
            run_stages(scratch, f"evaluate@{was.method}")
            evaluation = scratch / project.EVALUATION / was.method
            now = read_json(evaluation / "metrics.json", Metrics)
            weights_identical, largest_difference = compare_weights(model, evaluation / "model")
    then = was.metrics
    differences += compare_engines(
        judges_of_summary(then["sets"][TEST]), judges_of_summary(now["sets"][TEST])
    )
    return Reproduction(
        model=version.name,
        version=str(version.version),
        method=was.method,
        commit=was.commit,
        is_trained=was.is_trained,
        differences=differences,
        # On a GPU no bits are repeated.
        bits_expected=not differences and all("CPU" in each for each in hardware),
        weights_identical=weights_identical,
        largest_difference=largest_difference,
        metrics_identical=[then["sets"], then["slices"]] == [now["sets"], now.get("slices", [])],
        measures=compare_metrics(then["sets"], now["sets"]),
    )


@dataclass(frozen=True)
class _Origin:
    """What is kept with a version, as far as it decides how to rebuild it."""

    folder: Path
    commit: str
    changed: str  # beside the commit: the tag `git_changes`
    method: str
    is_trained: bool
    metrics: dict[str, Any]  # of the card


def _read_origin(name: str, kept: Path | None) -> _Origin:
    if kept is None or (missing := [each for each in _NEEDED if not (kept / each).is_file()]):
        lacking = "no files" if kept is None else f"no {', '.join(missing)}"
        raise TextsrError(
            f"{name}: {lacking} of what it came from are kept with it, so it cannot be rebuilt; "
            "choose a version that was registered since, or register it anew"
        )
    registered = read_json(kept / ORIGIN, dict[str, Any], RESTORE).get("registered", {})
    commit = registered.get("git_commit", "none")
    if commit == "none":
        raise TextsrError(
            f"{name}: it was registered outside of git, so its code is not known; choose another "
            "version"
        )
    metrics = read_json(kept / card.DATA, card.Card, RESTORE)
    method = metrics["model"]
    settings = read_sections(kept / project.PARAMS.name).get("models", {}).get(method)
    if settings is None:
        raise TextsrError(
            f"{name}: its params.yaml has no model {quote(method)}; choose another version"
        )
    changed = registered.get("git_changes", "none")
    return _Origin(kept, commit, changed, method, settings.get("steps") != 0, metrics)
