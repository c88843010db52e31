"""Working off the images of all requests: one a core at a time, small ones together."""

import io
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

import PIL.Image

from textsr.api import ADVICE, Model
from textsr.errors import TextsrError
from textsr.images.headers import BytesStream, HeaderError, read_header, tiff_pages
from textsr.images.image import LoadedImage
from textsr.images.reading import decode_image
from textsr.inference.sizing import Sizing, at_factor
from textsr.inference.stream import Loaded, Task, is_small_file, upscale_portion
from textsr.inference.suitability import Suitability, examine
from textsr.inference.turns import LARGE, Turns
from textsr.serving.notes import heard
from textsr.serving.problems import RefusedError

T = TypeVar("T")

_TOGETHER = 64  # small images that a worker takes at a time
_NOT_TAKEN = {
    "PDF": "a PDF, and images alone are taken; `textsr upscale` takes documents",
    "JXL": "a JPEG XL, which is not read; convert it to PNG, for example by `djxl`",
}


class Taken(NamedTuple):
    """An image that was decoded.

    Attributes:
        format: of its file, by Pillow's name.
        loaded: with what its text asks for.
    """

    format: str
    loaded: Loaded


class Done(NamedTuple, Generic[T]):
    """What became of an image.

    Attributes:
        value: what `Job.finish` made of it.
        pixels: of the image.
        notes: what its user is to know.
    """

    value: T
    pixels: int
    notes: list[str]


@dataclass(eq=False)
class Job(Generic[T]):
    """An image to upscale.

    Attributes:
        encoded: its file.
        name: what messages call it.
        model: what upscales it.
        sizing: how large the result is to be.
        max_pixels: of more, it is refused; also if its result has more than the network makes of
            so many.
        finish: makes what is wanted of it and its result, in the worker.
        check: refuses, before any work, what `finish` could not make: is given the format of the
            image's file, by Pillow's name, and the result's width and height.
        done: what becomes of it: `RefusedError` and `TextsrError` are the client's to mend.
        stopped: nobody waits for it any more.
    """

    encoded: bytes
    name: str
    model: Model
    sizing: Sizing
    max_pixels: int
    finish: Callable[[Taken, LoadedImage], T]
    check: Callable[[str, int, int], None] = lambda *_: None
    done: Future[Done[T]] = field(default_factory=Future)
    stopped: threading.Event = field(default_factory=threading.Event)

    @cached_property
    def is_small(self) -> bool:
        """Whether it goes through the network together with others."""
        return is_small_file(self.encoded)

    def stop(self) -> None:
        """Have no more work done for it than the tile or batch that is in work."""
        self.stopped.set()
        self.done.cancel()


class _AllStopped(threading.Event):
    """Is set when nobody waits for any of several images: one must not end the others."""

    def __init__(self, jobs: Sequence[Job[object]]) -> None:
        super().__init__()
        self._jobs = jobs

    def is_set(self) -> bool:
        return all(job.stopped.is_set() for job in self._jobs)


class Pool:
    """Threads that work off images in the order in which they come.

    Small ones that wait go through the network together, so that lines of many clients take about
    as long as a folder of them. An image that is alone has all cores.
    """

    def __init__(self, workers: int, threads: int) -> None:
        """Start the threads.

        Args:
            workers: how many images, or portions of small ones, are worked at a time.
            threads: of the CPU, which these share.
        """
        self._waiting: deque[Job[object]] = deque()
        self._changed = threading.Condition()
        self._in_work = 0
        self._closed = False
        self._shared, self._alone = Turns(workers, threads), Turns(1, threads)
        self._one_large = threading.Lock()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(workers)]
        for thread in self._threads:
            thread.start()

    @property
    def workers(self) -> int:
        """How many images are worked at a time."""
        return len(self._threads)

    @property
    def waiting(self) -> int:
        """How many images wait."""
        return len(self._waiting)

    def submit(self, job: Job[T]) -> None:
        """Have an image upscaled when its turn comes."""
        with self._changed:
            self._waiting.append(job)  # type: ignore[arg-type]
            self._changed.notify()

    def discard(self, jobs: Sequence[Job[T]]) -> None:
        """Stop work that nobody waits for any more, and let go of what of it has not begun."""
        stopped = set(map(id, jobs))
        with self._changed:
            self._waiting = deque(job for job in self._waiting if id(job) not in stopped)
        for job in jobs:
            job.stop()

    def close(self, seconds: float) -> None:
        """End the threads, after what is in work and waits; a step that takes longer is left.

        Args:
            seconds: how long that may take.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                portion = self._take()
                turns = self._shared if self._in_work or self._waiting else self._alone
                self._in_work += 1
            try:
                self._work_off(portion, turns)
            except BaseException as error:  # the worker goes on with the next ones
                for job in portion:
                    with suppress(InvalidStateError):  # what is done stays so
                        job.done.set_exception(error)
            finally:
                del portion  # with the bytes
                with self._changed:
                    self._in_work -= 1

    def _take(self) -> list[Job[object]]:
        """Take the next image, and small ones with a small one, but leave the others' share."""
        first = self._waiting.popleft()
        if not first.is_small:
            return [first]
        share = min(-(-(len(self._waiting) + 1) // self.workers), _TOGETHER)
        alike = [job for job in self._waiting if job.is_small and job.model is first.model]
        taken = set(alike[: share - 1])
        self._waiting = deque(job for job in self._waiting if job not in taken)
        return [first, *alike[: share - 1]]

    def _work_off(self, portion: list[Job[object]], turns: Turns) -> None:
        started = [job for job in portion if job.done.set_running_or_notify_cancel()]
        prepared = [each for job in started if (each := _prepare(job)) is not None]
        if not prepared:
            return
        made = sum(each.made for each in prepared)
        if made <= LARGE * prepared[0].job.model.info.scale ** 2:
            self._upscale(prepared, turns)
            return
        with self._one_large:  # so that the memory of decoded results does not add up
            self._upscale(prepared, turns)

    def _upscale(self, prepared: "list[_Prepared]", turns: Turns) -> None:
        to_do = [each for each in prepared if not each.stays]
        stopped = _AllStopped([each.job for each in prepared])
        tasks = [Task(each.load, is_small=True) for each in to_do]
        try:
            outcomes = upscale_portion(prepared[0].job.model.backend, tasks, turns, stopped)
        except CancelledError:
            outcomes = [CancelledError()] * len(to_do)
        results = dict(zip(map(id, to_do), outcomes, strict=True))
        for each in prepared:
            _finish(each, results.get(id(each), each.taken.loaded.image))


@dataclass(frozen=True, eq=False)
class _Prepared:
    """An image that was decoded, and how many times as large it becomes."""

    job: Job[object]
    taken: Taken
    factor: float
    notes: list[str]

    @property
    def pixels(self) -> int:
        return self.taken.loaded.image.height * self.taken.loaded.image.width

    @property
    def made(self) -> int:
        """Pixels of the largest that is made of it: of the network's result, or of a larger one."""
        if self.stays:
            return self.pixels
        return round(self.pixels * max(self.factor, self.job.model.info.scale) ** 2)

    @property
    def stays(self) -> bool:
        """Whether it has the resolution already that is asked for."""
        return self.job.sizing.target_dpi is not None and self.factor == 1

    def load(self) -> Loaded:
        return self.taken.loaded


def _go_on(job: Job[object]) -> None:
    if job.stopped.is_set():
        raise CancelledError


def _prepare(job: Job[object]) -> _Prepared | None:
    """Decode an image and look at its text; None if that fails, which it is told."""
    try:
        _go_on(job)
        with heard() as notes:
            file_format = _check_kind(job)
            image = decode_image(job.encoded, job.name, max_pixels=job.max_pixels)
            if file_format == "TIFF":
                _check_tiff(job, image)
            image = job.sizing.measured(image)
            try:
                factor = job.sizing.factor(image, job.model.info.scale)
            except TextsrError as error:
                raise TextsrError(f"{job.name}: {error}") from error
            width, height = round(image.width * factor), round(image.height * factor)
            _check_result(job, width * height)
            job.check(file_format, width, height)
            text = examine(image, keep_sharp=job.model.keeps_sharp)
        is_known = job.model.info.text_height_px is not None
        if is_known and text.suitability is not Suitability.MADE_FOR:
            notes.append(f"{job.name}: {ADVICE[text.suitability].format(text.height_px)}")
        is_kept = text.suitability is Suitability.SHARP_ALREADY
        loaded = Loaded(image, is_kept, text.runs_down)
        return _Prepared(job, Taken(file_format, loaded), factor, notes)
    except BaseException as error:
        job.done.set_exception(error)
        return None


def _check_tiff(job: Job[object], image: LoadedImage) -> None:
    """Refuse a TIFF that OpenCV reads: where it lacks pixels, it gives what was in memory.

    That could be what others sent.

    Raises:
        TextsrError: naming the remedy.
    """
    try:
        with PIL.Image.open(io.BytesIO(job.encoded)):
            is_known = True
    except PIL.UnidentifiedImageError:
        is_known = False
    if image.bit_depth == 16 or not is_known:
        raise TextsrError(
            f"{job.name}: a TIFF of 16 bits a colour, or of an unusual kind, is not served; send "
            "it as PNG"
        )


def _check_result(job: Job[object], pixels: int) -> None:
    """Refuse a result of more pixels than the network makes of the largest image that is taken.

    Raises:
        TextsrError: naming the remedy.
    """
    most = job.max_pixels * job.model.info.scale**2
    if pixels > most:
        raise TextsrError(
            f"{job.name}: the result would have {pixels / 1e6:g} megapixels, and may have "
            f"{most / 1e6:g}; ask for a smaller scale or target_dpi, cut the image into pieces, or "
            "start the server with a higher --max-pixels"
        )


def _check_kind(job: Job[object]) -> str:
    """Return Pillow's name of an image's format.

    Raises:
        RefusedError: 415 if it is a document that others take, 422 if it has several pages.
        TextsrError: if its header is damaged or unknown.
    """
    try:
        with BytesStream(job.encoded) as stream:
            found = read_header(stream).format
            pages = len(tiff_pages(stream)) if found == "TIFF" else 1
    except HeaderError as error:
        raise TextsrError(f"{job.name}: {error}") from error
    except Exception as error:  # of damaged files, almost anything
        raise TextsrError(f"{job.name}: cannot be decoded ({error}); it is damaged") from error
    if found in _NOT_TAKEN:
        raise RefusedError(415, f"{job.name}: {_NOT_TAKEN[found]}")
    if pages > 1:
        raise RefusedError(
            422,
            f"{job.name}: has {pages} pages, and a result holds one; send a page, or use `textsr "
            "upscale`, which takes documents",
        )
    return found


def _finish(prepared: _Prepared, outcome: LoadedImage | Exception) -> None:
    """Make what is wanted of a result."""
    job, image = prepared.job, prepared.taken.loaded.image
    try:
        if isinstance(outcome, TextsrError):
            raise TextsrError(f"{job.name}: {outcome}") from outcome
        if isinstance(outcome, Exception):
            raise outcome
        _go_on(job)
        with heard() as notes:
            if not prepared.stays:
                outcome = at_factor(outcome, image, prepared.factor)
            value = job.finish(prepared.taken, outcome)
        job.done.set_result(Done(value, prepared.pixels, [*prepared.notes, *notes]))
    except BaseException as error:
        job.done.set_exception(error)
