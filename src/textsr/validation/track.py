"""Validation with its data card and its MLflow run: one a dataset, found by its hash."""

from collections.abc import Callable, Iterable
from pathlib import Path

from mlflow.exceptions import MlflowException

from textsr.config import project
from textsr.config.params import SPLITS, Params
from textsr.errors import TextsrError
from textsr.files import fingerprint, write_json
from textsr.tracking.client import Tracker, flatten, lineage_tags, unreachable
from textsr.validation.data_card import write_data_card
from textsr.validation.held_out import require_held_out
from textsr.validation.legibility import ReadLines
from textsr.validation.pictures import CONTACT_SHEET, HISTOGRAMS
from textsr.validation.profile import Profile
from textsr.validation.report import ValidationReport
from textsr.validation.run import StartProgress, no_progress, validate_dataset

DATA_SUFFIX = "-data"
DATASET_TAG = "textsr.dataset"
RESULTS = "results.json"
"""What extra datasets were found to be, by their names; there without extra datasets, too."""
_NOTE = "mlflow.note.content"
_ABOUT = (
    "One run a dataset: what it was made by, the outcome of its validation, its data card "
    "and its pictures. The tag `textsr.dataset` is the hash of its shards."
)


def validate_tracked(
    params: Params,
    root: Path,
    read_lines: ReadLines,
    start: StartProgress = no_progress,
    extra_dataset: str | None = None,
) -> ValidationReport:
    """Validate the dataset, or an extra one; write its data card, and log what was found.

    A dataset that fails is logged as well. See `validate_dataset` for the arguments and errors.
    """
    dataset, output, card = project.DATASET, project.VALIDATION, project.REPORTS / "data_card.md"
    if extra_dataset is not None:
        params = params.extra_dataset(extra_dataset)
        dataset, output = (
            project.EXTRA_DATASETS / extra_dataset,
            project.EXTRA_VALIDATION / extra_dataset,
        )
        card = output / "data_card.md"
    reports: list[ValidationReport] = []

    def write_card(profile: Profile, report: ValidationReport) -> None:
        write_data_card(card, profile, report, params, project.DATA, extra_dataset)
        reports.append(report)

    try:
        return validate_dataset(dataset, output, params, read_lines, start, write_card)
    finally:
        for report in reports:
            log_validation(Tracker(root), report, params, root, dataset, card)


def validate_project(
    params: Params,
    root: Path,
    read_lines: ReadLines,
    start: StartProgress,
    say: Callable[[str], None],
) -> None:
    """Validate the dataset, then each extra dataset; write the latter's `results.json`.

    No text or font family that the dataset holds out may be in an extra dataset that is trained on.

    Args:
        params, root, read_lines, start: see `validate_tracked`.
        say: gets the warnings and the verdict of each as it ends.

    Raises:
        TextsrError: if one fails; the message names it.
    """
    _say(say, "", project.DATASET, validate_tracked(params, root, read_lines, start))
    results = {}
    for name in params.extra_datasets:
        folder = project.EXTRA_DATASETS / name
        try:
            require_held_out(folder / "train", project.DATASET)
            report = validate_tracked(params, root, read_lines, _prefixed(name, start), name)
        except TextsrError as error:
            raise TextsrError(
                f"extra_datasets.{name}: {error}\nIts settings are `synthesis` with the changes of "
                f"extra_datasets.{name}; after a change of them, `dvc repro validate`"
            ) from error
        _say(say, f"{name}: ", folder, report)
        results[name] = report.to_json()
    write_json(project.EXTRA_VALIDATION / RESULTS, results)


def _say(say: Callable[[str], None], name: str, dataset: Path, report: ValidationReport) -> None:
    for warning in report.warnings:
        say(f"warning: {name}{warning}")
    say(f"{dataset}: {report.verdict()}; {report.data_docs / 'index.html'}")


def _prefixed(extra_dataset: str, start: StartProgress) -> StartProgress:
    return lambda work, total: start(f"{extra_dataset}: {work}", total)


def log_validation(
    tracker: Tracker,
    report: ValidationReport,
    params: Params,
    root: Path,
    dataset: Path,
    card: Path,
) -> str:
    """Log a validation onto the run of its dataset, made if there is none; return the run's id.

    Raises:
        TextsrError: if the tracking server gives no answer.
    """
    content = fingerprint("", [dataset / split for split in SPLITS])
    experiment = params.tracking.experiment + DATA_SUFFIX
    pictures = [report.data_docs / name for name in (CONTACT_SHEET, HISTOGRAMS)]
    try:
        run_id = _find(tracker, experiment, content) or _start(
            tracker, experiment, dataset.name, content, params, root
        )
        tracker.log(run_id, _metrics(report))
        _log_files(tracker, run_id, [card, report.data_docs.parent / "result.json", *pictures])
        tracker.finish(run_id)
    except MlflowException as error:
        raise unreachable(tracker.uri, error) from error
    return run_id


def _find(tracker: Tracker, experiment: str, content: str) -> str | None:
    found = tracker.client.search_runs(
        [tracker.experiment_id(experiment)],
        f"tags.`{DATASET_TAG}` = '{content}'",
        max_results=1,
    )
    return str(found[0].info.run_id) if found else None


def _start(
    tracker: Tracker, experiment: str, name: str, content: str, params: Params, root: Path
) -> str:
    tracker.client.set_experiment_tag(tracker.experiment_id(experiment), _NOTE, _ABOUT)
    described = flatten({"synthesis": params.synthesis.model_dump(mode="json")})
    tags = lineage_tags(root, params.synthesis.seed) | {DATASET_TAG: content}
    return tracker.start(f"{name} {content[:8]}", experiment, described, tags).run_id


def _metrics(report: ValidationReport) -> dict[str, float]:
    return {
        **{f"rows/{split}": float(rows) for split, rows in report.rows.items()},
        "validation/expectations": float(len(report.outcomes)),
        "validation/failures": float(len(report.failures)),
        "validation/warnings": float(len(report.warnings)),
    }


def _log_files(tracker: Tracker, run_id: str, paths: Iterable[Path]) -> None:
    for path in paths:
        tracker.client.log_artifact(run_id, str(path))
