"""Fixtures of the whole suite: the tiny preset, source material, a tiny dataset."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from filelock import FileLock
from xdist.scheduler import LoadScopeScheduling

from textsr.config.params import Params, parse_params
from textsr.config.presets import apply_overrides

if TYPE_CHECKING:
    from textsr.tracking import Tracker

ROOT = Path(__file__).parents[1]

# Makes what a function writes into a folder; returns the folder.
MakeOnce = Callable[[str, Callable[[Path], object]], Path]

# Set before any test imports MLflow: it reads the variable once.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# PyTorch's threads spin while they wait for each other, which costs a machine that other tests
# share several times what they compute.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# What a test reads, it reads: no test leaves readings to another.
os.environ["TEXTSR_READINGS"] = ""


# What `pytest -n` hands to one process at once: files that share what takes long to start.
_SHARING = {
    "a project that is up": (
        "tests/integration/pipelines/test_exposure.py",
        "tests/integration/pipelines/test_services.py",
    ),
    "Prefect's server": (
        "tests/integration/pipelines/test_delegation.py",
        "tests/integration/pipelines/test_monitor.py",
        "tests/integration/pipelines/test_retrain.py",
    ),
}
_SCOPES = {path: scope for scope, paths in _SHARING.items() for path in paths}
# What takes longest begins first: one that begins last keeps all others waiting. The first makes
# the finished project, which the last three need, too. A process is handed the next file two tests
# before the end of its own, so what follows a file of one or two tests waits for these.
_LONGEST = (
    "tests/e2e/test_pipeline.py",
    *_SHARING,
    "tests/e2e/test_workers.py",
    "tests/unit/validation/test_mutations.py",
    "tests/e2e/test_dvc.py",
    "tests/e2e/test_machines.py",
    "tests/e2e/test_reproduce.py",
)


def _scope(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    return _SCOPES.get(path, path)


class ByFixtures(LoadScopeScheduling):
    """Hands out whole files, and those that share what takes long to make at once."""

    def _split_scope(self, nodeid: str) -> str:
        return _scope(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Choose how `pytest -n` divides the tests."""
    return ByFixtures(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest; all else keeps its order."""
    ranks = {scope: rank for rank, scope in enumerate(_LONGEST)}
    items.sort(key=lambda item: ranks.get(_scope(item.nodeid), len(ranks)))


@pytest.fixture(scope="session")
def raw_params() -> dict:
    """params.yaml as committed, parsed."""
    return yaml.safe_load((ROOT / "params.yaml").read_text())


@pytest.fixture(scope="session")
def tiny_params() -> Params:
    """The committed params with the tiny preset, but for its extra dataset: the dataset alone."""
    raw = yaml.safe_load((ROOT / "params.yaml").read_text())
    apply_overrides(raw, yaml.safe_load((ROOT / "presets" / "tiny.yaml").read_text()))
    raw |= {"extra_datasets": {}, "training": raw["training"] | {"mixture": {}}}
    return parse_params(raw)


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> MakeOnce:
    """Make a folder once for all processes of `pytest -n`, which must leave it as it is."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, made = shared / name, shared / f"{name}.made"
        with FileLock(shared / f"{name}.lock"):
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
                folder.mkdir()
                make(folder)
                made.touch()
        return folder

    return once


@pytest.fixture(scope="session")
def data(make_once: MakeOnce) -> Path:
    """The source material of a fresh clone."""
    from textsr.synthesis.sources import fetch_sources

    return make_once("source", lambda folder: fetch_sources(folder / "data")) / "data"


@pytest.fixture(scope="session")
def dataset(tiny_params: Params, data: Path, make_once: MakeOnce) -> Path:
    """A tiny dataset with train, val and test."""
    from textsr.synthesis.shards import write_dataset

    return make_once(
        "dataset", lambda folder: write_dataset(tiny_params, data, folder, lambda rows: None)
    )


@pytest.fixture(scope="session")
def mixed_params(tiny_params: Params) -> Params:
    """The tiny params with an extra dataset of taller lines, one batch in three."""
    raw = tiny_params.model_dump()
    samples = {"train": 40, "val": 4, "test": 4}
    raw["extra_datasets"] = {"tall": {"lr_height": 24, "samples": samples}}
    raw["training"]["mixture"] = {"dataset": 2, "tall": 1}
    return parse_params(raw)


@pytest.fixture(scope="session")
def extra_datasets(mixed_params: Params, data: Path, make_once: MakeOnce) -> Path:
    """The folder of the extra datasets of `mixed_params`."""
    from textsr.synthesis.shards import write_dataset

    tall = mixed_params.extra_dataset("tall")
    return make_once(
        "extra_datasets",
        lambda folder: write_dataset(tall, data, folder / "tall", lambda rows: None),
    )


@pytest.fixture(scope="session")
def make_store(make_once: MakeOnce) -> Callable[[Path], None]:
    """Give a project an MLflow store with nothing in it: making its tables takes seconds."""
    from textsr.tracking import Tracker

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        empty = make_once("store", Tracker)

    def make(root: Path) -> None:
        (root / "mlruns").mkdir(mode=0o700, parents=True)
        shutil.copy(empty / "mlruns/mlflow.db", root / "mlruns/mlflow.db")

    return make


@pytest.fixture(scope="module")
def tracker(
    make_store: Callable[[Path], None], tmp_path_factory: pytest.TempPathFactory
) -> "Tracker":
    """Of a project of the module's own: a tracker sets the address that all of MLflow uses."""
    from textsr.tracking import Tracker

    project = tmp_path_factory.mktemp("project")
    make_store(project)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        return Tracker(project)


@pytest.fixture
def s3_server() -> Iterator[str]:
    """The address of an S3 server on loopback."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
