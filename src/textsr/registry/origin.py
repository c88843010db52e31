"""What a version came from: kept with it as it is registered, and told by `textsr lineage`.

What a run recorded as it trained is in the run's tags. What is kept beside it are files, so that
what the tags name can be looked up, and `dvc.lock`, which has the hash of all that it came from.
"""

import json
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import distributions
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
from mlflow.entities.model_registry import ModelVersion

from textsr.config import project
from textsr.config.params import Params
from textsr.errors import TextsrError, quote
from textsr.files import fingerprint, read_json, write_json, write_text
from textsr.pages import render_page
from textsr.registry.records import NOT_RECORDED, run_tags
from textsr.tracking import SOURCES, Tracker, lineage_tags

TITLES = {
    "git_commit": "git commit",
    "git_changes": "changed beside it",
    "data_hash": "`data.dvc`",
    "initial_weights": "started from weights (BLAKE2b)",
    "encoder_run_id": "run that pretrained its encoder",
    "seed": "seed",
    "hardware": "hardware",
}
"""What of a run's tags people are told, and how it is called."""

DVC_LOCK, DATA_DVC, LOCK = "dvc.lock", "data.dvc", "requirements.lock"
CHANGES, ENVIRONMENT, ORIGIN = "changes.patch", "environment.txt", "origin.json"
FILES = (DVC_LOCK, project.PARAMS.name, DATA_DVC, LOCK, CHANGES, ENVIRONMENT, ORIGIN)
"""What is kept with a version, as far as it was there."""

_KEPT = "textsr.kept"  # tag of a version: the folder in its run's artifacts; set last
_MOST_PATCH = 5_000_000  # bytes
_RESTORE = "restore it from a backup of MLflow's artifacts"


def keep_files(tracker: Tracker, version: ModelVersion, folder: Path) -> None:
    """Keep the files of a folder with a version, among the artifacts of its run."""
    tracker.client.log_artifacts(str(version.run_id), str(folder), _place(version))
    tracker.client.set_model_version_tag(version.name, str(version.version), _KEPT, _place(version))


def is_kept(version: ModelVersion) -> bool:
    """Tell whether files are kept with a version; see `keep_files`."""
    return _KEPT in version.tags


@contextmanager
def kept_folder(tracker: Tracker, version: ModelVersion) -> Iterator[Path | None]:
    """Yield a temporary folder of what is kept with a version; None where nothing is.

    Raises:
        TextsrError: if it cannot be got.
    """
    if not is_kept(version):
        yield None
        return
    address = f"runs:/{version.run_id}/{_place(version)}"
    with TemporaryDirectory(prefix="textsr-") as place:
        try:
            got = mlflow.artifacts.download_artifacts(artifact_uri=address, dst_path=place)
        except Exception as error:  # MLflow raises its own types and those of every store
            raise TextsrError(f"{address}: cannot be got from {tracker.uri}: {error}") from error
        yield Path(got)


def write_origin(
    folder: Path, root: Path, params: Params, judges: Mapping[str, str | None]
) -> None:
    """Write the files `FILES` of a project into a folder, as far as they are there.

    Args:
        folder: where to.
        root: the project.
        params: the whole of its params.yaml.
        judges: the version of each OCR engine that judged.
    """
    for name in (DVC_LOCK, project.PARAMS.name, DATA_DVC, LOCK):
        if (root / name).is_file():
            shutil.copyfile(root / name, folder / name)
    changes = _changes(root)
    if changes and len(changes) <= _MOST_PATCH:
        (folder / CHANGES).write_bytes(changes)
    installed = sorted({f"{each.name}=={each.version}" for each in distributions()}, key=str.lower)
    write_text(folder / ENVIRONMENT, "\n".join(installed) + "\n")
    write_json(
        folder / ORIGIN,
        {
            "registered": lineage_tags(root, params.seed),
            "cpu": cpu_name(),
            "python": platform.python_version(),
            "system": platform.platform(),
            "engines": dict(judges),
        },
    )


def cpu_name() -> str:
    """Return what the system calls the CPU; results are equal to the bit on one type alone."""
    try:
        told = Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        told = ""
    found = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return found[1] if found else platform.processor() or platform.machine()


def read_kept(tracker: Tracker, version: ModelVersion, name: str) -> bytes:
    """Return a file that is kept with a version.

    Raises:
        TextsrError: if it was not kept, or cannot be got.
    """
    with kept_folder(tracker, version) as folder:
        there = sorted(path.name for path in folder.iterdir() if path.is_file()) if folder else []
        if folder is None or name not in there:
            raise TextsrError(
                f"{version.name} version {version.version}: {quote(name)} was not recorded when it "
                f"was registered; recorded were: {', '.join(there) or 'no files'}"
            )
        return (folder / name).read_bytes()


def render_lineage(tracker: Tracker, version: ModelVersion) -> str:
    """Tell as Markdown what a version came from; what was not recorded is said to be so.

    Raises:
        TextsrError: if the server cannot be asked.
    """
    return render_page("textsr.registry", "version_lineage.md.j2", **lineage_of(tracker, version))


def lineage_as_json(tracker: Tracker, version: ModelVersion) -> str:
    """Return what a version came from as JSON; see `render_lineage`."""
    return json.dumps(lineage_of(tracker, version), indent=2)


def lineage_of(tracker: Tracker, version: ModelVersion) -> dict[str, Any]:
    """Return what a version came from.

    Returns:
        `model`, `version`, `method`; `trained`: by title, what the run recorded as it began;
        `registered`: the same of the registration, with CPU, Python and system; `parents`: the same
        of the encoder's run, by its id; `params` by dotted names; `engines` by name; `files`: what
        is kept, by name with its hash.

    Raises:
        TextsrError: if the server cannot be asked.
    """
    tags = run_tags(tracker, version)
    with kept_folder(tracker, version) as folder:
        origin = {} if folder is None else read_json(folder / ORIGIN, dict[str, Any], _RESTORE)
        files = {
            name: fingerprint("", [folder / name])
            if folder is not None and (folder / name).is_file()
            else NOT_RECORDED
            for name in FILES
        }
    encoder = tags.get("encoder_run_id")
    parents = {} if encoder is None else {encoder: _tags_of(tracker, encoder)}
    machine = {key: origin.get(key, NOT_RECORDED) for key in ("cpu", "python", "system")}
    return {
        "model": version.name,
        "version": str(version.version),
        "method": tags.get("mlflow.runName", NOT_RECORDED),
        "run_id": str(version.run_id),
        "trained": titled(tags, complete=True),
        "registered": titled(origin.get("registered", {}), complete=True) | machine,
        "parents": {run: titled(found, complete=True) for run, found in parents.items()},
        "params": _params_of(tracker, version),
        "engines": origin.get("engines")
        or {key.removeprefix("ocr."): tags[key] for key in tags if key.startswith("ocr.")},
        "files": files,
    }


def titled(tags: Mapping[str, str], *, complete: bool = False) -> dict[str, str]:
    """Return what of a run's tags people are told, by title.

    Args:
        tags: of a run.
        complete: also name what is not among them, as not recorded.
    """
    optional = ("initial_weights", "encoder_run_id")  # a network may start from nothing
    return {
        title: tags.get(tag, NOT_RECORDED)
        for tag, title in TITLES.items()
        if tag in tags or (complete and tag not in optional)
    }


def _place(version: ModelVersion) -> str:
    return f"versions/{version.version}"


def _changes(root: Path) -> bytes:
    """Return what differs from the commit, but for files that git does not know."""
    command = ["git", "diff", "HEAD", "--binary", "--", *SOURCES]
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    except FileNotFoundError:  # no git: an unpacked archive
        return b""
    return done.stdout if done.returncode == 0 else b""


def _tags_of(tracker: Tracker, run_id: str) -> Mapping[str, str]:
    if not tracker.exists(run_id):  # deleted, or of another server
        return {}
    tags: Mapping[str, str] = tracker.client.get_run(run_id).data.tags
    return tags


def _params_of(tracker: Tracker, version: ModelVersion) -> dict[str, str]:
    run_id = str(version.run_id)
    return dict(tracker.client.get_run(run_id).data.params) if tracker.exists(run_id) else {}
