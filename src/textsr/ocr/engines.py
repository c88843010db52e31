"""The two judging OCR engines and how a reading is scored.

RapidOCR (PP-OCR recognition through ONNX Runtime, models inside its wheel) is always present.
Tesseract is a second, independent OCR engine, used when `tesserocr` and its language data are
installed, so that no model is tuned to one engine.
"""

import importlib.util
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from joblib import cpu_count
from rapidfuzz.distance import Levenshtein

from textsr.images.grey import Image

_TESSERACT_HEIGHT = 48
# Tesseract expects a white margin around a line; without it, it drops first and last letters.
_TESSERACT_MARGIN = 10


class OCREngine(Protocol):
    """An OCR engine that reads one line of text."""

    name: str

    def read(self, line: Image) -> str:
        """Return the text of a grey HxW image of one line."""


class RapidOCREngine:
    """PP-OCR's recognizer on one line: no detection, no direction classifier."""

    name = "rapidocr"

    def __init__(self, threads: int = 0) -> None:
        from rapidocr import RapidOCR

        logging.getLogger("RapidOCR").setLevel(logging.ERROR)
        self._engine = RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.text_score": 0.0,
                "EngineConfig.onnxruntime.intra_op_num_threads": threads or cpu_count(),
            }
        )

    def read(self, line: Image) -> str:
        """Return the text of a grey HxW image of one line; empty where it sees none."""
        result: Any = self._engine(
            cv2.cvtColor(line, cv2.COLOR_GRAY2BGR), use_det=False, use_cls=False, use_rec=True
        )
        return " ".join(result.txts) if result is not None and result.txts else ""


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
        if line.shape[0] < _TESSERACT_HEIGHT:
            factor = _TESSERACT_HEIGHT / line.shape[0]
            line = np.asarray(
                cv2.resize(line, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC),
                np.uint8,
            )
        margin = _TESSERACT_MARGIN
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


def available_engines(threads: int = 0) -> list[OCREngine]:
    """Return RapidOCR and, when its engine and data are installed, Tesseract."""
    engines: list[OCREngine] = [RapidOCREngine(threads)]
    data = tesseract_data()
    if data is not None:
        engines.append(TesseractEngine(data))
    return engines


def read_lines(
    engine: OCREngine, lines: Iterable[Image], tick: Callable[[], None] = lambda: None
) -> list[str]:
    """Read each line; call `tick` after each, for progress."""
    texts = []
    for line in lines:
        texts.append(engine.read(line))
        tick()
    return texts


def normalise(text: str) -> str:
    """Lower-case and keep letters and digits only: the convention of scene-text benchmarks."""
    return "".join(character for character in text.lower() if character.isalnum())


def score_readings(
    references: Sequence[str], readings: Sequence[str]
) -> tuple[list[bool], list[int], list[int]]:
    """Score readings of lines by their normalised text.

    Returns:
        For each line: whether it was read exactly, its edit distance in characters, and the
        length of its reference. The character error rate of a set is the sum of distances over
        the sum of lengths.
    """
    wanted = [normalise(text) for text in references]
    found = [normalise(text) for text in readings]
    exact = [a == b for a, b in zip(wanted, found, strict=True)]
    edits = [Levenshtein.distance(a, b) for a, b in zip(wanted, found, strict=True)]
    return exact, edits, [len(text) for text in wanted]
