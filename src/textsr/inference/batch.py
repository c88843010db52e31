"""Upscaling files and folders, with all cores at work."""

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as ProgressBar

from textsr.documents.rewriting import is_document, rewrite
from textsr.errors import TextsrError
from textsr.images.image import LoadedImage
from textsr.images.reading import MAX_PIXELS, read_image
from textsr.images.writing import write_image
from textsr.inference.backend import Backend
from textsr.inference.compare import compare_picture
from textsr.inference.interpolation import BicubicBackend
from textsr.inference.planning import Job, check_results, plan_jobs
from textsr.inference.stream import SMALL, SMALL_BYTES, go_on_unless
from textsr.inference.suitability import Suitability, examine
from textsr.inference.text_height import RANGE_PX
from textsr.inference.tiling import TILE, Progress, check_tiles
from textsr.inference.turns import Turns
from textsr.inference.upscale import upscale_image, upscale_images

_TOGETHER = 128  # images that a worker reads before they go through the network
_NAMED = 3  # images in a warning


def upscale_paths(
    backend: Backend,
    inputs: Sequence[Path],
    output: Path,
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
        plan_jobs(inputs, output, compare=compare),
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
    progress: bool = False,
) -> list[tuple[Path, Path]]:
    """Upscale the images of a plan.

    As many images are decoded, upscaled and encoded at a time as the backend has threads, each on
    one of them: an image's decoding and encoding know no threads. A single image, and one above
    `textsr.inference.turns.LARGE`, has all threads and is upscaled alone. Small images, such as
    lines, are too small to keep even one busy: those of many files go through the network together.
    Documents are worked a page at a time. When interrupted, it ends after the tiles in work, and
    leaves no part of a file. A warning names the images whose text is higher or lower than what the
    network is made for, and another those whose text is large and sharp already, which bicubic
    interpolation upscales instead.

    Args:
        backend: what computes the network.
        jobs: the images and where their results go.
        tile: side of a tile in LR pixels.
        halo: LR pixels that a tile is computed with on every side besides; None: the backend's own.
        max_pixels: larger inputs are refused.
        keep_sharp: upscale large text that is sharp already without the network; see
            `textsr.inference.sharpness`.
        progress: show bars on standard error, of images and of large images' tiles.

    Returns:
        Each input and its result, in the plan's order.

    Raises:
        TextsrError: before any work, if the tiles are impossible or a format cannot hold its
            result; after all other images are done,
            if some could not be, naming each with its reason.
    """
    check_tiles(tile, backend.halo if halo is None else halo, backend.alignment)
    check_results(jobs, backend.scale)
    portions = _divide(jobs, backend.workers)
    workers = min(len(portions), backend.workers)
    turns = Turns(workers, backend.threads)
    stopped = threading.Event()
    interpolation = BicubicBackend(backend.scale)
    unsuitable: list[str] = []
    sharp: list[str] = []
    problems: dict[Job, str] = {}

    def is_kept_sharp(name: str | Path, image: LoadedImage) -> bool:
        """Return whether an image is to be upscaled without the network."""
        suitability, height = examine(image, keep_sharp=keep_sharp)
        if suitability is not Suitability.MADE_FOR:
            is_sharp = suitability is Suitability.SHARP_ALREADY
            (sharp if is_sharp else unsuitable).append(f"{name} ({height:.0f} px)")
        return suitability is Suitability.SHARP_ALREADY

    def upscale_document(job: Job) -> None:
        comparison = job.comparison

        def upscale_page(page: LoadedImage, name: str) -> LoadedImage:
            nonlocal comparison
            is_kept = is_kept_sharp(name, page)
            result = upscale_alone(job, page, is_kept=is_kept)
            if comparison is not None:
                _compare(comparison, page, result, backend.scale)
                comparison = None  # of the first page
            return result

        rewrite(job.source, job.result, upscale_page, scale=backend.scale, max_pixels=max_pixels)

    def upscale_alone(job: Job, image: LoadedImage, *, is_kept: bool = False) -> LoadedImage:
        with turns.take(image) as share, _tile_bar(bars, job, stopped) as show_tiles:
            try:
                return upscale_image(
                    interpolation if is_kept else backend,
                    image,
                    tile=tile,
                    halo=halo,
                    threads=share,
                    progress=show_tiles,
                )
            except TextsrError as error:
                raise TextsrError(f"{job.source}: {error}") from error

    def upscale_together(images: list[LoadedImage]) -> list[LoadedImage] | None:
        """Return the results, or None if one of the images breaks the network."""
        try:
            with turns.take(images[0]) as share:
                return upscale_images(
                    backend,
                    images,
                    threads=share,
                    before_batch=partial(go_on_unless, stopped),
                )
        except CancelledError:
            raise
        except Exception:  # the backend's own; which image it was, is told when each comes alone
            return None

    def work(portion: Sequence[Job]) -> None:
        small: list[tuple[Job, LoadedImage]] = []
        for job in portion:
            with _told(job, problems):
                go_on_unless(stopped)
                if is_document(job.source):
                    upscale_document(job)
                    bars.advance(images)
                    continue
                image = read_image(job.source, max_pixels=max_pixels)
                is_kept = is_kept_sharp(job.source, image)
                if image.height * image.width <= SMALL and not is_kept:
                    small.append((job, image))
                    continue
                _write(job, image, upscale_alone(job, image, is_kept=is_kept), backend.scale)
            bars.advance(images)
        results = upscale_together([image for _, image in small]) if small else None
        for number, (job, image) in enumerate(small):
            with _told(job, problems):
                go_on_unless(stopped)
                result = upscale_alone(job, image) if results is None else results[number]
                _write(job, image, result, backend.scale)
            bars.advance(images)

    with ProgressBar(console=Console(stderr=True), transient=True, disable=not progress) as bars:
        images = bars.add_task("images", total=len(jobs), visible=len(jobs) > 1)
        _work_off(work, portions, workers, stopped)
    if unsuitable:
        warnings.warn(_warning(sorted(unsuitable), len(jobs)), stacklevel=2)
    if sharp:
        warnings.warn(_warning_of_sharp(sorted(sharp), len(jobs)), stacklevel=2)
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
    bar = bars.add_task(job.source.name, visible=False)

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


def _write(job: Job, image: LoadedImage, result: LoadedImage, scale: int) -> None:
    write_image(job.result, result)
    if job.comparison is not None:
        _compare(job.comparison, image, result, scale)


def _compare(path: Path, image: LoadedImage, result: LoadedImage, scale: int) -> None:
    write_image(path, LoadedImage(compare_picture(image, result, scale)))


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


def _name(images: Sequence[str]) -> str:
    return ", ".join(images[:_NAMED]) + (", ..." if len(images) > _NAMED else "")
