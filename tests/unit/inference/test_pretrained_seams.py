"""What the pretrained weights do to whole images."""

import cv2
import numpy as np
import pytest
from grey import upscale_grey

from textsr.inference.torch_backend import TorchBackend
from textsr.models.package import BlendedModel
from textsr.pretrained import load_pretrained

LEVEL = 1 / 255


@pytest.fixture(scope="module")
def pretrained() -> BlendedModel:
    return load_pretrained()


def text_image(height: int, width: int) -> np.ndarray:
    """Lines of text, some 16 px high, worn and noisy."""
    rng = np.random.default_rng(height)
    page = np.full((height, width), 230, np.uint8)
    for row in range(14, height + 14, 18):
        words = "".join(rng.choice(list("abcdefgKLMR 0123.,"), width // 6))
        cv2.putText(page, words, (-3, row), cv2.FONT_HERSHEY_SIMPLEX, 0.42, 40, 1, cv2.LINE_AA)
    noisy = page + rng.normal(0, 6, page.shape)
    return np.clip(noisy / 255, 0, 1).astype(np.float32)


# Where the CPU has no instructions for bf16, it takes ten times as long.
@pytest.mark.parametrize("bf16", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "size", [pytest.param((301, 263), marks=pytest.mark.slow), (97, 801), (803, 101)]
)
def test_its_tiles_leave_no_seams(
    pretrained: BlendedModel, size: tuple[int, int], bf16: bool
) -> None:
    grey = text_image(*size)
    whole = upscale_grey(TorchBackend(pretrained, bf16=bf16), grey, halo=pretrained.halo)
    tiled = upscale_grey(TorchBackend(pretrained, bf16=bf16), grey, tile=48, halo=pretrained.halo)
    assert np.abs(whole - tiled).max() < LEVEL


def test_its_seams_would_show_without_a_halo(pretrained: BlendedModel) -> None:
    grey = text_image(160, 144)
    whole = upscale_grey(TorchBackend(pretrained), grey)
    tiled = upscale_grey(TorchBackend(pretrained), grey, tile=80, halo=0)
    assert np.abs(whole - tiled).max() > LEVEL


def test_bf16_moves_no_pixel_by_a_level(pretrained: BlendedModel) -> None:
    grey = text_image(64, 320)
    exact = upscale_grey(TorchBackend(pretrained), grey)
    rounded = upscale_grey(TorchBackend(pretrained, bf16=True), grey)
    assert np.abs(exact - rounded).max() < LEVEL
    assert np.abs(exact - rounded).mean() < LEVEL / 10
    assert np.abs(exact - rounded).max() > 0
