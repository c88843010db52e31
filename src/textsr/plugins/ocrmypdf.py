"""A plugin of OCRmyPDF: the OCR engine is given each page upscaled; the page that people see stays.

OCRmyPDF loads it wherever both are installed, by the entry point `textsr` of the group `ocrmypdf`.
It does nothing unless `--textsr` asks for it. What is heavy is imported where it is needed.
"""

from __future__ import annotations

import logging
import math
import sys
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING

from ocrmypdf import hookimpl
from ocrmypdf.exceptions import BadArgsError, ExitCodeException

from textsr.errors import TextsrError

if TYPE_CHECKING:
    from ocrmypdf import OcrOptions, PageContext
    from ocrmypdf.pdfinfo import PdfInfo
    from PIL.Image import Image

    from textsr.api import Model

FINE_DPI = 200
"""Pixels per inch from which on a page is left as it is: Tesseract reads it no better."""

GOAL_DPI = 300
"""Pixels per inch that pages are upscaled to, as far as the network goes: what Tesseract is made
for."""

_ENGINE = "tesseract"  # OCRmyPDF's own

log = logging.getLogger(__name__)
_loading = threading.Lock()
_loaded: dict[tuple[str | None, str | None], Model] = {}


@hookimpl
def add_options(parser: ArgumentParser) -> None:
    """Tell OCRmyPDF of the options."""
    group = parser.add_argument_group("textsr", "Upscale what the OCR engine is given to read")
    group.add_argument(
        "--textsr",
        action="store_true",
        help=f"Upscale pages of less than {FINE_DPI} dpi for the OCR engine; what the PDF shows "
        "stays as it is.",
    )
    group.add_argument(
        "--textsr-model",
        metavar="MODEL",
        help="A model's folder, an .onnx file that `textsr export` wrote, or a models:/ address; "
        "by default the weights that come with textsr.",
    )
    group.add_argument(
        "--textsr-for",
        metavar="READER",
        help="Whom the model's blend suits, as in `textsr upscale --for`; by default tesseract, or "
        "any where the model was not judged by it.",
    )


@hookimpl
def check_options(options: OcrOptions) -> None:
    """Load the model, so that one that cannot be loaded ends OCRmyPDF before its work."""
    if _is_on(options):
        try:
            _model(options)
        except TextsrError as error:
            raise BadArgsError(str(error)) from error


@hookimpl
def validate(pdfinfo: PdfInfo, options: OcrOptions) -> None:
    """Divide the cores among the pages that are worked at once."""
    if _is_on(options):
        from textsr.inference.cores import granted_cores

        cores = granted_cores()
        at_once = max(min(options.jobs or cores, len(pdfinfo)), 1)
        options.extra_attrs["textsr_threads"] = max(cores // at_once, 1)


@hookimpl
def filter_ocr_image(page: PageContext, image: Image) -> Image | None:
    """Return a page upscaled, and what other plugins make of that; None to leave it to them."""
    if not _is_on(page.options) or min(image.info["dpi"]) >= FINE_DPI:
        return None
    try:
        upscaled = _upscale(page, image)
    except TextsrError as error:
        raise ExitCodeException(f"page {page.pageno + 1}: {error}") from error
    if upscaled is None:
        return None
    # OCRmyPDF asks no other plugin after one that answers; its own cuts what Tesseract refuses.
    others = page.plugin_manager.pluggy_manager.subset_hook_caller(
        "filter_ocr_image", [sys.modules[__name__]]
    )
    filtered: Image | None = others(page=page, image=upscaled)
    return upscaled if filtered is None else filtered


def _is_on(options: OcrOptions) -> bool:
    return bool(getattr(options, "textsr", False))


def _upscale(page: PageContext, image: Image) -> Image | None:
    """Return a page upscaled; None if its text is large, whatever its resolution."""
    from textsr.images.conversion import to_pillow
    from textsr.images.reading import from_pillow
    from textsr.inference.orientation import turned
    from textsr.inference.sizing import at_factor
    from textsr.inference.suitability import examine
    from textsr.inference.text_height import RANGE_PX
    from textsr.inference.upscale import upscale_image

    options = page.options
    backend = _model(options).backend
    loaded = from_pillow(image, "its picture")
    text = examine(loaded, keep_sharp=False)
    factor = min(backend.scale, GOAL_DPI / min(image.info["dpi"]))
    if options.max_ocr_image_mpixels:
        most = options.max_ocr_image_mpixels * 1e6
        factor = min(factor, math.sqrt(most / (loaded.width * loaded.height)))
    if text.height_px > RANGE_PX[1] or factor <= 1:
        log.info("page %d: not upscaled, its text is %.0f px high", page.pageno + 1, text.height_px)
        return None
    threads = getattr(options, "textsr_threads", None)
    upright = turned(loaded, 1) if text.runs_down else loaded
    result = upscale_image(backend, upright, threads=threads)
    result = at_factor(turned(result, -1) if text.runs_down else result, loaded, factor)
    upscaled = to_pillow(result)
    upscaled.info["dpi"] = tuple(
        dpi * new / old
        for dpi, new, old in zip(image.info["dpi"], upscaled.size, image.size, strict=True)
    )
    log.info("page %d: upscaled for OCR to %.0f dpi", page.pageno + 1, upscaled.info["dpi"][0])
    return upscaled


def _model(options: OcrOptions) -> Model:
    """Return the model that the options name, loaded once a process.

    Raises:
        TextsrError: if there is no such model, or it was not judged for the reader.
    """
    key = getattr(options, "textsr_model", None), getattr(options, "textsr_for", None)
    with _loading:
        if key not in _loaded:
            _loaded[key] = _load(*key)
        return _loaded[key]


def _load(source: str | None, reader: str | None) -> Model:
    from textsr import pretrained
    from textsr.api import load_model
    from textsr.models.spec import ANY, SPEC, read_spec

    folder = pretrained.FOLDER if source is None else _find(source)
    if reader is None and (folder / SPEC).exists():  # an ONNX file has its blend in it
        reader = _ENGINE if _ENGINE in read_spec(folder).blends else ANY
    return load_model(folder, reader=reader)


def _find(source: str) -> Path:
    from textsr.registry.resolve import resolve_model

    try:
        return resolve_model(source, Path.cwd()).folder
    except ModuleNotFoundError as error:
        raise TextsrError(
            f"{source}: getting it needs {error.name}; install it by `pip install "
            "'textsr[pipeline]'`"
        ) from error
