"""Presets: small overlays of params.yaml, kept in `presets/`."""

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from textsr.errors import TextsrError
from textsr.files import replace_file
from textsr.params import parse_params

_NAMED_BY_USERS = ("domains", "mixture")  # mappings whose keys are not those of params.yaml


def apply_preset(name: str, presets: Path, params: Path) -> list[str]:
    """Merge `presets/NAME.yaml` into params.yaml, keeping its comments.

    Returns the domains that were there and are no more: those of a preset replace them.

    Raises:
        TextsrError: if there is no such preset, either file is not a YAML mapping, or the result
            is not valid.
    """
    path = presets / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in presets.glob("*.yaml")))
        raise TextsrError(f"{path}: no such preset; choose one of {known}")
    yaml = YAML()
    merged = _read(yaml, params)
    before = list(merged.get("domains") or ())
    merge(merged, _read(YAML(typ="safe"), path), path)
    parse_params(merged, source=f"{params} with {path}")
    with replace_file(params) as temporary:
        yaml.dump(merged, temporary)
    return [name for name in before if name not in merged["domains"]]


def merge(target: MutableMapping[str, Any], overlay: Mapping[str, Any], path: Path) -> None:
    """Write the values of `overlay`, read from `path`, over those of `target`, in place.

    Domains and their mixture are replaced whole.

    Raises:
        TextsrError: if `overlay` has a key that `target` lacks, or a mapping where it has a value.
    """
    for key, value in overlay.items():
        if key not in target:
            raise TextsrError(f"{path}: {key}: no such key in params.yaml; correct its spelling")
        if not isinstance(value, Mapping) or key in _NAMED_BY_USERS:
            target[key] = value
        elif isinstance(target[key], MutableMapping):
            merge(target[key], value, path)
        else:
            raise TextsrError(f"{path}: {key}: takes a value in params.yaml, not a mapping")


def _read(yaml: YAML, path: Path) -> Any:
    try:
        content = yaml.load(path)
    except FileNotFoundError as error:
        raise TextsrError(f"{path}: no such file; run from the project's root") from error
    except YAMLError as error:
        raise TextsrError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(content, MutableMapping):
        raise TextsrError(f"{path}: expected a mapping of sections; found something else")
    return content
