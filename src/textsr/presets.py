"""Presets: small overlays of params.yaml, kept in `presets/`."""

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from textsr.errors import TextsrError
from textsr.files import replace_file
from textsr.params import parse_params


def apply_preset(name: str, presets: Path, params: Path) -> None:
    """Merge `presets/NAME.yaml` into params.yaml, keeping its comments.

    Raises:
        TextsrError: if there is no such preset, or the result is not valid.
    """
    path = presets / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in presets.glob("*.yaml")))
        raise TextsrError(f"{path}: no such preset; choose one of {known}")
    yaml = YAML()
    merged = yaml.load(params)
    merge(merged, YAML(typ="safe").load(path), path)
    parse_params(merged, source=f"{params} with {path}")
    with replace_file(params) as temporary:
        yaml.dump(merged, temporary)


def merge(target: MutableMapping[str, Any], overlay: Mapping[str, Any], path: Path) -> None:
    """Write the values of `overlay`, read from `path`, over those of `target`, in place.

    Raises:
        TextsrError: if `overlay` has a key that `target` lacks.
    """
    for key, value in overlay.items():
        if key not in target:
            raise TextsrError(f"{path}: {key}: no such key in params.yaml; correct its spelling")
        if isinstance(value, Mapping):
            merge(target[key], value, path)
        else:
            target[key] = value
