"""Scanned pages become searchable: their words lie under them, where they stand."""

import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from textsr.errors import TextsrError
from textsr.inference.batch import upscale_jobs
from textsr.inference.interpolation import BicubicBackend
from textsr.inference.planning import plan_jobs
from textsr.ocr import text_layer
from textsr.ocr.tesseract_engine import tesseract_data

pikepdf = pytest.importorskip("pikepdf")
pdfium = pytest.importorskip("pypdfium2")

import made_pdfs as made  # noqa: E402
from pikepdf import Array, Pdf  # noqa: E402

from textsr.documents.searchable import make_searchable  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tesseract,
    pytest.mark.skipif(tesseract_data() is None, reason="Tesseract or its data is not installed"),
]


def scan(words: str) -> np.ndarray:
    """A page of 3 x 4 inches at 150 pixels per inch, with words in its upper left."""
    page = Image.new("L", (450, 600), 245)
    ImageDraw.Draw(page).text((40, 60), words, 20, ImageFont.load_default(30))
    return np.asarray(page)


def places(path: Path, number: int, word: str) -> tuple[float, ...] | None:
    """The box of a word, in points from the lower left of a page as it is stored."""
    document = pdfium.PdfDocument(path)
    text = document[number].get_textpage()
    found = text.search(word).get_next()
    box = None if found is None else text.get_charbox(found[0])
    document.close()
    return box


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_words_lie_where_they_stand(tmp_path: Path, rotation: int) -> None:
    turned = np.rot90(scan("Invoice 2024"), rotation // 90)  # as a scanner that lay on its side

    def build(document: Pdf) -> None:
        page = made.add_page(document, made.full("A"), A=made.image(document, turned.copy()))
        if rotation % 180:
            page.mediabox = Array([0, 0, *made.POINTS[::-1]])
            page.Contents = pikepdf.Stream(document, b"q 288 0 0 216 0 0 cm /A Do Q")
        page.rotate(rotation, relative=True)

    path = made.save(tmp_path / "scan.pdf", build)
    before = made.shown(path, dpi=150)
    assert make_searchable(path) == 1
    assert unicodedata.normalize("NFKC", made.words(path)).split() == ["Invoice", "2024"]
    assert np.abs(made.shown(path, dpi=150).astype(int) - before).max() == 0
    box = places(path, 0, "Invoice")
    assert box is not None
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    # The middle of the first letter, from the upper left of the page as it is shown.
    wide, high = made.POINTS
    across, down = {
        0: (x, high - y), 90: (y, x), 180: (wide - x, y), 270: (wide - y, high - x)
    }[rotation]  # fmt: skip
    assert (across, down) == pytest.approx((44 * 0.48, 77 * 0.48), abs=6)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_page_on_its_side_is_read_as_it_is_meant(tmp_path: Path, quarters: int) -> None:
    page = Image.new("L", (450, 600), 245)
    for line in range(9):
        words = f"Invoice number {2024 + line} of Harbour Road"
        ImageDraw.Draw(page).text((30, 30 + 60 * line), words, 20, ImageFont.load_default(22))
    turned = np.rot90(np.asarray(page), quarters)

    def build(document: Pdf) -> None:
        added = made.add_page(document, made.full("A"), A=made.image(document, turned.copy()))
        if quarters % 2:
            added.mediabox = Array([0, 0, *made.POINTS[::-1]])
            added.Contents = pikepdf.Stream(document, b"q 288 0 0 216 0 0 cm /A Do Q")

    path = made.save(tmp_path / "scan.pdf", build)
    assert make_searchable(path) == 1
    read = unicodedata.normalize("NFKC", made.words(path))
    assert read.count("Invoice") == read.count("Harbour") == 9
    first, last = (places(path, 0, f"{year}") for year in (2024, 2032))
    assert first is not None
    assert last is not None
    axis, sign = {1: (0, 1), 2: (1, 1), 3: (0, -1)}[quarters]  # where the next line is
    assert sign * (last[axis] - first[axis]) > 100


def test_pages_that_have_text_get_none(tmp_path: Path) -> None:
    def build(document: Pdf) -> None:
        made.add_page(document, made.text("drawn by a program", times=20))
        content = made.full("A") + made.text("hidden", mode=3)
        made.add_page(document, content, A=made.image(document, scan("Invoice")))

    path = made.save(tmp_path / "has.pdf", build)
    content = path.read_bytes()
    assert make_searchable(path) == 0
    assert path.read_bytes() == content


def test_what_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(document: Pdf) -> None:
        made.add_page(document, made.full("A"), A=made.image(document, scan("Invoice")))

    path = made.save(tmp_path / "scan.pdf", build)
    with pytest.raises(TextsrError, match=r"language xyz: .*tesseract-ocr-xyz"):
        make_searchable(path, language="xyz")
    monkeypatch.setattr(text_layer, "tesseract_data", lambda: None)
    with pytest.raises(TextsrError, match=r"needs Tesseract; .*textsr\[tesseract\]"):
        make_searchable(path)
    with pytest.raises(TextsrError, match=r"page\.png: only PDFs can be made searchable"):
        make_searchable(tmp_path / "page.png")


def test_results_of_every_kind_become_searchable(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    page = Image.fromarray(scan("Invoice 2024"))
    page.save(tmp_path / "in" / "page.png", dpi=(150, 150))
    page.save(tmp_path / "in" / "pages.tif", save_all=True, append_images=[page], dpi=(150, 150))

    def build(document: Pdf) -> None:
        image = made.image(document, scan("Invoice 2024"))
        made.add_page(document, made.full("A"), A=image)

    made.save(tmp_path / "in" / "scan.pdf", build)
    jobs = plan_jobs([tmp_path / "in"], tmp_path / "out", file_format="pdf").jobs
    with warnings.catch_warnings(action="ignore"):  # of the height of its text
        upscale_jobs(BicubicBackend(2), jobs, searchable="eng")
    for name, number in (("page", 0), ("pages", 1), ("scan", 0)):
        assert made.words(tmp_path / "out" / f"{name}.pdf", number).split() == ["Invoice", "2024"]


def test_what_cannot_be_searchable_is_refused_before_the_work(tmp_path: Path) -> None:
    Image.fromarray(scan("Invoice")).save(tmp_path / "page.png")
    jobs = plan_jobs([tmp_path / "page.png"], tmp_path / "out.tif").jobs
    with pytest.raises(TextsrError, match=r"out\.tif: only PDFs can be made searchable"):
        upscale_jobs(BicubicBackend(2), jobs, searchable="eng")
    assert not (tmp_path / "out.tif").exists()
