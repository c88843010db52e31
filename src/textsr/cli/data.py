"""`textsr fetch-data`, `check-params`, `use-preset`; argument parsing only."""

from pathlib import Path

import typer

from textsr.cli.shared import read_params
from textsr.config import project

app = typer.Typer()
_PANEL = "1. Source material"


@app.command("fetch-data", rich_help_panel=_PANEL)
def fetch_data() -> None:
    """Copy fonts and word lists out of the installed packages into data/."""
    from textsr.synthesis.sources import fetch_sources

    count = fetch_sources(project.DATA)
    typer.echo(f"{project.DATA}: {count} font files, word lists and their licences")


@app.command("check-params", rich_help_panel=_PANEL)
def check_params() -> None:
    """Validate params.yaml."""
    read_params()
    typer.echo(f"{project.PARAMS}: valid")


@app.command("use-preset", rich_help_panel=_PANEL)
def use_preset(name: str) -> None:
    """Merge presets/NAME.yaml into params.yaml (`git checkout params.yaml` undoes it)."""
    from textsr.config.presets import apply_preset

    said = apply_preset(name, Path("presets"), project.PARAMS)
    typer.echo("; ".join([f"{project.PARAMS}: preset {name} applied", *said]))
