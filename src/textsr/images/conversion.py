"""Images as arrays and as Pillow's, in and out."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from textsr.errors import TextsrError
from textsr.images.image import LoadedImage, to_8_bit, to_float, to_integer

Channels = Literal["BGR", "RGB"]
"""The order of colours in an array: OpenCV's, or Pillow's and most others'."""

Array = npt.NDArray[Any]


def from_array(values: Array, channels: Channels) -> LoadedImage:
    """Take an array for an image.

    Args:
        values: HxW or HxWx1 (grey), HxWx3 (colour) or HxWx4 (colour and alpha); uint8, uint16, or
            floats in [0, 1], which are rounded to 16 bits; of either byte order.
        channels: the order of the colours.

    Raises:
        TextsrError: if the shape, the type, the order or a value is none of these.
    """
    if channels not in ("BGR", "RGB"):
        raise TextsrError(f"channels {channels}: use BGR or RGB")
    depth = values.shape[2] if values.ndim == 3 else 1
    if values.ndim not in (2, 3) or depth not in (1, 3, 4) or 0 in values.shape:
        raise TextsrError(
            f"an array of the shape {values.shape}: use HxW (grey), HxWx3 (colour) or HxWx4 "
            "(colour and alpha)"
        )
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.dtype.kind == "f":
        if not (values.min() >= 0 and values.max() <= 1):  # also refuses NaN
            raise TextsrError("an array of floats outside 0 to 1: scale it, or use uint8")
        values = to_integer(values.astype(np.float32), 16)
    elif values.dtype not in (np.uint8, np.uint16):
        raise TextsrError(
            f"an array of the type {values.dtype}: use uint8, uint16 or floats in [0, 1]"
        )
    if depth == 1:
        return LoadedImage(np.ascontiguousarray(values.reshape(values.shape[:2])))
    pixels = values[..., :3] if channels == "BGR" else values[..., 2::-1]
    alpha = np.ascontiguousarray(values[..., 3]) if depth == 4 else None
    return LoadedImage(np.ascontiguousarray(pixels), alpha)


def to_array(image: LoadedImage, like: Array, channels: Channels) -> Array:
    """Return an image as an array of the type, dimensions and order of another.

    Args:
        image: what `from_array` made of `like`, upscaled.
        like: the array.
        channels: the order of its colours.
    """
    pixels = image.pixels
    if image.is_colour and channels == "RGB":
        pixels = pixels[..., ::-1]
    values = pixels if image.alpha is None else np.dstack([pixels, image.alpha])
    if like.dtype.kind == "f":
        values = to_float(values)
    values = values.astype(like.dtype, copy=False)
    return np.ascontiguousarray(values[..., None] if like.ndim > values.ndim else values)


def to_pillow(image: LoadedImage) -> Image.Image:
    """Return an image as Pillow's: of the mode L, LA, RGB or RGBA, or I;16 if grey of 16 bits.

    Other images of 16 bits are rounded to 8, as Pillow has no modes for them. The ICC profile and
    the resolution (`dpi`) are in `info`.
    """
    if image.bit_depth == 16 and (image.is_colour or image.alpha is not None):
        image = to_8_bit(image)
    pixels = image.pixels[..., ::-1] if image.is_colour else image.pixels
    layers = pixels if image.alpha is None else np.dstack([pixels, image.alpha])
    made = Image.fromarray(np.ascontiguousarray(layers))
    if image.icc_profile is not None:
        made.info["icc_profile"] = image.icc_profile
    if image.dpi is not None:
        made.info["dpi"] = image.dpi
    return made
