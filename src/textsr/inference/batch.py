"""Upscaling files and folders, with all cores at work."""

import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress as ProgressBar
from torch import nn

from textsr.errors import TextsrError
from textsr.images.image import LoadedImage, flatten, luminance
from textsr.images.reading import MAX_PIXELS, read_image
from textsr.images.writing import write_image
from textsr.inference.compare import compare_picture
from textsr.inference.planning import Job, plan_jobs
from textsr.inference.sharpness import BicubicModel, is_sharp_already
from textsr.inference.text_height import RANGE_PX, text_height
from textsr.inference.tiling import HALO, TILE, Progress, alignment_of, check_tiles, scale_of
from textsr.inference.upscale import upscale_image, upscale_images

LARGE = 4_000_000
"""Input pixels above which an image is upscaled alone, so that memory does not add up."""

SMALL = 16_384
"""Input pixels up to which an image goes through the network together with others."""

_SMALL_BYTES = 32_768  # of a file: likely to hold a small image
_TOGETHER = 128  # images that a worker reads before they go through the network
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
    keep_sharp: bool = True,
    progress: bool = False,
) -> list[tuple[Path, Path]]:
    """Upscale files and folders of images; see `textsr.inference.planning.plan_jobs` for names.

    As many images are decoded, upscaled and encoded at a time as PyTorch has threads, each on one
    of them: an image's decoding and encoding know no threads. A single image, and one above
    `LARGE`, has all threads and is upscaled alone. Small images, such as lines, are too small to
    keep even one busy: those of many files go through the network together. When interrupted, it
    ends after the tiles in work, and leaves no part of a file. A warning names the images whose
    text is higher or lower than what the network is made for, and another those whose text is large
    and sharp already, which bicubic interpolation upscales instead.

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
        keep_sharp: upscale large text that is sharp already without the network; see
            `textsr.inference.sharpness`.
        progress: show bars on standard error, of images and of large images' tiles.

    Returns:
        Each input and its result, in the plan's order.

    Raises:
        TextsrError: before any work, if the plan is impossible; after all other images are done,
            if some could not be, naming each with its reason.
    """
    check_tiles(tile, halo, alignment_of(model))
    jobs = plan_jobs(inputs, output, compare=compare)
    threads = torch.get_num_threads()
    most = threads if device.type == "cpu" else _WORKERS_BESIDE_GPU
    portions = _divide(jobs, most)
    workers = min(len(portions), most)
    turns = _Turns(workers, threads)
    stopped = threading.Event()
    interpolation = BicubicModel(scale_of(model))
    unsuitable: list[str] = []
    sharp: list[str] = []
    problems: dict[Job, str] = {}

    def read(job: Job) -> tuple[LoadedImage, bool]:
        """Return the image, and whether it is to be upscaled without the network."""
        image = read_image(job.source, max_pixels=max_pixels)
        grey = luminance(flatten(image))
        height = text_height(grey)
        if height is None or RANGE_PX[0] <= height <= RANGE_PX[1]:
            return image, False
        is_kept = keep_sharp and is_sharp_already(grey)
        (sharp if is_kept else unsuitable).append(f"{job.source} ({height:.0f} px)")
        return image, is_kept

    def upscale_alone(job: Job, image: LoadedImage, by: nn.Module = model) -> None:
        with turns.take(image), _tile_bar(bars, job, stopped) as show_tiles:
            try:
                result = upscale_image(
                    by,
                    image,
                    device=device,
                    tile=tile,
                    halo=halo,
                    bf16=bf16 and by is model,
                    progress=show_tiles,
                )
            except TextsrError as error:
                raise TextsrError(f"{job.source}: {error}") from error
            _write(job, image, result, scale_of(model))

    def upscale_together(images: list[LoadedImage]) -> list[LoadedImage] | None:
        """Return the results, or None if one of the images breaks the network."""
        try:
            with turns.take(images[0]):
                return upscale_images(
                    model,
                    images,
                    device=device,
                    bf16=bf16,
                    before_batch=partial(_go_on_unless, stopped),
                )
        except CancelledError:
            raise
        except Exception:  # PyTorch's own; which image it was, will be told when each comes alone
            return None

    def work(portion: Sequence[Job]) -> None:
        small: list[tuple[Job, LoadedImage]] = []
        for job in portion:
            with _told(job, problems):
                _go_on_unless(stopped)
                image, is_kept = read(job)
                if image.height * image.width <= SMALL and not is_kept:
                    small.append((job, image))
                    continue
                upscale_alone(job, image, interpolation if is_kept else model)
            bars.advance(images)
        results = upscale_together([image for _, image in small]) if small else None
        for number, (job, image) in enumerate(small):
            with _told(job, problems):
                _go_on_unless(stopped)
                if results is None:
                    upscale_alone(job, image)
                else:
                    _write(job, image, results[number], scale_of(model))
            bars.advance(images)

    with ProgressBar(console=Console(stderr=True), transient=True, disable=not progress) as bars:
        images = bars.add_task("images", total=len(jobs), visible=len(jobs) > 1)
        try:
            _work_off(work, portions, workers, stopped)
        finally:
            torch.set_num_threads(threads)
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
        return job.source.stat().st_size <= _SMALL_BYTES
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
    except Exception as error:  # PyTorch's and OpenCV's own
        problems[job] = f"{job.source}: {type(error).__name__}: {error}"


def _go_on_unless(stopped: threading.Event) -> None:
    if stopped.is_set():
        raise CancelledError


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
        _go_on_unless(stopped)
        bars.update(bar, completed=done, total=total, visible=total > 1)

    try:
        _go_on_unless(stopped)
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
        write_image(job.comparison, LoadedImage(compare_picture(image, result, scale)))


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
