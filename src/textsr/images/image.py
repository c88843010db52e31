"""Images as the upscaler holds them."""

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

IntImage = npt.NDArray[np.unsignedinteger[Any]]
"""Pixel values 0 to 255 (uint8) or 0 to 65535 (uint16)."""

FloatImage = npt.NDArray[np.float32]
"""Pixel values, nominally 0 to 1."""


Resolution = tuple[float, float]
"""Pixels per inch across and down."""


@dataclass(frozen=True)
class Metadata:
    """What describes a picture and says nothing of its pixels; see `textsr.images.metadata`.

    Attributes:
        exif: EXIF as Pillow writes it, without orientation, sizes, thumbnail and maker's notes.
        xmp: an XMP packet.
        iptc: IPTC records (IIM), as Photoshop's resource 1028 and TIFF's tag 33723 hold them.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """One picture, upright, at the bit depth of its file.

    Attributes:
        pixels: HxW if grey, HxWx3 in OpenCV's order blue, green, red if colour; uint8 or uint16.
        alpha: HxW opacity of the same type as `pixels`, or None if there is none.
        icc_profile: the ICC profile that says which colours the values mean, or None.
        dpi: pixels per inch across and down, or None if the file does not tell.
        metadata: what describes the picture.
    """

    pixels: IntImage
    alpha: IntImage | None = None
    icc_profile: bytes | None = None
    dpi: Resolution | None = None
    metadata: Metadata = Metadata()

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Columns."""
        return int(self.pixels.shape[1])

    @property
    def is_colour(self) -> bool:
        """Whether there are three channels rather than one."""
        return self.pixels.ndim == 3

    @property
    def bit_depth(self) -> int:
        """8 or 16 bits a channel."""
        return self.pixels.dtype.itemsize * 8

    @property
    def nbytes(self) -> int:
        """Bytes of pixels and alpha."""
        return self.pixels.nbytes + (0 if self.alpha is None else self.alpha.nbytes)

    def save(self, path: "str | PathLike[str]") -> None:
        """Write it to a file; see `textsr.images.writing.write_image`.

        Raises:
            TextsrError: if the suffix names no format that can be written, the image is too large
                for it, or the disk refuses.
        """
        from textsr.images.writing import write_image

        write_image(Path(path), self)

    def to_pillow(self) -> "Image.Image":
        """Return it as Pillow's; see `textsr.images.conversion.to_pillow`."""
        from textsr.images.conversion import to_pillow

        return to_pillow(self)


def resized(image: LoadedImage, pixels: IntImage, alpha: IntImage | None) -> LoadedImage:
    """The image with other pixels, of a resolution at which it keeps its size in inches."""
    height, width = pixels.shape[:2]
    dpi = image.dpi and (
        image.dpi[0] * width / image.width,
        image.dpi[1] * height / image.height,
    )
    return replace(image, pixels=pixels, alpha=alpha, dpi=dpi)


def to_float(values: IntImage) -> FloatImage:
    """Integer values of either depth as float32 in [0, 1]."""
    return values.astype(np.float32) / np.float32(np.iinfo(values.dtype).max)


def to_integer(values: FloatImage, bit_depth: int) -> IntImage:
    """Values clipped to [0, 1] and rounded to the nearest integer of 8 or 16 bits."""
    kind = np.uint8 if bit_depth == 8 else np.uint16
    rounded: IntImage = np.rint(np.clip(values, 0, 1) * np.iinfo(kind).max).astype(kind)
    return rounded


def luminance(image: LoadedImage) -> FloatImage:
    """The HxW luminance (BT.601) in [0, 1]; alpha is ignored."""
    values = to_float(image.pixels)
    return np.asarray(cv2.cvtColor(values, cv2.COLOR_BGR2GRAY)) if image.is_colour else values


def to_8_bit(image: LoadedImage) -> LoadedImage:
    """The image with 8 bits a channel, rounded."""
    if image.bit_depth == 8:
        return image
    alpha = None if image.alpha is None else to_integer(to_float(image.alpha), 8)
    return replace(image, pixels=to_integer(to_float(image.pixels), 8), alpha=alpha)


def flatten(image: LoadedImage) -> LoadedImage:
    """The image laid over white, without alpha."""
    if image.alpha is None:
        return image
    opacity = to_float(image.alpha)
    if image.is_colour:
        opacity = opacity[..., np.newaxis]
    over_white = to_float(image.pixels) * opacity + (1 - opacity)
    return replace(image, pixels=to_integer(over_white, image.bit_depth), alpha=None)
