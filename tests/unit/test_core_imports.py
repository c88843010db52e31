"""What the core imports: upscaling must work where the pipeline's packages are not installed."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import cv2
import numpy as np
import pytest

from textsr.cli import main

EXTRA = r"textsr\[pipeline\]"
ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
CORE_PACKAGES = {"numpy", "cv2", "PIL", "onnxruntime", "pydantic", "typer", "rich"}
ALLOWED = CORE_PACKAGES | sys.stdlib_module_names
# Modules that are imported only where what they need is there.
BEYOND = {
    *("textsr.inference.torch_backend", "textsr.inference.export"),
    "textsr.pretrained.onnx_files",
    "textsr.cli.checked_dvc",
    "textsr.documents.pdf_process",
}


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCE.rglob("*.py")}
CORE = sorted(
    name
    for name in MODULES
    if name in ("textsr", "textsr.api")
    or name.startswith(
        tuple(
            f"textsr.{room}" for room in ("images", "documents", "inference", "pretrained", "cli")
        )
    )
    if name not in BEYOND
)


def imported_at_once(body: list[ast.stmt]) -> Iterator[str]:
    """Names of the modules that a module imports when it is imported itself."""
    for node in body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.level == 0
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            yield from imported_at_once(node.orelse)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for name in ("body", "orelse", "finalbody"):
                yield from imported_at_once(getattr(node, name, []))


def closure(module: str) -> dict[str, str]:
    """What a module imports, directly or not, each with who imports it."""
    found, waiting = {module: "itself"}, [module]
    while waiting:
        importer = waiting.pop()
        for name in imported_at_once(ast.parse(MODULES[importer].read_text("utf-8")).body):
            if name.startswith("textsr") and name not in MODULES:
                continue  # a name out of a module, which is in the list as well
            new = name if name in MODULES else name.partition(".")[0]
            if new not in found:
                found[new] = importer
                if new in MODULES:
                    waiting.append(new)
    return found


@pytest.mark.parametrize("module", CORE)
def test_the_core_imports_its_own_packages_alone(module: str) -> None:
    foreign = {
        name: importer
        for name, importer in closure(module).items()
        if name not in MODULES and name not in ALLOWED
    }
    assert not foreign


@pytest.mark.parametrize("module", [name for name in MODULES if "textsr.serving" in name])
def test_serving_imports_the_core_and_its_extra_alone(module: str) -> None:
    extra = {
        "fastapi",
        "fastapi_offline",
        "h11",
        "mimeparse",
        "prometheus_client",
        "starlette",
        "uvicorn",
    }
    foreign = {
        name: importer
        for name, importer in closure(module).items()
        if name not in MODULES and name not in ALLOWED | extra
    }
    assert not foreign


def test_the_closure_sees_what_is_not_core() -> None:
    assert "torch" in closure("textsr.inference.torch_backend")
    assert "textsr.models.package" in closure("textsr.inference.export")


def declared() -> tuple[set[str], set[str]]:
    """Distributions that pyproject.toml requires of the core, and of it with all extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    core, *extras = (
        {normal(re.split(r"[\[<>=]", requirement)[0]) for requirement in requirements}
        for requirements in (project["dependencies"], *project["optional-dependencies"].values())
    )
    return core, core.union(*extras)


def normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def test_every_package_that_is_imported_is_declared() -> None:
    core, with_extras = declared()
    comes_with = packages_distributions()
    paths = [*MODULES.values(), *(ROOT / "pipelines").rglob("*.py")]
    imported = {
        name.partition(".")[0]: path
        for path in paths
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in imported_at_once([node])
    }
    for name in imported.keys() - sys.stdlib_module_names - {"textsr", "pipelines"}:
        found = {normal(distribution) for distribution in comes_with.get(name, [name])}
        assert found & (core if name in CORE_PACKAGES else with_extras), (name, imported[name])


def run_with_core_alone(program: str, cwd: Path, *beside: str) -> subprocess.CompletedProcess[str]:
    """Run a program where our modules find no other package, though those they use may.

    Args:
        program: its source.
        cwd: where it runs.
        beside: packages that they find, too.
    """
    blocker = f"""
import sys
from importlib.machinery import PathFinder

OWN = {sorted(ALLOWED | {"textsr", *beside})!r}

class OwnAlone(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        frame = sys._getframe(1)
        while frame.f_globals.get("__name__", "").startswith(("importlib", "_frozen_importlib")):
            frame = frame.f_back
        asked = frame.f_globals.get("__name__", "").partition(".")[0]
        if asked in ("textsr", "__main__") and name.partition(".")[0] not in OWN:
            return None
        return super().find_spec(name, path, target)

sys.meta_path = [OwnAlone if finder is PathFinder else finder for finder in sys.meta_path]
"""
    return subprocess.run(
        [sys.executable, "-c", blocker + program], cwd=cwd, capture_output=True, text=True
    )


def test_upscaling_works_with_the_core_alone(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "small.png"), np.full((16, 40), 200, np.uint8))
    program = """
import sys
sys.argv = ["textsr", "upscale", "small.png", "-o", "by_cli.png", "--backend", "onnx"]
from textsr.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
from textsr import load_model
load_model(backend="onnx").upscale("small.png").save("by_api.png")
assert "torch" not in sys.modules
"""
    done = run_with_core_alone(program, tmp_path)
    assert done.returncode == 0, done.stderr
    by_cli, by_api = (cv2.imread(str(tmp_path / f"by_{name}.png"), -1) for name in ("cli", "api"))
    assert by_cli.shape == (64, 160)
    assert np.array_equal(by_cli, by_api)


@pytest.mark.parametrize(
    "arguments", [["train", "scratch"], ["monitor"], ["import", "hr", "x", "--name", "y"]]
)
def test_a_verb_of_the_pipeline_says_what_to_install(tmp_path: Path, arguments: list[str]) -> None:
    program = f"""
import sys
sys.argv = ["textsr", *{arguments!r}]
from textsr.cli.main import main
main()
"""
    done = run_with_core_alone(program, tmp_path)
    assert done.returncode == 1
    said = rf"textsr: textsr {arguments[0]} needs \w+; install it by `pip install '{EXTRA}'`\n"
    assert re.fullmatch(said, done.stderr), done.stderr


@pytest.mark.parametrize(
    ("name", "extra"),
    [("onnxscript", "onnx"), ("torchvision", "torch"), ("lmdb", "textzoom"), ("rapidocr", "ocr"),
     ("tesserocr", "tesseract"), ("uvicorn", "serve"), ("mlflow.tracking", "pipeline")],
)  # fmt: skip
def test_the_extra_that_a_missing_package_comes_with_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["textsr", "score"])
    said = main._said_of_missing(ModuleNotFoundError(f"No module named '{name}'", name=name))
    package = name.partition(".")[0]
    assert said == f"textsr score needs {package}; install it by `pip install 'textsr[{extra}]'`"


@pytest.mark.slow
def test_exporting_loads_a_model_with_the_core_and_the_extra_torch(tmp_path: Path) -> None:
    program = "from textsr.cli.shared import load_blended; load_blended(None, 0.5)"
    done = run_with_core_alone(program, tmp_path, "torch", "torchvision", "safetensors")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["upscale", "--help"]])
def test_help_and_version_need_the_core_alone(tmp_path: Path, arguments: list[str]) -> None:
    program = f"""
import sys
sys.argv = ["textsr", *{arguments!r}]
from textsr.cli.main import main
main()
"""
    done = run_with_core_alone(program, tmp_path)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = "import sys, textsr; print(sorted({m.partition('.')[0] for m in sys.modules}))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout
    assert "textsr" in said
    assert not {"numpy", "cv2", "PIL", "onnxruntime", "pydantic", "torch"} & set(
        said.replace("'", " ").replace(",", " ").split()
    )
