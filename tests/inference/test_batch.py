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
from textsr.inference.batch import upscale_paths
from textsr.inference.images import to_float
from textsr.inference.reading import read_image

MakeImage = Callable[..., Path]
RNG = np.random.default_rng(11)


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
