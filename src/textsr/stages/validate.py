"""Stage `validate`: hold the datasets against the suite, with an MLflow run each."""

from collections.abc import Callable
from pathlib import Path

from textsr.config import project
from textsr.config.params import SPLITS, Params
from textsr.files import fingerprint, write_json
from textsr.ocr.engine import read_lines
from textsr.ocr.engines import first_engine
from textsr.progress import Progress
from textsr.tracking import flatten, track
from textsr.validation.datasets import Target, validate_datasets
from textsr.validation.pictures import CONTACT_SHEET, HISTOGRAMS
from textsr.validation.report import ValidationReport


def validate(params: Params, start: Progress, say: Callable[[str], None]) -> None:
    """Validate the dataset and the extra datasets; one MLflow run per dataset, found by its hash.

    A dataset that fails is logged as well.
    """
    engine = first_engine(params.compute.threads)
    main = Target(params, project.DATASET, project.VALIDATION, project.REPORTS / "data_card.md")
    extra = [
        Target(
            params.extra_dataset(name),
            project.EXTRA_DATASETS / name,
            project.EXTRA_VALIDATION / name,
            project.EXTRA_VALIDATION / name / "data_card.md",
            name,
        )
        for name in params.extra_datasets
    ]

    def log(target: Target, report: ValidationReport) -> None:
        synthesis = target.params.synthesis
        content = fingerprint("", [target.dataset / split for split in SPLITS])
        pictures = (report.data_docs / name for name in (CONTACT_SHEET, HISTOGRAMS))
        with track(
            "validate",
            target.params,
            Path.cwd(),
            name=f"{target.dataset.name} {content[:8]}",
            described=flatten({"synthesis": synthesis.model_dump(mode="json", exclude_none=True)}),
            tags={"textsr.dataset": content, "seed": str(synthesis.seed)},
            unique_tag="textsr.dataset",
        ) as run:
            run.log(_validation_metrics(report))
            run.log_files([target.card, target.output / "result.json", *pictures])

    results = validate_datasets(
        main, extra, project.DATA, lambda lines: read_lines(engine, lines), start, say, log
    )
    write_json(project.EXTRA_VALIDATION / "results.json", results)


def _validation_metrics(report: ValidationReport) -> dict[str, float]:
    return {
        **{f"rows/{split}": float(rows) for split, rows in report.rows.items()},
        "validation/expectations": float(len(report.outcomes)),
        "validation/failures": float(len(report.failures)),
        "validation/warnings": float(len(report.warnings)),
    }
