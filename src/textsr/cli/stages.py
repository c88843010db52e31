"""The stages, in the pipeline's order: a verb each; argument parsing only."""

from pathlib import Path
from typing import Annotated

import typer

from textsr.cli.progress import progress, ticks
from textsr.cli.shared import read_params
from textsr.config import project

app = typer.Typer()
_PANEL = "2. Stages (run by `dvc repro`)"


@app.command(rich_help_panel=_PANEL)
def synthesize(
    part: Annotated[
        str | None,
        typer.Option(
            help="Make only a part of the shards, e.g. 1-of-3, for a machine that takes them over.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Draw lines of text and degrade them into LR-HR pairs."""
    from textsr.synthesis.shards import Part, count_rows, write_dataset, write_part

    params, chosen = read_params(), Part.parse(part or "1-of-1")
    with progress() as start:
        advance = start("lines", count_rows(params, chosen))
        if part is None:
            taken = write_dataset(params, project.DATA, project.DATASET, advance, project.PARTS)
        else:
            write_part(params, project.DATA, project.PARTS, chosen, advance)
            taken = 0
    if taken:
        typer.echo(f"{project.DATASET}: {taken} shards were made as parts, in {project.PARTS}")


@app.command(rich_help_panel=_PANEL)
def extra_datasets() -> None:
    """Draw the extra_datasets: further lines to train on, by settings of their own."""
    from textsr.synthesis.extra_datasets import write_extra_datasets

    params = read_params()
    with progress() as start:
        write_extra_datasets(params, project.DATA, project.EXTRA_DATASETS, start)
    if not params.extra_datasets:
        typer.echo(f"{project.PARAMS}: extra_datasets: there are none")


@app.command(rich_help_panel=_PANEL)
def ingest() -> None:
    """Turn the imported pairs and HR images into shards for training."""
    from textsr.imports.ingest import ingest

    with ticks() as start:
        said = ingest(read_params(), project.DATA, project.IMPORTED, start)
    for sentence in said or [f"{project.DATA}: no sets in pairs/ or hr/"]:
        typer.echo(sentence)


@app.command(rich_help_panel=_PANEL)
def validate() -> None:
    """Hold all datasets against the Great Expectations suite; write Data Docs."""
    from textsr.ocr.engines import RapidOCREngine, read_lines
    from textsr.validation.track import validate_project

    params = read_params()
    engine = RapidOCREngine(params.compute.threads)
    with progress() as start:
        validate_project(
            params, Path.cwd(), lambda lines: read_lines(engine, lines), start, typer.echo
        )


@app.command(rich_help_panel=_PANEL)
def pretrain(method: str) -> None:
    """Train an encoder on LR lines without labels: METHOD is simclr or byol."""
    from textsr.pretraining.track import pretrain_tracked

    pretrain_tracked(method, read_params(), Path.cwd())


@app.command(rich_help_panel=_PANEL)
def recognizer() -> None:
    """Train the recognizer that teaches the networks and never judges them."""
    from textsr.training.recognizer import run_recognizer

    run_recognizer(read_params(), project.DATASET, project.RECOGNIZER, project.EXTRA_DATASETS)


@app.command(rich_help_panel=_PANEL)
def train(model: str) -> None:
    """Train a super-resolution network: MODEL is seed, scratch, simclr or byol."""
    from textsr.training.track import train_tracked

    train_tracked(model, read_params(), Path.cwd())


@app.command(rich_help_panel=_PANEL)
def baselines() -> None:
    """Read the test split upscaled by bicubic, and at its true resolution."""
    from textsr.evaluation.run import run_baselines

    params = read_params()
    with ticks() as start:
        run_baselines(
            params, project.DATASET, project.DATA, project.EVALUATION / "baselines", start
        )


@app.command(rich_help_panel=_PANEL)
def evaluate(model: str) -> None:
    """Choose MODEL's blend with bicubic on val, then score the test split."""
    from textsr.evaluation.run import run_evaluation
    from textsr.registry.run import publish_evaluation
    from textsr.tracking.client import Tracker

    params = read_params()
    trained, output = project.MODELS / model, project.EVALUATION / model
    base = project.EVALUATION / "baselines" / "samples.parquet"
    with ticks() as start:
        run_evaluation(
            params, trained / "model", base, project.DATASET, project.DATA, output, start
        )
    publish_evaluation(Tracker(Path.cwd()), trained, output)


@app.command(rich_help_panel=_PANEL)
def compare() -> None:
    """Put all methods side by side and name the winner."""
    from textsr.evaluation.leaderboard import run_comparison

    run_comparison(read_params(), project.EVALUATION, project.DATASET, project.REPORTS)
    typer.echo((project.REPORTS / "leaderboard.md").read_text(encoding="utf-8"))


@app.command(rich_help_panel=_PANEL)
def register() -> None:
    """Register the winner as challenger; the gate decides whether it becomes champion."""
    from textsr.registry.gate import render_decision
    from textsr.registry.run import run_registration
    from textsr.tracking.client import Tracker

    with ticks() as start:
        record = run_registration(
            read_params(),
            Tracker(Path.cwd()),
            project.DATASET,
            project.MODELS,
            project.EVALUATION,
            project.REPORTS,
            start,
        )
    typer.echo(render_decision(record))
