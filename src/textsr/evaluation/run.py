"""The `baselines` and `evaluate` stages."""

import statistics
import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from textsr import pretrained
from textsr.compute import use_threads
from textsr.config.judging import JudgingParams
from textsr.config.params import Params
from textsr.evaluation.blend import choose_for_readers, choose_weight, score_blends
from textsr.evaluation.judges import require_read_by
from textsr.evaluation.panels import spread_evenly
from textsr.evaluation.paper import Paper, measure_blends
from textsr.evaluation.pictures import draw_pictures, draw_slices
from textsr.evaluation.score import bicubic_upscale, network_upscale, score_set
from textsr.evaluation.sets import EvaluationLine, load_real_set, load_split
from textsr.evaluation.slices import Slice, score_slices, slice_split
from textsr.evaluation.statistics import Bootstrap
from textsr.evaluation.summary import compare_methods, gaps_closed, summarise
from textsr.files import replace_file, replace_folder, write_json
from textsr.images.grey import Image
from textsr.imports.sets import find_sets
from textsr.models.package import BlendedModel, load_model, save_model
from textsr.models.spec import ModelSpec, read_spec
from textsr.ocr.engine import OCREngine
from textsr.ocr.engines import available_engines
from textsr.parquet import read_frame
from textsr.progress import Progress

TEST = "test"
_SPEED_ROUNDS = 30
_PAPER_LINES = 100  # of val, that are looked at for checkerboards


def bootstrap_of(params: JudgingParams) -> Bootstrap:
    """Return the bootstrap that params.yaml asks for."""
    evaluation = params.evaluation
    return Bootstrap(evaluation.bootstrap_resamples, evaluation.confidence, params.seed)


def load_sets(params: Params, dataset: Path, data: Path) -> dict[str, list[EvaluationLine]]:
    """Load the synthetic test split and each set of `data/real`."""
    sets = {TEST: load_split(dataset / TEST)}
    for imported in find_sets(data, "real"):
        kind: Literal["lr", "hr"] = "hr" if imported.info.kind == "hr" else "lr"
        sets[imported.name] = load_real_set(imported.name, imported.folder, kind, params)
    return sets


def run_baselines(
    params: Params, dataset: Path, data: Path, output: Path, progress: Progress
) -> None:
    """Score bicubic on val, test and the real sets, and HR where it is known.

    Writes `samples.parquet` under `output`.
    """
    engines = available_engines(params.compute.threads)
    upscale = bicubic_upscale(params.synthesis.scale)
    sets = {"val": load_split(dataset / "val"), **load_sets(params, dataset, data)}
    jobs: list[tuple[str, str, list[EvaluationLine], list[Image]]] = []
    for name, lines in sets.items():
        jobs.append(("bicubic", name, lines, [upscale(line.lr) for line in lines]))
        known = [line for line in lines if line.hr is not None]
        if known and name != "val":
            jobs.append(("hr", name, known, [line.hr for line in known if line.hr is not None]))
    tick = progress("reading bicubic and HR", sum(len(job[2]) for job in jobs) * len(engines))
    tables = [score_set(*job, engines, tick) for job in jobs]
    write_samples(output / "samples.parquet", pd.concat(tables, ignore_index=True))


def run_evaluation(
    params: Params,
    model: Path,
    baselines: Path,
    dataset: Path,
    data: Path,
    output: Path,
    as_upscaled: Callable[[BlendedModel], Callable[[torch.Tensor], torch.Tensor]],
    progress: Progress,
) -> dict[str, Any]:
    """Choose a model's blends on val, score it on test and the real sets, draw its pictures.

    Weights that come with the package keep the blends that they come with: what is judged is what
    users have, whichever OCR engines are here. What is scored is the blend for any reader.

    Writes under `output`: `model/` (the model with its blends), `samples.parquet`, `metrics.json`,
    `panels/` (see `draw_pictures` and `draw_slices`) and `speed.json`.

    Args:
        params: the whole of params.yaml.
        model: the folder of the trained model.
        baselines: the table that `run_baselines` wrote.
        dataset: the folder of the splits.
        data: the folder of source material, with the real sets.
        output: where to write.
        as_upscaled: the function of that name, which says how people get a network's output. It is
            handed over since other stages import this module, and do without inference.
        progress: starts progress bars.

    Returns:
        The content of `metrics.json`.
    """
    use_threads(params.compute.threads)
    engines = available_engines(params.compute.threads)
    trained = load_model(model)
    base = read_samples(baselines)
    require_read_by(engines, baselines, base)
    shipped = _shipped_spec(params, trained.spec)
    weights = {*params.evaluation.blend_weights} | ({shipped.blend} if shipped else set())
    paper = _measure_paper(weights, trained, as_upscaled(trained), dataset)
    validation = _choose_blends(
        sorted(weights), trained, base, dataset, engines, paper, shipped, progress
    )

    chosen = {"blend": validation["chosen"]["weight"], "blends": validation["blends"]}
    spec = trained.spec.model_copy(update=chosen)
    save_model(output / "model", spec, trained.network)
    blended = BlendedModel(spec, trained.network).eval()

    tables, metrics, slices = [], {}, list[Slice]()
    with replace_folder(output / "panels") as panels:
        for name, lines in load_sets(params, dataset, data).items():
            images = [network_upscale(blended)(line.lr) for line in lines]
            tick = progress(f"reading {name}", len(lines) * len(engines))
            table = score_set(spec.name, name, lines, images, engines, tick)
            tables.append(table)
            metrics[name] = _set_metrics(table, base, bootstrap_of(params))
            if name == TEST:
                metrics[name]["unblended_psnr_db"] = _unblended_psnr(trained, lines)
                slices = _score_slices(params, table, base, dataset)
                draw_slices(params, spec.name, name, slices, panels)
            draw_pictures(params, lines, images, table, base, panels)
    write_samples(output / "samples.parquet", pd.concat(tables, ignore_index=True))
    write_json(output / "speed.json", measure_speed(blended, params.synthesis.lr_height))
    result = {
        "model": spec.name,
        "validation": validation,
        "paper": paper,
        "sets": metrics,
        "slices": slices,
    }
    write_json(output / "metrics.json", result)
    return result


def _shipped_spec(params: Params, spec: ModelSpec) -> ModelSpec | None:
    """Return what the package says of a model that is its weights as they come; None of others."""
    settings = params.models.get(spec.name)
    if settings is None or not settings.is_shipped:
        return None
    shipped = read_spec(pretrained.FOLDER)
    # At another scale than the package's, the last layer is a fresh one.
    return shipped if shipped.scale == spec.scale else None


def _choose_blends(
    weights: Sequence[float],
    trained: BlendedModel,
    base: pd.DataFrame,
    dataset: Path,
    engines: Sequence[OCREngine],
    paper: Sequence[Paper],
    shipped: ModelSpec | None,
    progress: Progress,
) -> dict[str, Any]:
    lines = load_split(dataset / "val")
    bicubic = base[(base["method"] == "bicubic") & (base["set"] == "val")]
    bicubic = bicubic.set_index("line_id").loc[[line.line_id for line in lines]]
    exact = {engine.name: bicubic[f"{engine.name}_exact"].tolist() for engine in engines}
    tick = progress("choosing the blends", len(weights) * len(lines) * len(engines))
    candidates = score_blends(trained.network, trained.scale, lines, engines, exact, weights, tick)
    chosen = choose_weight(candidates)
    blends = choose_for_readers(
        candidates, {measure["weight"]: measure["upscaled_levels"] for measure in paper}
    )
    if shipped is not None:
        chosen = next(each for each in candidates if each["weight"] == shipped.blend)
    return {
        "bicubic_accuracy": {name: float(np.mean(read)) for name, read in exact.items()},
        "candidates": candidates,
        "as_shipped": shipped is not None,
        "chosen": chosen,
        "blends": blends if shipped is None else shipped.blends,
        "blends_on_val": blends,
    }


def _measure_paper(
    candidates: Collection[float],
    trained: BlendedModel,
    upscale: Callable[[torch.Tensor], torch.Tensor],
    dataset: Path,
) -> list[Paper]:
    """Measure paper at each weight that may be chosen, and network only.

    `upscaled_levels` are the `added_levels` of what `textsr upscale` makes of it, by `upscale`.
    """
    lines = load_split(dataset / "val")
    spread = [lines[place].lr for place in spread_evenly(len(lines), _PAPER_LINES)]
    weights = sorted({*candidates, 1.0})
    measures = measure_blends(trained.network, trained.scale, spread, weights)
    upscaled = measure_blends(upscale, trained.scale, [], weights)
    return [
        measure | {"upscaled_levels": seen["added_levels"]}
        for measure, seen in zip(measures, upscaled, strict=True)
    ]


def _set_metrics(table: pd.DataFrame, base: pd.DataFrame, bootstrap: Bootstrap) -> dict[str, Any]:
    name = table["set"].iloc[0]
    bicubic, hr = (
        base[(base["method"] == method) & (base["set"] == name)] for method in ("bicubic", "hr")
    )
    metrics = summarise(table, bootstrap)
    for key, estimate in compare_methods(table, bicubic, bootstrap).items():
        gain = {"gain": estimate.value, "gain_ci": estimate.interval}
        if key in ("psnr_db", "ssim"):
            metrics |= {f"{key}_{what}": value for what, value in gain.items()}
        else:
            metrics[key] |= gain
    if len(hr) == len(table):
        for engine, closed in gaps_closed(table, bicubic, hr, bootstrap).items():
            metrics[engine]["gap_closed"] = closed and closed.value
            metrics[engine]["gap_closed_ci"] = closed and closed.interval
    return metrics


def _score_slices(
    params: Params, table: pd.DataFrame, base: pd.DataFrame, dataset: Path
) -> list[Slice]:
    bicubic = base[(base["method"] == "bicubic") & (base["set"] == TEST)]
    ssim = dict(zip(bicubic["line_id"], bicubic["ssim"], strict=True))
    return score_slices(table, bicubic, slice_split(dataset / TEST, ssim), bootstrap_of(params))


def _unblended_psnr(trained: BlendedModel, lines: Sequence[EvaluationLine]) -> float:
    upscale = network_upscale(trained.network)
    table = score_set("network", TEST, lines, [upscale(line.lr) for line in lines], [])
    return float(table["psnr_db"].mean())


def measure_speed(model: torch.nn.Module, lr_height: int) -> dict[str, float]:
    """Time the model on one line at a time, `lr_height` x 4 `lr_height` pixels, after a warm-up.

    Returns:
        `ms_per_line` (median) and `lines_per_second`.
    """
    line = torch.rand(1, 1, lr_height, 4 * lr_height, generator=torch.Generator().manual_seed(0))
    durations = []
    with torch.inference_mode():
        for _ in range(_SPEED_ROUNDS):
            start = time.perf_counter()
            model(line)
            durations.append(time.perf_counter() - start)
    median = statistics.median(durations[_SPEED_ROUNDS // 3 :])
    return {"ms_per_line": 1000 * median, "lines_per_second": 1 / median}


def write_samples(path: Path, samples: pd.DataFrame) -> None:
    """Write a table of scores as Parquet, whole or not at all."""
    with replace_file(path) as temporary:
        samples.to_parquet(temporary, index=False)


def read_samples(path: Path) -> pd.DataFrame:
    """Read a table that `write_samples` wrote.

    Raises:
        TextsrError: if it is missing, damaged or another table.
    """
    return read_frame(path, ["method", "set", "line_id"])
