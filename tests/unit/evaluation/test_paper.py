"""What methods add to paper, and checkerboards, on methods whose faults are known."""

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from textsr.evaluation.as_upscaled import as_upscaled
from textsr.evaluation.checkerboard import checkerboard_levels
from textsr.evaluation.paper import measure_blends, measure_paper
from textsr.evaluation.score import bicubic_upscale
from textsr.images.grey import Image
from textsr.models.bicubic import bicubic
from textsr.models.package import BlendedModel, ModelSpec, build_network

SCALE = 4
KINDS = {"flat", "noisy", "jpeg", "photo"}


def added(image: Image, pattern: npt.NDArray[np.floating]) -> Image:
    """A pattern over the whole of an image, repeated as often as it takes."""
    rows, columns = (
        -(-side // part) for side, part in zip(image.shape, pattern.shape, strict=True)
    )
    tiled = np.tile(pattern, (rows, columns))[: image.shape[0], : image.shape[1]]
    return np.clip(np.rint(image + tiled), 0, 255).astype(np.uint8)


def lines(count: int = 12, height: int = 16) -> list[Image]:
    """Lines of bars at random places: edges at every phase of the grid."""
    rng = np.random.default_rng(3)
    drawn = []
    for _ in range(count):
        line = np.full((height * SCALE, 480), 230, np.uint8)
        for x in rng.integers(0, 460, 30):
            y = int(rng.integers(0, height * 2))
            cv2.rectangle(line, (int(x), y), (int(x) + 7, y + height), int(rng.integers(90)), -1)
        drawn.append(cv2.resize(line, None, fx=1 / SCALE, fy=1 / SCALE, interpolation=3))
    return drawn


def test_people_get_paper_as_textsr_upscale_leaves_it_and_text_as_the_network_draws_it() -> None:
    torch.manual_seed(0)
    spec = ModelSpec(name="x", architecture="srcnn_transposed", scale=SCALE, blend=0.3)
    model = BlendedModel(spec, build_network(spec)).eval()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    upscale = as_upscaled(model)
    flat = torch.full((1, 1, 64, 64), 0.7)
    text = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (1, 1, 16, 64))).float()
    with torch.inference_mode():
        for images, expected in ((flat, bicubic(flat, SCALE)), (text, model.network(text))):
            seen = upscale(images)
            assert seen.shape == expected.shape
            assert (seen - expected.clamp(0, 1)).abs().max() < 1 / 255
        assert (model.network(flat) - bicubic(flat, SCALE)).abs().max() > 10 / 255
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert model.spec == spec


def test_bicubic_adds_nothing_to_itself() -> None:
    paper = measure_paper(bicubic_upscale(SCALE), SCALE, lines())
    assert paper["added_levels"] == paper["above_band_levels"] == 0
    assert paper["paper_checkerboard_levels"] == paper["lines_checkerboard_levels"] == 0
    assert paper["kinds"].keys() == KINDS


def test_dots_of_a_networks_grid_are_found_in_full_where_paper_is_smooth() -> None:
    x = np.arange(2 * SCALE) * np.pi / SCALE
    dots = 4 * np.outer(np.cos(x), np.cos(x))  # 2 levels RMS, every second LR pixel
    bicubic = bicubic_upscale(SCALE)
    paper = measure_paper(lambda image: added(bicubic(image), dots), SCALE)
    flat = paper["kinds"]["flat"]
    assert flat["added_levels"] == pytest.approx(2, rel=0.1)
    assert flat["above_band_levels"] < 0.3  # an LR image can have such dots
    assert paper["added_levels"] == flat["added_levels"]  # energies add: least is added to noise
    assert paper["kinds"]["noisy"]["added_levels"] < 1
    assert paper["paper_checkerboard_levels"] == pytest.approx(2, rel=0.1)
    assert paper["lines_checkerboard_levels"] is None


def test_what_an_lr_image_cannot_have_is_told_apart() -> None:
    stripes = np.array([[2.0, -2.0]])
    bicubic = bicubic_upscale(SCALE)
    paper = measure_paper(lambda image: added(bicubic(image), stripes), SCALE)
    assert paper["kinds"]["flat"]["above_band_levels"] == pytest.approx(2, rel=0.1)


def test_paper_made_smoother_is_less_than_bicubics() -> None:
    def smooth(image: Image) -> Image:
        soft = cv2.GaussianBlur(image, (0, 0), 2)
        return np.asarray(bicubic_upscale(SCALE)(soft), np.uint8)

    kinds = measure_paper(smooth, SCALE)["kinds"]
    assert all(kinds[kind]["added_levels"] < -1 for kind in ("noisy", "jpeg", "photo"))


@pytest.mark.parametrize("scale", [2, 4])
def test_patches_are_the_same_each_time_and_of_any_scale(scale: int) -> None:
    seen: list[list[Image]] = [[], []]

    def collect(place: int) -> None:
        def upscale(image: Image) -> Image:
            seen[place].append(image)
            return bicubic_upscale(scale)(image)

        measure_paper(upscale, scale)

    collect(0)
    collect(1)
    assert len(seen[0]) == 5 * len(KINDS)
    assert all(np.array_equal(a, b) for a, b in zip(*seen, strict=True))
    means = [image.mean() for image in seen[0]]
    assert min(means) < 40
    assert max(means) > 240


def test_a_blend_adds_in_proportion() -> None:
    class Stippled(torch.nn.Module):
        """Bicubic's, with every other pixel of every other row lighter by 10 levels."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            size = [SCALE * side for side in images.shape[2:]]
            made = torch.nn.functional.interpolate(images, size, mode="bicubic")
            made[..., ::2, ::2] += 10 / 255
            return made

    half, whole = measure_blends(Stippled(), SCALE, lines(), [0.5, 1.0])
    assert (half["weight"], whole["weight"]) == (0.5, 1.0)
    assert whole["added_levels"] == pytest.approx(5, rel=0.1)  # root of a quarter of 10 squared
    assert half["added_levels"] == pytest.approx(whole["added_levels"] / 2, rel=0.1)
    # Less its mean, 2.5.
    assert whole["paper_checkerboard_levels"] == pytest.approx((25 - 2.5**2) ** 0.5, rel=0.1)
    assert whole["lines_checkerboard_levels"] == pytest.approx((25 - 2.5**2) ** 0.5, rel=0.1)


def test_edges_at_any_phase_are_no_checkerboard_and_a_pattern_under_them_is() -> None:
    upscaled = [bicubic_upscale(SCALE)(line) for line in lines(30)]
    assert checkerboard_levels(upscaled, SCALE) < 0.3
    board = np.array([[2.0, -2.0], [-2.0, 2.0]])
    found = checkerboard_levels([added(image, board) for image in upscaled], SCALE)
    assert found == pytest.approx(2, rel=0.1)


def test_noise_is_no_checkerboard() -> None:
    noise = np.random.default_rng(1).normal(128, 20, (8, 256, 256))
    images = list(np.clip(noise, 0, 255).astype(np.uint8))
    assert checkerboard_levels(images, SCALE) < 0.5


def test_a_baseline_and_a_stem_through_the_whole_image_are_no_checkerboard() -> None:
    image = np.full((128, 256), 255, np.uint8)
    image[45:48] = 0
    image[:, 101:103] = 0
    assert checkerboard_levels([image], SCALE) < 0.5


def test_images_without_room_tell_nothing() -> None:
    assert np.isnan(checkerboard_levels([], SCALE))
    assert np.isnan(checkerboard_levels([np.zeros((31, 400), np.uint8)], SCALE))
