"""Colours of text: no worse than bicubic interpolation's, wherever its contrast lies."""

import io
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw, ImageFont

from textsr.api import load_model
from textsr.images.image import LoadedImage
from textsr.inference import colour
from textsr.inference.upscale import upscale_images

FONT = ImageFont.truetype(
    str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"), 52
)
LUMINANCE = np.array([0.114, 0.587, 0.299])  # of blue, green and red (BT.601)
VISIBLE = 32  # levels between ink and ground: luminance, red and blue difference together
FAINT = 12  # the same of text that can just be seen

Pixels = npt.NDArray[np.uint8]


def pairs(
    count: int, most_apart: float, low: float = VISIBLE, high: float = np.inf
) -> npt.NDArray[np.int64]:
    """Inks and grounds, (count, 2, 3), whose luminance is so many levels apart at most.

    In all they are `low` to `high` levels apart.
    """
    rng = np.random.default_rng(3)
    found = []
    while len(found) < count:
        ink, ground = rng.integers(0, 256, (2, 3)).astype(float)
        apart = rng.uniform(-most_apart, most_apart)
        ground[1] += (ink @ LUMINANCE + apart - ground @ LUMINANCE) / LUMINANCE[1]
        both = np.rint([ink, ground]).astype(int)
        if both.min() >= 0 and both.max() <= 255 and low <= distance(*both) < high:
            found.append(both)
    return np.array(found)


def distance(ink: npt.NDArray[np.int64], ground: npt.NDArray[np.int64]) -> float:
    both = np.array([[ink, ground]], np.float32) / 255
    first, second = cv2.cvtColor(both, cv2.COLOR_BGR2YCrCb)[0]
    return float(np.linalg.norm(first - second)) * 255


def drawn(ink: npt.NDArray[np.int64], ground: npt.NDArray[np.int64]) -> tuple[Pixels, Pixels]:
    """A line of text, HR and LR."""
    mask = Image.new("L", (320, 80))
    ImageDraw.Draw(mask).text((12, 8), "Fox 48.90", 255, FONT)
    share = np.asarray(mask, float)[..., None] / 255
    hr = ground + share * (ink - ground)
    lr = cv2.resize(hr, (80, 20), interpolation=cv2.INTER_AREA)
    return np.rint(hr).astype(np.uint8), np.rint(lr).astype(np.uint8)


def as_jpeg(pixels: Pixels, quality: int) -> Pixels:
    """As a JPEG brings it back that holds chroma at half the resolution."""
    stream = io.BytesIO()
    Image.fromarray(pixels[..., ::-1]).save(stream, "JPEG", quality=quality, subsampling=2)
    return np.ascontiguousarray(np.asarray(Image.open(stream))[..., ::-1])


def psnr(image: npt.NDArray[np.generic], true: Pixels) -> float:
    return float(10 * np.log10(255**2 / np.square(image.astype(float) - true).mean()))


def gains(colours: npt.NDArray[np.int64], quality: int | None) -> npt.NDArray[np.float64]:
    """By how much the pretrained weights, for people, are nearer to HR than bicubic, in dB."""
    hr, lr = zip(*(drawn(ink, ground) for ink, ground in colours), strict=True)
    if quality is not None:
        lr = tuple(as_jpeg(pixels, quality) for pixels in lr)
    backend = load_model(backend="onnx", threads=1).backend
    upscaled = upscale_images(backend, [LoadedImage(pixels) for pixels in lr])
    bicubic = [cv2.resize(each, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC) for each in lr]
    both = zip(upscaled, bicubic, hr, strict=True)
    return np.array([psnr(ours.pixels, true) - psnr(theirs, true) for ours, theirs, true in both])


@pytest.mark.slow
@pytest.mark.parametrize(("quality", "least_median_db"), [(None, 2.0), (80, 0.5), (40, -0.05)])
def test_text_of_any_two_colours_is_no_worse_than_by_bicubic_interpolation(
    quality: int | None, least_median_db: float
) -> None:
    near, far = pairs(200, most_apart=10), pairs(100, most_apart=255)
    for colours in (near, far):
        found = gains(colours, quality)
        worst = int(found.argmin())
        assert found[worst] >= -0.1, colours[worst]
        assert np.median(found) >= least_median_db


@pytest.mark.slow
def test_faint_text_of_equal_luminance_is_no_worse_either() -> None:
    assert gains(pairs(60, 10, FAINT, VISIBLE), None).min() >= -0.1


def test_chroma_follows_luminance_unless_text_lives_in_it() -> None:
    def principal(ink: tuple[int, int, int], ground: tuple[int, int, int]) -> object:
        _, lr = drawn(np.array(ink), np.array(ground))
        values = cv2.cvtColor(lr.astype(np.float32) / 255, cv2.COLOR_BGR2YCrCb)
        return colour.analyse(values[..., 0], values[..., 1:], None).principal

    assert principal((20, 20, 120), (240, 240, 240)) is None
    assert principal((255, 0, 0), (30, 30, 30)) is not None
