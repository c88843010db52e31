"""MLflow: the tracking server, the lineage of runs, and the context that gives a stage a run."""

from textsr.tracking.client import (
    RunRecord,
    Tracker,
    explain,
    is_away,
    is_unreachable,
    model_id,
    tracking_uri,
    unreachable,
)
from textsr.tracking.lineage import LINES, SOURCES, describe_lines, flatten, lineage_tags
from textsr.tracking.metrics import evaluation_metrics, set_metrics
from textsr.tracking.stage import StageRun, track

__all__ = [
    "LINES",
    "SOURCES",
    "RunRecord",
    "StageRun",
    "Tracker",
    "describe_lines",
    "evaluation_metrics",
    "explain",
    "flatten",
    "is_away",
    "is_unreachable",
    "lineage_tags",
    "model_id",
    "set_metrics",
    "track",
    "tracking_uri",
    "unreachable",
]
