"""The stages, in the pipeline's order: a verb each; argument parsing only."""

from typing import Annotated

import typer

from textsr import stages
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
    params, taken = read_params(), 0
    with progress() as start:
        if part is None:
            taken = stages.synthesize(params, start)
        else:
            stages.part(params, part, start)
    if taken:
        typer.echo(f"{project.DATASET}: {taken} shards were made as parts, in {project.PARTS}")


@app.command(rich_help_panel=_PANEL)
def extra_datasets() -> None:
    """Draw the extra datasets: further lines to train on, by settings of their own."""
    params = read_params()
    with progress() as start:
        stages.extra_datasets(params, start)
    if not params.extra_datasets:
        typer.echo(f"{project.PARAMS}: extra_datasets: there are none")


@app.command(rich_help_panel=_PANEL)
def ingest() -> None:
    """Turn the imported pairs and HR images into shards for training."""
    with progress() as start:
        said = stages.ingest(read_params(), start)
    for sentence in said or [f"{project.DATA}: no sets in pairs/ or hr/"]:
        typer.echo(sentence)


@app.command(rich_help_panel=_PANEL)
def validate() -> None:
    """Hold all datasets against the Great Expectations suite; write Data Docs."""
    with progress() as start:
        stages.validate(read_params(), start, typer.echo)


@app.command(rich_help_panel=_PANEL)
def pretrain(method: str) -> None:
    """Train an encoder on LR lines without labels: METHOD is simclr or byol."""
    stages.pretrain(read_params(), method)


@app.command(rich_help_panel=_PANEL)
def recognizer() -> None:
    """Train the recognizer that teaches the networks and never judges them."""
    stages.recognizer(read_params())


@app.command(rich_help_panel=_PANEL)
def train(model: str) -> None:
    """Train a super-resolution network: MODEL is one of `models` in params.yaml."""
    stages.train(read_params(), model)


@app.command(rich_help_panel=_PANEL)
def baselines() -> None:
    """Read the test split upscaled by bicubic, and at its true resolution."""
    with progress() as start:
        stages.baselines(read_params(), start)


@app.command(rich_help_panel=_PANEL)
def evaluate(model: str) -> None:
    """Choose MODEL's blend with bicubic on val, then score the test split."""
    with progress() as start:
        stages.evaluate(read_params(), model, start)


@app.command(rich_help_panel=_PANEL)
def compare() -> None:
    """Put all methods side by side and name the winner."""
    stages.compare(read_params())
    typer.echo((project.REPORTS / "leaderboard.md").read_text(encoding="utf-8"))


@app.command(rich_help_panel=_PANEL)
def register() -> None:
    """Register the winner as challenger; the gate decides whether it becomes champion."""
    from textsr.registry.gate import render_decision

    with progress() as start:
        record = stages.register(read_params(), start)
    typer.echo(render_decision(record))
