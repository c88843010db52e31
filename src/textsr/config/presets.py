"""Presets: small overlays of params.yaml, kept in `presets/`."""

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from textsr.config.params import parse_params
from textsr.config.yaml_files import read_yaml, write_yaml
from textsr.errors import TextsrError
from textsr.files import replace_file

_NAMED_BY_USERS = ("extra_datasets", "mixture")  # mappings whose keys are not those of params.yaml


def apply_preset(name: str, presets: Path, params: Path) -> list[str]:
    """Merge `presets/NAME.yaml` into params.yaml, keeping its comments.

    Returns the extra datasets that were there and are no more: those of a preset replace them.

    Raises:
        TextsrError: if there is no such preset, either file is not a YAML mapping, or the result
            is not valid.
    """
    path = presets / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in presets.glob("*.yaml")))
        raise TextsrError(f"{path}: no such preset; choose one of {known}")
    merged = read_sections(params, keep_comments=True)
    before = merged.get("extra_datasets")
    merge(merged, read_sections(path), path)
    parse_params(merged, source=f"{params} with {path}")
    with replace_file(params) as temporary:
        write_yaml(merged, temporary)
    names = before if isinstance(before, Mapping) else ()
    return [name for name in names if name not in merged["extra_datasets"]]


def merge(target: MutableMapping[str, Any], overlay: Mapping[str, Any], path: Path) -> None:
    """Write the values of `overlay`, read from `path`, over those of `target`, in place.

    ExtraDatasets and their mixture are replaced whole.

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


def read_sections(path: Path, *, keep_comments: bool = False) -> MutableMapping[str, Any]:
    """Read the sections of params.yaml or of a preset, which are not validated yet.

    Raises:
        TextsrError: as `read_yaml` does, and if there are none.
    """
    content = read_yaml(path, keep_comments=keep_comments)
    if not isinstance(content, MutableMapping):
        raise TextsrError(f"{path}: expected a mapping of sections; found something else")
    return content
