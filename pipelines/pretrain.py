"""Pretraining of encoders as a Prefect flow. Its deployment runs in the pool `gpu`."""

from pipelines.groups import group_flow
from textsr.config.params import SSL_METHODS

STAGES = tuple(f"pretrain@{method}" for method in SSL_METHODS)

pretrain = group_flow(
    "pretrain", STAGES, "Pretrain encoders, and first bring up to date what that needs."
)


if __name__ == "__main__":
    raise SystemExit(0 if pretrain(return_state=True).is_completed() else 1)
