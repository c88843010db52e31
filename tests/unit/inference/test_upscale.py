import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from stand_in_networks import Bicubic, CoarseNet
from torch import Tensor

from textsr.images.image import LoadedImage, to_float
from textsr.inference.torch_backend import TorchBackend
from textsr.inference.upscale import _seen, upscale_image, upscale_images

RNG = np.random.default_rng(11)


class Darker(Bicubic):
    """Takes away a fifth of the luminance."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) - 0.2


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize(("kind", "tolerance"), [(np.uint8, 1), (np.uint16, 60)])
def test_flat_colour_stays(scale: int, kind: type[np.unsignedinteger], tolerance: int) -> None:
    colour = np.array([40, 90, 200]) * (np.iinfo(kind).max // 255)
    pixels = np.tile(colour, (7, 5, 1)).astype(kind)
    result = upscale_image(TorchBackend(Bicubic(scale)), LoadedImage(pixels))
    assert result.pixels.shape == (7 * scale, 5 * scale, 3)
    assert result.pixels.dtype == kind
    assert np.abs(result.pixels.astype(int) - colour).max() <= tolerance


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (37, 45)])
def test_with_bicubic_for_a_network_a_tinted_image_is_bicubic(
    scale: int, size: tuple[int, int]
) -> None:
    """Where chroma goes with luminance, converting must leave no trace, nor may tiles."""
    grey = RNG.integers(90, 166, (*size, 1))
    pixels = np.rint(grey * [0.7, 1.0, 1.2]).astype(np.uint8)
    image = LoadedImage(pixels)
    result = upscale_image(TorchBackend(Bicubic(scale)), image, tile=8, halo=4)
    expected = cv2.resize(to_float(pixels), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    assert np.abs(result.pixels - expected * 255).max() <= 3


def test_the_colour_of_letters_ends_where_they_end() -> None:
    """Red strokes on a pale ground: chroma must be as sharp as a network makes luminance."""
    hr = np.full((64, 256, 3), (200, 225, 225), np.uint8)
    cv2.putText(hr, "Sample", (8, 46), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (40, 20, 190), 4, cv2.LINE_AA)
    lr = np.asarray(cv2.resize(hr, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA))
    sharp = np.asarray(cv2.cvtColor(to_float(hr), cv2.COLOR_BGR2YCrCb))[..., 0]

    class Ideal(Bicubic):
        def forward(self, images: Tensor) -> Tensor:
            assert images.shape[2:] == (16, 64)
            return torch.from_numpy(sharp)[None, None]

    result = upscale_image(TorchBackend(Ideal(4)), LoadedImage(lr)).pixels
    interpolated = cv2.cvtColor(to_float(lr), cv2.COLOR_BGR2YCrCb)
    interpolated = cv2.resize(interpolated, (256, 64), interpolation=cv2.INTER_CUBIC)
    interpolated[..., 0] = sharp
    peer = np.clip(cv2.cvtColor(interpolated, cv2.COLOR_YCrCb2BGR), 0, 1) * 255

    def distance(picture: np.ndarray) -> float:
        return float(np.abs(picture.astype(float) - hr).mean())

    assert distance(result) < 0.7 * distance(peer)


def test_the_network_sees_luminance_and_only_that_changes() -> None:
    strokes = RNG.integers(-40, 40, (24, 24, 1))  # of a grey that is the same in all channels
    image = LoadedImage((np.array([120, 130, 200]) + strokes).astype(np.uint8))
    plain, darker = (upscale_image(TorchBackend(net(2)), image).pixels for net in (Bicubic, Darker))
    moved = plain.astype(int) - darker  # all channels move with the luminance
    assert np.abs(moved - 0.2 * 255)[plain < 250].max() <= 1


def test_grey_stays_grey_and_is_clipped() -> None:
    pixels = np.array([[0, 100]] * 2, np.uint8).repeat(8, axis=1)
    result = upscale_image(TorchBackend(Darker(2)), LoadedImage(pixels))
    assert result.pixels.shape == (4, 32)
    assert result.pixels[0, 0] == 0
    assert result.pixels[0, -1] == 49


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_alpha_is_upscaled_as_luminance_is(kind: type[np.unsignedinteger]) -> None:
    alpha = RNG.integers(0, int(np.iinfo(kind).max) + 1, (9, 6)).astype(kind)
    image = LoadedImage(np.zeros((9, 6), kind), alpha, b"profile")
    shown: list[tuple[int, int]] = []
    result = upscale_image(
        TorchBackend(CoarseNet(4)), image, progress=lambda done, total: shown.append((done, total))
    )
    assert result.alpha is not None
    free = upscale_image(TorchBackend(CoarseNet(4)), LoadedImage(alpha)).pixels
    padded = np.pad(alpha, 1, mode="edge")
    near = np.stack([padded[i : i + 9, j : j + 6] for i in range(3) for j in range(3)])
    low, high = (np.kron(side, np.ones((4, 4), kind)) for side in (near.min(0), near.max(0)))
    assert np.array_equal(result.alpha, free.clip(low, high))
    assert result.icc_profile == b"profile"
    assert shown == [(1, 2), (2, 2)]


def test_alpha_without_edges_stays_as_it_is() -> None:
    image = LoadedImage(np.zeros((9, 6), np.uint8), np.full((9, 6), 77, np.uint8))
    shown: list[tuple[int, int]] = []
    result = upscale_image(
        TorchBackend(CoarseNet(4)), image, progress=lambda done, total: shown.append((done, total))
    )
    assert result.alpha is not None
    assert (result.alpha == 77).all()
    assert result.alpha.shape == (36, 24)
    assert shown == [(1, 1)]


@pytest.mark.parametrize("shape", [(12, 16), (12, 16, 3)])
def test_invisible_colours_do_not_shine_through(shape: tuple[int, ...]) -> None:
    """A grey disc's surroundings are as black or white as the program that wrote it liked."""
    rows, columns = np.mgrid[:12, :16]
    alpha = np.where(np.hypot(rows - 6, columns - 8) < 4, 255, 0).astype(np.uint8)
    results = []
    for hidden in (0, 255):
        pixels = np.full(shape, hidden, np.uint8)
        pixels[alpha > 0] = 128
        results.append(upscale_image(TorchBackend(Bicubic(4)), LoadedImage(pixels, alpha)))
    assert np.array_equal(results[0].pixels, results[1].pixels)
    assert np.abs(results[0].pixels.astype(int) - 128).max() <= 1


@given(
    npst.arrays(np.uint8, (7, 9), elements=st.sampled_from([0, 1, 255])),
    npst.arrays(np.uint8, (7, 9)),
)
def test_what_is_seen_is_kept_and_what_is_not_is_some_nearest(
    alpha: np.ndarray, pixels: np.ndarray
) -> None:
    filled = _seen(pixels, alpha)
    visible = np.argwhere(alpha > 0)
    assert np.array_equal(filled[alpha > 0], pixels[alpha > 0])
    if not len(visible):
        assert np.array_equal(filled, pixels)
    for place in np.argwhere(alpha == 0) if len(visible) else ():
        distances = np.hypot(*(visible - place).T)
        # OpenCV's distances are those of a chamfer, some per cent off.
        near = visible[distances <= distances.min() * 1.1 + 0.1]
        assert filled[tuple(place)] in {pixels[tuple(other)] for other in near}


def any_image(seed: int, height: int, width: int) -> LoadedImage:
    """Grey or colour, of 8 or 16 bits, with alpha or without."""
    rng = np.random.default_rng(seed)
    kind = (np.uint8, np.uint16)[seed % 2]
    most = int(np.iinfo(kind).max) + 1
    shape = (height, width, 3) if seed % 3 else (height, width)
    alpha = rng.integers(0, most, (height, width)).astype(kind) if seed % 5 < 2 else None
    return LoadedImage(rng.integers(0, most, shape).astype(kind), alpha)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.tuples(st.integers(0, 99), st.integers(1, 13), st.integers(1, 21)),
        min_size=1,
        max_size=7,
    )
)
def test_images_together_are_as_alone_and_but_for_borders_as_large_ones(
    drawn: list[tuple[int, int, int]],
) -> None:
    model = CoarseNet(2)
    images = [any_image(*one) for one in drawn]
    together = upscale_images(TorchBackend(model), images)
    for image, result in zip(images, together, strict=True):
        alone = upscale_images(TorchBackend(model), [image])[0]
        large = upscale_image(TorchBackend(model), image)
        step = np.iinfo(image.pixels.dtype).max // 255
        inner = (slice(0, 2 * max(image.height - 8, 0)), slice(0, 2 * max(image.width - 8, 0)))
        assert result.pixels.shape == large.pixels.shape
        assert np.abs(result.pixels.astype(int) - alone.pixels).max() <= step
        difference = result.pixels[inner].astype(int) - large.pixels[inner]
        assert np.abs(difference).max(initial=0) <= step
        assert (result.alpha is None) == (image.alpha is None)
        if result.alpha is not None and alone.alpha is not None:
            assert np.abs(result.alpha.astype(int) - alone.alpha).max() <= step


def test_tiles_leave_no_seams() -> None:
    image = LoadedImage(RNG.integers(0, 256, (90, 61, 3)).astype(np.uint8))
    whole = upscale_image(TorchBackend(CoarseNet(4)), image)
    tiled = upscale_image(TorchBackend(CoarseNet(4)), image, tile=12, halo=8)
    assert np.abs(whole.pixels.astype(int) - tiled.pixels).max() <= 1
