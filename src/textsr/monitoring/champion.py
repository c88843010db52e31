"""The model that is watched, what it was trained on, and the profile of that beside it."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from textsr.config.params import Params
from textsr.files import read_json
from textsr.monitoring.profile import Profile, load_profile
from textsr.registry.resolve import resolve_champion
from textsr.tracking import LINES, Tracker, describe_lines, lineage_tags

_PLACE = "monitoring"  # of the profile, among the run's artifacts
PROFILE = "reference.parquet"
"""The profile's file name, in the project and on the champion's run."""


@dataclass(frozen=True)
class Champion:
    """The champion, or the pretrained weights where no version is champion.

    Attributes:
        name: what reports call it.
        folder: its model folder.
        run_id: of its MLflow run; None for the pretrained weights, or where it was deleted.
        data_hash: of the `data/` that it was trained with; None where it is not known.
        differences: what the local project would train it on otherwise, a sentence each.
    """

    name: str
    folder: Path
    run_id: str | None
    data_hash: str | None
    differences: tuple[str, ...]


def find_champion(tracker: Tracker, params: Params, root: Path) -> Champion:
    """Find the champion and hold its lineage against the local project.

    Raises:
        TextsrError: if the tracking server cannot be asked, or does not have the model.
    """
    found = resolve_champion(tracker, params.registration.model_name)
    if found.run_id is None:
        return Champion(found.said, found.folder, None, None, ())
    if not tracker.exists(found.run_id):
        gone = ("its MLflow run is gone, and its lineage with it",)
        return Champion(found.said, found.folder, None, None, gone)
    run = tracker.client.get_run(found.run_id).data
    return Champion(
        name=found.said,
        folder=found.folder,
        run_id=found.run_id,
        data_hash=run.tags.get("data_hash"),
        differences=tuple(
            _differences(run.tags, _lines_of(tracker, found.run_id) or run.params, params, root)
        ),
    )


def _lines_of(tracker: Tracker, run_id: str) -> dict[str, str] | None:
    """Return which lines a run drew; None of an earlier version's, whose params tell it."""
    with _artifact(tracker, run_id, LINES) as path:
        remedy = "restore it from a backup of MLflow's artifacts"
        return None if path is None else dict(read_json(path, dict[str, str], remedy))


def _differences(
    tags: dict[str, str], trained: dict[str, str], params: Params, root: Path
) -> list[str]:
    here = lineage_tags(root, params.seed)["data_hash"]
    said = []
    if here != tags.get("data_hash"):
        said.append(f"data.dvc is {here}, its was {tags.get('data_hash', 'not recorded')}")
    local = describe_lines(params)
    # Earlier versions called extra datasets domains.
    trained = {
        re.sub(r"^domains\.", "extra_datasets.", key): value for key, value in trained.items()
    }
    mixed = {key for key in trained if key.startswith(("extra_datasets.", "training.mixture."))}
    keys = sorted(key for key in local.keys() | mixed if trained.get(key) != local.get(key))
    if keys:
        more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
        said.append(f"its params were others: {', '.join(keys[:3])}{more}")
    return said


def attached_profile(tracker: Tracker, champion: Champion) -> Profile | None:
    """Return the profile that lies beside the champion on its MLflow run, if one does."""
    if champion.run_id is None:
        return None
    with _artifact(tracker, champion.run_id, f"{_PLACE}/{PROFILE}") as path:
        return None if path is None else load_profile(path)


@contextmanager
def _artifact(tracker: Tracker, run_id: str, place: str) -> Iterator[Path | None]:
    """Yield a copy of a run's artifact; None where there is none."""
    listed = tracker.client.list_artifacts(run_id, place.rpartition("/")[0] or None)
    if place not in {artifact.path for artifact in listed}:
        yield None
        return
    with TemporaryDirectory() as folder:
        yield Path(tracker.client.download_artifacts(run_id, place, folder))


def attach_profile(tracker: Tracker, champion: Champion, path: Path) -> None:
    """Put a profile beside the champion, so that other machines need no training data."""
    assert champion.run_id is not None
    tracker.client.log_artifact(champion.run_id, str(path), _PLACE)
