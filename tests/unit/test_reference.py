"""The reference that `make docs` writes out of the code leaves nothing out."""

import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer
import yaml

from textsr.cli.main import app

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs/hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def leaves(values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value and key not in ("kinds", "kernels"):
            yield from leaves(value, f"{path}{key}.")
        else:
            yield f"{path}{key}"


def rows(markdown: str) -> Iterator[tuple[str, str]]:
    """Yield each row's dotted key, with its headings, and the row."""
    heading = ""
    for line in markdown.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ") + "."
        elif line.startswith("| `"):
            yield heading + line.split("`")[1], line


def test_every_key_of_params_has_a_row(hooks: ModuleType) -> None:
    values = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    named = {f"models.NAME.{key}" for model in values.pop("models").values() for key in model}
    assert {*leaves(values), *named} <= {key for key, _ in rows(hooks.params())}


def test_rows_tell_what_is_allowed(hooks: ModuleType) -> None:
    row = dict(rows(hooks.params()))
    assert "integer, ≥ 1, ≤ 65,536" in row["training.batch_size"]
    assert "`[low, high]` within 0 to 20" in row["synthesis.degradation.first.lens.sigma_px"]
    assert "one of `2`, `4`" in row["synthesis.scale"]
    assert "or null" in row["monitoring.folder"]
    assert "HR pixels per LR pixel" in row["synthesis.scale"]


def test_every_verb_has_a_heading(hooks: ModuleType) -> None:
    text = hooks.cli()
    command: Any = typer.main.get_command(app)
    for name, verb in command.commands.items():
        assert f"## `textsr {name}`\n" in text
        for inner in getattr(verb, "commands", {}):
            assert f"### `textsr {name} {inner}`\n" in text
    assert "...\n* `" not in text  # no line of help is cut off
