"""The OCR engines that judge: those that come with this package, and those of others.

An engine takes part by its entry alone: in `BUILT_IN`, or as an entry point of another package in
the group `textsr.ocr_engines` that names an `EngineEntry`. The leaderboard, the gate, the choice of
the blend, MLflow, the cards and the monitor follow. No network or recognizer is trained by any of
them.
"""

import os
import re
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from textsr.config import project
from textsr.errors import TextsrError
from textsr.ocr.easyocr_engine import load_easyocr
from textsr.ocr.engine import EngineEntry, OCREngine
from textsr.ocr.kept_engine import KeptEngine
from textsr.ocr.rapidocr_engine import load_rapidocr
from textsr.ocr.readings import Readings
from textsr.ocr.tesseract_engine import load_tesseract

GROUP = "textsr.ocr_engines"
"""The group of entry points by which other packages bring engines."""

KEPT_IN = "TEXTSR_READINGS"
"""The environment variable that names the file of kept readings; empty for none."""

BUILT_IN = {
    "rapidocr": EngineEntry("RapidOCR", load_rapidocr),
    "tesseract": EngineEntry("Tesseract", load_tesseract),
    "easyocr": EngineEntry("EasyOCR", load_easyocr),
}
"""By the names that tables and reports use, in their order."""

_NAME = re.compile(r"[a-z][a-z0-9_]*")
# What tables and models call something else: a column, a reader of `model.json`.
_TAKEN = {"method", "set", "samples", "psnr_db", "ssim", "blend", "people", "any"}


def known_engines() -> dict[str, EngineEntry]:
    """Return all engines by name, installed or not: our own in their order, then others by name.

    Raises:
        TextsrError: if an entry point cannot be loaded, or its name is taken or no name.
    """
    engines = dict(BUILT_IN)
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        if not _NAME.fullmatch(point.name) or point.name in engines.keys() | _TAKEN:
            raise _refused(point, "the name is taken, or not of lower-case letters, digits and _")
        try:
            entry = point.load()
        except Exception as error:  # whatever the package does when it is imported
            raise _refused(point, f"{type(error).__name__}: {error}") from error
        if not isinstance(entry, EngineEntry):
            raise _refused(point, "not a textsr.ocr.engine.EngineEntry")
        engines[point.name] = entry
    return engines


def _refused(point: EntryPoint, why: str) -> TextsrError:
    package = "a package" if point.dist is None else point.dist.name
    return TextsrError(
        f"OCR engine {point.name} ({point.value}) of {package}: {why}; mend or uninstall {package}"
    )


def available_engines(threads: int = 0) -> list[OCREngine]:
    """Load the engines that are installed, in the order of `known_engines`.

    What they read is kept (`readings_file`): no image is read twice by one version of an engine.

    Args:
        threads: to run in; 0: one per core.

    Raises:
        TextsrError: if there is none.
    """
    engines = list(_load(threads))
    if not engines:
        raise _none_installed()
    return engines


def first_engine(threads: int = 0) -> OCREngine:
    """Load the first engine that is installed: it reads where one is enough.

    Raises:
        TextsrError: if there is none.
    """
    engine = next(_load(threads), None)
    if engine is None:
        raise _none_installed()
    return engine


def _load(threads: int) -> Iterator[OCREngine]:
    kept = readings_file()
    readings = None if kept is None else Readings(kept)
    for entry in known_engines().values():
        engine = entry.load(threads)
        if engine is not None:
            yield engine if readings is None else KeptEngine(engine, readings)


def readings_file() -> Path | None:
    """Return where readings are kept: TEXTSR_READINGS, or in the project; None for nowhere.

    It is nowhere where the variable is empty, or there is no project.
    """
    named = os.environ.get(KEPT_IN)
    if named is not None:
        return Path(named) if named else None
    try:
        return project.find_home(project.find_root(Path.cwd())) / project.READINGS
    except TextsrError:
        return None


def _none_installed() -> TextsrError:
    return TextsrError("no OCR engine is installed; install one by `pip install 'textsr[ocr]'`")
