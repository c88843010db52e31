"""The command line, put together of a module for each group of verbs.

Heavy imports stand inside the verbs, so that `textsr --help` answers at once, and `textsr upscale`
does without the pipeline's packages.
"""

import errno
import os
import signal
import sys
import traceback
import warnings
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from textsr import __version__
from textsr.cli import data, dvc, imports, judging, models, serve, stages, upscale
from textsr.cli.streams import escape_unprintable, on_one_line, on_own_lines
from textsr.errors import TextsrError
from textsr.redaction import redact

app = typer.Typer(
    help="Super-resolution of text images, judged by whether the text can be read.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

app.add_typer(imports.app, name="import", rich_help_panel="1. Source material")
for group in (data, stages, models, upscale, serve, judging, dvc):
    app.add_typer(group.app)

# Libraries that would report home, though the pipeline works without a network; and a bar for each
# file that MLflow fetches.
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "NO_ALBUMENTATIONS_UPDATE": "1",
}

# Which extra a package comes with, where that is not `pipeline`.
_EXTRAS = {
    **dict.fromkeys(("onnx", "onnxscript"), "onnx"),
    **dict.fromkeys(("safetensors", "torch", "torchvision"), "torch"),
    **dict.fromkeys(("rapidfuzz", "rapidocr"), "ocr"),
    "huggingface_hub": "hub",
    **dict.fromkeys(("fastapi", "fastapi_offline", "mimeparse"), "serve"),
    **dict.fromkeys(("prometheus_client", "starlette", "uvicorn"), "serve"),
    "lmdb": "textzoom",
    "tesserocr": "tesseract",
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


def _say_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"textsr {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Super-resolution of text images, judged by whether the text can be read."""


def main() -> None:
    """Run the command line; a user's mistake is one message and exit status 1."""
    asked = datetime.now(UTC)
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    escape_unprintable()
    warnings.showwarning = _say_warning
    signal.signal(signal.SIGTERM, _end)
    try:
        app(obj=asked)
    except Exception as error:
        said = str(error) if isinstance(error, TextsrError) else _said_of_system(error)
        said = said or _said_of_missing(error) or _said_of_mlflow(error)
        # As Python would print it, but for the secrets that libraries put into their messages.
        text = f"textsr: {redact(said)}" if said else redact(traceback.format_exc()).rstrip()
        print(on_own_lines(text), file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _say_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Print a warning as one line, without the line of Python that gave it."""
    print(f"warning: {on_one_line(redact(str(message)))}", file=sys.stderr)  # noqa: T201


def _said_of_missing(error: Exception) -> str | None:
    """Return a message where a verb's packages are not installed."""
    if not isinstance(error, ModuleNotFoundError) or (error.name or "").startswith("textsr"):
        return None
    verb = next((word for word in sys.argv[1:] if not word.startswith("-")), "this")
    name = (error.name or "a package").partition(".")[0]
    extra = _EXTRAS.get(name, "pipeline")
    return f"textsr {verb} needs {name}; install it by `pip install 'textsr[{extra}]'`"


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
    from textsr.tracking import explain, tracking_uri

    said = explain(error, tracking_uri(Path.cwd()))
    return None if said is None else str(said)
