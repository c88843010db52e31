"""Which model: a folder, an address of MLflow, the champion, or the package's weights.

MLflow takes seconds to import; it is imported where it is asked.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textsr import pretrained
from textsr.config import project
from textsr.errors import TextsrError

if TYPE_CHECKING:
    from textsr.tracking import Tracker

_ADDRESSES = ("models:/", "runs:/")


@dataclass(frozen=True)
class ResolvedModel:
    """A model that was found.

    Attributes:
        folder: its model folder.
        said: what it is, for people.
        version: of the registered model; None where it was not found as the champion.
        run_id: of the champion's MLflow run, which may be deleted; None likewise.
    """

    folder: Path
    said: str
    version: str | None = None
    run_id: str | None = None


def resolve_model(source: str | None, start: Path) -> ResolvedModel:
    """Find a model.

    Args:
        source: a model folder, or a `models:/` or `runs:/` address. None: the champion of the
            project that `start` lies in; where there is none, the pretrained weights.
        start: a folder, in a project or not.

    Raises:
        TextsrError: if an address is asked outside of a project, the tracking server cannot be
            asked, or it has no such model.
    """
    if source is not None and not source.startswith(_ADDRESSES):
        return ResolvedModel(Path(source), source)
    if source is not None:
        return ResolvedModel(fetch_model(source, start), source)
    try:
        root = project.find_root(start)
    except TextsrError:
        return ResolvedModel(pretrained.FOLDER, "the pretrained weights")
    from textsr.config.params import load_params
    from textsr.tracking import Tracker

    name = load_params(root / project.PARAMS).registration.model_name
    return resolve_champion(Tracker(root), name)


def resolve_champion(tracker: Tracker, name: str) -> ResolvedModel:
    """Find the champion of a registered model; the pretrained weights where no version is it.

    Raises:
        TextsrError: if the tracking server cannot be asked, or does not have the model.
    """
    from textsr.registry.aliases import CHAMPION, version_of
    from textsr.registry.packaging import download_model

    champion = version_of(tracker, name, CHAMPION)
    if champion is None:
        said = f"the pretrained weights (no version of {name} is {CHAMPION})"
        return ResolvedModel(pretrained.FOLDER, said)
    folder = download_model(tracker, f"models:/{name}@{CHAMPION}")
    said = f"{name} version {champion.version}, the {CHAMPION}"
    return ResolvedModel(folder, said, str(champion.version), str(champion.run_id))


def fetch_model(uri: str, start: Path | None = None) -> Path:
    """Return the local model folder of a `models:/` or `runs:/` address.

    Args:
        uri: the address.
        start: a folder in the project whose tracking server is asked; by default the working
            directory.

    Raises:
        TextsrError: if no tracking server is named and `start` is outside of a project, the server
            cannot be asked, or it has no such model.
    """
    root = _root(start)
    from textsr.registry.packaging import download_model
    from textsr.tracking import Tracker

    return download_model(Tracker(root), uri)


def registered_version(uri: str, start: Path | None = None) -> str | None:
    """Return the version that a `models:/` address means now; None of a `runs:/` address.

    Args:
        uri: the address: `models:/NAME/VERSION` or `models:/NAME@ALIAS`.
        start: see `fetch_model`.

    Raises:
        TextsrError: as `fetch_model` does.
    """
    name, _, alias = uri.removeprefix("models:/").partition("@")
    if not uri.startswith("models:/"):
        return None
    if not alias:
        return name.partition("/")[2] or None
    root = _root(start)
    from textsr.registry.aliases import version_of
    from textsr.tracking import Tracker

    found = version_of(Tracker(root), name, alias)
    return None if found is None else str(found.version)


def _root(start: Path | None) -> Path:
    """Return the project's root; any folder will do where the environment names the server."""
    start = Path.cwd() if start is None else start
    try:
        return project.find_root(start)
    except TextsrError:
        if "MLFLOW_TRACKING_URI" not in os.environ:
            raise
        return start
