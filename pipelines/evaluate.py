"""Judging as a Prefect flow: who reads, baselines, every network, the leaderboard."""

from pipelines.groups import group_flow
from pipelines.parameters import model_names

STAGES = (
    "engines",
    "baselines",
    *(f"evaluate@{model}" for model in model_names()),
    "compare",
)

evaluate = group_flow(
    "evaluate",
    STAGES,
    "Evaluate networks and compare them, and first bring up to date what that needs.",
)


if __name__ == "__main__":
    raise SystemExit(0 if evaluate(return_state=True).is_completed() else 1)
