"""What the plugin gives OCRmyPDF's engine to read: larger pages of the same size in inches."""

import json
import shutil
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ocrmypdf.cli import get_options_and_plugins
from ocrmypdf.exceptions import BadArgsError
from PIL import Image, ImageDraw

from textsr import pretrained
from textsr.inference.interpolation import BicubicBackend
from textsr.plugins import ocrmypdf as plugin

NAME = "textsr.plugins.ocrmypdf"
# Where the package was installed before it had the plugin, OCRmyPDF is told of it.
IS_FOUND = any(point.value == NAME for point in entry_points(group="ocrmypdf"))


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What was loaded: models and readers; what computes is bicubic interpolation."""
    asked = []

    def load(*key: Any) -> Any:
        asked.append(key)
        return SimpleNamespace(backend=BicubicBackend(4))

    monkeypatch.setattr(plugin, "_loaded", {})
    monkeypatch.setattr(plugin, "_load", load)
    return asked


def context(*options: str) -> SimpleNamespace:
    """A page's context, as OCRmyPDF makes it of a command."""
    found = [] if IS_FOUND else ["--plugin", NAME]
    parsed, plugins = get_options_and_plugins([*found, *options, "in.pdf", "out.pdf"])
    return SimpleNamespace(options=parsed, plugin_manager=plugins, pageno=0)


def page(width: int, height: int, dpi: float, *, size_px: int = 12) -> Image.Image:
    """A page of text as OCRmyPDF hands it over."""
    image = Image.new("L", (width, height), 240)
    for top in range(8, height - size_px, 2 * size_px):
        ImageDraw.Draw(image).text((8, top), "Quick words of a page " * 9, 20, font_size=size_px)
    image.info["dpi"] = (dpi, dpi)
    return image


def read(image: Image.Image, *options: str) -> Image.Image:
    """What the engine is given, after all plugins."""
    page = context(*options)
    result = page.plugin_manager.filter_ocr_image(page=page, image=image)
    return image if result is None else result


def test_nothing_happens_where_it_is_not_asked_for(loaded: list[tuple[Any, ...]]) -> None:
    image = page(300, 200, 75)
    assert read(image) is image
    assert not loaded


@pytest.mark.parametrize(("dpi", "times"), [(50, 4), (75, 4), (100, 3), (150, 2)])
def test_pages_are_upscaled_towards_300_dpi_and_keep_their_size(
    loaded: list[tuple[Any, ...]], dpi: int, times: int
) -> None:
    result = read(page(300, 200, dpi), "--textsr")
    assert result.size == (300 * times, 200 * times)
    assert result.info["dpi"] == (dpi * times, dpi * times)


@pytest.mark.parametrize(("dpi", "size_px"), [(200, 12), (300, 12), (75, 60)])
def test_fine_pages_and_large_text_stay_as_they_are(
    loaded: list[tuple[Any, ...]], dpi: int, size_px: int
) -> None:
    image = page(300, 200, dpi, size_px=size_px)
    assert read(image, "--textsr") is image


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_pages_of_every_kind_are_upscaled(loaded: list[tuple[Any, ...]], mode: str) -> None:
    image = page(300, 200, 75).convert(mode)
    image.info["dpi"] = (75, 75)
    result = read(image, "--textsr")
    assert result.size == (1200, 800)
    assert result.mode == ("RGB" if mode == "RGB" else "L")


@pytest.mark.parametrize(
    "options", [("--max-ocr-image-mpixels", "0.2"), ("--tesseract-downsample-above", "500")]
)
def test_the_users_limits_on_what_the_engine_reads_hold(
    loaded: list[tuple[Any, ...]], options: tuple[str, str]
) -> None:
    result = read(page(300, 200, 75), "--textsr", *options)
    assert 300 < result.width <= 550
    assert result.info["dpi"][0] == pytest.approx(75 * result.width / 300, rel=0.01)


def test_a_model_that_is_not_there_ends_the_command_before_its_work() -> None:
    page = context("--textsr", "--textsr-model", "nowhere")
    with pytest.raises(BadArgsError, match=r"nowhere.*no such file"):
        page.plugin_manager.check_options(options=page.options)


def test_a_reader_for_whom_the_model_was_not_judged_is_refused() -> None:
    page = context("--textsr", "--textsr-for", "nobody")
    with pytest.raises(BadArgsError, match=r"no weight for 'nobody'"):
        page.plugin_manager.check_options(options=page.options)


def test_the_blend_is_the_engines_or_any_readers(
    model_of: Callable[[dict[str, float]], str],
) -> None:
    assert plugin._load(model_of({"tesseract": 0.9}), None).info.reader == "tesseract"
    assert plugin._load(model_of({}), None).info.reader == "any"
    assert plugin._load(model_of({"people": 0.7}), "people").info.blend == 0.7


@pytest.fixture
def model_of(tmp_path: Path) -> Callable[[dict[str, float]], str]:
    """Writes a model folder with these blends."""

    def write(blends: dict[str, float]) -> str:
        folder = tmp_path / "-".join(["model", *blends])
        shutil.copytree(pretrained.FOLDER, folder)
        spec = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps(spec | {"blends": blends}))
        return str(folder)

    return write
