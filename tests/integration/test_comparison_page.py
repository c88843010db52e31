"""MLflow's page answers in a browser what people ask of a comparison of models."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from browser import CHROMIUM, Page, browser
from compared import DATASET_HASH, EXPERIMENT, compare

from textsr.evaluation.sets import load_split
from textsr.registry.comparison import Method
from textsr.registry.saved_view import lines_address, view_address
from textsr.tracking import Tracker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (Debian's chromium)"),
]

EVERY_COLUMN = (2800, 1000)  # the table holds columns that are seen, no others
READS_TEXT = "document.body.innerText"


class Compared:
    """A comparison, and MLflow's server of it."""

    def __init__(self, address: str, experiment_id: str, methods: dict[str, Method]) -> None:
        self.address = address
        self.experiment_id = experiment_id
        self.methods = methods


@pytest.fixture(scope="module")
def compared(
    tmp_path_factory: pytest.TempPathFactory, dataset: Path, make_store: Callable[[Path], None]
) -> Iterator[Compared]:
    folder = tmp_path_factory.mktemp("compared")
    make_store(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracker = Tracker(folder)
        methods = compare(tracker, folder, load_split(dataset / "test"))
        experiment_id = tracker.experiment_id(EXPERIMENT)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", "server", "--workers=1", f"--port={port}"]
    command += ["--backend-store-uri", tracker.uri]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 120
        while not answers(address):
            assert server.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline, (folder / "server.log").read_text()
            time.sleep(0.5)
        yield Compared(address, experiment_id, {each.name: each for each in methods})
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health").is_success
    except httpx.TransportError:
        return False


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path / "profile") as opened:
        opened.resize(*EVERY_COLUMN)
        yield opened


def read_page(page: Page, address: str, *texts: str) -> str:
    """Open a page and return what it says once it says all of these."""
    page.open(address)
    page.wait(lambda: all(text in (page.evaluate(READS_TEXT) or "") for text in texts), 120)
    return str(page.evaluate(READS_TEXT))


def column(page: Page, name: str) -> list[str]:
    """The cells of a column of the table of runs, from the first row to the last."""
    script = f"""
      [...document.querySelectorAll('.ag-center-cols-container .ag-row')]
        .sort((a, b) => a.getAttribute('row-index') - b.getAttribute('row-index'))
        .map(row => row.querySelector('[col-id="{name}"]')?.innerText.trim())
    """
    return list(page.evaluate(script))


def test_the_table_says_who_reads_best_whether_it_is_real_its_costs_data_and_code(
    page: Page, compared: Compared
) -> None:
    address = view_address(compared.address, compared.experiment_id)
    read_page(page, address, "good reads best", "bicubic", "git_commit")
    page.wait(lambda: len(column(page, "tags.`verdict`")) == len(compared.methods))
    assert column(page, "tags.`verdict`") == [
        "the ceiling: the true image",
        "reads best: better for RapidOCR",
        "worse for RapidOCR",
        "the peer: all gains are over it",
    ]
    gains = [float(cell) for cell in column(page, "metrics.`gain/rapidocr`")[:3]]
    assert gains == sorted(gains, reverse=True)
    ceiling, best, poor = (float(cell) for cell in column(page, "metrics.`low/rapidocr`")[:3])
    assert ceiling > best > 0 > poor
    assert column(page, "metrics.`ms_per_line`") == ["-", "5", "5", "-"]
    assert column(page, "metrics.`train_seconds`") == ["-", "47.3", "47.3", "-"]
    assert column(page, "metrics.`parameters`") == ["-", "1230000", "1230000", "-"]
    assert column(page, "tags.`data_hash`") == ["da7a"] * 4
    assert column(page, "tags.`git_commit`") == ["c0de"] * 4


def test_lines_stand_side_by_side_with_what_was_read(page: Page, compared: Compared) -> None:
    address = lines_address(compared.address, compared.experiment_id)
    said = read_page(page, address, "Group by", "✓", "✗")
    assert "side-by-side/" in said
    for method in compared.methods:
        assert method in said


def test_a_run_tells_its_verdict_and_its_costs(page: Page, compared: Compared) -> None:
    run_id = compared.methods["good"].run_id
    address = f"{compared.address}/#/experiments/{compared.experiment_id}/runs/{run_id}"
    said = read_page(page, address, "reads best: better for RapidOCR", "ms a line")
    assert "The gate promotes it." in said
    assert DATASET_HASH[:8] in said
