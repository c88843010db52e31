"""The `register` stage, and what `evaluate` publishes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from textsr.config.params import Params
from textsr.errors import TextsrError
from textsr.evaluation.results import Leaderboard, Metrics, Speed
from textsr.evaluation.run import TEST, bootstrap_of, read_samples
from textsr.evaluation.score import network_upscale, score_set
from textsr.evaluation.sets import load_split
from textsr.evaluation.statistics import Estimate
from textsr.evaluation.summary import compare_methods, summarise
from textsr.files import fingerprint, read_json, write_json
from textsr.models.package import load_model
from textsr.ocr.engines import available_engines
from textsr.registry.aliases import (
    CHAMPION,
    PREVIOUS,
    finish_interrupted,
    promote,
    register_challenger,
    rolled_back,
    version_of,
)
from textsr.registry.gate import Check, Decision, decide, render_decision
from textsr.registry.packaging import fetch_model, log_model, logged_model
from textsr.tracking.client import RunRecord, Tracker, evaluation_metrics, set_metrics
from textsr.training.curves import read_curves

Progress = Callable[[str, int], Callable[[], None]]


def publish_evaluation(tracker: Tracker, trained: Path, evaluation: Path) -> str:
    """Bring an evaluation and its model onto the training's MLflow run; return the run's id.

    Does nothing where the run carries them already, and makes the run again where the tracking
    server has lost it.

    Args:
        tracker: the tracking server.
        trained: the training's folder, with `run.json` and `curves.csv`.
        evaluation: the evaluation's folder.
    """
    record = RunRecord.model_validate(read_json(trained / "run.json", RunRecord))
    run_id = tracker.locate(record, read_curves(trained / "curves.csv"))
    key = fingerprint("", [evaluation])
    if tracker.evaluation_key(run_id) != key:
        log_model(tracker, run_id, evaluation / "model")
        result = read_json(evaluation / "metrics.json", Metrics)
        speed = read_json(evaluation / "speed.json", Speed)
        tracker.log_evaluation(run_id, evaluation_metrics(result, speed), evaluation, key)
    return run_id


def publish_baselines(tracker: Tracker, params: Params, samples: Path) -> None:
    """Make the MLflow runs of bicubic and HR, where they are missing.

    Args:
        tracker: the tracking server.
        params: the whole of params.yaml.
        samples: the table that the `baselines` stage wrote.
    """
    base = read_samples(samples)
    for method, tables in base[base["set"] != "val"].groupby("method"):
        summaries = {
            str(name): summarise(table, bootstrap_of(params))
            for name, table in tables.groupby("set")
        }
        tracker.publish_baseline(
            params.tracking.experiment,
            str(method),
            set_metrics(summaries),
            fingerprint("", [samples]),
        )


def run_registration(
    params: Params,
    tracker: Tracker,
    dataset: Path,
    trained: Path,
    evaluation: Path,
    reports: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Register the winner of the leaderboard and let the gate decide.

    Writes `registration.json` under `reports` and returns its content.
    """
    run_ids = {
        model: publish_evaluation(tracker, trained / model, evaluation / model)
        for model in params.models
    }
    publish_baselines(tracker, params, evaluation / "baselines" / "samples.parquet")
    name = params.registration.model_name
    leaderboard = reports / "leaderboard.json"
    winner = read_json(leaderboard, Leaderboard)["winner"]
    if winner not in run_ids:
        raise TextsrError(f"{leaderboard}: winner: no model is {winner}; `dvc repro compare`")
    model_uri = logged_model(tracker, run_ids[winner])
    assert model_uri is not None  # publish_evaluation has logged it
    samples = _on_test(read_samples(evaluation / winner / "samples.parquet"))
    base = read_samples(evaluation / "baselines" / "samples.parquet")
    bootstrap = bootstrap_of(params)
    over_bicubic = compare_methods(samples, _on_test(base[base["method"] == "bicubic"]), bootstrap)
    finish_interrupted(tracker, name)
    champion = version_of(tracker, name, CHAMPION)
    over_champion: dict[str, Estimate] | None = None
    if champion is not None and champion.tags.get("model_uri") != model_uri:
        folder = fetch_model(tracker, f"models:/{name}@{CHAMPION}")
        theirs = _score(params, folder, dataset, progress)
        over_champion = compare_methods(samples, theirs, bootstrap)
    speed = read_json(evaluation / winner / "speed.json", Speed)
    decision = decide(params.registration.gate, over_bicubic, over_champion, speed["ms_per_line"])

    version = register_challenger(tracker, name, model_uri, run_ids[winner], "")
    decision = _heed_rollback(tracker, name, str(version.version), decision)
    # Where it is champion already, a registration of it was cut off, or is made again.
    again = champion is not None and champion.version == version.version
    before = version_of(tracker, name, PREVIOUS) if again else champion
    record: dict[str, Any] = {
        "model_name": name,
        "version": str(version.version),
        "method": winner,
        "run_id": run_ids[winner],
        "champion_before": before and str(before.version),
        **decision.model_dump(),
    }
    client = tracker.client
    client.update_model_version(name, version.version, render_decision(record))
    client.set_model_version_tag(name, version.version, "gate", _verdict(decision.promoted))
    client.log_dict(run_ids[winner], record, "registration.json")
    tracker.describe(run_ids[winner], render_decision(record))
    if decision.promoted:
        promote(tracker, name, version)
    write_json(reports / "registration.json", record)
    return record


def _heed_rollback(tracker: Tracker, name: str, version: str, decision: Decision) -> Decision:
    """Refuse a version that was rolled back from, whatever its numbers."""
    why = rolled_back(tracker, name, version)
    if why is None:
        return decision
    refused = Check(name="not rolled back from", passed=False, evidence=why)
    return Decision(promoted=False, checks=[*decision.checks, refused])


def _verdict(promoted: bool) -> str:
    return "promoted" if promoted else "refused"


def _on_test(samples: pd.DataFrame) -> pd.DataFrame:
    return samples[samples["set"] == TEST]


def _score(params: Params, folder: Path, dataset: Path, progress: Progress) -> pd.DataFrame:
    """Score the champion anew: it may have been judged on other lines, or by other OCR engines."""
    lines = load_split(dataset / TEST)
    engines = available_engines(params.compute.threads)
    upscale = network_upscale(load_model(folder))
    tick = progress("reading the champion's output", len(lines) * len(engines))
    return score_set(CHAMPION, TEST, lines, [upscale(line.lr) for line in lines], engines, tick)
