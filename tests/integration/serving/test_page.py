"""The server's page in a browser: by a file, by a drop, by keyboard, on a phone."""

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import CHROMIUM, Page, browser
from PIL import Image

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "docs" / "images" / "sample.png"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian's chromium)"),
]

# What the page asks for, and what its policy forbids.
_WATCH = """
window.loads = [];
window.forbidden = [];
new PerformanceObserver((list) => loads.push(...list.getEntries().map((entry) => entry.name)))
  .observe({ type: "resource", buffered: true });
document.addEventListener(
  "securitypolicyviolation", (event) => forbidden.push(event.violatedDirective));
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    said = tmp_path_factory.mktemp("served") / "said.txt"
    command = [Path(sys.executable).with_name("textsr"), "serve", "--port", "0"]
    with said.open("w") as output:
        process = subprocess.Popen(command, cwd=said.parent, stderr=output, env=os.environ)
    try:
        deadline = time.monotonic() + 120
        while "serving" not in said.read_text():
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield said.read_text().split()[3]
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browser(tmp_path_factory.mktemp("chromium") / "profile") as page:
        yield page


@pytest.fixture
def page(chromium: Page, address: str, tmp_path: Path) -> Page:
    chromium.resize(1200, 900)
    chromium.save_downloads(tmp_path)
    chromium.open(address)
    chromium.evaluate(_WATCH)
    chromium.wait(lambda: chromium.evaluate("document.getElementById('reader').options.length"))
    return chromium


def wait(page: Page) -> None:
    """Wait until a result is shown."""
    page.wait(lambda: page.evaluate("!document.getElementById('result').hidden"))


def status(page: Page) -> str:
    return str(page.evaluate("document.getElementById('said').textContent"))


def became(*sizes: tuple[int, int]) -> str:
    small, large = (f"{width} \N{MULTIPLICATION SIGN} {height}" for width, height in sizes)
    return f"{small} became {large} pixels"


def value(page: Page, script: str) -> Any:
    return page.evaluate(script)


def focused(page: Page) -> str:
    return str(page.evaluate("document.activeElement.id"))


def test_a_file_is_upscaled_compared_and_saved(page: Page, tmp_path: Path) -> None:
    page.choose("#file", SAMPLE)
    wait(page)
    assert status(page).startswith(became((240, 160), (960, 640)))
    assert value(page, "after.naturalWidth / before.naturalWidth") == 4
    boxes = "['before', 'after'].map((name) => part(name).getBoundingClientRect().width)"
    assert len(set(value(page, boxes))) == 1
    page.evaluate("part('save').click()")
    saved = tmp_path / "sample-upscaled.png"
    page.wait(saved.is_file)
    with Image.open(saved) as image:
        assert image.size == (960, 640)


def test_another_reader_gives_another_picture(page: Page) -> None:
    page.choose("#file", SAMPLE)
    wait(page)
    before = value(page, "after.src")
    page.evaluate("part('reader').value = 'rapidocr'")
    page.evaluate("part('reader').dispatchEvent(new Event('change'))")
    page.wait(lambda: value(page, "after.src") != before)
    wait(page)
    assert any("for=rapidocr" in each for each in value(page, "loads"))


def test_what_is_dropped_is_taken(page: Page) -> None:
    stream = io.BytesIO()
    Image.new("L", (60, 20), 230).save(stream, "PNG")
    page.evaluate(f"""(() => {{
      const content = new Uint8Array({list(stream.getvalue())});
      const files = new DataTransfer();
      files.items.add(new File([content], "a.png", {{ type: "image/png" }}));
      const options = {{ dataTransfer: files, bubbles: true, cancelable: true }};
      document.body.dispatchEvent(new DragEvent("drop", options));
    }})()""")
    wait(page)
    assert status(page).startswith(became((60, 20), (240, 80)))


def test_what_is_wrong_is_said_as_the_server_says_it(page: Page, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    page.choose("#file", tmp_path / "text.png")
    page.wait(lambda: "its format is none of" in status(page))
    assert value(page, "document.getElementById('result').hidden")
    assert value(page, "document.getElementById('said').getAttribute('role')") == "status"


def test_the_keyboard_reaches_and_moves_all(page: Page) -> None:
    page.choose("#file", SAMPLE)
    wait(page)
    page.evaluate("document.activeElement.blur()")
    order = []
    for _ in range(12):
        page.press("Tab")
        order.append(focused(page))
    expected = ["file", "reader", "again", "smaller", "larger", "fit", "save", "read", "view"]
    assert order[: len(expected) + 1] == [*expected, "slider"]
    page.evaluate("part('slider').focus()")
    page.press("ArrowRight")
    assert value(page, "part('slider').value") == "51"
    assert value(page, "part('cut').style.clipPath") == "inset(0px 49% 0px 0px)"
    page.press("Home")
    assert value(page, "part('cut').style.clipPath") == "inset(0px 100% 0px 0px)"
    width = value(page, "pair.clientWidth")
    page.press("+")
    assert value(page, "pair.clientWidth") > width
    page.press("0")
    assert value(page, "pair.clientWidth") == width
    outline = value(page, "getComputedStyle(part('slider')).outlineStyle")
    assert outline == "solid"


def test_what_an_engine_reads_is_beside_what_it_read_before(page: Page) -> None:
    page.choose("#file", SAMPLE)
    wait(page)
    page.evaluate("part('read').click()")
    page.wait(lambda: value(page, "!part('readings').hidden"), seconds=120)
    rows = value(page, "[...document.querySelectorAll('tbody tr')].map((row) => row.innerText)")
    assert len(rows) == 8  # the lines of the picture
    assert "GROCERY" in rows[0].upper()
    assert "reads" in value(page, "document.querySelector('#readings h2').textContent")


@pytest.mark.parametrize(("width", "height", "ratio"), [(390, 844, 3.0), (320, 568, 2.0)])
def test_on_a_phone_nothing_is_cut_off(page: Page, width: int, height: int, ratio: float) -> None:
    page.resize(width, height, ratio, mobile=True)
    page.choose("#file", SAMPLE)
    wait(page)
    assert value(page, "document.documentElement.scrollWidth") <= width
    small = """[...document.querySelectorAll('button, select, #save, #slider')]
      .filter((each) => each.getBoundingClientRect().height < 44).map((each) => each.id)"""
    assert value(page, small) == []  # what a finger can hit


def test_nothing_is_asked_of_another_server_or_against_the_policy(page: Page, address: str) -> None:
    page.choose("#file", SAMPLE)
    wait(page)
    page.evaluate("part('slider').dispatchEvent(new Event('input'))")
    asked = value(page, "loads")
    assert asked
    assert all(each.startswith((address, f"blob:{address}")) for each in asked)
    assert value(page, "forbidden") == []
    scripted = page.evaluate("""new Promise((done) => {
      const script = document.createElement("script");
      script.textContent = "window.bad = 1";
      document.head.append(script);
      setTimeout(() => done(window.bad || 0), 100);
    })""")
    assert scripted == 0


def test_the_api_is_documented_offline_and_can_be_tried(page: Page, address: str) -> None:
    page.open(f"{address}/docs")
    page.evaluate(_WATCH)
    page.wait(lambda: "/upscale" in page.evaluate("document.body.innerText"))
    said = page.evaluate("document.body.innerText")
    for path in httpx.get(f"{address}/openapi.json").json()["paths"]:
        assert path in said
    page.evaluate(
        "document.querySelector('#operations-default-healthz_healthz_get button').click()"
    )
    page.wait(lambda: page.evaluate("!!document.querySelector('.try-out__btn')"))
    page.evaluate("document.querySelector('.try-out__btn').click()")
    page.wait(lambda: page.evaluate("!!document.querySelector('.execute')"))
    page.evaluate("document.querySelector('.execute').click()")
    page.wait(lambda: "alive" in page.evaluate("document.body.innerText"))
    assert all(each.startswith((address, "data:")) for each in value(page, "loads"))
    assert value(page, "forbidden") == []


def test_a_page_of_another_server_can_neither_post_nor_read(page: Page, address: str) -> None:
    counted = upscaled(address)
    with served_page() as foreign:
        page.open(foreign)
        tried = page.evaluate(f"""Promise.all([{{}}, {{ mode: "no-cors" }}].map((options) =>
          fetch("{address}/upscale", {{
            method: "POST", body: new FormData(), headers: {{}}, ...options,
          }}).then((answer) => answer.type + answer.status, (error) => error.name)))""")
        assert tried == ["TypeError", "TypeError"]
        read = page.evaluate(f'fetch("{address}/model").then(() => "read", () => "refused")')
        assert read == "refused"
    assert upscaled(address) == counted
    refused = 'textsr_requests_total{path="/upscale",status="403"}'
    assert any(line.startswith(refused) for line in metrics(address))


def metrics(address: str) -> list[str]:
    return httpx.get(f"{address}/metrics").text.splitlines()


def upscaled(address: str) -> str:
    return next(line for line in metrics(address) if line.startswith("textsr_images_total"))


@contextmanager
def served_page() -> Iterator[str]:
    """An empty page of another server of this machine."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>evil</title>")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
