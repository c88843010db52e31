"""`textsr score`, `realism`, `monitor`, `study`: judging; argument parsing only."""

from pathlib import Path
from typing import Annotated

import typer

from textsr.cli.progress import progress
from textsr.cli.shared import (
    BlendOption,
    ModelOption,
    load_blended,
    read_judging_params,
    read_params,
)
from textsr.config import project

app = typer.Typer()
_PANEL = "4. Upscaling and judging"


@app.command(rich_help_panel=_PANEL)
def score(
    folder: Annotated[Path, typer.Argument(help="Crops of lines or words, and labels.tsv.")],
    kind: Annotated[
        str, typer.Option(help="lr: small as they are; hr: sharp, to be degraded first.")
    ] = "lr",
    model: ModelOption = None,
    blend: BlendOption = None,
    panel: Annotated[
        Path | None, typer.Option(help="Save a side-by-side picture here.", show_default=False)
    ] = None,
) -> None:
    """Read a folder of labelled real crops from bicubic's output and from the model's."""
    from textsr.evaluation.real import score_folder

    loaded, said = load_blended(model, blend)
    typer.echo(said, err=True)
    with progress() as start:
        report = score_folder(read_judging_params(), folder, kind, loaded, panel, start)
    typer.echo(report)


@app.command(rich_help_panel=_PANEL)
def realism(
    folders: Annotated[list[Path], typer.Argument(help="Folders of real LR images.")],
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Also with each effect switched off in turn.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Folder for the numbers and the picture.")] = Path(
        "artifacts/realism"
    ),
) -> None:
    """Let a classifier tell synthetic LR lines from real ones: 50% is as like as can be."""
    from textsr.realism.run import report_realism

    with progress() as start:
        report = report_realism(folders, read_params(), project.DATA, output, ablate, start)
    typer.echo(report)
    typer.echo(f"{output}: realism.json and realism.png")


@app.command(rich_help_panel=_PANEL)
def monitor(
    folder: Annotated[
        str | None,
        typer.Argument(
            help="Production LR images, or a bucket's s3://BUCKET/PATH; by default "
            "monitoring.folder of params.yaml.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Path, typer.Option(help="Folder for the report.")] = Path(
        "artifacts/monitoring/report"
    ),
) -> None:
    """Tell whether production images have drifted from what the champion was trained on."""
    from textsr.monitoring.run import run_monitor

    with progress() as start:
        report = run_monitor(read_params(), Path.cwd(), folder, output, start)
    typer.echo(report.summary())
    typer.echo(f"{output}: report.md, drift.json and pictures")


@app.command(rich_help_panel=_PANEL)
def study(
    file: Annotated[Path, typer.Argument(help="What to compare.")] = Path(
        "studies/self-supervision.yaml"
    ),
    report_only: Annotated[
        bool, typer.Option("--report", help="Train nothing: write the report of what is there.")
    ] = False,
) -> None:
    """Train what a study of self-supervision compares, and report it; goes on where it stopped."""
    from textsr.compute import use_threads
    from textsr.ocr.engines import available_engines
    from textsr.study.cells import Runner
    from textsr.study.run import report, run_study
    from textsr.study.settings import read_study

    params, settings = read_params(), read_study(file)
    use_threads(params.compute.threads)
    engines = available_engines(params.compute.threads)
    results = file.with_suffix("")
    if report_only:
        report(settings, Runner(settings, params, project.DATASET, results, engines), results)
    else:
        with progress() as start:
            run_study(settings, params, project.DATASET, results, engines, Path.cwd(), start)
    typer.echo(f"{results}: report.md and pictures")
