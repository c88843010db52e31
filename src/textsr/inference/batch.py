"""Upscaling files and folders, with all cores at work."""

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress as ProgressBar

from textsr.documents.rewriting import is_document, rewrite
from textsr.documents.searchable import check_searchable, make_searchable
from textsr.errors import TextsrError
from textsr.images.image import LoadedImage
from textsr.images.reading import MAX_PIXELS, read_image
from textsr.images.writing import write_image
from textsr.inference.backend import Backend
from textsr.inference.compare import Legend, compare_picture
from textsr.inference.interpolation import BicubicBackend
from textsr.inference.planning import Job, check_results, plan_jobs
from textsr.inference.records import Records
from textsr.inference.sizing import Sizing, at_factor
from textsr.inference.stream import SMALL, SMALL_BYTES, Loaded, go_on_unless
from textsr.inference.suitability import Suitability, examine
from textsr.inference.text_height import RANGE_PX
from textsr.inference.tiling import TILE, Progress, check_tiles
from textsr.inference.turns import Turns
from textsr.inference.upscale import upscale_image, upscale_images

_BY_THE_NETWORK = Sizing()
_NO_LEGEND = Legend()
_TOGETHER = 128  # images that a worker reads before they go through the network
_NAMED = 3  # images in a warning


def upscale_paths(
    backend: Backend,
    inputs: Sequence[Path],
    output: str | Path,
    *,
    tile: int = TILE,
    halo: int | None = None,
    max_pixels: int = MAX_PIXELS,
    compare: bool = False,
    keep_sharp: bool = True,
    progress: bool = False,
) -> list[tuple[Path, Path]]:
    """Upscale files and folders of images; see `textsr.inference.planning.plan_jobs` for names.

    Args:
        backend: what computes the network.
        inputs: image files, and folders that are searched recursively.
        output: a file or a folder.
        tile: see `upscale_jobs`.
        halo: see `upscale_jobs`.
        max_pixels: see `upscale_jobs`.
        compare: also write `<stem>-compare.png`, the result beside nearest neighbour and bicubic.
        keep_sharp: see `upscale_jobs`.
        progress: see `upscale_jobs`.

    Returns:
        Each input and its result, in the plan's order.

    Raises:
        TextsrError: before any work, if the plan is impossible; else as `upscale_jobs` does.
    """
    return upscale_jobs(
        backend,
        plan_jobs(inputs, output, compare=compare).jobs,
        tile=tile,
        halo=halo,
        max_pixels=max_pixels,
        keep_sharp=keep_sharp,
        progress=progress,
    )


def upscale_jobs(
    backend: Backend,
    jobs: Sequence[Job],
    *,
    tile: int = TILE,
    halo: int | None = None,
    max_pixels: int = MAX_PIXELS,
    keep_sharp: bool = True,
    sizing: Sizing = _BY_THE_NETWORK,
    quality: int | None = None,
    records: Records | None = None,
    strict: bool = False,
    searchable: str | None = None,
    legend: Legend = _NO_LEGEND,
    progress: bool = False,
) -> list[tuple[Path, Path]]:
    """Upscale the images of a plan.

    As many images are decoded, upscaled and encoded at a time as the backend has threads, each on
    one of them: an image's decoding and encoding know no threads. A single image, and one above
    `textsr.inference.turns.LARGE`, has all threads and is upscaled alone. Small images, such as
    lines, are too small to keep even one busy: those of many files go through the network together.
    Documents are worked a page at a time. When interrupted, it ends after the tiles in work, and
    leaves no part of a file. A warning names the images whose text is higher or lower than what the
    network is made for, another those whose text is large and sharp already, which bicubic
    interpolation upscales instead, a third those whose text runs down, which are turned for the
    network and back, and a fourth those that have the resolution already which is asked for, which
    stay as they are.

    Args:
        backend: what computes the network.
        jobs: the images and where their results go.
        tile: side of a tile in LR pixels.
        halo: LR pixels that a tile is computed with on every side besides; None: the backend's own.
        max_pixels: larger inputs are refused.
        keep_sharp: upscale large text that is sharp already without the network; see
            `textsr.inference.sharpness`.
        sizing: how large the results are to be.
        quality: see `textsr.images.writing.write_image`.
        records: where to note what each result was made of.
        strict: refuse images that are cut short.
        searchable: language, as Tesseract calls it, of text that is to lie under scanned pages of
            PDFs; None: of none.
        legend: what is written into comparisons.
        progress: show bars on standard error, of images and of large images' tiles.

    Returns:
        Each input and its result, in the plan's order.

    Raises:
        TextsrError: before any work, if the tiles are impossible, a format cannot hold its result,
            or a result cannot be made searchable; after all other images are done, if some could
            not be, naming each with its reason.
    """
    check_tiles(tile, backend.halo if halo is None else halo, backend.alignment)
    check_results(jobs, sizing.least(backend.scale))
    if searchable is not None:
        for job in jobs:
            check_searchable(job.result, searchable)
    portions = _divide(jobs, backend.workers)
    workers = min(len(portions), backend.workers)
    turns = Turns(workers, backend.threads)
    stopped = threading.Event()
    interpolation = BicubicBackend(backend.scale)
    unsuitable: list[str] = []
    sharp: list[str] = []
    down: list[str] = []
    fine: list[str] = []
    further_pages: list[str] = []
    problems: dict[Job, str] = {}

    def measured(image: LoadedImage, name: str | Path) -> tuple[LoadedImage, float]:
        """Return an image, and how many times as large its result is to be."""
        image = sizing.measured(image)
        try:
            return image, sizing.factor(image, backend.scale)
        except TextsrError as error:
            raise TextsrError(f"{name}: {error}") from error

    def stays(factor: float, name: str | Path) -> bool:
        """Return whether an image has the resolution already that is asked for."""
        is_fine = sizing.target_dpi is not None and factor == 1
        if is_fine:
            fine.append(str(name))
        return is_fine

    def examined(image: LoadedImage, name: str | Path) -> Loaded:
        """Return an image with what its text asks for."""
        text = examine(image, keep_sharp=keep_sharp)
        is_sharp = text.suitability is Suitability.SHARP_ALREADY
        if text.suitability is not Suitability.MADE_FOR:
            (sharp if is_sharp else unsuitable).append(f"{name} ({text.height_px:.0f} px)")
        if text.runs_down:
            down.append(str(name))
        return Loaded(image, is_sharp, text.runs_down)

    def compare(job: Job, image: LoadedImage, result: LoadedImage) -> None:
        if job.comparison is not None:
            write_image(job.comparison, LoadedImage(compare_picture(image, result, legend=legend)))

    def write(job: Job, image: LoadedImage, result: LoadedImage) -> None:
        write_image(job.result, result, quality=quality)
        compare(job, image, result)
        finish(job)

    def finish(job: Job) -> None:
        if searchable is not None:
            make_searchable(job.result, language=searchable)
        if records is not None:
            records.finish(job)

    def upscale_document(job: Job) -> None:
        pages = 0

        def upscale_page(page: LoadedImage, name: str) -> LoadedImage:
            nonlocal pages
            page, factor = measured(page, name)
            if stays(factor, name):
                result = page
            else:
                result = upscale_alone(job, examined(page, name), factor)
            pages += 1
            if pages == 1:
                compare(job, page, result)
            else:
                further_pages.append(name)
            return result

        rewrite(
            job.source,
            job.result,
            upscale_page,
            scale=sizing.most(backend.scale),
            max_pixels=max_pixels,
            strict=strict,
            quality=quality,
            drawn_dpi=sizing.drawn_dpi(backend.scale),
        )
        finish(job)

    def upscale_alone(job: Job, loaded: Loaded, factor: float) -> LoadedImage:
        image = loaded.image
        with turns.take(image) as share, _tile_bar(bars, job, stopped) as show_tiles:
            try:
                upscaled = upscale_image(
                    interpolation if loaded.is_kept else backend,
                    loaded.upright(),
                    tile=tile,
                    halo=halo,
                    threads=share,
                    progress=show_tiles,
                )
            except TextsrError as error:
                raise TextsrError(f"{job.source}: {error}") from error
        return at_factor(loaded.as_given(upscaled), image, factor)

    def upscale_together(small: list[Loaded]) -> list[LoadedImage] | None:
        """Return the results, or None if one of the images breaks the network."""
        try:
            with turns.take(small[0].image) as share:
                results = upscale_images(
                    backend,
                    [loaded.upright() for loaded in small],
                    threads=share,
                    before_batch=partial(go_on_unless, stopped),
                )
        except CancelledError:
            raise
        except Exception:  # the backend's own; which image it was, is told when each comes alone
            return None
        return [loaded.as_given(result) for loaded, result in zip(small, results, strict=True)]

    def work(portion: Sequence[Job]) -> None:
        small: list[tuple[Job, Loaded, float]] = []
        for job in portion:
            with _told(job, problems):
                go_on_unless(stopped)
                if records is not None:
                    records.begin(job)
                if is_document(job.source):
                    upscale_document(job)
                    bars.advance(images)
                    continue
                image = read_image(job.source, max_pixels=max_pixels, strict=strict)
                image, factor = measured(image, job.source)
                if stays(factor, job.source):
                    write(job, image, image)
                    bars.advance(images)
                    continue
                loaded = examined(image, job.source)
                if image.height * image.width <= SMALL and not loaded.is_kept:
                    small.append((job, loaded, factor))
                    continue
                write(job, image, upscale_alone(job, loaded, factor))
            bars.advance(images)
        results = upscale_together([loaded for _, loaded, _ in small]) if small else None
        for number, (job, loaded, factor) in enumerate(small):
            with _told(job, problems):
                go_on_unless(stopped)
                if results is None:
                    result = upscale_alone(job, loaded, factor)
                else:
                    result = at_factor(results[number], loaded.image, factor)
                write(job, loaded.image, result)
            bars.advance(images)

    console = Console(stderr=True)
    shown = progress and console.is_terminal  # elsewhere, all it leaves is an empty line
    with ProgressBar(console=console, transient=True, disable=not shown) as bars:
        images = bars.add_task("images", total=len(jobs), visible=len(jobs) > 1)
        _work_off(work, portions, workers, stopped)
    total = len(jobs) + len(further_pages)
    if unsuitable:
        warnings.warn(_warning(sorted(unsuitable), total), stacklevel=2)
    if sharp:
        warnings.warn(_warning_of_sharp(sorted(sharp), total), stacklevel=2)
    if down:
        warnings.warn(_warning_of_down(sorted(down), total), stacklevel=2)
    if fine:
        warnings.warn(_warning_of_fine(sorted(fine), total, sizing), stacklevel=2)
    if problems:
        raise TextsrError(_report([problems[job] for job in jobs if job in problems], len(jobs)))
    return [(job.source, job.result) for job in jobs]


def _divide(jobs: Sequence[Job], workers: int) -> list[list[Job]]:
    """Divide the images into what a worker takes at a time: one, or many whose files are small."""
    together = [job for job in jobs if _has_small_file(job)]
    small = set(together)
    alone = [job for job in jobs if job not in small]
    size = min(max(-(-len(together) // workers), 1), _TOGETHER)
    return [
        *([job] for job in alone),
        *(together[first : first + size] for first in range(0, len(together), size)),
    ]


def _has_small_file(job: Job) -> bool:
    try:
        return job.source.stat().st_size <= SMALL_BYTES
    except OSError:  # reading it will say what is wrong
        return False


@contextmanager
def _told(job: Job, problems: dict[Job, str]) -> Iterator[None]:
    """Note what goes wrong with an image, so that the others are not lost."""
    try:
        yield
    except TextsrError as error:
        problems[job] = str(error)
    except MemoryError:
        problems[job] = f"{job.source}: not enough memory for the result; cut it up"
    except CancelledError:
        raise
    except Exception as error:  # the backend's and OpenCV's own
        problems[job] = f"{job.source}: {type(error).__name__}: {error}"


@contextmanager
def _tile_bar(bars: ProgressBar, job: Job, stopped: threading.Event) -> Iterator[Progress]:
    """Yield what shows the tiles of a large image, and ends the work when `stopped` is set."""
    bar = bars.add_task(escape(job.source.name), visible=False)

    def show(done: int, total: int) -> None:
        go_on_unless(stopped)
        bars.update(bar, completed=done, total=total, visible=total > 1)

    try:
        go_on_unless(stopped)
        yield show
    finally:
        bars.remove_task(bar)


def _work_off(
    work: Callable[[Sequence[Job]], None],
    portions: Sequence[Sequence[Job]],
    workers: int,
    stopped: threading.Event,
) -> None:
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, portion) for portion in portions]
        try:
            for future in futures:
                future.result()
        except BaseException:  # an interrupt above all
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def _report(problems: Sequence[str], images: int) -> str:
    if images == 1:
        return problems[0]
    listed = "\n".join(f"  {problem}" for problem in problems)
    return f"{len(problems)} of {images} images could not be upscaled:\n{listed}"


def _warning(images: Sequence[str], total: int) -> str:
    low, high = RANGE_PX
    return (
        f"text outside {low} to {high} px in {len(images)} of {total} images: {_name(images)}; "
        "it may come out no better than by bicubic interpolation"
    )


def _warning_of_sharp(images: Sequence[str], total: int) -> str:
    return (
        f"large text that is sharp already in {len(images)} of {total} images: {_name(images)}; "
        "upscaled by bicubic interpolation, which reads no worse; --blend has the network do it"
    )


def _warning_of_down(images: Sequence[str], total: int) -> str:
    return (
        f"text that runs down in {len(images)} of {total} images: {_name(images)}; turned by 90 "
        "degrees for the network, and back"
    )


def _warning_of_fine(images: Sequence[str], total: int, sizing: Sizing) -> str:
    return (
        f"{sizing.target_dpi:g} dpi or more already in {len(images)} of {total} images: "
        f"{_name(images)}; written as they are"
    )


def _name(images: Sequence[str]) -> str:
    return ", ".join(images[:_NAMED]) + (", ..." if len(images) > _NAMED else "")
