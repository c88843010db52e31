"""A study from its file to its report; what is done is not done again."""

from pathlib import Path

from textsr.config.params import Params
from textsr.ocr.engine import OCREngine
from textsr.progress import Progress
from textsr.study.cells import Cell, Result, Runner, cells_of
from textsr.study.report import write_report
from textsr.study.settings import SCRATCH, Study
from textsr.tracking import Tracker, flatten, lineage_tags

EXPERIMENT = "-study"
"""Behind the name of the project's experiment: where the runs of cells are."""


def run_study(
    study: Study,
    params: Params,
    dataset: Path,
    results: Path,
    engines: list[OCREngine],
    root: Path,
    start: Progress,
) -> None:
    """Make the cells that are missing, each with its MLflow run, and write the report.

    Several processes may run the same study: each cell is made by one.

    Args:
        study: what it compares.
        params: the whole of params.yaml.
        dataset: folder of the splits.
        results: folder of the cells' results and of the report.
        engines: that read.
        root: the project.
        start: shows progress.

    Raises:
        TextsrError: if a training diverges, its embeddings collapse, or the tracking server cannot
            be asked.
    """
    runner = Runner(study, params, dataset, results, engines)
    cells = cells_of(study)
    tracker = Tracker(root)
    advance = start("cells", len(cells))
    for cell in cells:
        if runner.result(cell) is None:
            with runner.claimed(cell) as mine:
                if mine and runner.result(cell) is None:
                    _log(tracker, params, study, cell, runner.run(cell), root)
        advance()
        report(study, runner, results)


def report(study: Study, runner: Runner, folder: Path) -> None:
    """Write what is known by now."""
    found = [result for cell in cells_of(study) if (result := runner.result(cell))]
    write_report(study, found, runner.bicubic() if found else None, folder)


def _log(
    tracker: Tracker, params: Params, study: Study, cell: Cell, result: Result, root: Path
) -> None:
    arm = study.arms[cell.arm]
    described = flatten(
        {
            "arm": cell.arm,
            "pairs": cell.pairs,
            "seed": cell.seed,
            "transfer": arm.transfer if arm.pretext else SCRATCH,
            "pretext": study.pretexts[arm.pretext].model_dump(mode="json", exclude_none=True)
            if arm.pretext
            else "none",
        }
    )
    run = tracker.start(
        cell.name,
        params.tracking.experiment + EXPERIMENT,
        described,
        lineage_tags(root, cell.seed),
    )
    tracker.log_curves(
        run.run_id, [{"step": step, "val_psnr_db": psnr} for step, psnr in result.curve]
    )
    step, psnr = result.best
    metrics = {"best_psnr_db": psnr, "best_step": step, "train_seconds": result.seconds}
    metrics |= {f"pretext_{name}": value for name, value in result.pretext.items()}
    metrics |= {
        f"{engine}_accuracy": exact.count("1") / len(exact)
        for engine, exact in result.exact.items()
    }
    tracker.log(run.run_id, metrics)
    tracker.finish(run.run_id)
