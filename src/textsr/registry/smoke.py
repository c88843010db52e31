"""What was promoted must work: the champion is loaded as users load it, and upscales an image."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from textsr.errors import TextsrError
from textsr.images.folders import read_grey
from textsr.inference.batch import upscale_paths
from textsr.inference.choice import open_folder
from textsr.models.spec import read_spec
from textsr.redaction import redact
from textsr.registry.aliases import (
    CHAMPION,
    PASSED,
    SMOKE_TEST,
    find_version,
    finish_interrupted,
    put_back,
    version_of,
)
from textsr.registry.packaging import download_model
from textsr.tracking import Tracker, is_away, unreachable


def smoke_test(tracker: Tracker, record: Mapping[str, Any], image: Path, output: Path) -> str:
    """Try the champion that a registration made; return a sentence.

    A version that has passed is not tried again.

    Args:
        tracker: the tracking server.
        record: `registration.json`.
        image: what to upscale.
        output: where to write the result.

    Raises:
        TextsrError: if it does not work; the champion before it is champion again. Also if its
            files are not found and those of the champion before it are not either, which says
            nothing about it: they were moved, or their disk is away. It stays champion then.
    """
    name, version = record["model_name"], record["version"]
    finish_interrupted(tracker, name)
    champion = version_of(tracker, name, CHAMPION)
    found = find_version(tracker, name, version)
    if found is None:
        raise TextsrError(
            f"{name}: version {version}, which was promoted, is not there any more; "
            "`dvc repro --force --single-item register` registers it again"
        )
    tags = found.tags
    if tags.get(SMOKE_TEST) == PASSED:
        return f"{name} version {version} has passed"
    failed = tags.get(SMOKE_TEST)
    if champion is not None and str(champion.version) != version and failed is None:
        return f"{name} version {version} is not tried: version {champion.version} took its place"
    if champion is None or str(champion.version) != version:
        raise TextsrError(
            f"{name}: version {version} was promoted, and is not {CHAMPION} now "
            f"(smoke test: {failed or 'not made'}); `dvc repro --force --single-item "
            "register` has the gate decide again"
        )
    try:
        _try(tracker, f"models:/{name}@{CHAMPION}", image, output)
    except Exception as error:  # whatever it is, users would meet it
        cause = error.__cause__ or error
        for each in (error, cause):
            if is_away(each):  # which says nothing about the model
                raise unreachable(tracker.uri, each) from error
        if isinstance(error, _NotFoundError) and not _is_there(tracker, name, record):
            raise TextsrError(
                f"{name} version {version}: {error}; nothing of a champion before it is found "
                f"either, so it stays {CHAMPION}: bring back its files or their disk, or see "
                "docs/how-to/promote-and-roll-back.md, and try again"
            ) from error
        # First the tag: cut off in between, the next test finds a champion that is still to be
        # tried, and not that another one took its place.
        said = redact(f"failed: {error}")[:250]
        tracker.client.set_model_version_tag(name, version, SMOKE_TEST, said)
        now = put_back(tracker, name, version, record["champion_before"], said)
        raise TextsrError(
            f"{name} version {version} does not work ({error}); {CHAMPION} is {_said(now)} again"
        ) from error
    tracker.client.set_model_version_tag(name, version, SMOKE_TEST, PASSED)
    return f"{name} version {version} upscales {image}"


class _NotFoundError(Exception):
    """The files of a version cannot be got."""


def _get(tracker: Tracker, uri: str) -> Path:
    try:
        return download_model(tracker, uri)
    except TextsrError as error:
        if error.__cause__ is None:  # got, and no model of ours
            raise
        raise _NotFoundError(str(error)) from error.__cause__


def _is_there(tracker: Tracker, name: str, record: Mapping[str, Any]) -> bool:
    """Tell whether the files of the champion before can be got."""
    before = record["champion_before"]
    try:
        return before is not None and _get(tracker, f"models:/{name}/{before}").is_dir()
    except (TextsrError, _NotFoundError):
        return False


def _try(tracker: Tracker, uri: str, image: Path, output: Path) -> None:
    folder = _get(tracker, uri)
    backend = open_folder(folder, read_spec(folder), device="cpu")  # where no training is at work
    upscale_paths(backend, [image], output, keep_sharp=False)
    small, large = (read_grey(path) for path in (image, output))
    if large.shape != tuple(backend.scale * side for side in small.shape):
        raise TextsrError(f"{output}: {large.shape} pixels of {small.shape}")
    if np.ptp(large) == 0:
        raise TextsrError(f"{output}: a blank image")


def _said(version: str | None) -> str:
    return "no version" if version is None else f"version {version}"
