"""Tesseract, a second and independent engine, so that no model is tuned to one."""

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from textsr.images.grey import Image
from textsr.ocr.versions import describe_version

_HEIGHT = 48
# Tesseract expects a white margin around a line; without it, it drops first and last letters.
_MARGIN = 10


class TesseractEngine:
    """Tesseract's LSTM engine in single-line mode."""

    name = "tesseract"
    title = "Tesseract"

    def __init__(self, data: Path) -> None:
        import tesserocr

        self._api = tesserocr.PyTessBaseAPI(
            path=str(data), lang="eng", psm=tesserocr.PSM.SINGLE_LINE
        )
        engine = tesserocr.tesseract_version().splitlines()[0]
        self.version = f"{engine}, {describe_version(['tesserocr'], data / 'eng.traineddata')}"

    def read(self, lines: Sequence[Image]) -> list[str]:
        """Return the texts of grey HxW images of one line each."""
        texts = []
        for line in lines:
            self._show(line)
            texts.append(str(self._api.GetUTF8Text()).strip())
        return texts

    def confidence(self, lines: Sequence[Image]) -> list[float]:
        """Return Tesseract's mean confidence in the words of each, 0 where it reads none."""
        sure = []
        for line in lines:
            self._show(line)
            self._api.Recognize()
            sure.append(max(self._api.MeanTextConf(), 0) / 100)
        return sure

    def _show(self, line: Image) -> None:
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


def tesseract_data() -> Path | None:
    """Return the folder of Tesseract's English data, or None when the OCR engine cannot be used."""
    if importlib.util.find_spec("tesserocr") is None:
        return None
    folders = [Path(os.environ["TESSDATA_PREFIX"])] if "TESSDATA_PREFIX" in os.environ else []
    folders += sorted(Path("/usr/share").glob("tesseract-ocr/*/tessdata"), reverse=True)
    folders += [Path("/usr/share/tessdata"), Path("/usr/local/share/tessdata")]
    folders += [Path("/opt/homebrew/share/tessdata")]
    return next((folder for folder in folders if (folder / "eng.traineddata").is_file()), None)


def load_tesseract(threads: int) -> TesseractEngine | None:
    """Load Tesseract, which reads a line in one thread, where it and its data are installed."""
    data = tesseract_data()
    return None if data is None else TesseractEngine(data)
