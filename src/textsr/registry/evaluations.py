"""What evaluations bring onto MLflow runs: metrics, pictures and the model."""

from pathlib import Path

from textsr.config.params import Params
from textsr.evaluation.judges import judges_of_summary
from textsr.evaluation.results import Metrics, Speed
from textsr.evaluation.run import TEST, bootstrap_of, read_samples
from textsr.evaluation.summary import summarise
from textsr.files import fingerprint, read_json
from textsr.registry.packaging import log_model
from textsr.tracking import RunRecord, Tracker, evaluation_metrics, set_metrics
from textsr.training.curves import read_curves


def publish_evaluation(tracker: Tracker, trained: Path, evaluation: Path) -> str:
    """Bring an evaluation and its model onto the training's MLflow run; return the run's id.

    Does nothing where the run carries them already, and makes the run again where the tracking
    server has lost it.

    Args:
        tracker: the tracking server.
        trained: the training's folder, with `run.json` and `curves.csv`.
        evaluation: the evaluation's folder.
    """
    record = RunRecord.read(trained / "run.json")
    run_id = tracker.locate(record, read_curves(trained / "curves.csv"))
    key = fingerprint("", [evaluation])
    if tracker.evaluation_key(run_id) != key:
        model_uri = log_model(tracker, run_id, evaluation / "model")
        result = read_json(evaluation / "metrics.json", Metrics)
        speed = read_json(evaluation / "speed.json", Speed)
        judges = judges_of_summary(result["sets"][TEST])
        tracker.tag(run_id, {f"ocr.{name}": str(version) for name, version in judges.items()})
        # The training's cost once more, onto the model, which was not there before.
        metrics = record.metrics | evaluation_metrics(result, speed)
        tracker.log_evaluation(run_id, metrics, evaluation, key, model_uri)
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
