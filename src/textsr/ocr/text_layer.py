"""The text of a page, invisible, to lie under its picture."""

from pathlib import Path

from textsr.errors import TextsrError
from textsr.ocr.tesseract_engine import tesseract_data


def check_language(language: str) -> Path:
    """Return the folder of Tesseract's data, which has those of a language.

    Args:
        language: a code that Tesseract has data of, such as `deu`, or several joined by `+`.

    Raises:
        TextsrError: if Tesseract or the data are not installed; it names the remedy.
    """
    data = tesseract_data()
    if data is None:
        raise TextsrError(
            "a searchable PDF needs Tesseract; install it by `pip install 'textsr[tesseract]'`, "
            "and its data, on Debian the package tesseract-ocr"
        )
    for one in language.split("+"):
        if not (data / f"{one}.traineddata").is_file():
            raise TextsrError(
                f"language {one}: Tesseract has no data of it in {data}; install it, on Debian by "
                f"the package tesseract-ocr-{one}"
            )
    return data


def write_text_layer(picture: Path, result: Path, *, language: str = "eng") -> None:
    """Read a page by Tesseract; write a PDF page of its words, invisible, where they stand.

    Args:
        picture: an image of the page that tells its resolution.
        result: where to; its suffix is `.pdf`.
        language: see `check_language`.

    Raises:
        TextsrError: as `check_language` does, or if Tesseract fails.
    """
    data = check_language(language)
    import tesserocr

    with tesserocr.PyTessBaseAPI(path=str(data), lang=language, psm=tesserocr.PSM.AUTO) as api:
        for name in ("tessedit_create_pdf", "textonly_pdf"):
            api.SetVariable(name, "1")
        if not api.ProcessPages(str(result.with_suffix("")), str(picture)):
            raise TextsrError(f"{picture}: Tesseract could not read it")
