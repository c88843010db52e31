"""`textsr dvc`: DVC, checked; argument parsing only."""

import typer

app = typer.Typer()


@app.command(
    "dvc",
    rich_help_panel="5. DVC, checked",
    context_settings={
        "allow_extra_args": True,
        "allow_interspersed_args": False,  # `textsr dvc repro --help` is DVC's
        "ignore_unknown_options": True,
    },
)
def run_dvc(context: typer.Context) -> None:
    """Run a command of DVC (`textsr dvc pull`), checking what its cache and remotes give it."""
    from textsr.cli.checked_dvc import main

    raise typer.Exit(main(context.args))
