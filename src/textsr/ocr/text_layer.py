"""The text of a page, invisible, to lie under its picture."""

from pathlib import Path

from textsr.errors import TextsrError
from textsr.ocr.tesseract_engine import tesseract_data


def write_text_layer(picture: Path, result: Path, *, language: str = "eng") -> None:
    """Read a page by Tesseract; write a PDF page of its words, invisible, where they stand.

    Args:
        picture: an image of the page that tells its resolution.
        result: where to; its suffix is `.pdf`.
        language: a code that Tesseract has data of, such as `deu`, or several joined by `+`.

    Raises:
        TextsrError: if Tesseract or its data are not installed, or it fails.
    """
    data = tesseract_data()
    if data is None:
        raise TextsrError(
            "a searchable PDF needs Tesseract; install it by `pip install 'textsr[tesseract]'`, "
            "and its data, on Debian the package tesseract-ocr"
        )
    import tesserocr

    missing = [one for one in language.split("+") if not (data / f"{one}.traineddata").is_file()]
    if missing:
        raise TextsrError(
            f"language {missing[0]}: Tesseract has no data of it in {data}; install it, on Debian "
            f"by the package tesseract-ocr-{missing[0]}"
        )
    with tesserocr.PyTessBaseAPI(path=str(data), lang=language, psm=tesserocr.PSM.AUTO) as api:
        for name in ("tessedit_create_pdf", "textonly_pdf"):
            api.SetVariable(name, "1")
        if not api.ProcessPages(str(result.with_suffix("")), str(picture)):
            raise TextsrError(f"{picture}: Tesseract could not read it")
