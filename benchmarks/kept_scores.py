"""Scores that are kept between runs, for as long as nothing that makes them changes."""

import hashlib
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from textsr import ocr
from textsr.evaluation import fidelity, score
from textsr.evaluation.run import write_samples
from textsr.evaluation.sets import EvaluationLine
from textsr.files import fingerprint
from textsr.ocr.engine import OCREngine

_PACKAGES = ("opencv-python-headless", "torchmetrics", "rapidfuzz")


def keep(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Return the table at `path`; where there is none, make it and write it there, whole."""
    if not path.is_file():
        write_samples(path, make())
    return pd.read_parquet(path)


def judges_version(engines: Sequence[OCREngine]) -> str:
    """Return what changes whenever readings or measures may: engines, packages, our code."""
    versions = [f"{engine.name} {engine.version}" for engine in engines]
    versions += [f"{package} {version(package)}" for package in _PACKAGES]
    files = [Path(module.__file__ or "") for module in (score, fidelity)]
    files.append(Path(ocr.__file__ or "").parent)
    return fingerprint(" ".join(versions), files)


def lines_version(lines: Sequence[EvaluationLine]) -> str:
    """Return a hash of lines: ids, texts, LR and HR pixels."""
    digest = hashlib.blake2b(digest_size=12)
    for line in lines:
        digest.update(repr((line.line_id, line.text)).encode())
        for image in (line.lr, line.hr):
            digest.update(b"none" if image is None else repr(image.shape).encode())
            digest.update(b"" if image is None else image.tobytes())
    return digest.hexdigest()
