"""The server: what it answers at which path."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import fastapi_offline
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from textsr import __version__
from textsr.api import Model
from textsr.errors import TextsrError
from textsr.images.image import LoadedImage
from textsr.inference.orientation import turned
from textsr.inference.sizing import MOST, Sizing
from textsr.serving.guard import LOOPBACK, Guard
from textsr.serving.holding import held, holding
from textsr.serving.media import (
    MEDIA_TYPES,
    ZIP,
    ResultFormat,
    check_acceptable,
    is_acceptable,
    not_acceptable,
)
from textsr.serving.problems import MEDIA_TYPE, RefusedError
from textsr.serving.reading import ReadLine
from textsr.serving.results import NOTES, Writer, write_zip
from textsr.serving.served import Served
from textsr.serving.service import Service
from textsr.serving.uploads import Upload, read_uploads
from textsr.serving.work import Done, Job, Taken

log = logging.getLogger(__name__)

_TEMPLATES = Path(__file__).parent / "templates"
_SWAGGER = Path(fastapi_offline.__file__).parent / "static"
_DOCS = "/docs"
# Asked by machines, under whatever name they know; they tell numbers, and do nothing.
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_PATHS = _PROBES | {"/", "/upscale", "/read", "/model", _DOCS, "/openapi.json"}

_MOST_DPI = 100_000  # no scanner has as many; some formats hold few more
_NOTE, _MODEL = "Textsr-Note", "Textsr-Model"

ReaderQuery = Annotated[
    str | None,
    Query(
        alias="for",
        description="Who reads the result, which chooses the blend: `people`, an OCR engine that "
        "the model was judged by, or `any`. `GET /model` tells which there are.",
    ),
]

_IMAGE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "An image as it is, or a form with one or several.",
        "content": {
            "image/*": _IMAGE,
            "application/octet-stream": _IMAGE,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": {
                        "image": {"type": "array", "items": {"type": "string", "format": "binary"}}
                    },
                }
            },
        },
    }
}


class ProblemDetails(BaseModel):
    """RFC 9457."""

    title: str
    status: int
    detail: str
    """What is wrong, and the remedy."""


_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {
        "description": meaning,
        "content": {MEDIA_TYPE: {"schema": ProblemDetails.model_json_schema()}},
    }
    for status, meaning in {
        400: "The form or a header cannot be read, or the Host is not this server's.",
        403: "A page of another server asks.",
        406: "No format that can be written is acceptable.",
        408: "The body does not come in time.",
        413: "The body is too long.",
        415: "The body is no image, or of a kind that is not taken.",
        422: "The image cannot be decoded or is too large, or a parameter is wrong.",
        501: "No OCR engine is installed.",
        503: "No room, no time or no model yet; `Retry-After` tells when to ask again.",
        507: "The server's disk does not take the results.",
    }.items()
}


class ServedModel(BaseModel):
    """Which model is served."""

    said: str
    """What it is, for people."""
    name: str
    version: str | None
    scale: int
    """HR pixels per LR pixel."""
    backend: str
    readers: list[str]
    """Whom it was judged for; the first is the one where none is named."""
    max_pixels: int
    """Of an image."""
    max_megabytes: float
    """Of a request."""


class Line(BaseModel):
    """What the OCR engine read in a line."""

    bicubic: str
    """Of the image, enlarged by bicubic interpolation."""
    upscaled: str
    """Of the result."""


class Readings(BaseModel):
    """What an OCR engine read."""

    engine: str
    lines: list[Line]
    """From top to bottom; none where there is no text."""


def make_app(service: Service, host_names: Collection[str] = ()) -> ASGIApp:
    """Return the server, which loads its model when it is started.

    Args:
        service: what it holds.
        host_names: names under which it is asked, besides those of loopback.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="textsr",
        version=__version__,
        summary="Makes text in small or degraded images readable again.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_pages(app)
    _add_work(app, service)
    _add_probes(app, service)
    _add_problems(app)
    held_app = holding(app, service.limits.seconds)
    guarded = Guard(held_app, {*LOOPBACK, *host_names}, _PROBES, _DOCS)
    return service.metrics.counted(guarded, _PATHS)


def _add_pages(app: FastAPI) -> None:
    app.mount("/static", StaticFiles(directory=_TEMPLATES))
    app.mount("/swagger", StaticFiles(directory=_SWAGGER))

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(_TEMPLATES / "page.html")

    @app.get(_DOCS, include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(_TEMPLATES / "docs.html")


def _add_probes(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", response_class=PlainTextResponse)
    async def healthz() -> str:
        """Whether the server is alive."""
        return "alive\n"

    @app.get("/readyz", response_class=PlainTextResponse, responses={503: _REFUSALS[503]})
    async def readyz() -> str:
        """Whether requests are to be sent here: the model is loaded, and no shutdown is ahead."""
        if service.is_draining:
            raise RefusedError(503, "shutting down; ask another server", {"Retry-After": "1"})
        _require_model(service)
        return "ready\n"

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> Response:
        """What Prometheus scrapes."""
        return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    @app.get("/model", responses={503: _REFUSALS[503]})
    async def model() -> ServedModel:
        """Which model is served, whom it was judged for, and how much a request may bring."""
        served = _require_model(service)
        info = served.usual.info
        return ServedModel(
            said=served.said,
            name=info.name,
            version=served.version,
            scale=info.scale,
            backend=info.backend,
            readers=served.readers,
            max_pixels=service.limits.pixels,
            max_megabytes=service.limits.megabytes,
        )


def _add_work(app: FastAPI, service: Service) -> None:
    @app.post(
        "/upscale",
        response_class=Response,
        openapi_extra=_BODY,
        responses={
            200: {
                "description": "The result; of several images, a ZIP of results.",
                "content": dict.fromkeys((*MEDIA_TYPES.values(), ZIP), _IMAGE),
            },
            **{status: said for status, said in _REFUSALS.items() if status != 501},
        },
    )
    async def upscale(
        request: Request,
        reader: ReaderQuery = None,
        named: Annotated[
            ResultFormat | None,
            Query(
                alias="format",
                description="Of the result; else what `Accept` prefers, else the image's own.",
            ),
        ] = None,
        scale: Annotated[
            float | None,
            Query(
                ge=1,
                le=MOST,
                allow_inf_nan=False,
                description="How many times as high and wide the result is.",
            ),
        ] = None,
        target_dpi: Annotated[
            float | None,
            Query(
                ge=1,
                le=_MOST_DPI,
                allow_inf_nan=False,
                description="Upscale to this resolution; what has it stays as it is.",
            ),
        ] = None,
        dpi: Annotated[
            float | None,
            Query(
                ge=1,
                le=_MOST_DPI,
                allow_inf_nan=False,
                description="Resolution of the image, whatever its file says.",
            ),
        ] = None,
        quality: Annotated[
            int | None,
            Query(ge=1, le=100, description="Of JPEG, by default 95; of WebP, else lossless."),
        ] = None,
    ) -> Response:
        """Upscale an image, or several in a form, which come back as a ZIP.

        The result keeps the image's bit depth, alpha, colour profile, size in inches and what
        describes it, as far as its format can hold them. `Textsr-Note` tells what is to be known
        of it, such as text of a height that the network is not made for.
        """
        accept = _accepted(request)
        if not is_acceptable(ZIP, accept):
            check_acceptable(accept, named)
        if scale is not None and target_dpi is not None:
            raise RefusedError(422, "scale and target_dpi exclude each other; give one of them")
        writer = Writer(service.scratch, accept, named, quality)
        deadline = time.monotonic() + service.limits.seconds
        held(request).enter_context(service.admitted())
        served = _require_model(service)
        model = await _model(served, reader)
        uploads = await read_uploads(request, service.limits, deadline)
        sizing = Sizing(scale, target_dpi, dpi)
        answer = _one if len(uploads) == 1 else _several
        response = await answer(service, request, uploads, model, sizing, writer, deadline)
        response.headers[_MODEL] = _latin(served.said)
        return response

    @app.post("/read", openapi_extra=_BODY, responses=_REFUSALS)
    async def read(request: Request, reader: ReaderQuery = None) -> Readings:
        """Tell what an OCR engine reads in an image: enlarged by bicubic interpolation; upscaled.

        Lines are found by the paper between them: the text is in one column.
        """
        deadline = time.monotonic() + service.limits.seconds

        def look(taken: Taken, result: LoadedImage) -> tuple[str, list[ReadLine]]:
            image = taken.loaded.upright()
            upright = turned(result, 1) if taken.loaded.runs_down else result
            return service.reader.read(image, upright)

        held(request).enter_context(service.admitted())
        model = await _model(_require_model(service), reader)
        uploads = await read_uploads(request, service.limits, deadline)
        if len(uploads) > 1:
            raise RefusedError(422, f"{len(uploads)} files: one is read at a time; send one")
        job = Job(uploads[0].encoded, "image", model, Sizing(), service.limits.pixels, look)
        (outcome,) = await service.outcomes(request, [job], deadline)
        engine, lines = _require_done(outcome).value
        return Readings(
            engine=engine,
            lines=[Line(bicubic=line.bicubic, upscaled=line.upscaled) for line in lines],
        )


async def _one(
    service: Service,
    request: Request,
    uploads: list[Upload],
    model: Model,
    sizing: Sizing,
    writer: Writer,
    deadline: float,
) -> Response:
    """Answer with an image."""
    check_acceptable(writer.accept, writer.named)
    job = Job(
        uploads[0].encoded,
        "image",
        model,
        sizing,
        service.limits.pixels,
        writer.encode,
        writer.check,
    )
    (outcome,) = await service.outcomes(request, [job], deadline)
    done = _require_done(outcome)
    file_format, content = done.value
    response = Response(content, media_type=MEDIA_TYPES[file_format])
    for note in done.notes:
        response.headers.append(_NOTE, _latin(note))
    return response


async def _several(
    service: Service,
    request: Request,
    uploads: list[Upload],
    model: Model,
    sizing: Sizing,
    writer: Writer,
    deadline: float,
) -> Response:
    """Answer with a ZIP, if there is any result: clients of all kinds can open one."""
    if not is_acceptable(ZIP, writer.accept):
        raise not_acceptable([ZIP], writer.accept)
    if not any(is_acceptable(each, writer.accept) for each in MEDIA_TYPES.values()):
        writer = replace(writer, accept="*/*")  # what the ZIP holds is left to us
    jobs = [
        Job(
            each.encoded,
            each.name,
            model,
            sizing,
            service.limits.pixels,
            writer.write,
            writer.check,
        )
        for each in uploads
    ]
    results: list[tuple[str, Path]] = []
    problems: list[tuple[str, RefusedError]] = []
    notes: list[tuple[str, str]] = []
    try:
        outcomes = await service.outcomes(request, jobs, deadline)
        for upload, outcome in zip(uploads, outcomes, strict=True):
            try:
                done = _require_done(outcome)
            except RefusedError as problem:
                problems.append((upload.name, problem))
            else:
                results.append((upload.name, done.value))
                notes += [(upload.name, note) for note in done.notes]
        if not results:
            raise problems[0][1]
        path = Path(f"{results[0][1]}.zip")
        held(request).callback(path.unlink, missing_ok=True)
        await asyncio.to_thread(write_zip, path, results, problems, notes)
    finally:
        for job in jobs:
            _remove(job)
    response = FileResponse(path, media_type=ZIP, filename="upscaled.zip")
    if notes:  # clients take about a hundred headers
        response.headers[_NOTE] = f"{len(notes)}, which {NOTES} in the ZIP has"
    return response


def _remove(job: Job[Path]) -> None:
    """Remove what was written for an image, also what is written when nobody waits any more."""

    def remove(_: object) -> None:
        if not job.done.cancelled() and job.done.exception() is None:
            job.done.result().value.unlink(missing_ok=True)

    job.done.add_done_callback(remove)


def _require_model(service: Service) -> Served:
    if service.served is None:
        raise RefusedError(
            503, "the model is being loaded; ask again in a moment", {"Retry-After": "1"}
        )
    return service.served


async def _model(served: Served, reader: str | None) -> Model:
    try:
        if served.is_loaded(reader):
            return served.model(reader)
        return await asyncio.to_thread(served.model, reader)
    except TextsrError as error:
        raise RefusedError(422, str(error)) from error


def _require_done(outcome: Done[Any] | BaseException) -> Done[Any]:
    """Return what was done.

    Raises:
        RefusedError: why not; the log has what is no mistake of the client's.
    """
    if isinstance(outcome, Done):
        return outcome
    if isinstance(outcome, RefusedError):
        raise outcome
    if isinstance(outcome, TextsrError):
        raise RefusedError(422, str(outcome)) from outcome
    log.error("an image could not be upscaled", exc_info=outcome)
    raise _of_ours() from outcome


def _of_ours() -> RefusedError:
    return RefusedError(500, "an error of the server's; its log tells more")


def _accepted(request: Request) -> str:
    return ", ".join(request.headers.getlist("accept")) or "*/*"


def _latin(text: str) -> str:
    """Return a text as a header can hold it: what is not ASCII is escaped."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return printable.encode("ascii", "backslashreplace").decode("ascii")


def _add_problems(app: FastAPI) -> None:
    """Answer all that is refused, by whomever, as RFC 9457 has it."""

    async def of_problem(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RefusedError)
        return error.answer()

    async def of_http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        asked, said = f"{request.method} {request.url.path}", error.detail
        if error.status_code == 404:
            said = f"{asked}: there is no such path; {_DOCS} lists those there are"
        elif error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "another method")
            said = f"{asked}: this path is not asked so; use {allowed}"
        return RefusedError(error.status_code, said, error.headers).answer()

    async def of_parameters(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        said = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in error.errors())
        return RefusedError(422, said).answer()

    async def of_us(_: Request, error: Exception) -> JSONResponse:
        return _of_ours().answer()

    app.add_exception_handler(RefusedError, of_problem)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_parameters)
    app.add_exception_handler(Exception, of_us)
