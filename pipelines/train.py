"""Training of networks as a Prefect flow. Its deployment runs in the pool `gpu`."""

from pipelines.groups import group_flow
from pipelines.parameters import model_names

STAGES = ("recognizer", *(f"train@{model}" for model in model_names()))

train = group_flow(
    "train",
    STAGES,
    "Train networks and our own recognizer, and first bring up to date what that needs.",
)


if __name__ == "__main__":
    raise SystemExit(0 if train(return_state=True).is_completed() else 1)
