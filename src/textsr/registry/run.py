"""The `register` stage."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from textsr.config import project
from textsr.config.params import SPLITS, Params
from textsr.errors import TextsrError
from textsr.evaluation.judges import judges_of_summary
from textsr.evaluation.results import Leaderboard, Metrics, Speed
from textsr.evaluation.run import TEST, bootstrap_of, read_samples
from textsr.evaluation.score import network_upscale, score_set
from textsr.evaluation.sets import load_split
from textsr.evaluation.statistics import Estimate
from textsr.evaluation.summary import compare_methods
from textsr.files import fingerprint, read_json, write_json
from textsr.models.package import load_model
from textsr.ocr.engines import available_engines
from textsr.progress import Progress
from textsr.registry.aliases import (
    CHAMPION,
    GATE,
    PREVIOUS,
    find_version,
    finish_interrupted,
    promote_over,
    register_challenger,
    rolled_back,
    version_of,
)
from textsr.registry.card import write_card
from textsr.registry.catalogue import record_gains
from textsr.registry.comparison import BICUBIC, HR, Method, publish_comparison
from textsr.registry.evaluations import publish_baselines, publish_evaluation
from textsr.registry.gate import Check, Decision, RealSet, decide, render_decision
from textsr.registry.origin import is_kept, keep_files, titled, write_origin
from textsr.registry.packaging import download_model, logged_model
from textsr.registry.records import THE_GATE, Grounds, gates_record, record_decision, run_tags
from textsr.tracking import RunRecord, Tracker


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
    everywhere = read_samples(evaluation / winner / "samples.parquet")
    samples = _on(everywhere, TEST)
    base = read_samples(evaluation / "baselines" / "samples.parquet")
    bicubic = base[base["method"] == "bicubic"]
    bootstrap = bootstrap_of(params)
    over_bicubic = compare_methods(samples, _on(bicubic, TEST), bootstrap)
    real_sets = {
        str(name): RealSet(len(table), compare_methods(table, _on(bicubic, name), bootstrap))
        for name, table in everywhere.groupby("set")
        if name != TEST
    }
    speed = read_json(evaluation / winner / "speed.json", Speed)
    metrics = read_json(evaluation / winner / "metrics.json", Metrics)
    gate = params.registration.gate

    def judge() -> tuple[ModelVersion | None, Decision]:
        finish_interrupted(tracker, name)
        champion = version_of(tracker, name, CHAMPION)
        over_champion: dict[str, Estimate] | None = None
        if champion is not None and champion.tags.get("model_uri") != model_uri:
            folder = download_model(tracker, f"models:/{name}/{champion.version}")
            theirs = _score(params, folder, dataset, progress)
            over_champion = compare_methods(samples, theirs, bootstrap)
        return champion, decide(
            gate,
            over_bicubic,
            over_champion,
            speed["ms_per_line"],
            metrics.get("slices", []),
            real_sets,
        )

    champion, decision = judge()
    version = register_challenger(tracker, name, model_uri, run_ids[winner], "")
    record_gains(tracker, version, over_bicubic)
    if not is_kept(version):
        _keep(tracker, version, params, evaluation / winner, reports.parent)
    while True:
        decision = _heed_rollback(tracker, name, str(version.version), decision)
        record = _record(tracker, name, version, winner, champion, decision)
        grounds = Grounds(by=THE_GATE, checks=decision.checks, thresholds=gate.model_dump())
        if not decision.promoted:
            _record_refusal(tracker, name, version, champion, grounds)
            break
        if promote_over(tracker, name, version, champion, grounds):
            break
        champion, decision = judge()  # another registration made a champion in the meantime
    _show(params, tracker, run_ids, dataset, trained, evaluation, record)
    write_json(reports / "registration.json", record)
    return record


def _show(
    params: Params,
    tracker: Tracker,
    run_ids: Mapping[str, str],
    dataset: Path,
    trained: Path,
    evaluation: Path,
    record: Mapping[str, Any],
) -> None:
    """Bring the comparison of all methods onto MLflow's pages."""
    baselines = evaluation / "baselines" / "samples.parquet"
    base, key = _on(read_samples(baselines), TEST), fingerprint("", [baselines])
    methods = [
        Method(method, _baseline_run(tracker, params, method, key), base[base["method"] == method])
        for method in (BICUBIC, HR)
        if (base["method"] == method).any()
    ]
    for model, run_id in run_ids.items():
        folder = evaluation / model
        samples = _on(read_samples(folder / "samples.parquet"), TEST)
        speed = read_json(folder / "speed.json", Speed)
        cost = RunRecord.read(trained / model / "run.json").metrics | dict(speed)
        methods.append(Method(model, run_id, samples, folder / "model", cost))
    publish_comparison(
        tracker,
        params.tracking.experiment,
        methods,
        load_split(dataset / TEST),
        params.synthesis.scale,
        bootstrap_of(params),
        record["method"],
        render_decision(record),
        fingerprint("", [dataset / split for split in SPLITS]),
    )


def _baseline_run(tracker: Tracker, params: Params, method: str, key: str) -> str:
    """Return the run of bicubic or HR that `publish_baselines` has made."""
    experiment = tracker.experiment_id(params.tracking.experiment)
    found = tracker.client.search_runs([experiment], f"attributes.run_name = '{method}'")
    ids = (str(run.info.run_id) for run in found)
    return next(each for each in ids if tracker.evaluation_key(each) == key)


def _record(
    tracker: Tracker,
    name: str,
    version: ModelVersion,
    winner: str,
    champion: ModelVersion | None,
    decision: Decision,
) -> dict[str, Any]:
    """Write the gate's decision onto a version and its run; return it as `registration.json`."""
    # Where it is champion already, a registration of it was cut off, or is made again.
    again = champion is not None and champion.version == version.version
    before = version_of(tracker, name, PREVIOUS) if again else champion
    record: dict[str, Any] = {
        "model_name": name,
        "version": str(version.version),
        "method": winner,
        "run_id": str(version.run_id),
        "champion_before": before and str(before.version),
        **decision.model_dump(),
    }
    client, run_id = tracker.client, record["run_id"]
    client.update_model_version(name, version.version, render_decision(record))
    client.set_model_version_tag(name, version.version, GATE, _verdict(decision.promoted))
    client.log_dict(run_id, record, "registration.json")
    return record


def _keep(
    tracker: Tracker, version: ModelVersion, params: Params, evaluation: Path, root: Path
) -> None:
    """Keep with a version what it came from, and its card; as it was when it was made a version."""
    metrics = read_json(evaluation / "metrics.json", Metrics)
    with TemporaryDirectory() as made:
        folder = Path(made)
        write_origin(folder, root, params, judges_of_summary(metrics["sets"][TEST]))
        write_card(
            folder,
            f"{version.name} version {version.version}",
            evaluation,
            titled(run_tags(tracker, version)),
            root / project.DATA,
            params.synthesis.lr_height,
        )
        keep_files(tracker, version, folder)


def _record_refusal(
    tracker: Tracker,
    name: str,
    version: ModelVersion,
    champion: ModelVersion | None,
    grounds: Grounds,
) -> None:
    """Keep a refusal with the version, unless the gate's last word on it was the same."""
    found = find_version(tracker, name, str(version.version))
    last = None if found is None else gates_record(found)
    said_so = last is not None and last.outcome == "refused" and last.checks == grounds.checks
    if not said_so:
        record_decision(tracker, version, "refused", champion, grounds)


def _heed_rollback(tracker: Tracker, name: str, version: str, decision: Decision) -> Decision:
    """Refuse a version that was rolled back from, whatever its numbers."""
    why = rolled_back(tracker, name, version)
    if why is None:
        return decision
    refused = Check(name="not rolled back from", passed=False, evidence=why)
    return Decision(promoted=False, checks=[*decision.checks, refused])


def _verdict(promoted: bool) -> str:
    return "promoted" if promoted else "refused"


def _on(samples: pd.DataFrame, name: object) -> pd.DataFrame:
    return samples[samples["set"] == name]


def _score(params: Params, folder: Path, dataset: Path, progress: Progress) -> pd.DataFrame:
    """Score the champion anew: it may have been judged on other lines, or by other OCR engines."""
    lines = load_split(dataset / TEST)
    engines = available_engines(params.compute.threads)
    upscale = network_upscale(load_model(folder))
    tick = progress("reading the champion's output", len(lines) * len(engines))
    return score_set(CHAMPION, TEST, lines, [upscale(line.lr) for line in lines], engines, tick)
