"""The data as a Prefect flow: draw it, hold it against expectations, take in what was imported."""

from pipelines.groups import group_flow

STAGES = ("synthesize", "extra_datasets", "validate", "ingest")

dataset = group_flow("dataset", STAGES, "Bring the dataset up to date.")


if __name__ == "__main__":
    raise SystemExit(0 if dataset(return_state=True).is_completed() else 1)
