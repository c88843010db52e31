"""Damaged pictures through the one reader, and some of them through all of `upscale`."""

import random
import re
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

import textsr
from tests.faults.campaign.attack import Attack, Broken
from tests.faults.campaign.inputs.pictures import damaged_picture, pictures
from tests.faults.campaign.inputs.refusal import check_refusal
from textsr.errors import TextsrError
from textsr.images.image import LoadedImage
from textsr.images.reading import count_pixels, decode_image, read_image, read_pages

_MOST_PIXELS = 1_000_000
_CHANGED = re.compile("made square|cut short")
_PLAIN_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV")


def read_or_refuse(path: Path) -> tuple[LoadedImage | None, list[str]]:
    """Return what is read of a file, None if it is refused, and the warnings."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            loaded = read_image(path, max_pixels=_MOST_PIXELS)
        except TextsrError as error:
            check_refusal(error, path)
            loaded = None
    return loaded, [str(one.message) for one in said]


def attack_reader(number: int, folder: Path) -> None:
    """A damaged picture is refused by name, or read as Pillow or OpenCV read it."""
    draw = random.Random(number)
    name, content = damaged_picture(draw)
    path = folder / f"picture.{name}"
    path.write_bytes(content)
    loaded, said = read_or_refuse(path)
    _check_other_ways(path, content, loaded, said)
    if loaded is None:
        return
    _check_valid(loaded)
    is_changed = any(_CHANGED.search(one) for one in said)
    if loaded.width * loaded.height > count_pixels(path) and not is_changed:
        raise Broken("its header tells of fewer pixels than it has")
    if not is_changed:
        _compare(content, loaded)


def _check_other_ways(
    path: Path, content: bytes, loaded: LoadedImage | None, said: list[str]
) -> None:
    """Out of memory, strictly, and page by page, a file is what it is out of a file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            decoded = decode_image(content, "name", max_pixels=_MOST_PIXELS, strict=True)
        except TextsrError as error:
            check_refusal(error, "name")
            if loaded is not None and not any("cut short" in one for one in said):
                raise Broken(f"read out of a file, refused out of memory: {error}") from error
        else:
            if loaded is None or not _are_equal(loaded, decoded):
                raise Broken("another picture out of memory than out of the file")
        if path.suffix != ".tiff":
            return
        try:
            for number, page in enumerate(read_pages(path, max_pixels=_MOST_PIXELS)):
                if number == 0 and (loaded is None or not _are_equal(loaded, page)):
                    raise Broken("another first page than picture")
                _check_valid(page)
        except TextsrError as error:
            check_refusal(error, path)


def _are_equal(one: LoadedImage, other: LoadedImage) -> bool:
    if (one.alpha is None) != (other.alpha is None):
        return False
    return (
        np.array_equal(one.pixels, other.pixels)
        and np.array_equal(np.asarray(one.alpha), np.asarray(other.alpha))
        and one.icc_profile == other.icc_profile
        and one.dpi == other.dpi
        and one.metadata == other.metadata
    )


def _check_valid(loaded: LoadedImage) -> None:
    pixels, alpha = loaded.pixels, loaded.alpha
    if pixels.dtype not in (np.uint8, np.uint16) or 0 in pixels.shape:
        raise Broken(f"pixels of {pixels.dtype} and {pixels.shape}")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise Broken(f"pixels of {pixels.shape}")
    if alpha is not None and (alpha.shape != pixels.shape[:2] or alpha.dtype != pixels.dtype):
        raise Broken(f"alpha of {alpha.dtype} and {alpha.shape}")
    if loaded.width * loaded.height > _MOST_PIXELS:
        raise Broken("more pixels than are allowed")
    if loaded.dpi is not None and not all(0 < side < 1e9 for side in loaded.dpi):
        raise Broken(f"a resolution of {loaded.dpi}")


def _compare(content: bytes, loaded: LoadedImage) -> None:
    """Compare with Pillow's picture, which of 16 bits of a colour has the upper 8."""
    expected = _by_pillow(content)
    if expected is None:
        return
    layers = [loaded.pixels] * 3 if loaded.pixels.ndim == 2 else [loaded.pixels[..., ::-1]]
    found = np.dstack([*layers, *([] if loaded.alpha is None else [loaded.alpha])])
    if found.shape != expected.shape[:2] + found.shape[2:]:
        raise Broken(f"{found.shape}, and by Pillow {expected.shape}")
    if loaded.alpha is None and (expected[..., 3] != np.iinfo(expected.dtype).max).any():
        raise Broken("it has no alpha, and by Pillow it has")
    is_deep = found.dtype != expected.dtype
    given = (found >> 8 if is_deep else found).astype(int)
    if np.abs(given - expected[..., : found.shape[2]]).max() > is_deep:  # some are rounded
        raise Broken("other colours than Pillow reads")


def _by_pillow(content: bytes) -> npt.NDArray[Any] | None:
    """Red, green, blue and alpha, upright; None where it is not Pillow's to say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(BytesIO(content)) as image:
                image.load()
                if image.mode not in _PLAIN_MODES or (
                    image.mode == "CMYK" and image.info.get("icc_profile")
                ):
                    return None
                upright = ImageOps.exif_transpose(image)
                return np.asarray(upright.convert("RGBA"))
        except Exception:  # it raises almost anything; what OpenCV read instead has no other judge
            return None


_model: list[textsr.Model] = []


def _load() -> None:
    pictures()
    _model.append(textsr.load_model(backend="onnx-int8", threads=1))
    _model[0].upscale(np.zeros((20, 40), np.uint8))


_SUFFIXES = (".png", ".tif", ".jpg", ".webp", ".bmp")


def attack_upscale(number: int, folder: Path) -> None:
    """What is read is upscaled and written, of the size that it should have; what is not, is not.

    Nothing is left of what was refused.
    """
    draw = random.Random(number)
    name, content = damaged_picture(draw)
    path, result = folder / f"picture.{name}", folder / f"result{draw.choice(_SUFFIXES)}"
    path.write_bytes(content)
    loaded, _ = read_or_refuse(path)
    if loaded is not None and loaded.width * loaded.height > 20_000:
        return  # a network takes its time; the reader has been tried
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _model[0].upscale_file(path, result, max_pixels=_MOST_PIXELS)
        except TextsrError as error:
            check_refusal(error, path, result)
            does_not_fit = str(error).startswith(str(result))
            if loaded is not None and not (_is_document(path) or does_not_fit):
                raise Broken(f"read, but not upscaled: {error}") from error
            if [one.name for one in folder.iterdir()] != [path.name]:
                raise Broken("a refused file leaves something behind") from error
            return
        if loaded is None:
            raise Broken("refused, and upscaled")
        written = read_image(result)
        _check_size(loaded, written)
        upscaled = _model[0].upscale(path, max_pixels=_MOST_PIXELS)
        _check_size(loaded, upscaled)
        if result.suffix == ".jpg" or (written.alpha is None) != (upscaled.alpha is None):
            return  # something is lost, as is promised
        # WebP keeps no colours of what is clear.
        is_seen = True if written.alpha is None else written.alpha > 0
        differs = _eight(written) != _eight(upscaled)
        if (differs.any(axis=2) & is_seen).any():
            raise Broken("other pixels in the file than in memory")


def _is_document(path: Path) -> bool:
    return path.suffix == ".tiff"  # of several pages, one may be damaged


def _eight(image: LoadedImage) -> npt.NDArray[Any]:
    """Return HxWx3 values of 8 bits."""
    values = image.pixels if image.bit_depth == 8 else (image.pixels / 257).round().astype(np.uint8)
    return values if values.ndim == 3 else np.dstack([values] * 3)


def _check_size(loaded: LoadedImage, upscaled: LoadedImage) -> None:
    wanted = loaded.width * _model[0].info.scale, loaded.height * _model[0].info.scale
    if (upscaled.width, upscaled.height) != wanted:
        raise Broken(f"{upscaled.width}x{upscaled.height}, should be {wanted}")


ATTACKS = [
    Attack(
        "images",
        attack_reader,
        cases=100_000,
        sample=400,
        seconds=30,
        memory_mb=200,
        prepare=pictures,
    ),
    Attack(
        "images-upscaled",
        attack_upscale,
        cases=5000,
        sample=20,
        seconds=60,
        memory_mb=400,
        prepare=_load,
    ),
]
