"""Searchable PDFs: what is read on scanned pages lies under them, invisible."""

from pathlib import Path
from tempfile import TemporaryDirectory

from textsr.documents.pdf_reader import PdfReader
from textsr.errors import TextsrError
from textsr.files import replace_file
from textsr.ocr.text_layer import check_language, write_text_layer

_DPI = 300
"""Pixels per inch at which pages are read: Tesseract was made for these."""
_MOST_PIXELS = 100_000_000


def check_searchable(path: Path, language: str) -> None:
    """Refuse what cannot be made searchable, before it is made.

    Raises:
        TextsrError: if it is to be no PDF, or as `textsr.ocr.text_layer.check_language` does.
    """
    if path.suffix.lower() != ".pdf":
        raise TextsrError(f"{path}: only PDFs can be made searchable; write .pdf")
    check_language(language)


def make_searchable(path: Path, *, language: str = "eng") -> int:
    """Put text under the scanned pages of a PDF that have none; return how many got some.

    Raises:
        TextsrError: as `check_searchable`, `textsr.documents.pdf_reader.PdfReader` and
            `textsr.ocr.text_layer.write_text_layer` do.
    """
    check_searchable(path, language)
    with PdfReader(path) as reader, TemporaryDirectory() as folder:
        texts: dict[int, str] = {}
        for number, page in enumerate(reader.inspect()[0]):
            if not page.is_scan or page.hidden:
                continue
            inches = page.points[0] * page.points[1] / 72**2
            dpi = min(_DPI, (_MOST_PIXELS / inches) ** 0.5)
            picture, text = Path(folder, f"{number}.png"), Path(folder, f"{number}.pdf")
            reader.draw(number, dpi, round(inches * dpi**2), picture, f"{path}, page {number + 1}")
            write_text_layer(picture, text, language=language)
            picture.unlink()
            texts[number] = str(text)
        if texts:
            with replace_file(path) as temporary:
                reader.lay_under(texts, temporary)
    return len(texts)
