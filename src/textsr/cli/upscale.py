"""`textsr upscale` and `export`; argument parsing only.

Upscaling does without the pipeline's packages.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textsr.cli.shared import BlendOption, ModelOption, blended, load_blended

if TYPE_CHECKING:
    from textsr.registry.resolve import ResolvedModel

UpscalingModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A model folder, an .onnx file that `textsr export` wrote, or a models:/ URI; by "
        "default the champion, else the package's own.",
        show_default=False,
    ),
]

app = typer.Typer()
_PANEL = "4. Upscaling and judging"


@app.command(rich_help_panel=_PANEL)
def upscale(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Images and folders.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="File or folder.")],
    model: UpscalingModelOption = None,
    blend: BlendOption = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also write side-by-side pictures.")
    ] = False,
    backend: Annotated[
        str,
        typer.Option(
            help="onnx (ONNX Runtime, CPU), onnx-int8 (the same in 8 bits), torch (PyTorch), or "
            "auto: the fastest that is there; 8 bits with the package's weights on CPUs with "
            "VNNI, up to blend 0.4 (measured at 0.4 on grey lines), and not for 16-bit images."
        ),
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu; by PyTorch also cuda, mps.")] = "auto",
    tile: Annotated[int, typer.Option(help="Side of a tile, LR pixels.", min=32)] = 800,
    max_pixels: Annotated[
        int | None, typer.Option(help="Refuse larger inputs.", min=1, show_default=False)
    ] = None,
) -> None:
    """Upscale images of any size and kind."""
    from textsr.api import load_model
    from textsr.images.reading import MAX_PIXELS
    from textsr.inference.batch import upscale_jobs
    from textsr.inference.choice import PAYS_PIXELS, has_torch
    from textsr.inference.planning import count_pixels, plan_jobs
    from textsr.models.spec import read_spec

    found = _resolve(model)
    usual = 1.0 if found.folder.suffix.lower() == ".onnx" else read_spec(found.folder).blend
    jobs = plan_jobs(inputs, output, compare=compare)
    loaded = load_model(
        found.folder,
        backend=backend,
        device=device,
        blend=blend,
        pixels=count_pixels(jobs, PAYS_PIXELS) if has_torch() else None,
    )
    typer.echo(f"model: {found.said}{blended(usual, blend)}", err=True)
    done = upscale_jobs(
        loaded.backend,
        jobs,
        tile=tile,
        max_pixels=max_pixels or MAX_PIXELS,
        keep_sharp=loaded.keeps_sharp,
        progress=True,
    )
    for source, result in done:
        typer.echo(f"{source} -> {result}")


@app.command(rich_help_panel=_PANEL)
def export(
    output: Annotated[Path, typer.Argument(metavar="FILE.onnx")],
    model: ModelOption = None,
    blend: BlendOption = None,
) -> None:
    """Write a model as one ONNX file, for programs without PyTorch."""
    from textsr.inference.export import OPSET, export_onnx

    loaded, said = load_blended(model, blend)
    typer.echo(said, err=True)
    export_onnx(loaded, output)
    typer.echo(f"{output}: ONNX, opset {OPSET}, images of any size")


def _resolve(name: str | None) -> "ResolvedModel":
    from textsr import pretrained
    from textsr.registry.resolve import ResolvedModel, resolve_model

    try:
        return resolve_model(name, Path.cwd())
    except ModuleNotFoundError as error:
        if name is not None:
            raise
        said = f"the pretrained weights (no champion is looked for without {error.name})"
        return ResolvedModel(pretrained.FOLDER, said)
