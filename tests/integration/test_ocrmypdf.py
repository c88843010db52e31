"""OCRmyPDF with the plugin, by its entry point, on a scan of low resolution."""

import os
import subprocess
import sys
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image, ImageDraw

from textsr.ocr.tesseract_engine import tesseract_data

pytestmark = [
    pytest.mark.slow,
    pytest.mark.tesseract,
    pytest.mark.skipif(tesseract_data() is None, reason="Tesseract or its data is not installed"),
]

WORDS = ("Harbour", "council", "repairs", "lighthouse", "before", "winter")
DPI = 75


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A PDF of one page of 4 x 3 inches with large words."""
    page = Image.new("L", (4 * DPI, 3 * DPI), 245)
    for number, word in enumerate(WORDS):
        ImageDraw.Draw(page).text((20, 20 + 32 * number), word, fill=20, font_size=16)
    page.save(tmp_path / "scan.pdf", resolution=DPI)
    return tmp_path / "scan.pdf"


def read(scan: Path, *options: str) -> tuple[pypdfium2.PdfDocument, str]:
    result = scan.with_name("read.pdf")
    command = ["ocrmypdf", "--output-type", "pdf", "-O0", "--tesseract-timeout", "900"]
    done = subprocess.run(
        [sys.executable, "-m", *command, *options, scan, result],
        env=os.environ | {"OMP_THREAD_LIMIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return pypdfium2.PdfDocument(result), done.stderr


@pytest.mark.parametrize("workers", ["--use-threads", "--no-use-threads"])
def test_words_are_found_where_they_stand_and_the_page_stays(scan: Path, workers: str) -> None:
    before = pypdfium2.PdfDocument(scan)[0]
    document, said = read(scan, "--textsr", "-v", "1", workers)
    assert "page 1: upscaled for OCR to 300 dpi" in said
    after = document[0]
    assert after.get_size() == before.get_size()
    (image,) = after.get_objects(filter=[pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])
    assert image.get_px_size() == (4 * DPI, 3 * DPI)  # what people see
    text = after.get_textpage()
    for number, word in enumerate(WORDS):
        search = text.search(word)
        index, _ = search.get_next() or pytest.fail(f"{word}: not found")
        left, bottom, _, top = text.get_charbox(index)
        assert left == pytest.approx(20 / DPI * 72, abs=4)
        place = after.get_height() - (20 + 32 * number + 10) / DPI * 72
        assert bottom - 4 < place < top + 4


def test_without_the_option_pages_are_read_as_they_are(scan: Path) -> None:
    _, said = read(scan, "-v", "1")
    assert "upscaled for OCR" not in said


def test_a_model_that_is_not_there_is_said_before_the_work(scan: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ocrmypdf", "--textsr", "--textsr-model", "nowhere", scan, "o.pdf"],
        cwd=scan.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "nowhere/model.json: no such file" in done.stderr
    assert "Traceback" not in done.stderr
