"""Presets: small overlays of params.yaml, kept in `presets/`."""

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from textsr.config.params import parse_params
from textsr.config.yaml_files import overlay, read_yaml, write_yaml
from textsr.errors import TextsrError
from textsr.files import replace_file

_NAMED_BY_USERS = ("extra_datasets", "training.mixture")  # mappings whose keys users choose


def apply_preset(name: str, presets: Path, params: Path) -> list[str]:
    """Merge `presets/NAME.yaml` into params.yaml, keeping its comments.

    All other lines stay as they are, if they are laid out as the committed ones.

    Returns what else is to be known, a clause each: the extra datasets that were there and are no
    more, since those of a preset replace them, and the models that it tunes and that are not there.

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
    absent = apply_overrides(merged, read_sections(path, keep_comments=True))
    parse_params(merged, source=f"{params} with {path}")
    with replace_file(params) as temporary:
        write_yaml(merged, temporary)
    names = before if isinstance(before, Mapping) else ()
    gone = [str(name) for name in names if name not in merged["extra_datasets"]]
    said = [f"its extra datasets replace {', '.join(gone)}"] if gone else []
    return said + ([f"no model is called {', '.join(absent)}: left out"] if absent else [])


def apply_overrides(params: MutableMapping[str, Any], changes: Mapping[str, Any]) -> list[str]:
    """Write changes of some sections over those of params.yaml, in place.

    Extra datasets and their mixture are replaced whole. Settings of a model that is not there are
    left out, unless they have its `start`: they are a model then. What is not valid then,
    `parse_params` refuses.

    Returns the models whose settings were left out.
    """
    there, tuned = params.get("models"), changes.get("models")
    absent = []
    if isinstance(there, Mapping) and isinstance(tuned, Mapping):
        absent = [name for name in tuned if name not in there and _is_partial(tuned[name])]
        kept = {name: settings for name, settings in tuned.items() if name not in absent}
        changes = {**changes, "models": kept}
    overlay(params, changes, whole=_NAMED_BY_USERS)
    return [str(name) for name in absent]


def _is_partial(settings: Any) -> bool:
    return isinstance(settings, Mapping) and "start" not in settings


def read_sections(path: Path, *, keep_comments: bool = False) -> MutableMapping[str, Any]:
    """Read the sections of params.yaml or of a preset, which are not validated yet.

    Raises:
        TextsrError: as `read_yaml` does, and if there are none.
    """
    content = read_yaml(path, keep_comments=keep_comments)
    if not isinstance(content, MutableMapping):
        raise TextsrError(f"{path}: expected a mapping of sections; found something else")
    return content
