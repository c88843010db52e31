"""Searchable PDFs: what is read on scanned pages lies under them, invisible."""

from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from textsr.documents.pdf_reader import PdfReader
from textsr.errors import TextsrError
from textsr.files import replace_file
from textsr.ocr.tesseract_engine import tesseract_data
from textsr.ocr.text_layer import check_language, write_text_layer

_DPI = 300
"""Pixels per inch at which pages are read: Tesseract was made for these."""
_MOST_PIXELS = 100_000_000
_DIRECTION = "osd"
_CERTAIN = 2.0
"""Confidence from which on a direction is believed; pages of a few lines have 8 to 18."""


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

    A page that lies on its side or head is read as it is meant.

    Raises:
        TextsrError: as `check_searchable`, `textsr.documents.pdf_reader.PdfReader` and
            `textsr.ocr.text_layer.write_text_layer` do.
    """
    check_searchable(path, language)
    with PdfReader(path) as reader, TemporaryDirectory() as folder:
        texts: dict[int, tuple[str, int]] = {}
        for number, page in enumerate(reader.inspect()[0]):
            if not page.is_scan or page.hidden:
                continue
            inches = page.points[0] * page.points[1] / 72**2
            dpi = min(_DPI, (_MOST_PIXELS / inches) ** 0.5)
            picture, text = Path(folder, f"{number}.png"), Path(folder, f"{number}.pdf")
            reader.draw(number, dpi, round(inches * dpi**2), picture, f"{path}, page {number + 1}")
            quarters = _turn_upright(picture)
            write_text_layer(picture, text, language=language)
            picture.unlink()
            texts[number] = str(text), quarters
        if texts:
            with replace_file(path) as temporary:
                reader.lay_under(texts, temporary)
    return len(texts)


def _turn_upright(picture: Path) -> int:
    """Turn the picture of a page so that its text is upright; return the quarters, clockwise.

    Tesseract tells the direction, if it has its data for that (`osd.traineddata`, which comes with
    English on Debian) and enough text; else the picture is left as it is.
    """
    data = tesseract_data()
    if data is None or not (data / f"{_DIRECTION}.traineddata").is_file():
        return 0
    import tesserocr

    mode = tesserocr.PSM.OSD_ONLY
    with (
        tesserocr.PyTessBaseAPI(path=str(data), lang=_DIRECTION, psm=mode) as api,
        Image.open(picture) as page,
    ):
        api.SetImage(page)
        found = api.DetectOrientationScript()
        if found is None or found["orient_conf"] < _CERTAIN or found["orient_deg"] == 0:
            return 0
        # It tells by how much the page was turned clockwise.
        degrees = int(found["orient_deg"])
        page.rotate(degrees, expand=True).save(picture, dpi=page.info["dpi"], compress_level=1)
    return degrees // 90
