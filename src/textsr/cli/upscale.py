"""`textsr upscale` and `export`; argument parsing only.

Upscaling does without the pipeline's packages.
"""

import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textsr.cli.shared import BlendOption, ModelOption, load_blended, refuse_both
from textsr.cli.streams import on_one_line
from textsr.errors import TextsrError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textsr.api import ModelInfo
    from textsr.images.grey import Image
    from textsr.inference.compare import ReadLines
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

ReaderOption = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="READER",
        help="Who reads the results: people, tesseract, easyocr, rapidocr, or any. It chooses the "
        "blend; by default people, or any where the model was not judged for people.",
        show_default=False,
    ),
]

app = typer.Typer()
_PANEL = "4. Upscaling and judging"
_MOST_DPI = 100_000  # no scanner has as many; some formats hold few more


@app.command(rich_help_panel=_PANEL)
def upscale(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help="Images, documents, folders; - is standard input."),
    ],
    output: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            metavar="OUT",
            help="A file, or a folder: one that is there, ends with a slash or has no suffix; - is "
            "standard output.",
        ),
    ],
    model: UpscalingModelOption = None,
    reader: ReaderOption = None,
    blend: BlendOption = None,
    scale: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR",
            help="How many times as high and wide, 1 to 8: by the network, then by the mean over "
            "areas, or above its own scale by bicubic interpolation. By default the network's.",
            min=1,
            max=8,
            show_default=False,
        ),
    ] = None,
    target_dpi: Annotated[
        float | None,
        typer.Option(
            help="Upscale to this resolution, in pixels per inch; what has it already stays as it "
            "is.",
            min=1,
            max=_MOST_DPI,
            show_default=False,
        ),
    ] = None,
    dpi: Annotated[
        float | None,
        typer.Option(
            help="Resolution of the inputs, whatever their files say; of pages that a program drew "
            "into a PDF which becomes images, 150 by default.",
            min=1,
            max=_MOST_DPI,
            show_default=False,
        ),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="Of the results: png, jpg, tif, webp, bmp or pdf; by default the inputs'.",
            show_default=False,
        ),
    ] = None,
    quality: Annotated[
        int | None,
        typer.Option(
            help="Of JPEG, by default 95; of WebP and PDF, by default lossless, but for JPEGs that "
            "a PDF holds already: 90.",
            min=1,
            max=100,
            show_default=False,
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Also write pictures that compare a part of the text."),
    ] = False,
    read: Annotated[
        bool,
        typer.Option(
            "--read",
            help="Write into these what the installed OCR engines read, above each line.",
        ),
    ] = False,
    searchable: Annotated[
        bool,
        typer.Option(
            "--searchable",
            help="Put text under the scanned pages of PDFs, invisible, as Tesseract reads it.",
        ),
    ] = False,
    language: Annotated[
        str, typer.Option(help="Of that text, as Tesseract calls it; several: eng+deu.")
    ] = "eng",
    skip_existing: Annotated[
        bool,
        typer.Option(
            "--skip-existing",
            help="Leave results as they are that were made of the same inputs, model and options.",
        ),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Refuse folders with files that are no images, and images that are cut short.",
        ),
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
    """Upscale images of any size and kind, TIFFs of several pages, and scans in PDFs."""
    from textsr.api import load_model
    from textsr.cli.pipes import piped
    from textsr.images.reading import MAX_PIXELS
    from textsr.inference.batch import upscale_jobs
    from textsr.inference.choice import PAYS_PIXELS, has_torch
    from textsr.inference.compare import Legend
    from textsr.inference.planning import count_pixels, plan_jobs, say_left_out
    from textsr.inference.records import Records, made_by
    from textsr.inference.sizing import Sizing

    refuse_both("--for", reader, "--blend", blend)
    if read and not compare:
        raise TextsrError("--read: writes into the pictures of --compare; give that, too")
    refuse_both("--scale", scale, "--target-dpi", target_dpi)
    found = _resolve(model)
    if not found.folder.exists():
        raise TextsrError(
            f"{found.folder}: no such model; name a folder that `textsr train` wrote, or a file of "
            "`textsr export`"
        )
    with piped(inputs, output, max_pixels or MAX_PIXELS) as pipes:
        if pipes.into is not None and (compare or skip_existing):
            raise TextsrError(f"{output}: --compare and --skip-existing are for files; name one")
        plan = plan_jobs(
            pipes.inputs, pipes.output, compare=compare, file_format=file_format, quality=quality
        )
        if plan.left_out and strict:
            raise TextsrError(f"{say_left_out(plan.left_out)}; name the images, or move the others")
        if plan.left_out:
            warnings.warn(say_left_out(plan.left_out), stacklevel=1)
        records = None
        if skip_existing or (plan.is_folder and pipes.into is None):
            options = {
                **{"reader": reader, "blend": blend, "backend": backend, "quality": quality},
                **{"scale": scale, "target_dpi": target_dpi, "dpi": dpi},
                "searchable": language if searchable else None,
            }
            records = Records(plan.folder, made_by(found.folder, options))
        jobs = plan.jobs
        if records is not None and skip_existing:
            jobs = [job for job in plan.jobs if not records.is_current(job)]
            current = len(plan.jobs) - len(jobs)
            typer.echo(f"{current} of {len(plan.jobs)} results are up to date", err=True)
            if not jobs:
                return
        loaded = load_model(
            found.folder,
            backend=backend,
            device=device,
            reader=reader,
            blend=blend,
            pixels=count_pixels(plan.jobs, PAYS_PIXELS) if has_torch() else None,
        )
        blended = _blended(loaded.info)
        said = blended and f", {blended}"
        typer.echo(f"model: {found.said}{said}", err=True)
        with nullcontext() if records is None else records.noting(jobs):
            done = upscale_jobs(
                loaded.backend,
                jobs,
                tile=tile,
                max_pixels=max_pixels or MAX_PIXELS,
                keep_sharp=loaded.keeps_sharp,
                sizing=Sizing(scale, target_dpi, dpi),
                quality=quality,
                records=records,
                strict=strict,
                searchable=language if searchable else None,
                legend=Legend(blended, _engines() if read else None),
                progress=True,
            )
        pipes.deliver([result for _, result in done])
        for source, result in done if pipes.into is None else ():
            typer.echo(on_one_line(pipes.rename(f"{source} -> {result}")))


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


def _blended(info: "ModelInfo") -> str:
    """Return how a model is blended, and for whom; nothing where that is not known."""
    if info.blend is None:
        return ""
    whom = {None: "", "any": " for any reader"}.get(info.reader, f" for {info.reader}")
    return f"blended{whom} at {info.blend:g}"


def _engines() -> "ReadLines":
    """Return what reads lines by all OCR engines that are installed, one caller at a time."""
    from threading import Lock

    try:
        from textsr.ocr.engines import available_engines
    except ModuleNotFoundError as error:  # what engines share is not installed, either
        raise TextsrError(
            "--read: no OCR engine is installed; `pip install 'textsr[ocr]'` brings one"
        ) from error

    engines, door = available_engines(), Lock()

    def read(lines: "Sequence[Image]") -> dict[str, list[str]]:
        with door:  # images are upscaled side by side, and engines read for one at a time
            return {engine.title: engine.read(lines) for engine in engines}

    return read


def _resolve(name: str | None) -> "ResolvedModel":
    from textsr import pretrained
    from textsr.registry.resolve import ResolvedModel, resolve_model

    try:
        return resolve_model(name, Path.cwd())
    except ModuleNotFoundError:  # MLflow's, in a project where the pipeline is not installed
        if name is not None:
            raise
        said = "the pretrained weights (a champion of this project needs 'textsr[pipeline]')"
        return ResolvedModel(pretrained.FOLDER, said)
