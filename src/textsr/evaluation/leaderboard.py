"""The `compare` stage: all methods side by side, and the winner."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from textsr.config.params import Params
from textsr.config.project import EVALUATION
from textsr.evaluation.blend import choose
from textsr.evaluation.judges import common_judges, describe_judges, judges_of_summary
from textsr.evaluation.panels import READ_RIGHT, Cell, save_panel, spread_evenly
from textsr.evaluation.pictures import CASES, SLICES
from textsr.evaluation.results import Metrics, Speed
from textsr.evaluation.run import TEST, bootstrap_of, read_samples
from textsr.evaluation.score import bicubic_upscale, engine_names, network_upscale
from textsr.evaluation.sets import load_split
from textsr.evaluation.summary import summarise
from textsr.files import read_json, write_json, write_text
from textsr.models.package import load_model
from textsr.models.spec import ANY, PEOPLE
from textsr.ocr.engines import known_engines
from textsr.pages import render_page


def run_comparison(params: Params, evaluation: Path, dataset: Path, reports: Path) -> None:
    """Write `leaderboard.json`, `leaderboard.md` and `comparison.png` under `reports`.

    The winner is chosen on the validation split, by the rule that chose the blends, so that its
    scores on the test split are not the best of several draws.
    """
    leaderboard = build_leaderboard(params, evaluation)
    _draw_comparison(params, evaluation, dataset, reports / "comparison.png")
    write_text(reports / "leaderboard.md", render_leaderboard(leaderboard))
    write_json(reports / "leaderboard.json", leaderboard)


def build_leaderboard(params: Params, evaluation: Path) -> dict[str, Any]:
    """Collect the rows of all methods on all sets, and name the winner."""
    base = read_samples(evaluation / "baselines" / "samples.parquet")
    rows = []
    for (method, name), table in base[base["set"] != "val"].groupby(["method", "set"], sort=False):
        summary = summarise(table, bootstrap_of(params))
        rows.append({"method": method, "set": name, "lines_per_second": None, **summary})
    candidates, paper = {}, {}
    for model in params.models:
        metrics = read_json(evaluation / model / "metrics.json", Metrics)
        speed = read_json(evaluation / model / "speed.json", Speed)
        candidates[model] = metrics["validation"]["chosen"]
        shown = {candidates[model]["weight"], 1.0}
        # Evaluations of before have none.
        paper[model] = [p for p in metrics.get("paper", []) if p["weight"] in shown]
        for name, summary in metrics["sets"].items():
            rows.append(
                {
                    "method": model,
                    "set": name,
                    "lines_per_second": speed["lines_per_second"],
                    "blend": metrics["validation"]["chosen"]["weight"],
                    "blends": metrics["validation"].get("blends", {}),
                    "as_shipped": metrics["validation"].get("as_shipped", False),
                    **summary,
                }
            )
    judges = common_judges((row["method"], judges_of_summary(row)) for row in rows)
    engines = {name: judges.get(name) for name in [*known_engines(), *judges]}
    for row in rows:
        for engine in engines:
            row.setdefault(engine, None)
    return {
        "engines": engines,
        "rows": rows,
        "confidence": params.evaluation.confidence,
        "winner": choose(candidates),
        "selection": candidates,
        "paper": paper,
    }


def render_leaderboard(leaderboard: Mapping[str, Any]) -> str:
    """Render a leaderboard as Markdown, a table a set."""
    sets = []
    for name in dict.fromkeys(row["set"] for row in leaderboard["rows"]):
        rows = [row for row in leaderboard["rows"] if row["set"] == name]
        engines = [engine for engine in leaderboard["engines"] if rows[0].get(engine)]
        sets.append({"name": name, "rows": rows, "engines": engines})
    blends = {row["method"]: row["blends"] for row in leaderboard["rows"] if row.get("blends")}
    readers = [
        reader
        for reader in (PEOPLE, ANY, *leaderboard["engines"])
        if any(reader in weights for weights in blends.values())
    ]
    panels = f"{EVALUATION.as_posix()}/METHOD/panels"
    return render_page(
        "textsr.evaluation",
        "leaderboard.md.j2",
        **leaderboard,
        sets=sets,
        blends=blends,
        readers=readers,
        shipped=sorted({row["method"] for row in leaderboard["rows"] if row.get("as_shipped")}),
        judges=describe_judges({k: v for k, v in leaderboard["engines"].items() if v}),
        cases=f"{panels}/{CASES}/SET-ENGINE.png",
        slices=f"{panels}/{SLICES}/{TEST}.png",
    )


def _draw_comparison(params: Params, evaluation: Path, dataset: Path, path: Path) -> None:
    lines = load_split(dataset / TEST)
    samples = pd.concat(
        read_samples(evaluation / name / "samples.parquet")
        for name in ("baselines", *params.models)
    )
    engines = engine_names(samples)
    readings = {
        (row["method"], row["line_id"]): row
        for row in samples[samples["set"] == TEST].to_dict("records")
    }
    methods = {"bicubic": bicubic_upscale(params.synthesis.scale)} | {
        model: network_upscale(load_model(evaluation / model / "model")) for model in params.models
    }

    def read(method: str, line_id: str) -> dict[str, str]:
        row = readings[method, line_id]
        return {engine: str(row[f"{engine}_text"]) for engine in engines}

    rows = []
    for index in spread_evenly(len(lines), params.evaluation.panel_lines):
        line = lines[index]
        cells = [Cell(line.lr)]
        cells += [
            Cell(upscale(line.lr), read(method, line.line_id))
            for method, upscale in methods.items()
        ]
        assert line.hr is not None
        cells.append(Cell(line.hr, read("hr", line.line_id)))
        rows.append((line.text, cells))
    title = (
        f"test: {len(rows)} of {len(lines)} lines at equal distances. Bold: what they say. "
        f"Read by {', '.join(engines)}: {READ_RIGHT}"
    )
    save_panel(path, ["LR", *methods, "HR"], rows, title)
