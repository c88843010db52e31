"""The stages, in the pipeline's order: a verb each; argument parsing only."""

from typing import Annotated

import typer

from textsr.cli.progress import progress
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
    from textsr.stages import synthesize as stage

    params, taken = read_params(), 0
    with progress() as start:
        if part is None:
            taken = stage.synthesize(params, start)
        else:
            stage.part(params, part, start)
    if taken:
        typer.echo(f"{project.DATASET}: {taken} shards were made as parts, in {project.PARTS}")


@app.command(rich_help_panel=_PANEL)
def extra_datasets() -> None:
    """Draw the extra datasets: further lines to train on, by settings of their own."""
    from textsr.stages import extra_datasets as stage

    params = read_params()
    with progress() as start:
        stage.extra_datasets(params, start)
    if not params.extra_datasets:
        typer.echo(f"{project.PARAMS}: extra_datasets: there are none")


@app.command(rich_help_panel=_PANEL)
def engines() -> None:
    """Record which OCR engines there are, in what version: what they read depends on that."""
    from textsr.stages import engines as stage

    for name, version in stage.engines(read_params()).items():
        typer.echo(f"{name}: {version}")


@app.command(rich_help_panel=_PANEL)
def ingest() -> None:
    """Turn the imported pairs and HR images into shards for training."""
    from textsr.stages import ingest as stage

    with progress() as start:
        said = stage.ingest(read_params(), start)
    for sentence in said or [f"{project.DATA}: no sets in pairs/ or hr/"]:
        typer.echo(sentence)


@app.command(rich_help_panel=_PANEL)
def validate() -> None:
    """Hold all datasets against the Great Expectations suite; write Data Docs."""
    from textsr.stages import validate as stage

    with progress() as start:
        stage.validate(read_params(), start, typer.echo)


@app.command(rich_help_panel=_PANEL)
def pretrain(method: str) -> None:
    """Train an encoder on LR lines without labels: METHOD is simclr or byol."""
    from textsr.stages import pretrain as stage

    stage.pretrain(read_params(), method)


@app.command(rich_help_panel=_PANEL)
def recognizer() -> None:
    """Train the recognizer that teaches the networks and never judges them."""
    from textsr.stages import recognizer as stage

    stage.recognizer(read_params())


@app.command(rich_help_panel=_PANEL)
def train(model: str) -> None:
    """Train a super-resolution network: MODEL is one of `models` in params.yaml."""
    from textsr.stages import train as stage

    stage.train(read_params(), model)


@app.command(rich_help_panel=_PANEL)
def baselines() -> None:
    """Read the test split upscaled by bicubic, and at its true resolution."""
    from textsr.stages import baselines as stage

    with progress() as start:
        stage.baselines(read_params(), start)


@app.command(rich_help_panel=_PANEL)
def evaluate(model: str) -> None:
    """Choose MODEL's blend with bicubic on val, then score the test split."""
    from textsr.stages import evaluate as stage

    with progress() as start:
        stage.evaluate(read_params(), model, start)


@app.command(rich_help_panel=_PANEL)
def compare() -> None:
    """Put all methods side by side and name the winner."""
    from textsr.stages import compare as stage

    stage.compare(read_params())
    typer.echo((project.REPORTS / "leaderboard.md").read_text(encoding="utf-8"))


@app.command(rich_help_panel=_PANEL)
def register() -> None:
    """Register the winner as challenger; the gate decides whether it becomes champion."""
    from textsr.registry.gate import render_decision
    from textsr.stages import register as stage

    with progress() as start:
        record = stage.register(read_params(), start)
    typer.echo(render_decision(record))
