"""Upscaling files and folders, with all cores at work."""

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress as ProgressBar
from torch import nn

from textsr.errors import TextsrError
from textsr.inference.compare import compare_picture
from textsr.inference.images import LoadedImage, luminance
from textsr.inference.planning import Job, plan_jobs
from textsr.inference.reading import MAX_PIXELS, read_image
from textsr.inference.text_height import RANGE_PX, text_height
from textsr.inference.tiling import HALO, TILE, Progress, scale_of
from textsr.inference.upscale import upscale_image
from textsr.inference.writing import write_image

LARGE = 4_000_000
"""Input pixels above which an image is upscaled alone, so that memory does not add up."""

_NAMED = 3  # images in a warning
_WORKERS_BESIDE_GPU = 2  # one decodes or encodes while the other computes


def upscale_paths(
    model: nn.Module,
    inputs: Sequence[Path],
    output: Path,
    *,
    device: torch.device,
    tile: int = TILE,
    halo: int = HALO,
    bf16: bool = False,
    max_pixels: int = MAX_PIXELS,
    compare: bool = False,
    progress: bool = False,
) -> list[tuple[Path, Path]]:
    """Upscale files and folders of images; see `textsr.inference.planning.plan_jobs` for names.

    As many images are decoded, upscaled and encoded at a time as PyTorch has threads, each on one
    of them: an image's decoding and encoding know no threads, and lines are too small for more
    than one. A single image, and one above `LARGE`, has all threads and is upscaled alone. When
    interrupted, it ends after the tiles in work, and leaves no part of a file. A warning names the
    images whose text is higher or lower than what the network is made for.

    Args:
        model: the network.
        inputs: image files, and folders that are searched recursively.
        output: a file or a folder.
        device: where to compute.
        tile: side of a tile in LR pixels.
        halo: LR pixels that a tile is computed with on every side besides.
        bf16: compute convolutions in bf16; see `textsr.inference.device.suits_bf16`.
        max_pixels: larger inputs are refused.
        compare: also write `<stem>-compare.png`, the result beside nearest neighbour and bicubic.
        progress: show bars on standard error, of images and of large images' tiles.

    Returns:
        Each input and its result, in the plan's order.

    Raises:
        TextsrError: before any work, if the plan is impossible; after all other images are done,
            if some could not be, naming each with its reason.
    """
    jobs = plan_jobs(inputs, output, compare=compare)
    threads = torch.get_num_threads()
    workers = min(len(jobs), threads if device.type == "cpu" else _WORKERS_BESIDE_GPU)
    turns = _Turns(workers, threads)
    stopped = threading.Event()
    unsuitable: list[str] = []

    def work(job: Job) -> str | None:
        """Return what went wrong with the image, if anything did."""
        try:
            image = read_image(job.source, max_pixels=max_pixels)
            height = text_height(luminance(image))
            if height is not None and not RANGE_PX[0] <= height <= RANGE_PX[1]:
                unsuitable.append(f"{job.source} ({height:.0f} px)")
            with turns.take(image), _tile_bar(bars, job, stopped) as show_tiles:
                result = upscale_image(
                    model,
                    image,
                    device=device,
                    tile=tile,
                    halo=halo,
                    bf16=bf16,
                    progress=show_tiles,
                )
                _write(job, image, result, scale_of(model))
        except TextsrError as error:
            return str(error)
        except MemoryError:
            return f"{job.source}: not enough memory for the result; cut it up"
        except CancelledError:
            raise
        except Exception as error:  # PyTorch's and OpenCV's own; the other images must not be lost
            return f"{job.source}: {type(error).__name__}: {error}"
        finally:
            bars.advance(images)
        return None

    with ProgressBar(console=Console(stderr=True), transient=True, disable=not progress) as bars:
        images = bars.add_task("images", total=len(jobs), visible=len(jobs) > 1)
        try:
            outcomes = _work_off(work, jobs, workers, stopped)
        finally:
            torch.set_num_threads(threads)
    if unsuitable:
        warnings.warn(_warning(sorted(unsuitable), len(jobs)), stacklevel=2)
    problems = [outcome for outcome in outcomes if outcome is not None]
    if problems:
        raise TextsrError(_report(problems, len(jobs)))
    return [(job.source, job.result) for job in jobs]


class _Turns:
    """Lets as many images be upscaled at a time as there are workers, or a large one alone."""

    def __init__(self, workers: int, threads: int) -> None:
        self._workers = workers
        self._threads = threads
        self._free = threading.Semaphore(workers)
        self._door = threading.Lock()

    @contextmanager
    def take(self, image: LoadedImage) -> Iterator[None]:
        """Wait for the image's turn, and compute with its share of the threads."""
        share = self._workers if image.height * image.width > LARGE else 1
        with self._door:  # others wait behind a large image, so that they do not keep it waiting
            for _ in range(share):
                self._free.acquire()
        try:
            torch.set_num_threads(max(self._threads * share // self._workers, 1))
            yield
        finally:
            self._free.release(share)


@contextmanager
def _tile_bar(bars: ProgressBar, job: Job, stopped: threading.Event) -> Iterator[Progress]:
    """Yield what shows the tiles of a large image, and ends the work when `stopped` is set."""
    bar = bars.add_task(job.source.name, visible=False)

    def show(done: int, total: int) -> None:
        if stopped.is_set():
            raise CancelledError
        bars.update(bar, completed=done, total=total, visible=total > 1)

    try:
        if stopped.is_set():
            raise CancelledError
        yield show
    finally:
        bars.remove_task(bar)


def _work_off(
    work: Callable[[Job], str | None],
    jobs: Sequence[Job],
    workers: int,
    stopped: threading.Event,
) -> list[str | None]:
    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(work, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:  # an interrupt above all
            stopped.set()
            pool.shutdown(cancel_futures=True)
            raise


def _write(job: Job, image: LoadedImage, result: LoadedImage, scale: int) -> None:
    write_image(job.result, result)
    if job.comparison is not None:
        write_image(job.comparison, LoadedImage(compare_picture(image, result, scale)))


def _report(problems: Sequence[str], images: int) -> str:
    if images == 1:
        return problems[0]
    listed = "\n".join(f"  {problem}" for problem in problems)
    return f"{len(problems)} of {images} images could not be upscaled:\n{listed}"


def _warning(images: Sequence[str], total: int) -> str:
    low, high = RANGE_PX
    named = ", ".join(images[:_NAMED]) + (", ..." if len(images) > _NAMED else "")
    return (
        f"text outside {low} to {high} px in {len(images)} of {total} images: {named}; "
        "it may come out no better than by bicubic interpolation"
    )
