import numpy as np
import pytest
import torch
from grey import upscale_grey
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_in_networks import CoarseNet
from torch import Tensor, nn

from textsr.errors import TextsrError
from textsr.inference.tiling import upscale_tiles
from textsr.inference.torch_backend import TorchBackend

REACH = 8


def random_grey(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * 1000 + width).random((height, width)).astype(np.float32)


def untiled(model: nn.Module, grey: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        output: np.ndarray = model(torch.from_numpy(grey)[None, None])[0, 0].numpy()
    return output


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    tile=st.integers(1, 6).map(lambda blocks: 4 * blocks),
    halo=st.sampled_from([REACH, REACH + 4]),
    scale=st.sampled_from([2, 4]),
)
def test_tiles_give_what_the_whole_image_gives(
    height: int, width: int, tile: int, halo: int, scale: int
) -> None:
    model, grey = CoarseNet(scale), random_grey(height, width)
    result = upscale_grey(TorchBackend(model), grey, tile=tile, halo=halo)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, untiled(model, grey), atol=1e-5)


def test_a_halo_below_the_receptive_field_shows() -> None:
    model, grey = CoarseNet(2), random_grey(64, 64)
    result = upscale_grey(TorchBackend(model), grey, tile=8, halo=REACH - 4)
    assert np.abs(result - untiled(model, grey)).max() > 1e-3


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 90), st.integers(1, 90))
def test_parts_cover_every_pixel_once(height: int, width: int) -> None:
    model, grey = CoarseNet(2), random_grey(height, width)
    covered = np.zeros((height, width), int)
    for part in upscale_tiles(TorchBackend(model), grey, tile=12, halo=8):
        covered[part.rows, part.columns] += 1
        assert part.values.shape == (
            2 * (part.rows.stop - part.rows.start),
            2 * (part.columns.stop - part.columns.start),
        )
    assert (covered == 1).all()


class Recorder(CoarseNet):
    """Remembers what it was given, and how."""

    def __init__(self) -> None:
        super().__init__(scale=2)
        self.sizes: list[tuple[int, int]] = []

    def forward(self, images: Tensor) -> Tensor:
        assert torch.is_inference_mode_enabled()
        assert not self.training
        self.sizes.append((images.shape[2], images.shape[3]))
        return super().forward(images)


@pytest.mark.parametrize("size", [(200, 200), (3, 5000), (5000, 3), (97, 131)])
def test_the_network_never_sees_more_than_a_tile_and_its_halo(size: tuple[int, int]) -> None:
    model = Recorder().train()
    steps: list[tuple[int, int]] = []
    upscale_grey(
        TorchBackend(model),
        random_grey(*size),
        tile=16,
        halo=8,
        progress=lambda done, total: steps.append((done, total)),
    )
    assert max(height * width for height, width in model.sizes) <= 32 * 32
    assert steps == [(done, len(model.sizes)) for done in range(1, len(model.sizes) + 1)]


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 3000),
    width=st.integers(1, 3000),
    tile=st.sampled_from([128, 256, 800]),
    halo=st.sampled_from([0, 16, 96]),
)
def test_no_grid_costs_more_than_squares_do(height: int, width: int, tile: int, halo: int) -> None:
    most = (tile + 2 * halo) ** 2
    windows = windows_of(height, width, tile, halo)
    assert all(tall * wide <= most for tall, wide in windows)
    if height * width > most:
        rows, columns = -(-height // tile), -(-width // tile)
        squares = (height + 2 * halo * (rows - 1)) * (width + 2 * halo * (columns - 1))
        assert sum(tall * wide for tall, wide in windows) <= squares


def test_a_page_is_cut_into_strips() -> None:
    windows = windows_of(1754, 1240, 800, 96)
    assert {wide for _, wide in windows} == {1240}
    assert sum(tall * wide for tall, wide in windows) < 1.25 * 1754 * 1240


def windows_of(height: int, width: int, tile: int, halo: int) -> list[tuple[int, int]]:
    """The sizes of what a network would see of an image."""

    class Sizes(nn.Module):
        scale = 1
        halo = 0
        alignment = 16

        def __init__(self) -> None:
            super().__init__()
            self.seen: list[tuple[int, int]] = []

        def forward(self, images: Tensor) -> Tensor:
            self.seen.append((images.shape[2], images.shape[3]))
            return images

    model = Sizes()
    for _ in upscale_tiles(
        TorchBackend(model), np.zeros((height, width), np.float32), tile=tile, halo=halo
    ):
        pass
    return model.seen


def test_bf16_is_used_only_when_asked() -> None:
    model, grey = CoarseNet(2), random_grey(16, 16)
    exact = untiled(model, grey)
    assert np.abs(upscale_grey(TorchBackend(model), grey) - exact).max() < 1e-5
    rounded = np.abs(upscale_grey(TorchBackend(model, bf16=True), grey) - exact).max()
    assert 1e-5 < rounded < 0.05  # bf16 has three decimal digits


@pytest.mark.parametrize("size", [(1, 1), (32, 32), (4, 256)])
def test_small_images_go_through_at_once(size: tuple[int, int]) -> None:
    model = Recorder()
    upscale_grey(TorchBackend(model), random_grey(*size), tile=16, halo=8)
    assert model.sizes == [size]


@pytest.mark.parametrize(("tile", "halo"), [(0, 8), (-4, 8), (10, 8), (16, 6), (16, -4)])
def test_impossible_tiles_are_refused(tile: int, halo: int) -> None:
    with pytest.raises(TextsrError, match="must be a multiple of 4"):
        upscale_grey(TorchBackend(CoarseNet(2)), random_grey(4, 4), tile=tile, halo=halo)


def test_lack_of_memory_asks_for_smaller_tiles() -> None:
    class Greedy(CoarseNet):
        def forward(self, _images: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(TextsrError, match="out of memory on 5x4 pixels at once; use a smaller"):
        upscale_grey(TorchBackend(Greedy(2)), random_grey(4, 5))
