"""The Python API: `load_model`, `upscale` and the `Model` that the first returns.

```python
from textsr import load_model, upscale

upscale("small.png").save("big.png")  # the pretrained weights

model = load_model()
large = model.upscale(array)  # HxW, HxWx3 or HxWx4 in, the same type and layout out
for large in model.upscale_many(arrays):  # many at a time, lazily, in order
    ...
```
"""

import os
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from numbers import Integral, Real
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, get_args, overload

import numpy as np
import numpy.typing as npt
from PIL import Image

from textsr import pretrained
from textsr.errors import TextsrError, quote
from textsr.images.conversion import Channels, from_array, to_array, to_pillow
from textsr.images.image import LoadedImage
from textsr.images.reading import MAX_PIXELS, decode_image, from_pillow, read_image
from textsr.inference.backend import Backend
from textsr.inference.choice import BACKENDS, open_folder
from textsr.inference.stream import (
    SMALL,
    Loaded,
    Task,
    is_small_file,
    upscale_portion,
    upscale_stream,
)
from textsr.inference.suitability import Suitability, examine
from textsr.inference.text_height import RANGE_PX
from textsr.inference.turns import Turns
from textsr.models.spec import SPEC, read_spec

AnyImage = npt.NDArray[Any] | Image.Image | LoadedImage | str | PathLike[str] | bytes
"""What can be upscaled."""

_SameKind = TypeVar("_SameKind", bound=npt.NDArray[Any] | Image.Image)
_REGISTERED = ("models:/", "runs:/")


@dataclass(frozen=True)
class ModelInfo:
    """What is known of a model.

    Attributes:
        name: how the leaderboard calls it.
        version: of the pretrained weights (`v4`) or in the registry (`12`); None if it has none.
        scale: HR pixels per LR pixel.
        text_height_px: the lowest and the highest text that it is known to improve, in pixels of
            the input; None if that was not measured.
        trained_on: what it was trained on; None if that is not recorded.
        backend: what computes it: `onnx` (ONNX Runtime), `onnx-int8` (the same, in 8 bits) or
            `torch` (PyTorch). Where `auto` chose `onnx-int8`, images of more than 8 bits a channel
            are computed by `onnx` all the same.
        reader: whom its blend suits: `people`, `any`, or the name of an OCR engine; None if the
            blend was named, or is that of an ONNX file.
        blend: weight of the network's output, 0 to 1, the rest being bicubic interpolation's; None
            of an ONNX file, which has it in it.
    """

    name: str
    version: str | None
    scale: int
    text_height_px: tuple[int, int] | None
    trained_on: str | None
    backend: str
    reader: str | None
    blend: float | None


class Model:
    """A network that is ready to upscale; `load_model` makes one.

    Several threads may use one at once. It does not change.

    Attributes:
        info: what is known of it.
        backend: what computes it.
        keeps_sharp: whether it leaves large text that is sharp already to bicubic interpolation,
            as the pretrained weights do; see `textsr.inference.sharpness`.
    """

    def __init__(self, backend: Backend, info: ModelInfo, *, keeps_sharp: bool = False) -> None:
        self.backend = backend
        self.info = info
        self.keeps_sharp = keeps_sharp

    @overload
    def upscale(
        self, image: _SameKind, *, channels: Channels = ..., max_pixels: int = ...
    ) -> _SameKind: ...

    @overload
    def upscale(
        self,
        image: LoadedImage | str | PathLike[str] | bytes,
        *,
        channels: Channels = ...,
        max_pixels: int = ...,
    ) -> LoadedImage: ...

    def upscale(
        self,
        image: AnyImage,
        *,
        channels: Channels = "BGR",
        max_pixels: int = MAX_PIXELS,
    ) -> npt.NDArray[Any] | Image.Image | LoadedImage:
        """Upscale one image of any size.

        The network upscales luminance, which colour follows, and alpha. A warning tells where text
        is lower or higher than the network is made for, if that is known (`info.text_height_px`).
        An image whose text runs down is turned for the network, and back.

        Args:
            image: one of

                - an array: HxW or HxWx1 (grey), HxWx3 (colour) or HxWx4 (colour and alpha); uint8,
                  uint16, or floats in [0, 1], which are computed at 16 bits;
                - a Pillow image, taken as it stands. A colour that `info["transparency"]` makes
                  clear becomes alpha: RGB gives RGBA, L gives LA, and I;16 gives LA of 8 bits;
                - the path of an image file, or its content as bytes.
            channels: the order of an array's colours: `BGR` (OpenCV's) or `RGB`.
            max_pixels: files of more pixels are refused.

        Returns:
            `scale` times as high and wide: an array of the same type and layout; a Pillow image of
            the same mode if that is L, LA, RGB, RGBA or I;16 without a clear colour, else of the
            one of these that holds what it showed, with the same ICC profile; of a file a
            `LoadedImage`, which has `save(path)` and `to_pillow()`.

        Raises:
            TextsrError: if it is no such image, cannot be read, or memory does not suffice.
        """
        return self._upscale(image, channels, max_pixels)

    def _upscale(
        self, image: AnyImage, channels: Channels, max_pixels: int
    ) -> npt.NDArray[Any] | Image.Image | LoadedImage:
        given = _Given(image, _name(image))
        turns = Turns(1, self.backend.threads)
        task = self._task(given, channels, max_pixels)
        (outcome,) = upscale_portion(self.backend, [task], turns, threading.Event())
        result = _as_given(outcome, given, channels)
        for advice in given.advice:
            warnings.warn(advice, stacklevel=3)  # at the line that called `upscale`
        return result

    def upscale_file(
        self,
        source: str | PathLike[str],
        result: str | PathLike[str],
        *,
        max_pixels: int = MAX_PIXELS,
        strict: bool = False,
    ) -> None:
        """Upscale a file into another: an image, a TIFF with all its pages, or a PDF.

        A page is in memory at a time. Of a PDF that becomes a PDF, scanned pages are upscaled where
        they stand, and all else stays. PDFs need `pip install 'textsr[pdf]'`.

        Args:
            source: the image or document.
            result: where to; its suffix names the format.
            max_pixels: images and pages of more pixels are refused.
            strict: refuse images that are cut short.

        Raises:
            TextsrError: before any work, if the result would overwrite the source, or its format
                cannot hold it; if the source is missing, damaged, too large or of no kind that is
                read; or if the result cannot be written. Nothing is left half-written.
        """
        from textsr.inference.batch import upscale_jobs
        from textsr.inference.planning import Job, check_collisions

        jobs = [Job(Path(source), Path(result), None)]
        check_collisions(jobs, named=True)
        upscale_jobs(
            self.backend,
            jobs,
            max_pixels=max_pixels,
            keep_sharp=self.keeps_sharp,
            strict=strict,
        )

    @overload
    def upscale_many(
        self, images: Iterable[_SameKind], *, channels: Channels = ..., max_pixels: int = ...
    ) -> Iterator[_SameKind]: ...

    @overload
    def upscale_many(
        self,
        images: Iterable[LoadedImage | str | PathLike[str] | bytes],
        *,
        channels: Channels = ...,
        max_pixels: int = ...,
    ) -> Iterator[LoadedImage]: ...

    @overload
    def upscale_many(
        self, images: Iterable[AnyImage], *, channels: Channels = ..., max_pixels: int = ...
    ) -> Iterator[npt.NDArray[Any] | Image.Image | LoadedImage]: ...

    def upscale_many(
        self,
        images: Iterable[AnyImage],
        *,
        channels: Channels = "BGR",
        max_pixels: int = MAX_PIXELS,
    ) -> Iterator[npt.NDArray[Any] | Image.Image | LoadedImage]:
        """Upscale many images, with all cores at work; small ones go through the network together.

        Args:
            images: a list, a generator or the like of what `upscale` takes, of any sizes and kinds.
                It is read as results are asked for, some batches ahead.
            channels: see `upscale`.
            max_pixels: see `upscale`.

        Returns:
            An iterator over the results in the images' order, each as `upscale` returns it. When
            it is closed early, or a loop over it is left, it ends after the tiles and batches in
            work.

        Raises:
            TextsrError: at once, if `images` is a single image or nothing to iterate over, or
                `channels` is no order; later as `upscale` does, at the turn of the image, which it
                names.
            Exception: what `images` raises, after the results of those that it gave before.
        """
        if channels not in get_args(Channels):
            raise TextsrError(f"channels {channels}: use {' or '.join(get_args(Channels))}")
        is_one = isinstance(images, (str, bytes, PathLike, Image.Image, LoadedImage))
        if (
            is_one
            or not isinstance(images, Iterable)
            or (isinstance(images, np.ndarray) and images.ndim < 3)
        ):
            raise TextsrError(
                f"images: a {type(images).__name__}; give a list or a generator of images, or one "
                "image to `upscale`"
            )
        return self._results(images, channels, max_pixels)

    def _results(
        self, images: Iterable[AnyImage], channels: Channels, max_pixels: int
    ) -> Iterator[npt.NDArray[Any] | Image.Image | LoadedImage]:
        ahead: deque[_Given] = deque()

        def tasks() -> Iterator[Task]:
            for number, image in enumerate(images, start=1):
                ahead.append(_Given(image, _name(image, number)))
                yield self._task(ahead[-1], channels, max_pixels)

        with closing(upscale_stream(self.backend, tasks())) as outcomes:
            for outcome in outcomes:
                given = ahead.popleft()
                result = _as_given(outcome, given, channels)
                for advice in given.advice:
                    warnings.warn(advice, stacklevel=2)  # at the line that asked for the result
                yield result

    def _task(self, given: "_Given", channels: Channels, max_pixels: int) -> Task:
        def load() -> Loaded:
            loaded = _load(given.image, given.name, channels, max_pixels)
            text = examine(loaded, keep_sharp=self.keeps_sharp)
            is_known = self.info.text_height_px is not None
            if is_known and text.suitability is not Suitability.MADE_FOR:
                advice = ADVICE[text.suitability].format(text.height_px)
                given.advice.append(f"{given.name}: {advice}")
            is_kept = text.suitability is Suitability.SHARP_ALREADY
            return Loaded(loaded, is_kept, text.runs_down)

        return Task(load, _is_small(given.image))


@dataclass(frozen=True)
class _Given:
    """An image, what messages call it, and what its user is to be warned of.

    A warning that a worker gave would point at the worker's line.
    """

    image: AnyImage
    name: str
    advice: list[str] = field(default_factory=list)


ADVICE = {
    Suitability.OTHER_HEIGHT: "text of {:.0f} px, outside "
    f"{RANGE_PX[0]} to {RANGE_PX[1]} px; it may come out no better than by bicubic interpolation",
    Suitability.SHARP_ALREADY: "text of {:.0f} px that is sharp already; upscaled by bicubic "
    "interpolation, which reads no worse",
}
"""What to say of an image whose text does not suit the network, with a place for its height."""


def load_model(
    source: str | PathLike[str] | None = None,
    *,
    backend: str = "auto",
    device: str = "auto",
    reader: str | None = None,
    blend: float | None = None,
    threads: int | None = None,
    pixels: int | None = None,
) -> Model:
    """Load a model.

    Args:
        source: a model folder; an `.onnx` file that `textsr export` wrote; a registered model, such
            as `models:/textsr@champion`, which needs MLflow; None: the pretrained weights, which
            come with the package.
        backend: `onnx` (ONNX Runtime, on the CPU), `onnx-int8` (the same, in 8 bits), `torch`
            (PyTorch), or `auto`: PyTorch where it is installed and there is a GPU, or `pixels` are
            many and the CPU has instructions for bf16; else ONNX Runtime where the model has an
            ONNX file; else PyTorch. ONNX Runtime computes the pretrained weights in 8 bits by
            `auto`, where the CPU has VNNI and `blend` is at most 0.4: that is 1.7 times as fast
            and at 0.4 loses nothing significant on 1,600 fresh grey lines. At blend 1 it loses
            0.08 dB. Images of 16 bits or floats are computed in floats then, too; by `onnx-int8`
            in 8 bits. `info.backend` tells what was chosen.
        device: `auto`, `cpu`, or what PyTorch calls it: `cuda`, `cuda:1`, `mps`.
        reader: who reads what comes out, which chooses the blend: `people`; an OCR engine that the
            model was judged by, such as `tesseract`; `any`, a blend that none of the engines reads
            worse. None: people, or any where the model was not judged for people.
        blend: weight of the network's output, 0 to 1, the rest being bicubic interpolation's; None:
            the reader's.
        threads: of the CPU; None: one for each core that there is for this process.
        pixels: how many are to be upscaled in all, if that is known; it tells `auto` whether it
            pays to wait for PyTorch's start.

    Raises:
        TextsrError: if there is no such model, a file is damaged or does not fit the others of its
            folder, or what would compute it is not installed; it names the remedy.
    """
    if blend is not None and not (isinstance(blend, Real) and 0 <= blend <= 1):
        raise TextsrError(f"blend {quote(blend)}: must be from 0 to 1")
    if blend is not None and reader is not None:
        raise TextsrError(f"reader {quote(reader)} and blend {blend:g}: give one of them")
    if threads is not None and not (isinstance(threads, Integral) and threads >= 1):
        raise TextsrError(f"threads {quote(threads)}: must be a whole number, 1 or more")
    version: str | None = None
    if source is None:
        folder = pretrained.FOLDER
    elif str(source).startswith(_REGISTERED):
        folder, version = _fetch(str(source))
    else:
        folder = Path(source)
        if folder.suffix.lower() == ".onnx":
            return _load_file(folder, backend, device, reader, blend, threads)
    spec = read_spec(folder)
    if blend is None:
        reader = spec.usual_reader if reader is None else reader
        weight = spec.blend_for(reader)
    else:
        weight = float(blend)
    # What the pretrained weights know is known of them alone.
    is_pretrained = spec.name == pretrained.NAME
    comes_along = folder == pretrained.FOLDER
    opened = open_folder(
        folder,
        spec.model_copy(update={"blend": weight}),
        backend=backend,
        device=device,
        threads=threads,
        pixels=pixels,
        eight_bits=comes_along,
    )
    info = ModelInfo(
        name=spec.name,
        version=pretrained.VERSION if comes_along else version,
        scale=spec.scale,
        text_height_px=RANGE_PX if is_pretrained else None,
        trained_on=pretrained.TRAINED_ON if comes_along else None,
        backend=opened.name,
        reader=reader,
        blend=weight,
    )
    return Model(opened, info, keeps_sharp=is_pretrained and blend is None)


@overload
def upscale(
    image: _SameKind,
    *,
    channels: Channels = ...,
    max_pixels: int = ...,
    reader: str | None = ...,
) -> _SameKind: ...


@overload
def upscale(
    image: LoadedImage | str | PathLike[str] | bytes,
    *,
    channels: Channels = ...,
    max_pixels: int = ...,
    reader: str | None = ...,
) -> LoadedImage: ...


def upscale(
    image: AnyImage,
    *,
    channels: Channels = "BGR",
    max_pixels: int = MAX_PIXELS,
    reader: str | None = None,
) -> npt.NDArray[Any] | Image.Image | LoadedImage:
    """Upscale one image by the pretrained weights; see `Model.upscale`.

    They are loaded at the first call for a reader and kept. `load_model` gives others.

    Args:
        image: see `Model.upscale`.
        channels: see `Model.upscale`.
        max_pixels: see `Model.upscale`.
        reader: who reads the result: `people`, the default; an OCR engine, such as `tesseract`; or
            `any`. See `load_model`.

    Raises:
        TextsrError: as `Model.upscale` and `load_model` do.
    """
    return _default(reader)._upscale(image, channels, max_pixels)


@cache
def _default(reader: str | None) -> Model:
    return load_model(reader=reader)


def _load_file(
    path: Path,
    backend: str,
    device: str,
    reader: str | None,
    blend: float | None,
    threads: int | None,
) -> Model:
    """Load an ONNX file, which has its blend in it."""
    from textsr.inference.onnx_backend import OnnxBackend

    if backend not in BACKENDS:
        raise TextsrError(f"backend {backend}: unknown; use {', '.join(BACKENDS)}")
    if backend == "onnx-int8":
        raise TextsrError(f"{path}: onnx-int8 is for models' folders; use the backend onnx")
    if backend == "torch" or device not in ("auto", "cpu"):
        raise TextsrError(f"{path}: PyTorch does not compute ONNX files; name the model's folder")
    if (path.parent / SPEC).exists():
        raise TextsrError(f"{path}: is a part of a model's folder; name the folder, {path.parent}")
    if reader is not None or blend is not None:
        raise TextsrError(f"{path}: an ONNX file has its blend in it; name the model's folder")
    opened = OnnxBackend(path, threads)
    info = ModelInfo(path.stem, None, opened.scale, None, None, opened.name, None, None)
    return Model(opened, info)


def _fetch(uri: str) -> tuple[Path, str | None]:
    """Return the folder of a registered model, and its version; a run's has none."""
    from textsr.registry.resolve import fetch_model, registered_version

    try:
        version = registered_version(uri)
        return fetch_model(uri), version
    except ModuleNotFoundError as error:
        raise TextsrError(
            f"{uri}: getting it needs {error.name}; install it by `pip install 'textsr[pipeline]'`"
        ) from error


def _name(image: AnyImage, number: int | None = None) -> str:
    """Return what messages call an image."""
    if isinstance(image, (str, PathLike)) and _is_path(image):
        return str(Path(image))
    return "image" if number is None else f"image {number}"


def _load(image: AnyImage, name: str, channels: Channels, max_pixels: int) -> LoadedImage:
    if isinstance(image, LoadedImage):
        return image
    if isinstance(image, np.ndarray):
        return from_array(image, channels)
    if isinstance(image, Image.Image):
        return from_pillow(image, name)
    if isinstance(image, bytes):
        return decode_image(image, name, max_pixels=max_pixels)
    if isinstance(image, (str, PathLike)):
        if not _is_path(image):
            raise TextsrError(f"{name}: {quote(os.fspath(image))} is no path; name an image's file")
        return read_image(Path(image), max_pixels=max_pixels)
    raise TextsrError(
        f"{name}: a {type(image).__name__}; give an array, a Pillow image, a path or bytes"
    )


def _is_path(image: str | PathLike[str]) -> bool:
    """Whether a path can be made of it: not of nothing, and not of bytes."""
    path = os.fspath(image)
    return isinstance(path, str) and path != ""


def _as_given(
    outcome: LoadedImage | Exception, given: _Given, channels: Channels
) -> npt.NDArray[Any] | Image.Image | LoadedImage:
    """Return a result as its image was given.

    Raises:
        TextsrError: if it is an error; it names the image.
    """
    name, image = given.name, given.image
    if isinstance(outcome, TextsrError):
        if str(outcome).startswith(f"{name}:"):
            raise outcome
        raise TextsrError(f"{name}: {outcome}") from outcome
    if isinstance(outcome, Exception):  # a decoder's or a backend's own
        raise TextsrError(f"{name}: {type(outcome).__name__}: {outcome}") from outcome
    if isinstance(image, np.ndarray):
        return to_array(outcome, image, channels)
    return to_pillow(outcome) if isinstance(image, Image.Image) else outcome


def _is_small(image: AnyImage) -> bool:
    """Whether an image is likely to be small; reading it will say what is wrong with it."""
    if isinstance(image, np.ndarray):
        return bool(np.prod(image.shape[:2]) <= SMALL)
    if isinstance(image, Image.Image):
        return image.width * image.height <= SMALL
    if isinstance(image, LoadedImage):
        return image.width * image.height <= SMALL
    if isinstance(image, bytes):
        return is_small_file(image)
    return isinstance(image, (str, PathLike)) and is_small_file(Path(image))
