"""Reading images one way, wherever they come from."""

import io
import mmap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION, TiffImageFile

from textsr.errors import TextsrError
from textsr.images.cmyk import to_rgb
from textsr.images.headers import (
    BYTES_A_PIXEL,
    MOST_BESIDES,
    MOST_COUNTED,
    BytesStream,
    FileStream,
    Header,
    OtherKindError,
    PageStream,
    Stream,
    check_exif,
    check_filled,
    check_scans,
    has_planes,
    read_header,
    tiff_pages,
    with_end,
    without_comments,
)
from textsr.images.image import IntImage, LoadedImage, to_integer
from textsr.images.metadata import read_metadata, read_resolution
from textsr.images.pillow_limits import MOST_TEXT, PIXELS, TEXT
from textsr.images.squaring import square_size, with_square_pixels

MAX_PIXELS = 50_000_000
"""Input pixels above which an image is refused unless the caller allows more."""

AnyArray = npt.NDArray[Any]


class _TooLargeError(Exception):
    """An image has more pixels than are allowed."""


def read_image(path: Path, *, max_pixels: int = MAX_PIXELS, strict: bool = False) -> LoadedImage:
    """Read one image upright, at its own bit depth.

    Bilevel and grey images, with or without alpha, come as grey; so do palette images whose
    colours are all grey. CMYK, by its profile if it has one, and other colour spaces become RGB.
    32-bit integers must fit into 16 bits and floats into [0, 1]; both come as 16-bit. Of an
    animation or a file of several pages the first picture is read, with a warning. So is a JPEG
    that is cut short: what it lacks is grey. Pixels that are not square, by the resolution that the
    file tells, such as a fax's, are made so, with a warning.

    Args:
        path: the file.
        max_pixels: of more, it is refused.
        strict: refuse a JPEG that is cut short.

    Raises:
        TextsrError: if the file is missing, is of no format that is read, is damaged, has more than
            `max_pixels` pixels, which its header tells, or holds values out of range.
    """
    with _opened(path, max_pixels) as stream:
        return _read(stream, str(path), max_pixels, strict=strict)


def read_pages(
    path: Path, *, max_pixels: int = MAX_PIXELS, strict: bool = False
) -> Iterator[LoadedImage]:
    """Read the pages of a TIFF one after the other, each as `read_image` reads an image.

    Messages tell the page. Previews are left out.

    Raises:
        TextsrError: as `read_image` does, at once or, of a page, at its turn.
    """
    with _opened(path, max_pixels) as stream:
        pages = tiff_pages(stream)
    return (
        _read_page(path, number, patch, max_pixels, strict=strict)
        for number, patch in enumerate(pages, 1)
    )


def is_pdf(path: Path) -> bool:
    """Whether a file is a PDF.

    Raises:
        TextsrError: if it is missing or of no format that is known.
    """
    with _opened(path, MAX_PIXELS) as stream:
        return read_header(stream).format == "PDF"


def page_sizes(path: Path) -> list[tuple[int, int]]:
    """Return the width and height of each page of a TIFF, or of the first picture of another file.

    They are as the headers tell them; nothing is decoded.

    Raises:
        TextsrError: if the file is missing, is of no format that is read, or its list of pages is
            damaged.
    """
    with _opened(path, MAX_PIXELS) as stream:
        if read_header(stream).format != "TIFF":
            return [_size(stream)]
        pages = tiff_pages(stream)
    sizes = []
    for number, patch in enumerate(pages, 1):
        with _said_of(f"{path}, page {number}", MAX_PIXELS), PageStream(path, patch) as stream:
            sizes.append(_size(stream))
    return sizes


def _read_page(
    path: Path, number: int, patch: tuple[int, bytes], max_pixels: int, *, strict: bool
) -> LoadedImage:
    name = f"{path}, page {number}"
    with _said_of(name, max_pixels), PageStream(path, patch) as stream:
        return _read(stream, name, max_pixels, strict=strict)


def decode_image(
    encoded: bytes, name: str, *, max_pixels: int = MAX_PIXELS, strict: bool = False
) -> LoadedImage:
    """Decode an image as `read_image` reads a file; messages call it `name`.

    Raises:
        TextsrError: as `read_image` does.
    """
    with _said_of(name, max_pixels), BytesStream(encoded) as stream:
        return _read(stream, name, max_pixels, strict=strict)


def from_pillow(image: Image.Image, name: str) -> LoadedImage:
    """Take an image that Pillow has opened or made, as `read_image` takes one out of a file.

    It is taken as it stands: how a camera was held, which Exif tells, is for the caller to undo
    (`PIL.ImageOps.exif_transpose`).

    Raises:
        TextsrError: if it is empty or damaged, or holds values out of range; it is called `name`.
    """
    with _said_of(name, MAX_PIXELS):
        image.load()
        if 0 in image.size:
            raise TextsrError(f"{name}: has no pixels")
        values = _pillow_values(image)
        profile = image.info.get("icc_profile")
        loaded = _loaded(name, values, profile, image.mode in ("P", "PA"))
        tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
        return replace(loaded, dpi=read_resolution(image, tags))


def count_pixels(image: Path | bytes) -> int:
    """Return how many pixels an image has, by the header of its file, or of its file's content.

    Raises:
        TextsrError: as `check_image` does.
    """
    if isinstance(image, bytes):
        with _said_of("image", MAX_PIXELS), BytesStream(image) as content:
            return _measure(content)
    with _opened(image, MAX_PIXELS) as stream:
        return _measure(stream)


def check_image(path: Path) -> None:
    """Look at the header of an image's file, and at nothing else.

    Raises:
        TextsrError: if the file is missing, is of no format that is read, or has more than
            `MAX_PIXELS` pixels.
    """
    with _opened(path, MAX_PIXELS) as stream:
        _measure(stream)


def read_encoded(path: Path) -> bytes:
    """Return the content of an image's file, of whose pixels the header alone has been looked at.

    Raises:
        TextsrError: as `check_image` does, or if the file is far longer than its pixels need.
    """
    with _opened(path, MAX_PIXELS) as stream:
        pixels = _measure(stream)
        stream.seek(0)
        with stream.measured(MOST_BESIDES + BYTES_A_PIXEL * pixels):
            return stream.read()


def _measure(stream: Stream) -> int:
    """Return how many pixels an image has."""
    header = read_header(stream)
    if header.size is not None:
        return _check_size(header.size, MAX_PIXELS)
    with _open_with_pillow(stream, header) as image:
        pixels = _check_size(image.size, MAX_PIXELS)
        if header.format == "JPEG":
            check_scans(stream, pixels)
        return pixels


def _size(stream: Stream) -> tuple[int, int]:
    """Return width and height as the header tells them."""
    header = read_header(stream)
    if header.size is not None:
        return header.size
    with _open_with_pillow(stream, header) as image:
        return image.size


@contextmanager
def _opened(path: Path, max_pixels: int) -> Iterator[FileStream]:
    if not path.is_file():
        reason = "is a folder, not an image" if path.is_dir() else "no such file"
        raise TextsrError(f"{path}: {reason}; check the path")
    with _said_of(str(path), max_pixels), FileStream(io.FileIO(path)) as stream:
        yield stream


@contextmanager
def _said_of(name: str, max_pixels: int) -> Iterator[None]:
    """Make a message of whatever goes wrong with an image."""
    try:
        yield
    except TextsrError:
        raise
    except OtherKindError as error:
        raise TextsrError(f"{name}: {error}") from error
    except _TooLargeError as error:
        raise TextsrError(
            f"{name}: has more than {max_pixels / 1e6:g} megapixels; cut it into pieces or raise "
            "the limit (max_pixels)"
        ) from error
    except Exception as error:  # decoders of damaged files raise almost anything
        said = getattr(error, "err", str(error))  # `err` is OpenCV's
        raise _undecodable(name, " ".join(said.split())) from error


def _undecodable(name: str, reason: str) -> TextsrError:
    return TextsrError(
        f"{name}: cannot be decoded ({reason}); it is damaged, cut short or not an image"
    )


def _check_size(size: tuple[int, int] | None, max_pixels: int) -> int:
    """Return how many pixels there are; none are known of where there is no size."""
    width, height = size or (0, 0)
    if width * height > max_pixels:
        raise _TooLargeError
    return width * height


def _read(stream: Stream, name: str, max_pixels: int, *, strict: bool) -> LoadedImage:
    header = read_header(stream)
    _check_size(header.size, max_pixels)
    if header.lines[:2] in _TEXT:
        stream = without_comments(stream, header)
        header = header._replace(pixels_at=len(header.lines))
    image = None if header.format in _BY_OPENCV else _open(stream, header)
    if image is None:
        values = _opencv_values(stream, header)
        if values is None:
            raise _undecodable(name, f"a kind of {header.format} that is not read")
        return _loaded(name, values, None, may_be_grey=False)
    pixels = _check_size(image.size, max_pixels)
    has_end = header.format != "JPEG" or check_scans(stream, pixels)
    with image, PIXELS.allowing(pixels), TEXT.allowing(MOST_TEXT):
        try:
            loaded, pictures = _read_opened(stream, header, image, name)
        except OSError:
            if strict or has_end:
                raise
            stream = with_end(stream, pixels)
            loaded, pictures = _read_opened(stream, header, _open_with_pillow(stream, header), name)
            warnings.warn(f"{name}: is cut short; what it lacks is grey", stacklevel=3)
    if pictures > 1 and not isinstance(stream, PageStream):
        many = f"at least {pictures}" if not header.is_counted else str(pictures)
        many = f"more than {MOST_COUNTED}" if pictures > MOST_COUNTED else many
        warnings.warn(f"{name}: holds {many} pictures; only the first is read", stacklevel=3)
    _check_size(square_size(loaded.width, loaded.height, loaded.dpi), max_pixels)
    square = with_square_pixels(loaded)
    if square is not loaded:
        across, down = loaded.dpi or (1, 1)
        warnings.warn(
            f"{name}: {across:.0f} x {down:.0f} pixels per inch; made square first, at "
            f"{max(across, down):.0f}",
            stacklevel=3,
        )
    return square


def _read_opened(
    stream: Stream, header: Header, image: ImageFile, name: str
) -> tuple[LoadedImage, int]:
    """Return the picture, and how many there are in the file."""
    # Pillow turns some TIFFs upright, and forgets that they lay on their side.
    lay = image.tag_v2.get(_ORIENTATION) if isinstance(image, TiffImageFile) else None
    image.load()
    exif = _exif(image)
    orientation = exif.get(_ORIENTATION, 1)
    values = _deep_colour(stream, header, image, name)
    if values is None:
        values = _pillow_values(image)
    may_be_grey = image.mode in ("P", "PA") or values.dtype == np.uint16
    profile = image.info.get("icc_profile")
    loaded = _loaded(name, _upright(values, orientation), profile, may_be_grey)
    dpi = read_resolution(image, exif)
    if dpi is not None and (lay or orientation) in _ON_ITS_SIDE:
        dpi = dpi[::-1]
    loaded = replace(loaded, dpi=dpi, metadata=read_metadata(image, exif))
    return loaded, _count(image, header)


def _exif(image: ImageFile) -> Image.Exif:
    """Return a file's EXIF, measured; of a TIFF, the tags of its directory."""
    exif = image.getexif()
    content = getattr(exif, "fp", None)  # a TIFF's is the file itself, which is measured
    if isinstance(content, io.BytesIO):
        check_exif(content.getvalue())
    return exif


_TEXT = (b"P1", b"P2", b"P3")
"""PNMs whose pixels are text."""
_BY_OPENCV = ("HDR", "PFM")
_BY_OPENCV_TOO = ("PNG", "TIFF")
"""Formats of which OpenCV reads some that Pillow does not."""


def _open(stream: Stream, header: Header) -> ImageFile | None:
    """Open a file with Pillow; None if it is one that OpenCV may read instead."""
    try:
        return _open_with_pillow(stream, header)
    except SyntaxError:  # Pillow's word for what it does not know
        if header.format not in _BY_OPENCV_TOO:
            raise
        return None


_OTHER_KINDS = {
    "PDF": "is a PDF, not an image; `textsr upscale` and `Model.upscale_file` take it",
    "JXL": "is a JPEG XL, which is not read; convert it to PNG, for example by `djxl`",
}


def _open_with_pillow(stream: Stream, header: Header) -> ImageFile:
    if header.format in _OTHER_KINDS:
        raise OtherKindError(_OTHER_KINDS[header.format])
    if header.format == "HEIF":
        _learn_heif()
    if header.format not in Image.OPEN:
        Image.init()
    # Not by `Image.open`, which compares the size with a limit of the whole process.
    open_format, _ = Image.OPEN[header.format]
    width, height = header.size or (0, 0)
    # Opening it reads an AVIF or a WebP as a whole.
    most = MOST_BESIDES + BYTES_A_PIXEL * width * height
    # Out of a stream: given a path, Pillow 13 maps raw TIFFs into memory by the size that they have
    # when turned upright, and scrambles those that lie on their side.
    stream.seek(0)
    with PIXELS.allowing(width * height), TEXT.allowing(MOST_TEXT), stream.measured(most):
        return open_format(stream, "")


def _learn_heif() -> None:
    """Have Pillow read HEIC.

    Raises:
        OtherKindError: if the package for it is not installed.
    """
    try:
        from pillow_heif import register_heif_opener
    except ModuleNotFoundError as error:
        raise OtherKindError(
            "is a HEIC, which needs pillow-heif; install it by `pip install 'textsr[heif]'`"
        ) from error
    register_heif_opener()


def _count(image: ImageFile, header: Header) -> int:
    if header.pictures is not None:
        return header.pictures
    # The further pictures of an MPO, a kind of JPEG, are previews of the same photograph.
    return 1 if header.format == "JPEG" else getattr(image, "n_frames", 1)


def _opencv_values(stream: Stream, header: Header) -> AnyArray | None:
    """HxW, HxWx3 (BGR) or HxWx4 (BGRA); None if it is a kind that OpenCV does not read."""
    if header.lines:
        width, height = header.size or (0, 0)
        stream.seek(header.pixels_at)
        pixels = stream.read(BYTES_A_PIXEL * (width * height + 1000))
        encoded = np.frombuffer(header.lines + pixels, np.uint8)
    elif isinstance(stream, BytesStream):
        encoded = np.frombuffer(stream.getvalue(), np.uint8)
    else:  # what is not a pixel of the first picture need not be read
        whole = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        if isinstance(stream, PageStream):
            at, content = stream.patch
            whole[at : at + len(content)] = content
        encoded = np.frombuffer(whole, np.uint8)
    values = cv2.imdecode(encoded, cv2.IMREAD_UNCHANGED)
    if values is None:
        return None
    if header.format == "TIFF":
        check_filled(stream, 1 if values.ndim == 2 else values.shape[2])
    return np.asarray(values)


def _deep_colour(stream: Stream, header: Header, image: Image.Image, name: str) -> AnyArray | None:
    """The BGR or BGRA values of a 16-bit colour file, of which Pillow keeps but 8 bits; or None."""
    if not header.is_deep or image.mode not in ("RGB", "RGBA", "LA"):
        return None
    if isinstance(image, TiffImageFile) and has_planes(image.tag_v2):  # OpenCV knows none
        said = f"{name}: its colours lie each by itself; read with 8 of the bits that they have"
        warnings.warn(said, stacklevel=5)
        return None
    values = _opencv_values(stream, header)
    if values is None or values.dtype != np.uint16:
        return None
    if header.format == "PPM":  # of which OpenCV takes the numbers as they stand
        most = int(header.lines.split()[-1])
        values = (np.minimum(values, most).astype(np.float64) * (65535 / most)).round()
    return values.astype(np.uint16, copy=False)


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
    colours = to_rgb(image) if image.mode == "CMYK" else image.convert("RGB")
    return cv2.cvtColor(np.asarray(colours), cv2.COLOR_RGB2BGR)


_ORIENTATION = ExifTags.Base.Orientation
_ON_ITS_SIDE = (5, 6, 7, 8)
"""Turns of the camera, by EXIF's tag 274, that exchange rows and columns."""


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


def _loaded(name: str, values: AnyArray, profile: bytes | None, may_be_grey: bool) -> LoadedImage:
    integers = _as_integers(name, values)
    channels = 1 if integers.ndim == 2 else integers.shape[2]
    if channels > 4:
        raise _undecodable(name, f"{channels} channels")
    pixels = integers if integers.ndim == 2 else integers[..., : 1 if channels < 3 else 3]
    if pixels.ndim == 3 and (pixels.shape[2] == 1 or (may_be_grey and _channels_equal(pixels))):
        pixels = pixels[..., 0]
    alpha = integers[..., -1] if channels in (2, 4) else None
    return LoadedImage(
        np.ascontiguousarray(pixels),
        None if alpha is None else np.ascontiguousarray(alpha),
        profile if profile and profile[16:20] == _colour_space(pixels) else None,
    )


def _as_integers(name: str, values: AnyArray) -> IntImage:
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "f":
        if not (values.min() >= 0 and values.max() <= 1):  # also refuses NaN
            raise TextsrError(
                f"{name}: floating-point values outside 0 to 1; convert it to 16 bits"
            )
        return to_integer(values.astype(np.float32), 16)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise TextsrError(f"{name}: integer values outside 0 to 65535; convert it to 16 bits")
    return values.astype(np.uint16)


def _channels_equal(pixels: AnyArray) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def _colour_space(pixels: AnyArray) -> bytes:
    """The data colour space in an ICC profile's header (ICC.1:2022, section 7.2.8)."""
    return b"GRAY" if pixels.ndim == 2 else b"RGB "
