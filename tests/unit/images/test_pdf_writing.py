"""PDFs of pictures, as other programs read them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from textsr.images.image import LoadedImage
from textsr.images.pdf_writing import open_pdf
from textsr.images.writing import write_image

pikepdf = pytest.importorskip("pikepdf")
pdfium = pytest.importorskip("pypdfium2")

RNG = np.random.default_rng(2)
GREY = RNG.integers(0, 256, (31, 45)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (31, 45, 3)).astype(np.uint8)  # blue, green, red
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def shown(path: Path, number: int = 0, *, scale: float = 1) -> np.ndarray:
    """A page as PDFium shows it: blue, green and red."""
    document = pdfium.PdfDocument(path)
    values = document[number].render(scale=scale).to_numpy().copy()
    document.close()
    return values[..., :3]


@pytest.mark.parametrize("values", [GREY, COLOUR], ids=["grey", "colour"])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("profile", [None, PROFILE])
def test_a_picture_is_shown_as_it_is(
    tmp_path: Path, values: np.ndarray, depth: int, profile: bytes | None
) -> None:
    if profile is not None and values is GREY:
        return
    pixels = values if depth == 8 else values.astype(np.uint16) * 257
    write_image(tmp_path / "page.pdf", LoadedImage(pixels, None, profile, dpi=(72, 72)))
    expected = values if values.ndim == 3 else np.dstack([values] * 3)
    assert np.abs(shown(tmp_path / "page.pdf").astype(int) - expected).max() <= (
        profile is not None
    )


def test_what_is_clear_is_paper(tmp_path: Path) -> None:
    alpha = np.zeros_like(GREY)
    alpha[:, 20:] = 255
    write_image(tmp_path / "page.pdf", LoadedImage(COLOUR, alpha, dpi=(72, 72)))
    page = shown(tmp_path / "page.pdf")
    assert (page[:, :20] == 255).all()
    assert np.array_equal(page[:, 20:], COLOUR[:, 20:])


def test_pages_have_the_size_of_their_pictures_in_inches(tmp_path: Path) -> None:
    images = [LoadedImage(GREY, dpi=(300, 300)), LoadedImage(COLOUR, dpi=(100, 50))]
    images += [LoadedImage(GREY), LoadedImage(np.zeros((1, 80_000), np.uint8), dpi=(9, 9))]
    with open_pdf(tmp_path / "pages.pdf") as writer:
        for image in images:
            writer.write(image)
    with pikepdf.open(tmp_path / "pages.pdf") as document:
        assert document.check_pdf_syntax() == []
        sizes = [tuple(float(x) for x in page.mediabox)[2:] for page in document.pages]
        units = [float(page.obj.get("/UserUnit", 1)) for page in document.pages]
    expected = [(45 * 0.24, 31 * 0.24), (45 * 0.72, 31 * 1.44), (45 * 0.24, 31 * 0.24)]
    assert sizes == [pytest.approx(size, abs=1e-3) for size in [*expected, (14_400, 0.18)]]
    assert units == [1, 1, 1, pytest.approx(80_000 / 9 * 72 / 14_400)]  # no larger page is allowed


def test_with_a_quality_pictures_are_jpegs(tmp_path: Path) -> None:
    smooth = np.tile(np.arange(0, 225, 5, dtype=np.uint8), (31, 1))
    with open_pdf(tmp_path / "page.pdf", quality=90) as writer:
        number = writer.write(replace(LoadedImage(smooth), dpi=(72, 72)))
    with pikepdf.open(tmp_path / "page.pdf") as document:
        assert document.get_object(number, 0).Filter == "/DCTDecode"
    assert np.abs(shown(tmp_path / "page.pdf")[..., 0].astype(int) - smooth).max() <= 4


def test_black_and_white_is_sent_as_by_fax(tmp_path: Path) -> None:
    with open_pdf(tmp_path / "page.pdf") as writer:
        number = writer.write(LoadedImage(GREY, dpi=(72, 72)), is_bilevel=True)
    with pikepdf.open(tmp_path / "page.pdf") as document:
        assert document.get_object(number, 0).BitsPerComponent == 1
    assert np.array_equal(shown(tmp_path / "page.pdf")[..., 0], np.where(GREY < 128, 0, 255))
