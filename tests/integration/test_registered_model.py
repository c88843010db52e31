"""A registered model needs what its requirements name, and no more."""

import re
import subprocess
import sys
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import grimp
import mlflow
import pytest
from packaging.requirements import Requirement

from textsr.config.closure import modules_behind
from textsr.models.package import ModelSpec, build_network, save_model
from textsr.registry.packaging import LOADER, REQUIREMENTS, RESNET, log_model
from textsr.tracking import Tracker

_PREDICT = """
import sys

sys.path.append(sys.argv[2])
import mlflow.pyfunc
import numpy as np

model = mlflow.pyfunc.load_model(sys.argv[1])
print(model.predict(np.full((2, 8, 32), 200, np.uint8)).shape)
"""


def test_requirements_are_what_the_shipped_code_imports() -> None:
    graph = grimp.build_graph("textsr", include_external_packages=True, cache_dir=None)
    imported = {
        name.partition(".")[0]
        for module in modules_behind("textsr.registry.pyfunc")
        for name in graph.find_modules_directly_imported_by(module)
    }
    providers = packages_distributions()
    third_party = imported - set(sys.stdlib_module_names) - {"textsr"}
    assert {providers[name][0] for name in third_party} == {*REQUIREMENTS, *RESNET}


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ["text", "resnet18"])
def test_it_predicts_where_nothing_else_is_installed(encoder: str, tmp_path: Path) -> None:
    logged = _log(encoder, tmp_path)
    lines = (logged / "requirements.txt").read_text().split()
    named = {Requirement(line).name for line in lines}
    assert named == {*REQUIREMENTS, *LOADER, *(RESNET if encoder == "resnet18" else ())}
    environment = tmp_path / "environment"
    _link_packages(environment, _with_dependencies(named))
    assert (environment / "mlflow").exists()
    assert not {"cv2", "lightning", "ruamel"} & {path.name for path in environment.iterdir()}
    # Without the folder of packages (-S) and the project's path (-I): the code is the model's.
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _PREDICT, str(logged), str(environment)],
        capture_output=True,
        text=True,
    )
    assert said.stdout.strip() == "(2, 32, 128)", said.stderr


def _log(encoder: str, root: Path) -> Path:
    """Return the files of a small model that was logged as `evaluate` does it."""
    spec = ModelSpec(name="x", architecture="upsampler", encoder=encoder, width=8, scale=4)
    save_model(root / "model", spec, build_network(spec))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracker = Tracker(root)
        uri = log_model(tracker, tracker.start("r", "e", {}, {}).run_id, root / "model")
        return Path(mlflow.artifacts.download_artifacts(uri))


def _with_dependencies(names: set[str]) -> set[str]:
    """Return distributions and all that pip installs with them."""
    found: set[str] = set()
    waiting = [_canonical(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            needed = [Requirement(line) for line in requires(name) or ()]
            waiting += [
                _canonical(each.name)
                for each in needed
                if each.marker is None or each.marker.evaluate({"extra": ""})
            ]
    return found


def _link_packages(folder: Path, names: set[str]) -> None:
    """Make a folder like that of a new environment with these distributions, out of links."""
    folder.mkdir()
    for found in distributions():
        if _canonical(found.name) in names:
            for file in found.files or ():
                top = file.parts[0]
                if top != ".." and not (folder / top).exists():
                    (folder / top).symlink_to(found.locate_file(top))


def _canonical(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()
