"""The command line: one verb a stage, in the pipeline's order; argument parsing only.

Heavy imports stand inside the verbs, so that `textsr --help` answers at once.
"""

import errno
import os
import signal
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from textsr.cli import imports as cli_import
from textsr.cli.progress import progress, ticks
from textsr.cli.streams import escape_unprintable
from textsr.config import project
from textsr.errors import TextsrError
from textsr.redaction import redact

app = typer.Typer(
    help="Super-resolution of text images, judged by whether the text can be read.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

app.add_typer(cli_import.app, name="import", rich_help_panel="1. Source material")

# Libraries that would report home; the pipeline works without a network.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}

# What is wrong with the machine and no mistake of ours, and what to do about it.
_SYSTEM = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on the size of files",
    errno.EACCES: "change its permissions, or use another",
    errno.EPERM: "change its permissions, or use another",
    errno.EROFS: "use a folder that can be written to",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.EISDIR: "put a file in its place",
    errno.ENOTDIR: "put a folder in the file's place",
    errno.ELOOP: "remove the link that leads to itself",
    errno.EIO: "look into the system's log: the disk fails",
    errno.EMFILE: "raise the limit on open files (`ulimit -n`)",
    errno.ENFILE: "raise the system's limit on open files",
}

_SOURCES = "1. Source material"
_STAGES = "2. Stages (run by `dvc repro`)"
_MODELS = "3. Registered models"
_USE = "4. Upscaling and judging"
_DVC = "5. DVC, checked"


def main() -> None:
    """Run the command line; a user's mistake is one message and exit status 1."""
    asked = datetime.now(UTC)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    escape_unprintable()
    signal.signal(signal.SIGTERM, _end)
    try:
        app(obj=asked)
    except Exception as error:
        said = str(error) if isinstance(error, TextsrError) else _said_of_system(error)
        said = said or _said_of_mlflow(error)
        # As Python would print it, but for the secrets that libraries put into their messages.
        text = f"textsr: {redact(said)}" if said else redact(traceback.format_exc()).rstrip()
        print(text, file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _said_of_system(error: Exception) -> str | None:
    """Return a message where the disk is full, or a file may not be used."""
    if not isinstance(error, OSError) or error.errno not in _SYSTEM:
        return None
    name = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    return f"{name}{os.strerror(error.errno)}; {_SYSTEM[error.errno]}"


def _end(number: int, _: FrameType | None) -> None:
    """End in an orderly way, so that nothing half-written is left, as after Ctrl-C."""
    signal.signal(number, signal.SIG_IGN)  # a second one would break off the tidying up
    sys.exit(128 + number)


def _said_of_mlflow(error: Exception) -> str | None:
    """Return a message where the tracking server or its database failed in the midst of a verb."""
    if "mlflow.exceptions" not in sys.modules:  # the verb does not track; importing takes seconds
        return None
    from textsr.tracking.client import explain, tracking_uri

    said = explain(error, tracking_uri(Path.cwd()))
    return None if said is None else str(said)


@app.command("fetch-data", rich_help_panel=_SOURCES)
def fetch_data() -> None:
    """Copy fonts and word lists out of the installed packages into data/."""
    from textsr.synthesis.sources import fetch_sources

    count = fetch_sources(project.DATA)
    typer.echo(f"{project.DATA}: {count} font files, word lists and their licences")


@app.command("check-params", rich_help_panel=_SOURCES)
def check_params() -> None:
    """Validate params.yaml."""
    _params()
    typer.echo(f"{project.PARAMS}: valid")


@app.command("use-preset", rich_help_panel=_SOURCES)
def use_preset(name: str) -> None:
    """Merge presets/NAME.yaml into params.yaml (`git checkout params.yaml` undoes it)."""
    from textsr.config.presets import apply_preset

    gone = apply_preset(name, Path("presets"), project.PARAMS)
    replaced = f"; its extra datasets replace {', '.join(gone)}" if gone else ""
    typer.echo(f"{project.PARAMS}: preset {name} applied{replaced}")


@app.command(rich_help_panel=_STAGES)
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

    params, chosen = _params(), Part.parse(part or "1-of-1")
    with progress() as start:
        advance = start("lines", count_rows(params, chosen))
        if part is None:
            taken = write_dataset(params, project.DATA, project.DATASET, advance, project.PARTS)
        else:
            write_part(params, project.DATA, project.PARTS, chosen, advance)
            taken = 0
    if taken:
        typer.echo(f"{project.DATASET}: {taken} shards were made as parts, in {project.PARTS}")


@app.command(rich_help_panel=_STAGES)
def extra_datasets() -> None:
    """Draw the extra_datasets: further lines to train on, by settings of their own."""
    from textsr.synthesis.extra_datasets import write_extra_datasets

    params = _params()
    with progress() as start:
        write_extra_datasets(params, project.DATA, project.EXTRA_DATASETS, start)
    if not params.extra_datasets:
        typer.echo(f"{project.PARAMS}: extra_datasets: there are none")


@app.command(rich_help_panel=_STAGES)
def ingest() -> None:
    """Turn the imported pairs and HR images into shards for training."""
    from textsr.imports.ingest import ingest

    with ticks() as start:
        said = ingest(_params(), project.DATA, project.IMPORTED, start)
    for sentence in said or [f"{project.DATA}: no sets in pairs/ or hr/"]:
        typer.echo(sentence)


@app.command(rich_help_panel=_STAGES)
def validate() -> None:
    """Hold all datasets against the Great Expectations suite; write Data Docs."""
    from textsr.ocr.engines import RapidOCREngine, read_lines
    from textsr.validation.track import validate_project

    params = _params()
    engine = RapidOCREngine(params.compute.threads)
    with progress() as start:
        validate_project(
            params, Path.cwd(), lambda lines: read_lines(engine, lines), start, typer.echo
        )


@app.command(rich_help_panel=_STAGES)
def pretrain(method: str) -> None:
    """Train an encoder on LR lines without labels: METHOD is simclr or byol."""
    from textsr.pretraining.track import pretrain_tracked

    pretrain_tracked(method, _params(), Path.cwd())


@app.command(rich_help_panel=_STAGES)
def recognizer() -> None:
    """Train the recognizer that teaches the networks and never judges them."""
    from textsr.training.recognizer import run_recognizer

    run_recognizer(_params(), project.DATASET, project.RECOGNIZER, project.EXTRA_DATASETS)


@app.command(rich_help_panel=_STAGES)
def train(model: str) -> None:
    """Train a super-resolution network: MODEL is seed, scratch, simclr or byol."""
    from textsr.training.track import train_tracked

    train_tracked(model, _params(), Path.cwd())


@app.command(rich_help_panel=_STAGES)
def baselines() -> None:
    """Read the test split upscaled by bicubic, and at its true resolution."""
    from textsr.evaluation.run import run_baselines

    params = _params()
    with ticks() as start:
        run_baselines(
            params, project.DATASET, project.DATA, project.EVALUATION / "baselines", start
        )


@app.command(rich_help_panel=_STAGES)
def evaluate(model: str) -> None:
    """Choose MODEL's blend with bicubic on val, then score the test split."""
    from textsr.evaluation.run import run_evaluation
    from textsr.registry.run import publish_evaluation
    from textsr.tracking.client import Tracker

    params = _params()
    trained, output = project.MODELS / model, project.EVALUATION / model
    base = project.EVALUATION / "baselines" / "samples.parquet"
    with ticks() as start:
        run_evaluation(
            params, trained / "model", base, project.DATASET, project.DATA, output, start
        )
    publish_evaluation(Tracker(Path.cwd()), trained, output)


@app.command(rich_help_panel=_STAGES)
def compare() -> None:
    """Put all methods side by side and name the winner."""
    from textsr.evaluation.leaderboard import run_comparison

    run_comparison(_params(), project.EVALUATION, project.DATASET, project.REPORTS)
    typer.echo((project.REPORTS / "leaderboard.md").read_text(encoding="utf-8"))


@app.command(rich_help_panel=_STAGES)
def register() -> None:
    """Register the winner as challenger; the gate decides whether it becomes champion."""
    from textsr.registry.gate import render_decision
    from textsr.registry.run import run_registration
    from textsr.tracking.client import Tracker

    with ticks() as start:
        record = run_registration(
            _params(),
            Tracker(Path.cwd()),
            project.DATASET,
            project.MODELS,
            project.EVALUATION,
            project.REPORTS,
            start,
        )
    typer.echo(render_decision(record))


@app.command(rich_help_panel=_MODELS)
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
) -> None:
    """Make the previous champion, or a version of your choice, champion again."""
    from textsr.registry.aliases import roll_back
    from textsr.tracking.client import Tracker

    asked: datetime | None = context.obj  # loading MLflow takes seconds
    name = _params().registration.model_name
    typer.echo(roll_back(Tracker(Path.cwd()), name, to, asked))


@app.command("smoke-test", rich_help_panel=_MODELS)
def smoke_test() -> None:
    """Upscale with what the last registration made champion; put the alias back if that fails."""
    import tempfile

    from textsr.registry.gate import read_registration
    from textsr.registry.smoke import smoke_test
    from textsr.tracking.client import Tracker

    record = read_registration(project.REPORTS / "registration.json")
    sample = Path("docs/images/sample.png")
    with tempfile.TemporaryDirectory() as folder:
        typer.echo(smoke_test(Tracker(Path.cwd()), record, sample, Path(folder) / "large.png"))


@app.command("publish-pretrained", rich_help_panel=_MODELS)
def publish_pretrained(model: str) -> None:
    """Make an evaluated model the weights that come with the package."""
    from textsr.pretrained import FOLDER
    from textsr.registry.publish import publish_pretrained

    folder = publish_pretrained(
        project.MODELS / model, project.EVALUATION / model, project.PARAMS, FOLDER
    )
    typer.echo(f"{folder}: {model}'s weights, params and card")


@app.command("publish-onnx", rich_help_panel=_MODELS)
def publish_onnx() -> None:
    """Make the ONNX file of the weights that come with the package anew."""
    from textsr.pretrained import FOLDER
    from textsr.pretrained.onnx_files import write_onnx

    typer.echo(write_onnx(FOLDER))


@app.command("publish-recognizer", rich_help_panel=_MODELS)
def publish_recognizer() -> None:
    """Make the trained recognizer the one that comes with the package."""
    from textsr.pretrained import RECOGNIZER
    from textsr.registry.publish import publish_recognizer
    from textsr.tracking.client import lineage_tags

    params = _params()
    folder = publish_recognizer(
        project.RECOGNIZER,
        project.PARAMS,
        RECOGNIZER,
        from_pretrained=params.recognizer.from_pretrained,
        lineage=lineage_tags(Path.cwd(), params.seed),
    )
    typer.echo(f"{folder}: the recognizer's weights, params and card")


@app.command(rich_help_panel=_MODELS)
def show() -> None:
    """Print the leaderboard, what was registered and why, and where to look."""
    from textsr.registry.summary import summarise_project

    typer.echo(summarise_project(Path.cwd()))


ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        help="A model folder or a models:/ URI; by default the champion, else the package's own.",
        show_default=False,
    ),
]

BlendOption = Annotated[
    float | None,
    typer.Option(
        help="Weight of the network's output, 0 to 1; the rest is bicubic's. By default the "
        "model's own. At 1 Tesseract gains more, and RapidOCR less.",
        min=0,
        max=1,
        show_default=False,
    ),
]


@app.command(rich_help_panel=_USE)
def upscale(
    inputs: Annotated[list[Path], typer.Argument(metavar="IN...", help="Images and folders.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="File or folder.")],
    model: ModelOption = None,
    blend: BlendOption = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Also write side-by-side pictures.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")] = "auto",
    tile: Annotated[int, typer.Option(help="Side of a tile, LR pixels.", min=32)] = 800,
    max_pixels: Annotated[
        int | None, typer.Option(help="Refuse larger inputs.", min=1, show_default=False)
    ] = None,
) -> None:
    """Upscale images of any size and kind."""
    from textsr.images.reading import MAX_PIXELS
    from textsr.inference.batch import upscale_paths
    from textsr.inference.device import choose_device, suits_bf16
    from textsr.pretrained import NAME

    loaded, said = _model(model, blend)
    typer.echo(said, err=True)
    target = choose_device(device)
    done = upscale_paths(
        loaded.to(target),
        inputs,
        output,
        device=target,
        tile=tile,
        halo=loaded.halo,
        bf16=suits_bf16(loaded, target),
        max_pixels=max_pixels or MAX_PIXELS,
        compare=compare,
        # What the pretrained weights know is known of them alone.
        keep_sharp=blend is None and loaded.spec.name == NAME,
        progress=True,
    )
    for source, result in done:
        typer.echo(f"{source} -> {result}")


@app.command(rich_help_panel=_USE)
def export(
    output: Annotated[Path, typer.Argument(metavar="FILE.onnx")],
    model: ModelOption = None,
    blend: BlendOption = None,
) -> None:
    """Write a model as one ONNX file, for programs without PyTorch."""
    from textsr.inference.export import OPSET, export_onnx

    loaded, said = _model(model, blend)
    typer.echo(said, err=True)
    export_onnx(loaded, output)
    typer.echo(f"{output}: ONNX, opset {OPSET}, images of any size")


@app.command(rich_help_panel=_USE)
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

    loaded, said = _model(model, blend)
    typer.echo(said, err=True)
    with ticks() as start:
        report = score_folder(_params(), folder, kind, loaded, panel, start)
    typer.echo(report)


@app.command(rich_help_panel=_USE)
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

    with ticks() as start:
        report = report_realism(folders, _params(), project.DATA, output, ablate, start)
    typer.echo(report)
    typer.echo(f"{output}: realism.json and realism.png")


@app.command(rich_help_panel=_USE)
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

    with ticks() as start:
        report = run_monitor(_params(), Path.cwd(), folder, output, start)
    typer.echo(report.summary())
    typer.echo(f"{output}: report.md, drift.json and pictures")


@app.command(
    "dvc",
    rich_help_panel=_DVC,
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


def _params() -> Any:
    from textsr.config.params import load_params

    return load_params(project.PARAMS)


def _model(name: str | None, blend: float | None) -> tuple[Any, str]:
    """Load a model, to be blended as told; return it and a sentence about it."""
    from textsr.compute import use_no_more_threads_than_cores
    from textsr.models.package import BlendedModel

    use_no_more_threads_than_cores()
    loaded, said = _find_model(name)
    if blend is None:
        return loaded, said
    spec = loaded.spec.model_copy(update={"blend": blend})
    usual = f"{loaded.spec.blend:g}"
    return BlendedModel(
        spec, loaded.network
    ).eval(), f"{said}, blended at {blend:g} instead of {usual}"


def _find_model(name: str | None) -> tuple[Any, str]:
    """Load a model by folder, by URI, or the best there is; return it and a sentence about it."""
    from textsr.models.package import load_model
    from textsr.pretrained import load_pretrained

    if name is not None and not name.startswith(("models:/", "runs:/")):
        return load_model(Path(name)), f"model: {name}"
    try:
        root = project.find_root(Path.cwd())
    except TextsrError:
        if name is not None:
            raise
        return load_pretrained(), "model: the pretrained weights"
    from textsr.config.params import load_params
    from textsr.registry.aliases import CHAMPION, version_of
    from textsr.registry.packaging import fetch_model
    from textsr.tracking.client import Tracker

    tracker = Tracker(root)
    if name is not None:
        return load_model(fetch_model(tracker, name)), f"model: {name}"
    registered = load_params(root / project.PARAMS).registration.model_name
    champion = version_of(tracker, registered, CHAMPION)
    if champion is None:
        return load_pretrained(), (
            f"model: the pretrained weights (no version of {registered} is {CHAMPION})"
        )
    uri = f"models:/{registered}@{CHAMPION}"
    said = f"model: {registered} version {champion.version}, the {CHAMPION}"
    return load_model(fetch_model(tracker, uri)), said
