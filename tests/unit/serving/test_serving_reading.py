"""Lines of a picture, and what an engine reads in them."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw
from serving_server import Server, encoded, picture

from textsr.images.image import LoadedImage, luminance
from textsr.inference.text_lines import find_lines
from textsr.serving import reading
from textsr.serving.reading import Reader


def page(lines: int, *, gap: int = 10, size_px: int = 14) -> Image.Image:
    made = Image.new("L", (260, lines * (size_px + gap) + gap), 240)
    for number in range(lines):
        place = 10, gap + number * (size_px + gap)
        ImageDraw.Draw(made).text(place, f"Line {number} of juicy text", 20, font_size=size_px)
    return made


class Counting:
    """An engine that tells the height of each line and how light it is."""

    name, title, version = "counting", "Counting", "1"

    def read(self, lines: Sequence[np.ndarray]) -> list[str]:
        return [f"{len(line)} {line.mean():.0f}" for line in lines]

    def confidence(self, lines: Sequence[np.ndarray]) -> list[float]:
        return [1.0 for _ in lines]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_first_engine", Counting)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_lines_are_found_with_dots_and_descenders(count: int) -> None:
    grey = luminance(LoadedImage(np.asarray(page(count))))
    lines = find_lines(grey)
    assert len(lines) == count
    for number, line in enumerate(lines):
        top = 10 + number * 24
        assert line.start <= top + 4
        assert line.stop >= top + 13
        assert line.stop <= top + 24


def test_a_blank_picture_has_no_line() -> None:
    assert find_lines(np.ones((40, 60), np.float32)) == []


def test_both_sides_are_read_at_the_same_place_and_size(engine: None) -> None:
    small = LoadedImage(np.asarray(page(3)))
    large = LoadedImage(np.asarray(page(3)).repeat(4, 0).repeat(4, 1) // 2)
    title, lines = Reader().read(small, large)
    assert title == "Counting"
    assert len(lines) == 3
    for line in lines:
        (height, light), (other_height, other_light) = (
            map(int, side.split()) for side in (line.bicubic, line.upscaled)
        )
        assert height == other_height
        assert light == pytest.approx(2 * other_light, rel=0.05)


def test_the_server_tells_what_is_read(server: Server, engine: None) -> None:
    turned = server.post(encoded(page(8).rotate(90, expand=True)), "/read?for=any").json()
    upright = server.post(encoded(page(8)), "/read?for=any").json()
    assert upright["engine"] == "Counting"
    assert len(upright["lines"]) == len(turned["lines"]) == 8
    assert set(upright["lines"][0]) == {"bicubic", "upscaled"}
    assert (
        server.post(encoded(page(80)), "/read").json()["lines"][reading.MOST_LINES - 1 :]
        == (server.post(encoded(page(80)), "/read").json()["lines"][-1:])
    )


def test_without_an_engine_the_remedy_is_named(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_first_engine", lambda: None)
    answer = server.post(encoded(page(1)), "/read")
    assert answer.status_code == 501
    assert "pip install 'textsr[ocr]'" in answer.json()["detail"]


def test_one_image_is_read_at_a_time(server: Server) -> None:
    files = [("image", ("a.png", encoded())), ("image", ("b.png", encoded(picture(seed=1))))]
    answer = server.client.post("/read", files=files)
    assert answer.status_code == 422
    assert "send one" in answer.json()["detail"]
