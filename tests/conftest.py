"""Fixtures of the whole suite: the tiny preset, source material, a tiny dataset."""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from xdist.scheduler import LoadScopeScheduling

from textsr.config.params import Params, parse_params
from textsr.config.presets import merge

ROOT = Path(__file__).parents[1]

# Set before any test imports MLflow: it reads the variable once.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# PyTorch's threads spin while they wait for each other, which costs a machine that other tests
# share several times what they compute.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


# End-to-end tests that do without the project that the others share.
_ALONE = "tests/e2e/test_workers.py"
_LONGEST = ("tests/unit/validation/test_mutations.py", "tests/e2e/")


class ByFixtures(LoadScopeScheduling):
    """Hands out whole files, and end-to-end tests that share a project at once."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        return "tests/e2e" if path.startswith("tests/e2e/") and path != _ALONE else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Choose how `pytest -n` divides the tests."""
    return ByFixtures(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: one that begins last keeps all others waiting."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONGEST))


@pytest.fixture(scope="session")
def raw_params() -> dict:
    """params.yaml as committed, parsed."""
    return yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.fixture(scope="session")
def tiny_params() -> Params:
    """The committed params with the tiny preset, but for its extra dataset: the dataset alone."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    path = ROOT / "presets" / "tiny.yaml"
    merge(raw, yaml.safe_load(path.read_text()), path)
    raw |= {"extra_datasets": {}, "training": raw["training"] | {"mixture": {}}}
    return parse_params(raw)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source material of a fresh clone."""
    from textsr.synthesis.sources import fetch_sources

    folder = tmp_path_factory.mktemp("source") / "data"
    fetch_sources(folder)
    return folder


@pytest.fixture(scope="session")
def dataset(tiny_params: Params, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny dataset with train, val and test."""
    from textsr.synthesis.shards import write_dataset

    folder = tmp_path_factory.mktemp("dataset")
    write_dataset(tiny_params, data, folder, lambda rows: None)
    return folder


@pytest.fixture(scope="session")
def mixed_params(tiny_params: Params) -> Params:
    """The tiny params with an extra dataset of taller lines, one batch in three."""
    raw = tiny_params.model_dump()
    samples = {"train": 40, "val": 4, "test": 4}
    raw["extra_datasets"] = {"tall": {"lr_height": 24, "samples": samples}}
    raw["training"]["mixture"] = {"dataset": 2, "tall": 1}
    return parse_params(raw)


@pytest.fixture(scope="session")
def extra_datasets(
    mixed_params: Params, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of the extra datasets of `mixed_params`."""
    from textsr.synthesis.shards import write_dataset

    folder = tmp_path_factory.mktemp("extra_datasets")
    write_dataset(mixed_params.extra_dataset("tall"), data, folder / "tall", lambda rows: None)
    return folder
