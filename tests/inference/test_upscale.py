from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from stand_in_networks import Bicubic, CoarseNet
from torch import Tensor

from textsr.errors import TextsrError
from textsr.inference.images import LoadedImage, to_float
from textsr.inference.reading import read_image
from textsr.inference.upscale import upscale_image, upscale_paths

MakeImage = Callable[..., Path]
RNG = np.random.default_rng(11)


class Darker(Bicubic):
    """Takes away a fifth of the luminance."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images) - 0.2


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize(("kind", "tolerance"), [(np.uint8, 1), (np.uint16, 60)])
def test_flat_colour_stays(
    cpu: torch.device, scale: int, kind: type[np.unsignedinteger], tolerance: int
) -> None:
    colour = np.array([40, 90, 200]) * (np.iinfo(kind).max // 255)
    pixels = np.tile(colour, (7, 5, 1)).astype(kind)
    result = upscale_image(Bicubic(scale), LoadedImage(pixels), device=cpu)
    assert result.pixels.shape == (7 * scale, 5 * scale, 3)
    assert result.pixels.dtype == kind
    assert np.abs(result.pixels.astype(int) - colour).max() <= tolerance


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (37, 45)])
def test_with_bicubic_for_a_network_all_channels_are_bicubic(
    cpu: torch.device, scale: int, size: tuple[int, int]
) -> None:
    """Converting to luminance and chroma is linear, so it must leave no trace, nor may tiles."""
    pixels = RNG.integers(90, 166, (*size, 3)).astype(np.uint8)
    image = LoadedImage(pixels)
    result = upscale_image(Bicubic(scale), image, device=cpu, tile=8, halo=4)
    expected = cv2.resize(to_float(pixels), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    assert np.abs(result.pixels - expected * 255).max() <= 1


def test_the_network_sees_luminance_and_only_that_changes(cpu: torch.device) -> None:
    pixels = np.tile(np.array([120, 130, 200], np.uint8), (8, 8, 1))
    result = upscale_image(Darker(2), LoadedImage(pixels), device=cpu)
    expected = np.array([120, 130, 200]) - 0.2 * 255  # all channels move with the luminance
    assert np.abs(result.pixels - expected).max() <= 1


def test_grey_stays_grey_and_is_clipped(cpu: torch.device) -> None:
    pixels = np.array([[0, 100]] * 2, np.uint8).repeat(8, axis=1)
    result = upscale_image(Darker(2), LoadedImage(pixels), device=cpu)
    assert result.pixels.shape == (4, 32)
    assert result.pixels[0, 0] == 0
    assert result.pixels[0, -1] == 49


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_alpha_is_enlarged_bicubically(cpu: torch.device, kind: type[np.unsignedinteger]) -> None:
    alpha = RNG.integers(0, int(np.iinfo(kind).max) + 1, (9, 6)).astype(kind)
    image = LoadedImage(np.zeros((9, 6), kind), alpha, b"profile")
    result = upscale_image(CoarseNet(4), image, device=cpu)
    expected = cv2.resize(alpha, (24, 36), interpolation=cv2.INTER_CUBIC)
    assert result.alpha is not None
    assert np.array_equal(result.alpha, expected)
    assert result.icc_profile == b"profile"


def test_tiles_leave_no_seams(cpu: torch.device) -> None:
    image = LoadedImage(RNG.integers(0, 256, (50, 61, 3)).astype(np.uint8))
    whole = upscale_image(CoarseNet(4), image, device=cpu)
    tiled = upscale_image(CoarseNet(4), image, device=cpu, tile=12, halo=8)
    assert np.abs(whole.pixels.astype(int) - tiled.pixels).max() <= 1


def test_files_and_folders(tmp_path: Path, make_image: MakeImage, cpu: torch.device) -> None:
    source, folder = make_image("single.png"), tmp_path / "in"
    make_image("in/a.jpg", 1, 1)
    make_image("in/sub/b.gif", 3, 4)
    output = tmp_path / "out"
    done = upscale_paths(CoarseNet(2), [source, folder], output, device=cpu, compare=True)
    assert done == [
        (source, output / "single.png"),
        (folder / "a.jpg", output / "a.jpg"),
        (folder / "sub" / "b.gif", output / "sub" / "b.png"),
    ]
    written = {path.relative_to(output).as_posix() for path in output.rglob("*.*")}
    assert written == {
        "single.png", "single-compare.png", "a.jpg", "a-compare.png", "sub/b.png",
        "sub/b-compare.png",
    }  # fmt: skip
    for path, result in done:
        before, after = read_image(path), read_image(result)
        assert (after.height, after.width) == (2 * before.height, 2 * before.width)


def test_16_bits_all_the_way(tmp_path: Path, cpu: torch.device) -> None:
    pixels = RNG.integers(20000, 45000, (12, 10, 3)).astype(np.uint16)
    assert cv2.imwrite(str(tmp_path / "deep.png"), pixels)
    upscale_paths(Bicubic(2), [tmp_path / "deep.png"], tmp_path / "up.tif", device=cpu)
    result = read_image(tmp_path / "up.tif")
    expected = cv2.resize(to_float(pixels), (20, 24), interpolation=cv2.INTER_CUBIC) * 65535
    assert result.bit_depth == 16
    assert np.abs(result.pixels - expected).max() < 60  # a quarter of an 8-bit level


def test_a_bad_file_does_not_stop_the_others(
    tmp_path: Path, make_image: MakeImage, cpu: torch.device
) -> None:
    for name in ("in/a.png", "in/b.png", "in/c.png", "in/d.png"):
        make_image(name, 40, 40)
    for name in ("a", "c"):
        path = tmp_path / "in" / f"{name}.png"
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TextsrError, match="2 of 4 images could not be upscaled") as caught:
        upscale_paths(CoarseNet(2), [tmp_path / "in"], tmp_path / "out", device=cpu)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "a.png: cannot be decoded" in lines[1]
    assert "c.png: cannot be decoded" in lines[2]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["b.png", "d.png"]


def test_of_a_single_bad_file_only_the_reason_is_told(
    tmp_path: Path, make_image: MakeImage, cpu: torch.device
) -> None:
    with pytest.raises(TextsrError, match=r"^\S*a\.png: has more than 5e-05 megapixels"):
        upscale_paths(
            CoarseNet(2), [make_image("a.png")], tmp_path / "b.png", device=cpu, max_pixels=50
        )


def test_impossible_plans_are_refused_before_any_work(
    tmp_path: Path, make_image: MakeImage, cpu: torch.device
) -> None:
    inputs = [make_image("a.png"), make_image("one/b.png"), make_image("two/b.png")]
    with pytest.raises(TextsrError, match="both would be written"):
        upscale_paths(CoarseNet(2), inputs, tmp_path / "out", device=cpu)
    assert not (tmp_path / "out").exists()


def test_too_large_a_result_is_reported(
    tmp_path: Path, make_image: MakeImage, cpu: torch.device
) -> None:
    class Hungry(CoarseNet):
        def forward(self, _images: Tensor) -> Tensor:
            raise MemoryError

    with pytest.raises(TextsrError, match=r"a\.png: not enough memory"):
        upscale_paths(Hungry(2), [make_image("a.png")], tmp_path / "b.png", device=cpu)


def test_progress_is_shown_on_standard_error_only_when_asked(
    tmp_path: Path,
    make_image: MakeImage,
    cpu: torch.device,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    inputs = [make_image("a.png"), make_image("b.png", 40, 40)]
    upscale_paths(CoarseNet(2), inputs, tmp_path / "quiet", device=cpu)
    assert capsys.readouterr() == ("", "")
    upscale_paths(
        CoarseNet(2), inputs, tmp_path / "shown", device=cpu, tile=8, halo=8, progress=True
    )
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "images" in shown.err


def test_colour_of_cmyk_and_palette_images_survives(tmp_path: Path, cpu: torch.device) -> None:
    (tmp_path / "in").mkdir()
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "in" / "ink.tif")
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.save(tmp_path / "in" / "palette.gif")
    upscale_paths(Bicubic(2), [tmp_path / "in"], tmp_path / "out", device=cpu)
    for name in ("ink.tif", "palette.png"):
        assert np.abs(read_image(tmp_path / "out" / name).pixels - [0.0, 0, 255]).max() <= 2
