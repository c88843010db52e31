"""The `monitor` verb: production images against what the champion was trained on."""

from pathlib import Path

import numpy as np

from textsr.compute import use_threads
from textsr.config import project
from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.files import fingerprint
from textsr.inference.backend import Backend
from textsr.inference.torch_backend import TorchBackend, choose_device
from textsr.models.package import load_model
from textsr.monitoring.champion import (
    PROFILE,
    Champion,
    attach_profile,
    attached_profile,
    find_champion,
)
from textsr.monitoring.drift import compare, judge
from textsr.monitoring.measure import CONFIDENCE, measure_images
from textsr.monitoring.production import read_production
from textsr.monitoring.profile import (
    Profile,
    identify,
    load_profile,
    measure_profile,
    profile_key,
    save_profile,
)
from textsr.monitoring.report import (
    DriftReport,
    Samples,
    check_output,
    describe,
    too_few,
    write_report,
)
from textsr.ocr.engine import OCREngine
from textsr.ocr.engines import first_engine
from textsr.progress import Progress
from textsr.tracking import Tracker
from textsr.training.batches import training_folders


def run_monitor(
    params: Params, root: Path, folder: str | None, output: Path, start: Progress
) -> DriftReport:
    """Compare production images with the champion's training lines; write a report.

    Args:
        params: the whole of params.yaml.
        root: the project.
        folder: a path or a bucket's address; None for the one in params.yaml.
        output: folder of the report, and beside it the profile of the training lines.
        start: starts a progress bar with a name and a total; returns what advances it.

    Raises:
        TextsrError: if there are no images, or nothing to compare them with, or `output` holds
            something else than a report.
    """
    watched = folder or params.monitoring.folder
    if watched is None:
        raise TextsrError(
            "params.yaml: monitoring.folder: none is set; set it, or name a folder of images"
        )
    check_output(output, watched)
    production = read_production(watched, params.monitoring.max_images)
    if len(production.images) < params.monitoring.min_images:
        report = too_few(watched, production, params.monitoring)
        write_report(output, report)
        return report
    use_threads(params.compute.threads)
    tracker = Tracker(root)
    champion = find_champion(tracker, params, root)
    backend = TorchBackend(load_model(champion.folder), device=choose_device())
    engine = first_engine(params.compute.threads)
    profile = _profile(params, root, tracker, champion, backend, engine, output.parent, start)
    images = list(production.images.values())
    tick = start("measuring production images", len(images))
    measured = measure_images(images, params.monitoring.ocr_lines, backend, engine, tick)
    if profile.engine not in ("", identify(engine)):
        # Two engines are never equally sure, nor are two versions of one.
        measured[CONFIDENCE] = np.nan
    findings = compare(profile.values, measured, params.monitoring)
    report = describe(
        watched,
        judge(findings),
        production,
        champion,
        profile,
        identify(engine),
        findings,
        params.monitoring,
    )
    write_report(output, report, Samples(profile.values, measured, production.images))
    return report


def _profile(
    params: Params,
    root: Path,
    tracker: Tracker,
    champion: Champion,
    backend: Backend,
    engine: OCREngine,
    folder: Path,
    start: Progress,
) -> Profile:
    """Return the profile of what the champion was trained on, from the best source there is.

    The local dataset, where the champion was trained on it; else the profile beside the champion;
    else the local dataset all the same, which the report tells; else the profile last kept here.
    """
    dataset, imported, extra_datasets = (
        root / place for place in (project.DATASET, project.IMPORTED, project.EXTRA_DATASETS)
    )
    missing = [
        part
        for part in training_folders(params, dataset, extra_datasets).values()
        if not part.is_dir()
    ]
    if missing or champion.differences:
        attached = attached_profile(tracker, champion)
        if attached is not None:
            return attached
    path = folder / PROFILE
    if missing:
        kept = load_profile(path) if path.exists() else None
        if kept is None or kept.model != fingerprint("", [champion.folder]):
            raise TextsrError(
                f"{missing[0]}: no training lines, and no profile of them in {path} or "
                f"beside {champion.name}; get them with `dvc pull` or "
                "`dvc repro synthesize extra_datasets`"
            )
        return kept
    key = profile_key(params, dataset, imported, champion.folder, engine, extra_datasets)
    if path.exists():
        kept = load_profile(path)
        if kept.key == key:
            return kept
    profile = measure_profile(
        params, dataset, imported, champion.folder, backend, engine, start, extra_datasets
    )
    save_profile(path, profile)
    if champion.run_id is not None and not champion.differences:
        attach_profile(tracker, champion, path)
    return profile
