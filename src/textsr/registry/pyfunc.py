"""How MLflow loads a registered model: `mlflow.pyfunc.load_model("models:/textsr@champion")`.

It needs the core alone, and what MLflow needs: neither PyTorch nor the rest of the pipeline.
"""

import base64
import binascii
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from textsr import pretrained
from textsr.errors import TextsrError, quote
from textsr.images.conversion import from_array, to_array
from textsr.images.image import LoadedImage
from textsr.images.reading import decode_image
from textsr.inference.backend import Backend
from textsr.inference.choice import open_folder
from textsr.inference.stream import SMALL, Loaded, Task, is_small_file, upscale_stream
from textsr.inference.suitability import Suitability, examine
from textsr.models.spec import read_spec

COLUMN = "image"
"""The column of a DataFrame that holds images, coming and going."""

READER = "for"
"""The key of `params` that says who reads the results."""

ON_ERROR = "on_error"
"""The key of `params` that says what becomes of a table with an image that cannot be upscaled."""

ON_ERRORS = ("raise", "null")
"""What it may be; the first is the default."""

_Array = npt.NDArray[Any]


class RegisteredModel:
    """Upscales what is sent to a registered model, each image as `textsr upscale` does.

    Several threads may use one at once, as MLflow's server does.
    """

    def __init__(self, folder: Path) -> None:
        """Load a model folder.

        Raises:
            TextsrError: if a file is missing or damaged, or what computes it is not installed.
        """
        self._folder = folder
        self._spec = read_spec(folder)
        self._backends: dict[float, Backend] = {}
        self._door = threading.Lock()
        self._backend(self._spec.usual_reader)

    def predict(
        self, model_input: pd.DataFrame | _Array, params: dict[str, Any] | None = None
    ) -> pd.DataFrame | _Array:
        """Upscale images.

        Args:
            model_input: a DataFrame whose column `image`, or only column, holds image files of any
                size and kind (PNG, JPEG, TIFF, ...) as bytes or, as JSON brings them, in base64; or
                an array (N, H, W) of grey images: uint8, uint16, floats in [0, 1], or other
                integers of 0 to 255.
            params: `for`: who reads what comes out, as in `textsr upscale --for`. `on_error`:
                `raise`, or `null`, which leaves the result of an image in a DataFrame that cannot
                be upscaled empty, with a warning.

        Returns:
            A DataFrame with the same index, whose column `image` holds PNG files as bytes; or an
            array (N, H * scale, W * scale) of the type that was given, uint8 for other integers.

        Raises:
            MlflowException: if it is none of these, an image cannot be read or upscaled, the model
                was not judged for the reader, or memory does not suffice. It names the row or the
                image. MLflow's server answers 400 with its message.
        """
        told = params or {}
        try:
            on_error = told.get(ON_ERROR, ON_ERRORS[0])
            if on_error not in ON_ERRORS:
                raise TextsrError(f"{ON_ERROR} {quote(on_error)}: use {' or '.join(ON_ERRORS)}")
            backend = self._backend(told.get(READER, self._spec.usual_reader))
            if isinstance(model_input, pd.DataFrame):
                return self._upscale_table(backend, model_input, raises=on_error == ON_ERRORS[0])
            if isinstance(model_input, np.ndarray):
                return self._upscale_array(backend, model_input)
            raise TextsrError(
                f"a {type(model_input).__name__}: give a DataFrame with a column `{COLUMN}` of "
                "image files (`dataframe_split` in JSON), or an array (N, H, W)"
            )
        except TextsrError as error:
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error

    def _upscale_table(
        self, backend: Backend, table: pd.DataFrame, *, raises: bool
    ) -> pd.DataFrame:
        names = [f"row {label}" for label in table.index]
        cells = _image_column(table).tolist()
        tasks = (
            self._task(partial(_decode, cell, name), _is_small_file(cell))
            for name, cell in zip(names, cells, strict=True)
        )
        files: list[bytes | None] = []
        with TemporaryDirectory(prefix="textsr-") as place:
            for outcome in _upscale(backend, tasks, names):
                if isinstance(outcome, LoadedImage):
                    files.append(_encode(outcome, Path(place)))
                elif raises:
                    raise outcome
                else:
                    warnings.warn(str(outcome), stacklevel=2)
                    files.append(None)
        return pd.DataFrame({COLUMN: pd.Series(files, index=table.index, dtype=object)})

    def _upscale_array(self, backend: Backend, images: _Array) -> _Array:
        if images.ndim != 3:
            raise TextsrError(
                f"an array of the shape {images.shape}: give grey images (N, H, W), or image files "
                f"in the column `{COLUMN}` of a DataFrame (`dataframe_split` in JSON)"
            )
        images = _as_pixels(images)
        count, height, width = images.shape
        names = [f"image {number} of {count}" for number in range(1, count + 1)]
        tasks = (
            self._task(partial(from_array, image, "BGR"), height * width <= SMALL)
            for image in images
        )
        size = (height * backend.scale, width * backend.scale)
        results = np.empty((count, *size), images.dtype)
        for result, outcome in zip(results, _upscale(backend, tasks, names), strict=True):
            if isinstance(outcome, TextsrError):
                raise outcome
            result[:] = to_array(outcome, images[0], "BGR")
        return results

    def _task(self, load: Callable[[], LoadedImage], is_small: bool) -> Task:
        def examined() -> Loaded:
            image = load()
            # As `textsr.api` does: what the pretrained weights know is known of them alone.
            text = examine(image, keep_sharp=self._spec.name == pretrained.NAME)
            return Loaded(image, text.suitability is Suitability.SHARP_ALREADY, text.runs_down)

        return Task(examined, is_small)

    def _backend(self, reader: str) -> Backend:
        blend = self._spec.blend_for(reader)
        with self._door:
            if blend not in self._backends:
                spec = self._spec.model_copy(update={"blend": blend})
                self._backends[blend] = open_folder(self._folder, spec)
            return self._backends[blend]


def _load_pyfunc(data_path: str) -> RegisteredModel:
    """Load a model folder; MLflow calls this by name."""
    return RegisteredModel(Path(data_path))


def _upscale(
    backend: Backend, tasks: Iterable[Task], names: Iterable[str]
) -> Iterator[LoadedImage | TextsrError]:
    """Yield what becomes of each image; an error names it."""
    with closing(upscale_stream(backend, tasks)) as outcomes:
        for name, outcome in zip(names, outcomes, strict=True):
            if isinstance(outcome, LoadedImage):
                yield outcome
                continue
            said = str(outcome)
            if not isinstance(outcome, TextsrError):  # a decoder's or a backend's own
                said = f"{type(outcome).__name__}: {said}"
            yield TextsrError(said if said.startswith(f"{name}:") else f"{name}: {said}")


def _image_column(table: pd.DataFrame) -> "pd.Series[Any]":
    if COLUMN in table:
        return table[COLUMN]
    if len(table.columns) == 1:  # Spark calls it 0
        return table.iloc[:, 0]
    raise TextsrError(
        f"columns {quote(list(table.columns))}: none is `{COLUMN}`; name the one that holds image "
        "files so"
    )


def _decode(cell: object, name: str) -> LoadedImage:
    if isinstance(cell, str):
        try:
            cell = _from_base64(cell)
        except (binascii.Error, ValueError) as error:
            raise TextsrError(
                f"{name}: {quote(cell)} is no base64 ({error}); send the content of an image's file"
            ) from error
    if not isinstance(cell, (bytes, bytearray)):
        raise TextsrError(
            f"{name}: {quote(cell)} is no image; give the content of an image's file, as bytes or "
            "in base64"
        )
    return decode_image(bytes(cell), name)


def _from_base64(cell: str) -> bytes:
    return base64.b64decode("".join(cell.split()), validate=True)


def _is_small_file(cell: object) -> bool:
    """Whether a cell's image is small by its header: a file of 2 KB may hold millions of pixels."""
    if not isinstance(cell, (bytes, bytearray, str)):
        return False
    try:
        return is_small_file(_from_base64(cell) if isinstance(cell, str) else bytes(cell))
    except (binascii.Error, ValueError):  # decoding tells what is wrong
        return False


def _as_pixels(values: _Array) -> _Array:
    """Take integers of 0 to 255 for uint8: JSON has one type of integers."""
    if values.dtype.kind not in "iu" or values.dtype in (np.uint8, np.uint16):
        return values
    fit = values.size == 0 or (values.min() >= 0 and values.max() <= 255)
    return values.astype(np.uint8) if fit else values


def _encode(image: LoadedImage, place: Path) -> bytes:
    """Return an image as a PNG file, the very one that `textsr upscale` writes."""
    path = place / "image.png"
    image.save(path)
    return path.read_bytes()
