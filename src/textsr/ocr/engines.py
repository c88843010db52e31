"""The OCR engines that judge: one entry each.

A further engine is a module of its own and an entry in `ENGINES`; the leaderboard, the gate, the
choice of the blend and the pictures follow. No network or recognizer is trained by any of them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from textsr.ocr.engine import OCREngine
from textsr.ocr.rapidocr_engine import RapidOCREngine
from textsr.ocr.tesseract_engine import TesseractEngine, tesseract_data


@dataclass(frozen=True)
class EngineEntry:
    """An engine that may be used.

    Attributes:
        title: how people write its name.
        load: makes it, to run in so many threads (0: one per core); returns None where it, or the
            data that it needs, is not installed.
    """

    title: str
    load: Callable[[int], OCREngine | None]


def _load_tesseract(threads: int) -> OCREngine | None:
    data = tesseract_data()
    return None if data is None else TesseractEngine(data)


ENGINES = {
    "rapidocr": EngineEntry("RapidOCR", RapidOCREngine),
    "tesseract": EngineEntry("Tesseract", _load_tesseract),
}
"""By the names that tables and reports use, in their order."""


def available_engines(threads: int = 0) -> list[OCREngine]:
    """Load the engines that are installed, in the order of `ENGINES`."""
    loaded = (entry.load(threads) for entry in ENGINES.values())
    return [engine for engine in loaded if engine is not None]
