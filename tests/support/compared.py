"""A store of MLflow with one comparison: two models, bicubic and HR, of known scores."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from textsr.evaluation.sets import EvaluationLine
from textsr.evaluation.statistics import Bootstrap
from textsr.models.package import build_network, save_model
from textsr.models.spec import ModelSpec
from textsr.registry.comparison import Method, publish_comparison
from textsr.tracking import Tracker

EXPERIMENT = "compared"
DATASET_HASH = "0123456789abcdef"
READ = {"bicubic": (8, 6), "hr": (24, 24), "good": (20, 7), "poor": (2, 6)}
"""How many of the lines each method reads right, by each of two engines."""

ENGINES = ("rapidocr", "tesseract")

COST = {"ms_per_line": 5.0, "train_seconds": 47.3, "parameters": 1_230_000.0}


def table(method: str, lines: Sequence[EvaluationLine], right: Sequence[int]) -> pd.DataFrame:
    """Scores of a method that reads the first lines, so many by each engine, and no others."""
    scores = {
        "method": method,
        "set": "test",
        "line_id": [line.line_id for line in lines],
        "text": [line.text for line in lines],
        "psnr_db": np.linspace(20, 21, len(lines)),
        "ssim": 0.5,
    }
    for engine, count in zip(ENGINES, right, strict=True):
        exact = [number < count for number in range(len(lines))]
        scores |= {
            f"{engine}_text": [
                line.text if hit else "x" for line, hit in zip(lines, exact, strict=True)
            ],
            f"{engine}_exact": exact,
            f"{engine}_edits": [0 if hit else 3 for hit in exact],
            f"{engine}_length": 3,
            f"{engine}_version": "1",
        }
    return pd.DataFrame(scores)


def compare(tracker: Tracker, folder: Path, lines: Sequence[EvaluationLine]) -> list[Method]:
    """Publish the comparison; return its methods."""
    methods = []
    for name, right in READ.items():
        tags = {"data_hash": "da7a", "git_commit": "c0de"}
        run = tracker.start(name, EXPERIMENT, {}, tags).run_id
        tracker.log(run, {"test/psnr_db": 20.0, "test/ssim": 0.5})
        tracker.finish(run)
        model, cost = None, {}
        if name not in ("bicubic", "hr"):
            model, cost = folder / name, COST
            spec = ModelSpec(name=name, architecture="srcnn_transposed", scale=4)
            save_model(model, spec, build_network(spec))
            tracker.log(run, cost)
        methods.append(Method(name, run, table(name, lines, right), model, cost))
    publish(tracker, methods, lines)
    return methods


def publish(tracker: Tracker, methods: Sequence[Method], lines: Sequence[EvaluationLine]) -> None:
    """Publish a comparison of methods; `good` has won."""
    publish_comparison(
        tracker,
        EXPERIMENT,
        methods,
        lines,
        4,
        Bootstrap(200, 0.95, 1),
        "good",
        "The gate promotes it.",
        DATASET_HASH,
    )
