"""Tesseract, a second and independent engine, so that no model is tuned to one."""

import importlib.util
import os
from pathlib import Path

import cv2
import numpy as np

from textsr.images.grey import Image

_HEIGHT = 48
# Tesseract expects a white margin around a line; without it, it drops first and last letters.
_MARGIN = 10


class TesseractEngine:
    """Tesseract's LSTM engine in single-line mode."""

    name = "tesseract"

    def __init__(self, data: Path) -> None:
        import tesserocr

        self._api = tesserocr.PyTessBaseAPI(
            path=str(data), lang="eng", psm=tesserocr.PSM.SINGLE_LINE
        )

    def read(self, line: Image) -> str:
        """Return the text of a grey HxW image of one line."""
        from PIL import Image as PILImage

        # Tesseract is trained on dark ink; light-on-dark lines are inverted by the ground's grey.
        if np.median(line) < 127:
            line = np.asarray(cv2.bitwise_not(line), np.uint8)
        if line.shape[0] < _HEIGHT:
            factor = _HEIGHT / line.shape[0]
            line = np.asarray(
                cv2.resize(line, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC),
                np.uint8,
            )
        margin = _MARGIN
        line = np.asarray(
            cv2.copyMakeBorder(line, margin, margin, margin, margin, cv2.BORDER_REPLICATE),
            np.uint8,
        )
        self._api.SetImage(PILImage.fromarray(line))
        return str(self._api.GetUTF8Text()).strip()


def tesseract_data() -> Path | None:
    """Return the folder of Tesseract's English data, or None when the OCR engine cannot be used."""
    if importlib.util.find_spec("tesserocr") is None:
        return None
    folders = [Path(os.environ["TESSDATA_PREFIX"])] if "TESSDATA_PREFIX" in os.environ else []
    folders += sorted(Path("/usr/share").glob("tesseract-ocr/*/tessdata"), reverse=True)
    folders += [Path("/usr/share/tessdata"), Path("/usr/local/share/tessdata")]
    folders += [Path("/opt/homebrew/share/tessdata")]
    return next((folder for folder in folders if (folder / "eng.traineddata").is_file()), None)
