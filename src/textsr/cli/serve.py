"""`textsr serve`; argument parsing only."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from textsr.cli.upscale import UpscalingModelOption

app = typer.Typer()
_PANEL = "4. Upscaling and judging"


@app.command(rich_help_panel=_PANEL)
def serve(
    model: UpscalingModelOption = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen at; 0.0.0.0 lets other machines ask, under a --host-name."
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = 8000,
    host_name: Annotated[
        list[str] | None,
        typer.Option(
            help="A name or address under which it is asked, beside those of loopback; any number.",
            show_default=False,
        ),
    ] = None,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Of a request.")] = 32,
    max_pixels: Annotated[int, typer.Option(min=1, help="Of an image.")] = 16_000_000,
    time_limit: Annotated[
        float, typer.Option(min=0.1, help="Seconds from a request's head to its answer.")
    ] = 120,
    queue: Annotated[
        int,
        typer.Option(min=0, help="Requests that may wait for a core; more are refused by 503."),
    ] = 32,
    reload_seconds: Annotated[
        float, typer.Option(min=0.1, help="How often an alias is asked for its version.")
    ] = 30,
    drain_seconds: Annotated[
        float,
        typer.Option(
            min=0,
            help="How long after SIGTERM requests are still taken, while /readyz says no more.",
        ),
    ] = 0,
    backend: Annotated[
        str, typer.Option(help="onnx, onnx-int8, torch or auto, as `textsr upscale` takes it.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu; by PyTorch also cuda, mps.")] = "auto",
) -> None:
    """Upscale images over HTTP, with a page to try it at http://127.0.0.1:8000."""
    from textsr.serving.served import Source
    from textsr.serving.server import serve
    from textsr.serving.service import Limits, Service

    logging.basicConfig(stream=sys.stderr, format="textsr: %(message)s")
    logging.getLogger("textsr.serving").setLevel(logging.INFO)
    limits = Limits(max_megabytes, max_pixels, time_limit, queue)
    source = Source(model, Path.cwd(), backend, device)
    serve(
        Service(source, limits, reload_seconds),
        host=host,
        port=port,
        host_names=host_name or (),
        drain_seconds=drain_seconds,
    )
