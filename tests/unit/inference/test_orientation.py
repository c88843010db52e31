"""Text that runs down: it is told from text that runs across, and turned for the network."""

from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont
from stand_in_networks import CoarseNet

from textsr.api import Model, ModelInfo
from textsr.images.image import LoadedImage
from textsr.images.reading import read_image
from textsr.images.writing import write_image
from textsr.inference.batch import upscale_paths
from textsr.inference.orientation import runs_down, turned
from textsr.inference.torch_backend import TorchBackend

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
TEXT = "The quick brown fox jumps over the lazy dog 1234 and 56 more of them"
INFO = ModelInfo("model", None, 2, None, None, "torch", None, None)


def page(font_px: int, lines: int, columns: int = 1, ink: int = 30) -> npt.NDArray[np.uint8]:
    """A page of text, each of its lines with other words."""
    font = ImageFont.truetype(str(FONT), font_px)
    pitch, width = int(1.3 * font_px), int(font.getlength(TEXT)) + 16
    drawn = Image.new("L", (width * columns, lines * pitch + 8), 225)
    words = TEXT.split()
    for line in range(lines):
        for column in range(columns):
            first = (3 * line + 5 * column) % len(words)
            text = " ".join(words[first:] + words[:first])
            ImageDraw.Draw(drawn).text((8 + column * width, 4 + line * pitch), text, ink, font)
    return np.asarray(drawn)


def as_float(pixels: npt.NDArray[np.uint8], quarters: int = 0) -> npt.NDArray[np.float32]:
    return np.rot90(pixels, quarters).astype(np.float32) / 255


@settings(deadline=None, max_examples=30)
@given(
    font_px=st.integers(9, 28),
    lines=st.integers(1, 12),
    columns=st.integers(1, 3),
    noise=st.sampled_from([0.0, 3.0]),
    quarters=st.integers(0, 3),
)
def test_text_runs_down_where_the_page_is_turned_by_a_quarter(
    font_px: int, lines: int, columns: int, noise: float, quarters: int
) -> None:
    drawn = as_float(page(font_px, lines, columns), quarters)
    drawn += np.random.default_rng(0).normal(0, noise / 255, drawn.shape).astype(np.float32)
    assert runs_down(drawn) == bool(quarters % 2)


@pytest.mark.parametrize("text", ["I", "l1", "Hi", "i:", "Total", "1. 2", "%", "||||||||", "....."])
@pytest.mark.parametrize("font_px", [10, 24])
def test_a_word_is_left_as_it_is_however_short(text: str, font_px: int) -> None:
    font = ImageFont.truetype(str(FONT), font_px)
    left, top, right, bottom = (round(side) for side in font.getbbox(text))
    for margin in (0, 4):
        size = (right - left + 2 * margin + 1, bottom - top + 2 * margin + 1)
        word = Image.new("L", size, 225)
        ImageDraw.Draw(word).text((margin - left, margin - top), text, 30, font)
        assert not runs_down(as_float(np.asarray(word)))


@pytest.mark.parametrize("font_px", [8, 10, 12, 16, 20])
@pytest.mark.parametrize(
    "letters", ["0123456789", "ABCD", "TOTALAMOUNT", "\u25a1\u25a1\u25a1\u25a1"]
)
@pytest.mark.parametrize("columns", [1, 6])
def test_a_list_of_single_letters_is_left_as_it_is(
    font_px: int, letters: str, columns: int
) -> None:
    font = ImageFont.truetype(str(FONT), font_px)
    drawn = Image.new("L", (40 + 60 * (columns - 1), 16 * int(1.5 * font_px)), 255)
    for row in range(14):
        for column in range(columns):
            letter = letters[(row + 3 * column) % len(letters)]
            place = (12 + 60 * column, 5 + row * 1.5 * font_px)
            ImageDraw.Draw(drawn).text(place, letter, 0, font)
    assert not runs_down(as_float(np.asarray(drawn)))


def test_what_has_no_text_is_left_as_it_is() -> None:
    rng = np.random.default_rng(5)
    for size in ((1, 1), (1, 300), (300, 1), (200, 90)):
        assert not runs_down(np.full(size, 0.5, np.float32))
        assert not runs_down(rng.random(size, np.float32))
    rules = np.full((200, 200), 1, np.float32)
    rules[20::20] = 0
    assert not runs_down(rules)


def test_an_image_turns_with_its_alpha_and_its_resolution() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    image = LoadedImage(pixels, alpha=pixels[..., 0], icc_profile=b"profile", dpi=(204.0, 98.0))
    quarter = turned(image, 1)
    assert (quarter.height, quarter.width) == (4, 2)
    assert quarter.dpi == (98.0, 204.0)
    assert quarter.icc_profile == b"profile"
    assert np.array_equal(quarter.pixels[0, 0], pixels[0, 3])  # counterclockwise
    back = turned(quarter, -1)
    assert back.dpi == image.dpi
    assert np.array_equal(back.pixels, pixels)
    assert back.alpha is not None
    assert np.array_equal(back.alpha, pixels[..., 0])


def clockwise(image: LoadedImage) -> LoadedImage:
    return turned(image, -1)


UPRIGHT = {
    "line": LoadedImage(page(14, 1), dpi=(75.0, 75.0)),  # small: with others in a batch
    "page": LoadedImage(np.dstack([page(14, 12, 2)] * 3) // np.uint8(2), dpi=(150.0, 150.0)),
}


@pytest.mark.parametrize("name", UPRIGHT)
def test_the_network_sees_text_upright(name: str) -> None:
    model = Model(TorchBackend(CoarseNet(2)), INFO)
    upright = UPRIGHT[name]
    expected, plain = model.upscale(upright), model.upscale(clockwise(upright))
    assert plain.dpi == expected.dpi
    assert np.array_equal(plain.pixels, clockwise(expected).pixels)
    many = list(model.upscale_many([upright, clockwise(upright), upright]))
    assert np.array_equal(many[1].pixels, clockwise(many[0]).pixels)
    assert np.array_equal(many[2].pixels, many[0].pixels)


def test_files_are_turned_and_named(tmp_path: Path) -> None:
    for name, upright in UPRIGHT.items():
        write_image(tmp_path / "in" / f"{name}.png", upright)
        write_image(tmp_path / "in" / f"{name}-down.png", clockwise(upright))
    wanted = r"^text that runs down in 2 of 4 images: \S*line-down\.png, \S*page-down\.png; turned"
    with pytest.warns(UserWarning, match=wanted) as said:
        upscale_paths(TorchBackend(CoarseNet(2)), [tmp_path / "in"], tmp_path / "out")
    assert len(said) == 1
    for name in UPRIGHT:
        across, down = (read_image(tmp_path / "out" / f"{name}{end}.png") for end in ("", "-down"))
        assert np.array_equal(down.pixels, clockwise(across).pixels)
        assert down.dpi == pytest.approx(across.dpi)
