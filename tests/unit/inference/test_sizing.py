from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stand_in_networks import Bicubic

from textsr.errors import TextsrError
from textsr.images.image import LoadedImage
from textsr.images.reading import read_image
from textsr.inference.batch import upscale_jobs
from textsr.inference.planning import plan_jobs
from textsr.inference.sizing import MOST, Sizing, at_factor
from textsr.inference.torch_backend import TorchBackend

RNG = np.random.default_rng(3)
DPI_75 = LoadedImage(np.zeros((4, 6), np.uint8), dpi=(75, 75))


def test_by_default_the_result_is_of_the_networks_size() -> None:
    assert Sizing().factor(DPI_75, 4) == 4


def test_a_resolution_is_reached_whatever_the_network_does() -> None:
    assert Sizing(target_dpi=300).factor(DPI_75, 2) == 4
    assert Sizing(target_dpi=100).factor(DPI_75, 4) == pytest.approx(4 / 3)


def test_a_resolution_that_is_there_already_is_none_to_shrink_to() -> None:
    assert Sizing(target_dpi=60).factor(DPI_75, 4) == 1
    assert Sizing(target_dpi=75.3).factor(DPI_75, 4) == 1  # a file rounds it


def test_a_resolution_that_is_named_is_taken_for_that_of_the_file() -> None:
    sizing = Sizing(target_dpi=300, dpi=150)
    image = sizing.measured(DPI_75)
    assert sizing.factor(image, 4) == 2
    assert at_factor(image, image, 2).dpi == (300, 300)


def test_unknown_and_impossible_resolutions_are_refused_with_a_remedy() -> None:
    with pytest.raises(TextsrError, match=r"does not say its resolution.*--dpi"):
        Sizing(target_dpi=300).factor(LoadedImage(np.zeros((4, 6), np.uint8)), 4)
    with pytest.raises(TextsrError, match="has 75 dpi, and 1200 dpi are more than 8 times"):
        Sizing(target_dpi=1200).factor(DPI_75, 4)


@given(st.integers(1, 60), st.integers(1, 60), st.floats(1, MOST), st.sampled_from(["u1", "u2"]))
def test_any_factor_gives_its_size_and_keeps_what_is_flat(
    height: int, width: int, factor: float, kind: str
) -> None:
    value = 200 * np.iinfo(kind).max // 255
    image = LoadedImage(np.full((height, width, 3), value, kind), np.full((height, width), 7, kind))
    large = LoadedImage(
        np.full((4 * height, 4 * width, 3), value, kind), np.full((4 * height, 4 * width), 7, kind)
    )
    result = at_factor(large, image, factor)
    assert (result.height, result.width) == (round(height * factor), round(width * factor))
    assert (result.pixels == value).all()
    assert result.alpha is not None
    assert (result.alpha == 7).all()


def test_fewer_pixels_are_means_over_areas() -> None:
    image = LoadedImage(RNG.integers(0, 256, (5, 7)).astype(np.uint8))
    large = RNG.integers(0, 256, (20, 28)).astype(np.uint8)
    means = large.reshape(10, 2, 14, 2).mean((1, 3))
    halved = at_factor(LoadedImage(large), image, 2).pixels
    assert np.abs(halved - means).max() <= 0.5


def test_a_batch_has_the_size_and_quality_that_is_asked_for(tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    assert cv2.imwrite(str(source), RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8))

    def upscaled(sizing: Sizing, name: str, quality: int | None = None) -> Path:
        jobs = plan_jobs([source], tmp_path / name).jobs
        upscale_jobs(TorchBackend(Bicubic(2)), jobs, sizing=sizing, quality=quality)
        return tmp_path / name

    tripled = read_image(upscaled(Sizing(scale=3), "3.png"))
    assert (tripled.height, tripled.width) == (60, 90)
    coarse, fine = (upscaled(Sizing(), f"{quality}.jpg", quality) for quality in (20, 98))
    assert coarse.stat().st_size < fine.stat().st_size / 2
    lossy, lossless = upscaled(Sizing(), "q.webp", 50), upscaled(Sizing(), "l.webp")
    assert np.array_equal(
        read_image(lossless).pixels, read_image(upscaled(Sizing(), "l.png")).pixels
    )
    assert lossy.stat().st_size < lossless.stat().st_size / 2


def test_what_has_the_resolution_stays_as_it_is_and_is_told(tmp_path: Path) -> None:
    pixels = RNG.integers(0, 256, (20, 30)).astype(np.uint8)
    assert cv2.imwrite(str(tmp_path / "a.png"), pixels)
    jobs = plan_jobs([tmp_path / "a.png"], tmp_path / "out.png").jobs
    with pytest.warns(UserWarning, match=r"300 dpi or more already in 1 of 1 images: \S*a\.png"):
        upscale_jobs(TorchBackend(Bicubic(2)), jobs, sizing=Sizing(target_dpi=300, dpi=400))
    assert np.array_equal(read_image(tmp_path / "out.png").pixels, pixels)


@pytest.mark.parametrize(
    ("sizing", "expected"),
    [
        (Sizing(), 600),
        (Sizing(scale=2), 300),
        (Sizing(dpi=100), 400),
        (Sizing(scale=3, dpi=100), 300),
        (Sizing(target_dpi=300), 300),
        (Sizing(target_dpi=300, dpi=100), 300),
    ],
)
def test_what_a_program_drew_is_drawn_at_the_size_that_is_asked_for(
    sizing: Sizing, expected: float
) -> None:
    assert sizing.drawn_dpi(4) == expected
