"""The page that `make preference` writes, judged in a browser from its file."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from browser import CHROMIUM, Page, browser

ROOT = Path(__file__).parents[2]
PAIRS = 7
KEYS = ("ArrowLeft", "ArrowRight", "ArrowDown")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian's chromium)"),
]


def run(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.preference", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def judging(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("preference")
    images = folder / "images"
    images.mkdir()
    for name in ("one", "two"):
        grey = np.random.default_rng(0).integers(0, 255, (12, 40)).astype(np.uint8)
        cv2.imwrite(str(images / f"{name}.png"), cv2.resize(grey, (80, 24)))
    page = folder / "page.html"
    run(f"mine={images}", "--pairs", str(PAIRS), "--data", data, "--output", page)
    return page


@pytest.fixture
def page(judging: Path, tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path / "profile") as page:
        page.resize(1280, 800)
        page.save_downloads(tmp_path)
        page.open(judging.as_uri())
        click(page, "begin")
        wait(page)
        yield page


def click(page: Page, name: str) -> None:
    page.evaluate(f"document.getElementById('{name}').click()")


def wait(page: Page) -> None:
    page.wait(lambda: page.evaluate("ready || answers.length === pairs.length"))


def place(page: Page) -> str:
    return str(page.evaluate("document.getElementById('place').textContent"))


def judge(page: Page) -> None:
    for number in range(page.evaluate("answers.length"), PAIRS):
        page.press(KEYS[number % len(KEYS)])
        wait(page)


def saved(folder: Path, name: str) -> Path:
    path, deadline = folder / name, time.monotonic() + 30
    while not path.is_file():
        assert time.monotonic() < deadline, list(folder.iterdir())
        time.sleep(0.1)
    return path


def test_what_keys_answer_is_shown_saved_and_counted(page: Page, tmp_path: Path) -> None:
    judge(page)
    shown = page.evaluate("document.getElementById('result').innerText")
    page.evaluate("document.getElementById('judge').value = 'Ada L'")
    click(page, "save")
    path = saved(tmp_path, "preference-Ada-L.json")
    answers = json.loads(path.read_text(encoding="utf-8"))["answers"]
    assert [answer["better"] for answer in answers] == ["a", "b", "equal", "a", "b", "equal", "a"]
    assert {answer["set"] for answer in answers} == {"lines", "pages", "mine"}
    counted = run("--count", path)
    (row,) = [line for line in counted.splitlines() if line.startswith("| all |")]
    _, _, model, bicubic, equal, share, _ = (cell.strip() for cell in row.split("|"))
    assert f"all\t{model}\t{bicubic}\t{equal}" in shown
    rate, _, decided = share.rpartition(" of ")
    assert f"Of {decided} pairs that you decided, the model won {rate}" in shown


def test_no_word_tells_which_is_which_before_the_end(page: Page) -> None:
    said = page.evaluate("document.body.innerText + document.title").lower()
    assert "bicubic" not in said
    assert "model" not in said
    attributes = page.evaluate("images.map((image) => image.alt + image.title).join(' ')")
    assert attributes == "Picture A Picture B"


def test_back_takes_an_answer_back_and_a_reload_keeps_the_others(page: Page) -> None:
    for key in KEYS:
        page.press(key)
        wait(page)
    page.press("Backspace")
    wait(page)
    assert place(page) == f"3 of {PAIRS}"
    page.open(page.evaluate("location.href"))
    wait(page)
    assert place(page) == f"3 of {PAIRS}"
    assert page.evaluate("answers.map((answer) => answer.better)") == ["a", "b"]


@pytest.mark.parametrize(
    ("width", "height", "ratio", "mobile"), [(1200, 800, 1.25, False), (390, 844, 3, True)]
)
def test_pictures_are_shown_at_whole_pixels_and_within_the_window(
    page: Page, width: int, height: int, ratio: float, mobile: bool
) -> None:
    page.resize(width, height, ratio, mobile)
    for zoom in (None, "+", "+"):
        if zoom:
            page.press(zoom)
        page.evaluate("new Promise(requestAnimationFrame)")
        scale = int(page.evaluate("document.getElementById('fitted').textContent.slice(1)"))
        for found in sizes(page):
            assert found["shown"] * ratio == pytest.approx(found["pixels"] * scale, abs=0.1)
            assert found["right"] <= width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.documentElement.scrollHeight") <= height


def sizes(page: Page) -> list[dict[str, Any]]:
    script = """images.map((image, side) => ({
      pixels: image.naturalWidth,
      shown: image.getBoundingClientRect().width,
      right: views[side].getBoundingClientRect().right,
    }))"""
    return list(page.evaluate(script))


def test_where_one_picture_is_scrolled_the_other_follows(page: Page) -> None:
    for _ in range(7):
        page.press("+")
    page.evaluate("views[0].scrollTo(40, 0)")
    page.wait(lambda: page.evaluate("views[1].scrollLeft") == 40, seconds=10)
