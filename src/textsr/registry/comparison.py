"""What people see of a comparison in MLflow's UI: verdicts, gains, colours, lines side by side."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow import Image as LoggedImage
from mlflow.entities import Dataset, DatasetInput, InputTag

from textsr.evaluation.cases import choose_cases, compare_lines
from textsr.evaluation.score import Upscale, bicubic_upscale, engine_names, network_upscale
from textsr.evaluation.sets import EvaluationLine
from textsr.evaluation.statistics import Bootstrap, Estimate
from textsr.evaluation.summary import compare_methods
from textsr.files import fingerprint
from textsr.images.grey import Image
from textsr.models.package import load_model
from textsr.ocr.engines import known_engines
from textsr.pages import render_page
from textsr.registry.packaging import logged_model
from textsr.registry.saved_view import VIEW_TAG, encode_view, lines_address, view_address
from textsr.tracking import Tracker

_SHOWN_AS = "textsr.comparison"  # tag of a run: the comparison whose lines it shows
_NOTE, _COLOUR = "mlflow.note.content", "mlflow.runColor"
BICUBIC, HR = "bicubic", "hr"
_BASELINE_COLOURS = {BICUBIC: "#8a8a8a", HR: "#222222"}
# Okabe and Ito's, which the colour-blind tell apart (Wong 2011, Nature Methods 8, 441).
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#f0e442")
_LINES_A_KIND = 2  # for each OCR engine: best, median and worst
_RIGHT, _WRONG = "✓", "✗"


@dataclass(frozen=True)
class Method:
    """One method of a comparison.

    Attributes:
        name: as the leaderboard names it.
        run_id: its MLflow run.
        samples: its scores of the test split, as `score_set` returns them.
        model: the folder of its model; None of bicubic and HR.
        cost: `ms_per_line`, its latency in milliseconds; `train_seconds` and `parameters`, as far
            as they are known; nothing of bicubic and HR.
    """

    name: str
    run_id: str
    samples: pd.DataFrame
    model: Path | None = None
    cost: Mapping[str, float] = field(default_factory=dict)


def publish_comparison(
    tracker: Tracker,
    experiment: str,
    methods: Sequence[Method],
    lines: Sequence[EvaluationLine],
    scale: int,
    bootstrap: Bootstrap,
    winner: str,
    decision: str,
    dataset_hash: str,
) -> None:
    """Bring a comparison onto MLflow's pages: the experiment's, and each method's run.

    The experiment gets a note that names the winner, and a saved view of the runs. A run gets
    `gain/ENGINE` with its interval's ends `low/ENGINE` and `high/ENGINE` (points of accuracy over
    bicubic), a verdict, a note, a colour, the dataset as its input, and the table
    `side-by-side/KEY.json` of images and readings, whose name all runs of a comparison share.

    Args:
        tracker: the tracking server.
        experiment: name of the experiment with the trainings.
        methods: bicubic, HR if it is known, and the models; scored on the same lines.
        lines: the test split.
        scale: HR pixels per LR pixel.
        bootstrap: how intervals are computed.
        winner: name of the model that reads best.
        decision: Markdown, what the gate decided of it.
        dataset_hash: of the dataset's shards.

    Raises:
        TextsrError: if the methods were scored on different lines, or read by different versions
            of an OCR engine.
    """
    by_name = {method.name: method for method in methods}
    bicubic, best = by_name[BICUBIC], by_name[winner]
    engines = engine_names(best.samples)
    gains = {
        method.name: _over(method, bicubic, bootstrap) for method in methods if method != bicubic
    }
    chosen = _choose_lines(best.samples, bicubic.samples, engines)
    key = fingerprint(repr([(method.name, method.run_id) for method in methods] + chosen), [])[:8]
    colours = iter(_COLOURS * len(methods))
    for method in methods:
        gain = gains.get(method.name, {})
        verdict = _verdict(method.name, gain, winner)
        note = render_page(
            "textsr.registry",
            "run_note.md.j2",
            method=method,
            verdict=verdict,
            gains={_title(engine): gain[engine].in_points() for engine in gain},
            decision=decision if method == best else "",
            dataset_hash=dataset_hash,
            key=key,
        )
        model_uri = logged_model(tracker, method.run_id)  # None of bicubic and HR
        tracker.log(method.run_id, _as_metrics(gain), model_uri=model_uri)
        tracker.client.log_inputs(method.run_id, [_as_input(dataset_hash)])
        _show_lines(tracker, method, lines, chosen, engines, scale, key)
        tracker.describe(method.run_id, note)
        colour = _BASELINE_COLOURS.get(method.name) or next(colours)
        tracker.tag(method.run_id, {"verdict": verdict, _COLOUR: colour})
    order = sorted(engines, key=lambda engine: -gains[winner][engine].value)
    about = {_title(engine): gains[winner][engine].in_points() for engine in order}
    experiment_id = tracker.experiment_id(experiment)
    note = render_page(
        "textsr.registry",
        "experiment_note.md.j2",
        winner=winner,
        gains=about,
        runs=view_address("", experiment_id),
        lines=lines_address("", experiment_id),
    )
    tracker.client.set_experiment_tag(experiment_id, _NOTE, note)
    tracker.client.set_experiment_tag(experiment_id, VIEW_TAG, encode_view(order))


def _over(method: Method, bicubic: Method, bootstrap: Bootstrap) -> dict[str, Estimate]:
    found = compare_methods(method.samples, bicubic.samples, bootstrap)
    return {engine: found[engine] for engine in engine_names(method.samples)}


def _as_metrics(gains: Mapping[str, Estimate]) -> dict[str, float]:
    """Four digits, which a column shows whole."""
    return {
        f"{kind}/{engine}": round(100 * value, 2)
        for engine, gain in gains.items()
        for kind, value in (("gain", gain.value), ("low", gain.low), ("high", gain.high))
    }


def _verdict(name: str, gains: Mapping[str, Estimate], winner: str) -> str:
    if name == BICUBIC:
        return "the peer: all gains are over it"
    if name == HR:
        return "the ceiling: the true image"
    better = [_title(engine) for engine, gain in gains.items() if gain.low > 0]
    worse = [_title(engine) for engine, gain in gains.items() if gain.high < 0]
    said = [f"better for {', '.join(better)}"] if better else []
    said += [f"worse for {', '.join(worse)}"] if worse else []
    found = "; ".join(said) or "no better than bicubic"
    return f"reads best: {found}" if name == winner else found


def _title(engine: str) -> str:
    known = known_engines()
    return known[engine].title if engine in known else engine


def _as_input(dataset_hash: str) -> DatasetInput:
    source = json.dumps({"uri": "artifacts/dataset"})
    dataset = Dataset("dataset", dataset_hash[:8], source_type="local", source=source)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "test")])


def _choose_lines(
    best: pd.DataFrame, bicubic: pd.DataFrame, engines: Sequence[str]
) -> list[tuple[str, str]]:
    """Return lines by their ids, each with why it is shown; none twice."""
    shown: dict[str, str] = {}
    for engine in engines:
        ranked = compare_lines(best, bicubic, engine)
        choice = choose_cases(ranked, _LINES_A_KIND)
        for kind, places in (
            ("best", choice.best),
            ("median", choice.median),
            ("worst", choice.worst),
        ):
            for place in places:
                shown.setdefault(ranked[place].line_id, f"{kind} for {_title(engine)}")
    return list(shown.items())


def _show_lines(
    tracker: Tracker,
    method: Method,
    lines: Sequence[EvaluationLine],
    chosen: Sequence[tuple[str, str]],
    engines: Sequence[str],
    scale: int,
    key: str,
) -> None:
    """Log the table of lines, once: MLflow appends to a table that is there."""
    if tracker.client.get_run(method.run_id).data.tags.get(_SHOWN_AS) == key:
        return
    by_id = {line.line_id: line for line in lines}
    scores = method.samples.set_index("line_id")
    upscale = _upscale(method, scale)
    # The UI groups by the first column and compares the second.
    table: dict[str, list[Any]] = {name: [] for name in ("line", "image", *engines, "shown as")}
    for line_id, why in chosen:
        line, score = by_id[line_id], scores.loc[line_id]
        image = line.hr if upscale is None else upscale(line.lr)
        assert image is not None  # HR is a method only where it is known
        table["line"].append(line.text)
        table["shown as"].append(why)
        table["image"].append(LoggedImage(_on_square(image)))
        for engine in engines:
            mark = _RIGHT if score[f"{engine}_exact"] else _WRONG
            table[engine].append(f"{mark} {score[f'{engine}_text']}")
    if chosen:
        tracker.client.log_table(method.run_id, table, f"side-by-side/{key}.json")
    tracker.client.set_tag(method.run_id, _SHOWN_AS, key)


def _upscale(method: Method, scale: int) -> Upscale | None:
    """Return how a method makes its images of LR; None of HR, which is there."""
    if method.model is not None:
        return network_upscale(load_model(method.model))
    return None if method.name == HR else bicubic_upscale(scale)


def _on_square(image: Image) -> Image:
    """Paste a line near the top of a white square: the UI shows squares, and crops what is none."""
    height, width = image.shape
    square = np.full((max(image.shape),) * 2, 255, np.uint8)
    square[: min(height, square.shape[0]), :width] = image
    return square
