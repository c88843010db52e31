"""`textsr models`, `promote`, `rollback`, `show` and the like; argument parsing only."""

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from textsr.cli.shared import read_params
from textsr.config import project

app = typer.Typer()
_PANEL = "3. Registered models"

_ReasonOption = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Why; it is kept with the version.", show_default=False),
]
_JSONOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_VERSION = "Its number, an alias such as champion, or an address such as models:/textsr/3"


@app.command(rich_help_panel=_PANEL)
def models(
    version: Annotated[
        str | None,
        typer.Argument(help=f"{_VERSION}; by default all of them.", show_default=False),
    ] = None,
    as_json: _JSONOption = False,
    card: Annotated[
        bool, typer.Option("--card", help="Print the version's model card instead.")
    ] = False,
) -> None:
    """List the versions, or tell of one what was decided about it, by whom and why."""
    from textsr.registry import catalogue
    from textsr.registry.card import CARD
    from textsr.registry.origin import read_kept
    from textsr.tracking import Tracker

    if card and (version is None or as_json):
        raise typer.BadParameter("--card is of one version, and no JSON; name a VERSION alone")
    tracker, name = Tracker(Path.cwd()), read_params().registration.model_name
    said: str | bytes
    if version is None:
        entries = catalogue.list_versions(tracker, name)
        said = (
            catalogue.versions_as_json(entries)
            if as_json
            else catalogue.render_versions(name, entries)
        )
    else:
        found = catalogue.require_version(tracker, name, version)
        render = catalogue.version_as_json if as_json else catalogue.render_version
        said = read_kept(tracker, found, CARD) if card else render(tracker, found)
    typer.echo(said.rstrip())


@app.command(rich_help_panel=_PANEL)
def lineage(
    version: Annotated[str, typer.Argument(help=f"{_VERSION}.")],
    as_json: _JSONOption = False,
    file: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Print a file that is kept with it, e.g. dvc.lock.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Tell what a version came from: data, code, params, parents, environment, engines, machine."""
    from textsr.registry import origin
    from textsr.registry.catalogue import require_version
    from textsr.tracking import Tracker

    tracker, name = Tracker(Path.cwd()), read_params().registration.model_name
    found = require_version(tracker, name, version)
    if file is not None:
        typer.echo(origin.read_kept(tracker, found, file), nl=False)
        return
    render = origin.lineage_as_json if as_json else origin.render_lineage
    typer.echo(render(tracker, found).rstrip())


@app.command(rich_help_panel=_PANEL)
def reproduce(
    version: Annotated[str, typer.Argument(help=f"{_VERSION}.")],
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where to work; by default a folder of its own in .cache.",
            show_default=False,
        ),
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave that folder when all is done.")
    ] = False,
    as_json: _JSONOption = False,
) -> None:
    """Rebuild a version from its commit, params and data, and compare it with what is registered.

    It runs the code that is kept with the version, in a scratch copy; the project and its registry
    stay as they are. Status 0: weights and metrics are identical to the bit; or, where CPU,
    packages or anything else that was recorded differs, or a GPU took part, each metric is within a
    tolerance: 0.05 dB of PSNR, 0.005 of SSIM, or 2 points of accuracy. Else 1.
    """
    from textsr.registry.catalogue import require_version
    from textsr.reproduction import run
    from textsr.reproduction.verdict import render_reproduction, reproduction_as_json
    from textsr.tracking import Tracker

    tracker, params = Tracker(Path.cwd()), read_params()
    wanted = require_version(tracker, params.registration.model_name, version)
    say = partial(typer.echo, err=True)
    found = run.reproduce(tracker, wanted, Path.cwd(), params, say, folder, keep=keep)
    render = reproduction_as_json if as_json else render_reproduction
    typer.echo(render(found).rstrip())
    if found.verdict == "different":
        raise typer.Exit(1)


@app.command(rich_help_panel=_PANEL)
def promote(
    version: Annotated[str, typer.Argument(help=f"{_VERSION}.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also what the gate refused; needs a reason.")
    ] = False,
    reason: _ReasonOption = None,
) -> None:
    """Make a version champion; the champion until now becomes `previous`."""
    from textsr.registry.by_hand import promote_by_hand
    from textsr.tracking import Tracker

    name = read_params().registration.model_name
    typer.echo(promote_by_hand(Tracker(Path.cwd()), name, version, reason, force=force))


@app.command(rich_help_panel=_PANEL)
def rollback(
    context: typer.Context,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="VERSION",
            help="The version to make champion; by default the one before it.",
            show_default=False,
        ),
    ] = None,
    reason: _ReasonOption = None,
) -> None:
    """Make the previous champion, or a version of your choice, champion again."""
    from textsr.registry.aliases import roll_back
    from textsr.tracking import Tracker

    asked: datetime | None = context.obj  # loading MLflow takes seconds
    name = read_params().registration.model_name
    typer.echo(roll_back(Tracker(Path.cwd()), name, to, asked, reason))


@app.command("push-to-hub", rich_help_panel=_PANEL)
def push_to_hub(
    version: Annotated[str, typer.Argument(help=f"{_VERSION}.")],
    repo: Annotated[str, typer.Argument(help="Of the hub: OWNER/NAME; made if it is missing.")],
    private: Annotated[
        bool, typer.Option("--private", help="Make it its owner's alone, if it is made.")
    ] = False,
) -> None:
    """Push a version, its card and its params to Hugging Face's hub, or HF_ENDPOINT."""
    from textsr.registry.catalogue import require_version
    from textsr.registry.hub import push_to_hub
    from textsr.tracking import Tracker

    tracker, name = Tracker(Path.cwd()), read_params().registration.model_name
    found = require_version(tracker, name, version)
    typer.echo(push_to_hub(tracker, found, repo, private=private))


@app.command("smoke-test", rich_help_panel=_PANEL)
def smoke_test() -> None:
    """Upscale with what the last registration made champion; put the alias back if that fails."""
    import tempfile

    from textsr.registry.gate import read_registration
    from textsr.registry.smoke import smoke_test
    from textsr.tracking import Tracker

    record = read_registration(project.REPORTS / "registration.json")
    sample = Path("docs/images/sample.png")
    with tempfile.TemporaryDirectory() as folder:
        typer.echo(smoke_test(Tracker(Path.cwd()), record, sample, Path(folder) / "large.png"))


@app.command("publish-pretrained", rich_help_panel=_PANEL)
def publish_pretrained(model: str) -> None:
    """Make an evaluated model the weights that come with the package."""
    from textsr.pretrained import FOLDER
    from textsr.registry.publish_pretrained import draw_calibration_lines, publish_pretrained

    folder = publish_pretrained(
        project.MODELS / model,
        project.EVALUATION / model,
        project.PARAMS,
        FOLDER,
        draw_calibration_lines(read_params(), project.DATA),
    )
    typer.echo(f"{folder}: {model}'s weights, params and card")


@app.command("publish-onnx", rich_help_panel=_PANEL)
def publish_onnx() -> None:
    """Make the ONNX files of the weights that come with the package anew."""
    from textsr.pretrained import FOLDER
    from textsr.pretrained.onnx_files import write_onnx_files
    from textsr.registry.publish_pretrained import draw_calibration_lines

    for path in write_onnx_files(FOLDER, draw_calibration_lines(read_params(), project.DATA)):
        typer.echo(path)


@app.command("publish-blends", rich_help_panel=_PANEL)
def publish_blends() -> None:
    """Take the blend for each reader, as last evaluated, into the weights of the package."""
    from textsr.pretrained import FOLDER, NAME
    from textsr.registry.publish_pretrained import publish_blends

    blends = publish_blends(project.EVALUATION / NAME, FOLDER)
    said = ", ".join(f"{reader} {weight:g}" for reader, weight in blends.items())
    typer.echo(f"{FOLDER}: {said}")


@app.command("publish-recognizer", rich_help_panel=_PANEL)
def publish_recognizer() -> None:
    """Make the trained recognizer the one that comes with the package."""
    from textsr.pretrained import RECOGNIZER
    from textsr.registry.publish_pretrained import publish_recognizer
    from textsr.tracking import lineage_tags

    params = read_params()
    folder = publish_recognizer(
        project.RECOGNIZER,
        project.PARAMS,
        RECOGNIZER,
        from_pretrained=params.recognizer.from_pretrained,
        lineage=lineage_tags(Path.cwd(), params.seed),
    )
    typer.echo(f"{folder}: the recognizer's weights, params and card")


@app.command(rich_help_panel=_PANEL)
def show() -> None:
    """Print the leaderboard, what was registered and why, and where to look."""
    from textsr.registry.summary import summarise_project

    typer.echo(summarise_project(Path.cwd()))
