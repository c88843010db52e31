"""No OCR engine that judges takes part in training, ever."""

import ast
from pathlib import Path

import pytest

from textsr.config.closure import modules_behind
from textsr.ocr.engines import GROUP

SOURCE = Path(__file__).parents[2] / "src"

# What an engine is read by: our modules, the packages behind them, and the entry points of others.
PACKAGES = {"rapidocr", "tesserocr", "pytesseract", "easyocr", "easyocr_en_models"}
REGISTRIES = {"importlib.metadata", "importlib_metadata", "pkg_resources"}

TRAINING = sorted(
    f"textsr.{path.relative_to(SOURCE / 'textsr').with_suffix('').as_posix().replace('/', '.')}"
    for room in ("training", "pretraining", "models", "datasets")
    for path in (SOURCE / "textsr" / room).glob("[!_]*.py")
) + [f"textsr.stages.{stage}" for stage in ("train", "pretrain", "recognizer")]


def path_of(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imports_of(path: Path) -> set[str]:
    """Names of the modules that a file imports, at once or later."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


@pytest.fixture(scope="module")
def behind() -> frozenset[str]:
    return modules_behind(*TRAINING)


def test_what_trains_reaches_no_engine(behind: frozenset[str]) -> None:
    assert len(behind) > len(TRAINING)
    assert not {module for module in behind if module.startswith("textsr.ocr")}


def test_what_trains_reaches_no_engines_package_and_no_entry_point(
    behind: frozenset[str],
) -> None:
    for module in behind:
        imported = imports_of(path_of(module))
        assert not {name.partition(".")[0] for name in imported} & PACKAGES, module
        if imported & REGISTRIES:  # versions of packages are asked for, and no entry points
            assert "entry_points" not in path_of(module).read_text(), module
        assert GROUP not in path_of(module).read_text(), module


def test_the_search_would_find_them() -> None:
    """Where an engine is read, the same search says so."""
    judging = modules_behind("textsr.stages.evaluate")
    assert "textsr.ocr.engines" in judging
    found = set().union(*(imports_of(path_of(module)) for module in judging))
    assert {"rapidocr", "tesserocr"} <= found
    assert "entry_points" in path_of("textsr.ocr.engines").read_text()
