"""What lenses, sensors and files do, each against its definition or a reference."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PILImage
from scipy import ndimage

from textsr.config.effects import KERNELS
from textsr.synthesis import camera

seeds = st.integers(0, 2**32 - 1)


def noise_image(seed: int, height: int = 64, width: int = 96) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width)).astype(np.float32)


def point() -> np.ndarray:
    plane = np.zeros((41, 41), np.float32)
    plane[20, 20] = 1
    return plane


@given(sigma=st.floats(0.35, 3), seed=seeds)
@settings(max_examples=20, deadline=None)
def test_round_blur_is_scipys_gaussian(sigma: float, seed: int) -> None:
    plane = noise_image(seed)
    radius = int(np.ceil(3 * sigma))
    reference = ndimage.gaussian_filter(plane, sigma, mode="nearest", radius=radius)
    assert np.abs(camera.blur(plane, sigma, sigma) - reference).max() < 0.01


@given(
    sigma_x=st.floats(0, 4),
    sigma_y=st.floats(0, 4),
    length=st.floats(0, 9),
    angle=st.floats(0, 180),
)
@settings(max_examples=40, deadline=None)
def test_blurs_neither_brighten_darken_nor_shift(
    sigma_x: float, sigma_y: float, length: float, angle: float
) -> None:
    y, x = np.mgrid[-20:21, -20:21]
    for blurred in (
        camera.blur(point(), sigma_x, sigma_y),
        camera.motion_blur(point(), length, angle),
        camera.defocus(point(), sigma_x),
    ):
        assert blurred.min() >= -1e-6
        assert blurred.sum() == pytest.approx(1, abs=1e-4)
        assert (blurred * x).sum() == pytest.approx(0, abs=1e-3)
        assert (blurred * y).sum() == pytest.approx(0, abs=1e-3)


def test_blur_without_extent_does_nothing() -> None:
    plane = noise_image(2)
    assert np.allclose(camera.blur(plane, 0, 0), plane, atol=1e-3)
    assert np.allclose(camera.defocus(plane, 0), plane, atol=1e-3)
    for angle in (0, 45, 90):
        assert np.allclose(camera.motion_blur(plane, 0, angle), plane, atol=1e-3)


def test_blur_is_wide_where_it_is_said_to_be() -> None:
    wide = camera.blur(point(), 4, 1)
    assert wide[20, 26] > 10 * wide[26, 20]
    assert np.allclose(camera.blur(point(), 1, 4), wide.T, atol=1e-6)


def test_motion_blur_is_a_line_of_the_stated_length() -> None:
    streak = camera.motion_blur(point(), 7, 0)
    assert np.count_nonzero(streak > 0.05) == 7
    assert np.count_nonzero(streak[20] > 0.05) == 7
    assert np.allclose(camera.motion_blur(point(), 7, 90), streak.T, atol=1e-6)


def test_defocus_is_an_even_disk_of_the_stated_radius() -> None:
    disk = camera.defocus(point(), 5)
    y, x = np.mgrid[-20:21, -20:21]
    inside, outside = np.hypot(x, y) <= 4.5, np.hypot(x, y) >= 5.5
    assert np.ptp(disk[inside]) < 1e-6
    assert disk[inside].min() == pytest.approx(1 / (np.pi * 25), rel=0.05)
    assert disk[outside].max() == 0


@given(x=st.floats(-2, 2), y=st.floats(-2, 2))
@settings(max_examples=20, deadline=None)
def test_shift_moves_a_blob_to_the_right_and_down_by_so_much(x: float, y: float) -> None:
    blob = camera.blur(point(), 2, 2)
    rows, columns = np.mgrid[-20:21, -20:21]
    moved = camera.shift(blob, x, y)
    # OpenCV places samples on a grid of 1/32 pixel, and rounds the displacement to it twice.
    assert (moved * columns).sum() / moved.sum() == pytest.approx(x, abs=0.07)
    assert (moved * rows).sum() / moved.sum() == pytest.approx(y, abs=0.07)


@pytest.mark.parametrize("kernel", KERNELS)
def test_resize_keeps_a_constant_and_gives_the_size(kernel: str) -> None:
    out = camera.resize(np.full((64, 80), 77, np.float32), (20, 16), kernel)
    assert out.shape == (16, 20)
    assert np.allclose(out, 77, atol=1e-3)


@pytest.mark.parametrize("kernel", KERNELS)
def test_resize_does_not_shift(kernel: str) -> None:
    # A shift shows in the phase of a slow wave; at 1/4 the pixel grids' centres must agree.
    x = np.arange(256) + 0.5
    plane = np.broadcast_to(100 * np.sin(x / 16), (32, 256)).astype(np.float32)
    small = camera.resize(plane, (64, 8), kernel)
    expected = 100 * np.sin((np.arange(64) + 0.5) * 4 / 16)
    # The nearest of four pixels in a row is half a pixel from the middle between them.
    assert np.abs(small[4, 2:-2] - expected[2:-2]).max() < (4 if kernel == "nearest" else 1.5)


def test_each_kernel_is_one_of_its_own() -> None:
    plane = noise_image(4)
    small = [camera.resize(plane, (24, 16), kernel) for kernel in KERNELS]
    for number, one in enumerate(small):
        assert not any(np.allclose(one, other, atol=1) for other in small[:number])


def test_noise_has_the_stated_deviations() -> None:
    rng = np.random.default_rng(0)
    dark, light = np.zeros((400, 400), np.float32), np.full((400, 400), 255, np.float32)
    assert camera.add_noise(dark, 5, 9, rng).std() == pytest.approx(5, rel=0.03)
    assert camera.add_noise(light, 0, 9, rng).std() == pytest.approx(9, rel=0.03)
    both = camera.add_noise(light, 5, 9, rng)
    assert both.std() == pytest.approx(np.hypot(5, 9), rel=0.03)
    assert both.mean() == pytest.approx(255, abs=0.3)


def test_noise_is_white() -> None:
    noise = camera.add_noise(np.zeros((300, 300), np.float32), 5, 0, np.random.default_rng(0))
    for lagged in (noise[:, 1:] * noise[:, :-1], noise[1:] * noise[:-1]):
        assert abs(lagged.mean()) / 25 < 0.02


def test_mosaic_without_colour_softens_but_keeps_the_light() -> None:
    plane = camera.blur(noise_image(0), 3, 3)
    seen = camera.mosaic(plane, 0.0, np.random.default_rng(0))
    assert seen.shape == plane.shape
    assert np.abs(seen - plane)[1:-1, 1:-1].mean() < 1


def test_mosaic_keeps_luma_of_flat_parts_and_breaks_edges_by_saturation() -> None:
    plane = np.full((32, 64), 90, np.float32)
    plane[:, 32:] = 170
    grey = camera.mosaic(plane, 0.0, np.random.default_rng(0))
    fringes = []
    for saturation in (0.2, 0.5, 0.8):
        seen = [camera.mosaic(plane, saturation, np.random.default_rng(n)) for n in range(30)]
        fringes.append(np.mean([np.abs(one - grey)[2:-2, 30:34].mean() for one in seen]))
        for one in seen:
            assert np.abs(one - plane)[:, [*range(4, 28), *range(36, 60)]].max() < 2
    assert fringes == sorted(fringes)
    assert fringes[-1] > 1


def test_sharpening_leaves_halos_of_its_amount() -> None:
    plane = np.full((32, 64), 80, np.float32)
    plane[:, 32:] = 180
    once, twice = camera.sharpen(plane, 0.5), camera.sharpen(plane, 1.0)
    assert once.max() > 185
    assert once.min() < 75
    assert twice.max() - 180 == pytest.approx(2 * (once.max() - 180), rel=1e-3)
    assert np.array_equal(camera.sharpen(plane, 0.0), plane)


@given(seed=seeds, offset=st.floats(-0.4, 0.4))
@settings(max_examples=20, deadline=None)
def test_binarising_leaves_two_levels_and_the_tone(seed: int, offset: float) -> None:
    plane = camera.blur(noise_image(seed), 2, 2)
    out = camera.binarise(plane, offset)
    assert len(np.unique(out)) <= 2
    assert out.mean() == pytest.approx(plane.mean(), abs=0.01)


def test_binarising_splits_at_otsus_threshold() -> None:
    plane = np.where(np.arange(64) < 20, 60, 200) + noise_image(0, 16, 64) / 16
    out = camera.binarise(plane.astype(np.float32), 0)
    assert ((out > 130) == (plane > 130)).all()
    rounded = camera.to_8_bit(plane.astype(np.float32))
    threshold, _ = cv2.threshold(rounded, 0, 255, cv2.THRESH_OTSU)
    assert 75 <= threshold < 200


def test_binarising_off_the_threshold_thickens_or_thins_strokes_of_any_contrast() -> None:
    stroke = camera.blur(np.where(np.arange(160) % 40 < 14, 0, 1) * np.ones((16, 1)), 5, 5)
    for contrast in (20, 200):
        plane = (30 + contrast * stroke).astype(np.float32)
        dark = [(camera.binarise(plane, o) < plane.mean()).mean() for o in (-0.25, 0, 0.25)]
        assert 0 < dark[0] < dark[1] < dark[2] < 0.5


def test_dithering_leaves_two_levels_whose_dots_keep_the_mean() -> None:
    plane = np.broadcast_to(np.linspace(40, 220, 256, dtype=np.float32), (64, 256)).copy()
    out = camera.dither(plane, 1.0)
    assert len(np.unique(out)) == 2
    left, right = out[:, 20:100].mean(), plane[:, 20:100].mean()
    assert left == pytest.approx(right, abs=4)
    harder = camera.dither(plane, 4.0)
    # Contrast first: fewer dots between the two ends.
    changes = [np.count_nonzero(np.diff(image, axis=1)) for image in (out, harder)]
    assert changes[1] < 0.5 * changes[0]


@pytest.mark.parametrize("dark", [True, False])
def test_dithering_takes_no_halo_for_the_ground(dark: bool) -> None:
    line = np.full((16, 96), 120, np.float32)
    line[4:12, 8:88:5] = 20 if dark else 220
    sharp = camera.sharpen(camera.blur(line, 0.7, 0.7), 1.5)
    out = camera.dither(sharp, 3.0)
    assert np.median(out) == pytest.approx(120, abs=25)


def test_blank_planes_stay_blank() -> None:
    blank = np.full((16, 32), 90, np.float32)
    assert np.array_equal(camera.dither(blank, 2), blank)
    assert np.array_equal(camera.binarise(blank, 0.2), blank)


def test_dithering_is_floyd_and_steinbergs() -> None:
    # Pillow's is the reference; what is ours is the stretch to its range and back.
    plane = noise_image(5, 16, 32)
    out = camera.dither(plane, 1.0)
    low, high = out.min(), out.max()
    grey = np.clip(np.rint((plane - low) / (high - low) * 255), 0, 255).astype(np.uint8)
    dots = np.asarray(PILImage.fromarray(grey).convert("1"))
    assert ((out == high) == dots).mean() > 0.98


@pytest.mark.parametrize("compress", [camera.compress_jpeg, camera.compress_webp])
def test_compression_loses_more_at_lower_quality(compress: object) -> None:
    plane = ndimage.gaussian_filter(noise_image(1), 1)
    losses = [np.abs(compress(plane, q) - plane).mean() for q in (100, 80, 30)]  # type: ignore[operator]
    assert losses[0] < 1.2
    assert losses == sorted(losses)
