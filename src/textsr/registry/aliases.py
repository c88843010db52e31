"""Versions and aliases of the registered model: `champion`, `challenger`, `previous`."""

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode

from textsr.errors import TextsrError
from textsr.tracking import Tracker, unreachable

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
# What MLflow answers where the registered model or the alias does not exist.
_MISSING = {ErrorCode.Name(code) for code in (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE)}


def version_of(tracker: Tracker, name: str, alias: str) -> ModelVersion | None:
    """Return the version that an alias names, or None.

    Raises:
        TextsrError: if the server cannot be asked: a champion that cannot be seen is not absent.
    """
    try:
        return tracker.client.get_model_version_by_alias(name, alias)
    except MlflowException as error:
        if error.error_code not in _MISSING:
            raise unreachable(tracker.uri, error) from error
        return None


def register_challenger(
    tracker: Tracker, name: str, model_uri: str, run_id: str, description: str
) -> ModelVersion:
    """Register a model as a version with the alias `challenger`.

    A model that is a version already is not registered twice.
    """
    if not tracker.client.search_registered_models(f"name = '{name}'"):
        tracker.client.create_registered_model(name)
    # A server demands the id beside the address; a store that is opened as a file does not.
    model_id = model_uri.removeprefix("models:/") if model_uri.startswith("models:/") else None
    known = [
        version
        for version in tracker.client.search_model_versions(f"name = '{name}'")
        if version.run_id == run_id and version.tags.get("model_uri") == model_uri
    ]
    version = (
        known[0]
        if known
        else tracker.client.create_model_version(
            name,
            model_uri,
            run_id,
            tags={"model_uri": model_uri},
            description=description,
            model_id=model_id,
        )
    )
    tracker.client.set_registered_model_alias(name, CHALLENGER, version.version)
    return version


def promote(tracker: Tracker, name: str, version: ModelVersion) -> None:
    """Make a version champion; the champion until now becomes `previous`."""
    champion = version_of(tracker, name, CHAMPION)
    if champion is not None and champion.version != version.version:
        tracker.client.set_registered_model_alias(name, PREVIOUS, champion.version)
    tracker.client.set_registered_model_alias(name, CHAMPION, version.version)


def roll_back(tracker: Tracker, name: str) -> tuple[str, str]:
    """Exchange `champion` and `previous`; return the old and the new champion's version.

    Raises:
        TextsrError: if either alias is missing.
    """
    champion, previous = (version_of(tracker, name, alias) for alias in (CHAMPION, PREVIOUS))
    if champion is None or previous is None:
        missing = CHAMPION if champion is None else PREVIOUS
        raise TextsrError(
            f"{name}: nothing to roll back to, no version is {missing}; "
            "a second promotion makes the first champion `previous`"
        )
    tracker.client.set_registered_model_alias(name, PREVIOUS, champion.version)
    tracker.client.set_registered_model_alias(name, CHAMPION, previous.version)
    return str(champion.version), str(previous.version)


def put_back(tracker: Tracker, name: str, version: str, before: str | None) -> None:
    """Take `champion` from a version that does not work, and give it to the champion before it.

    Does nothing where another version is champion by now. With no champion before it, none is left.
    """
    champion = version_of(tracker, name, CHAMPION)
    if champion is None or str(champion.version) != version:
        return
    if before is None or before == version:
        tracker.client.delete_registered_model_alias(name, CHAMPION)
        return
    tracker.client.set_registered_model_alias(name, CHAMPION, before)
    previous = version_of(tracker, name, PREVIOUS)
    if previous is not None and str(previous.version) == before:
        tracker.client.delete_registered_model_alias(name, PREVIOUS)
