"""Reading image files of every kind that Pillow or OpenCV opens."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION, TiffImageFile

from textsr.errors import TextsrError
from textsr.inference.images import IntImage, LoadedImage, to_integer

MAX_PIXELS = 50_000_000
"""Input pixels above which an image is refused unless the caller allows more."""

AnyArray = npt.NDArray[Any]

_PILLOW = threading.Lock()
"""Held while Pillow's limit and Python's filters of warnings, which are the process's, differ."""


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS) -> LoadedImage:
    """Read one image upright, at its own bit depth.

    Bilevel and grey images, with or without alpha, come as grey; so do palette images whose
    colours are all grey. CMYK and other colour spaces become RGB. 32-bit integers must fit into 16
    bits and floats into [0, 1]; both come as 16-bit. Of an animation or a file of several pages the
    first picture is read, with a warning.

    Raises:
        TextsrError: if the file is missing, is no image, is damaged, has more than `max_pixels`
            pixels, or holds values out of range.
    """
    if not path.is_file():
        reason = "is a folder, not an image" if path.is_dir() else "no such file"
        raise TextsrError(f"{path}: {reason}; check the path")
    try:
        image, pictures = _read_with_pillow(path, max_pixels)
    except UnidentifiedImageError:
        image, pictures = _read_with_opencv(path), 1
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, max_pixels) from error
    except TextsrError:
        raise
    except Exception as error:  # decoders of damaged files raise almost anything
        raise _undecodable(path, str(error)) from error
    if image.height * image.width > max_pixels:
        raise _too_large(path, max_pixels)
    if pictures > 1:
        warnings.warn(f"{path}: holds {pictures} pictures; only the first is read", stacklevel=2)
    return image


def _too_large(path: Path, max_pixels: int) -> TextsrError:
    return TextsrError(
        f"{path}: has more than {max_pixels / 1e6:g} megapixels; cut it into pieces or raise the "
        "limit (max_pixels)"
    )


def _undecodable(path: Path, reason: str) -> TextsrError:
    return TextsrError(
        f"{path}: cannot be decoded ({reason}); it is damaged, cut short or not an image"
    )


@contextmanager
def _pillow_limit(max_pixels: int) -> Iterator[None]:
    """Let Pillow refuse what is above our limit by its header alone, instead of above its own."""
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _read_with_pillow(path: Path, max_pixels: int) -> tuple[LoadedImage, int]:
    # Out of a stream: given a path, Pillow 13 maps raw TIFFs into memory by the size that they have
    # when turned upright, and scrambles those that lie on their side.
    with (
        _PILLOW,
        _pillow_limit(max_pixels),
        path.open("rb") as stream,
        Image.open(stream) as image,
    ):
        # The further pictures of an MPO are a camera's previews of the same photograph.
        pictures = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
        image.load()
        profile = image.info.get("icc_profile")
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        values = _deep_colour(path, image)
        if values is None:
            values = _pillow_values(image)
        may_be_grey = image.mode in ("P", "PA") or values.dtype == np.uint16
    return _loaded(path, _upright(values, orientation), profile, may_be_grey), pictures


def _read_with_opencv(path: Path) -> LoadedImage:
    try:
        values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise _undecodable(path, error.err) from error
    if values is None:
        raise _undecodable(path, "unknown format")
    return _loaded(path, values, None, may_be_grey=False)


def _deep_colour(path: Path, image: Image.Image) -> AnyArray | None:
    """The BGR or BGRA values of a 16-bit colour file, of which Pillow keeps but 8 bits; or None."""
    if image.format not in ("PNG", "TIFF", "PPM") or image.mode not in ("RGB", "RGBA", "LA"):
        return None
    values = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    return values if values is not None and values.dtype == np.uint16 else None


def _pillow_values(image: Image.Image) -> AnyArray:
    """HxW, HxWx2 (grey, alpha), HxWx3 (BGR) or HxWx4 (BGRA)."""
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        # Pillow inverts TIFFs whose zero is white at 8 bits alone.
        white_is_zero = (
            isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0
        )
        values = np.bitwise_not(values) if white_is_zero else values
        clear = image.info.get("transparency")  # the one grey of a PNG that is not to be seen
        if clear is None:
            return values
        return np.dstack([values, np.where(values == clear, 0, 65535).astype(np.uint16)])
    if image.mode.startswith(("I", "F")):
        return np.asarray(image)
    transparent = image.has_transparency_data
    if image.mode in ("1", "L", "LA", "La"):
        return np.asarray(image.convert("LA" if transparent else "L"))
    if transparent:
        return cv2.cvtColor(np.asarray(image.convert("RGBA")), cv2.COLOR_RGBA2BGRA)
    return cv2.cvtColor(np.asarray(image.convert("RGB")), cv2.COLOR_RGB2BGR)


def _upright(values: AnyArray, orientation: int) -> AnyArray:
    """Undo the camera's turn (Exif 2.3, tag 274)."""
    turns = {
        2: lambda: values[:, ::-1],
        3: lambda: values[::-1, ::-1],
        4: lambda: values[::-1],
        5: lambda: values.swapaxes(0, 1),
        6: lambda: np.rot90(values, -1),
        7: lambda: np.rot90(values, 2).swapaxes(0, 1),
        8: lambda: np.rot90(values),
    }
    return turns[orientation]() if orientation in turns else values


def _loaded(path: Path, values: AnyArray, profile: bytes | None, may_be_grey: bool) -> LoadedImage:
    integers = _as_integers(path, values)
    channels = 1 if integers.ndim == 2 else integers.shape[2]
    if channels > 4:
        raise _undecodable(path, f"{channels} channels")
    pixels = integers if integers.ndim == 2 else integers[..., : 1 if channels < 3 else 3]
    if pixels.ndim == 3 and (pixels.shape[2] == 1 or (may_be_grey and _channels_equal(pixels))):
        pixels = pixels[..., 0]
    alpha = integers[..., -1] if channels in (2, 4) else None
    return LoadedImage(
        np.ascontiguousarray(pixels),
        None if alpha is None else np.ascontiguousarray(alpha),
        profile if profile and profile[16:20] == _colour_space(pixels) else None,
    )


def _as_integers(path: Path, values: AnyArray) -> IntImage:
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "f":
        if not (values.min() >= 0 and values.max() <= 1):  # also refuses NaN
            raise TextsrError(
                f"{path}: floating-point values outside 0 to 1; convert it to 16 bits"
            )
        return to_integer(values.astype(np.float32), 16)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise TextsrError(f"{path}: integer values outside 0 to 65535; convert it to 16 bits")
    return values.astype(np.uint16)


def _channels_equal(pixels: AnyArray) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _colour_space(pixels: AnyArray) -> bytes:
    """The data colour space in an ICC profile's header (ICC.1:2022, section 7.2.8)."""
    return b"GRAY" if pixels.ndim == 2 else b"RGB "
