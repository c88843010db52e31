"""`mlflow models serve` takes image files in JSON, and says in one sentence what is wrong."""

import base64
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pandas as pd
import pytest

from textsr.pretrained import FOLDER
from textsr.registry.aliases import promote, register_challenger
from textsr.registry.packaging import log_model
from textsr.registry.pyfunc import RegisteredModel
from textsr.tracking import Tracker
from textsr.tracking.client import tracking_uri

pytestmark = pytest.mark.slow

SAMPLE = (Path(__file__).parents[2] / "docs" / "images" / "sample.png").read_bytes()
_SECONDS = 300  # that a server may take to start


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of a project's champion, on loopback."""
    root = tmp_path_factory.mktemp("served")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracker = Tracker(root)
        store = tracking_uri(root)
    run_id = tracker.start("r", "e", {}, {}).run_id
    uri = log_model(tracker, run_id, FOLDER)
    promote(tracker, "textsr", register_challenger(tracker, "textsr", uri, run_id, ""))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["mlflow", "models", "serve", "-m", "models:/textsr@champion"]
    with (root / "said").open("w") as said:
        process = subprocess.Popen(
            [*command, "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)],
            env={**os.environ, "MLFLOW_TRACKING_URI": store},
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            _wait(address, process, root / "said")
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)


def _wait(address: str, process: "subprocess.Popen[bytes]", said: Path) -> None:
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, said.read_text()
        try:
            if httpx.get(f"{address}/ping", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise AssertionError(said.read_text())


def ask(server: str, **content: Any) -> httpx.Response:
    return httpx.post(f"{server}/invocations", json=content, timeout=300)


def table(*cells: str) -> dict[str, Any]:
    return {"columns": ["image"], "data": [[cell] for cell in cells]}


def in_base64(file: bytes) -> str:
    return base64.b64encode(file).decode()


def test_files_come_back_as_the_model_makes_them_here(server: str) -> None:
    tiny = cv2.imencode(".jpg", np.full((9, 30, 3), 180, np.uint8))[1].tobytes()
    answer = ask(
        server,
        dataframe_split=table(in_base64(SAMPLE), in_base64(tiny)),
        params={"for": "rapidocr"},
    )
    assert answer.status_code == 200, answer.text
    made = [base64.b64decode(row["image"]) for row in answer.json()["predictions"]]
    expected = RegisteredModel(FOLDER).predict(
        pd.DataFrame({"image": [SAMPLE, tiny]}), {"for": "rapidocr"}
    )
    assert made == expected["image"].tolist()


def test_a_bad_image_is_one_error_that_names_its_row(server: str) -> None:
    files = table(in_base64(SAMPLE), in_base64(b"no image"))
    answer = ask(server, dataframe_split=files)
    assert answer.status_code == 400
    said = answer.json()["message"]
    assert "Error: row 1: cannot be decoded" in said
    assert "Traceback" not in answer.text
    answer = ask(server, dataframe_split=files, params={"on_error": "null"})
    assert answer.status_code == 200
    good, bad = (row["image"] for row in answer.json()["predictions"])
    assert base64.b64decode(good).startswith(b"\x89PNG")
    assert bad is None


def test_floats_of_0_to_1_are_scaled_and_others_refused(server: str) -> None:
    line = np.full((1, 8, 12), 0.75)
    answer = ask(server, inputs=line.tolist())
    assert answer.status_code == 200, answer.text
    made = np.array(answer.json()["predictions"])
    assert made.shape == (1, 32, 48)
    assert np.abs(made - 0.75).max() < 0.02
    answer = ask(server, inputs=(line * 255).tolist())
    assert answer.status_code == 400
    assert "image 1 of 1: an array of floats outside 0 to 1" in answer.json()["message"]
    answer = ask(server, inputs=(line * 255).astype(int).tolist())
    assert np.abs(np.array(answer.json()["predictions"]) - 191).max() <= 4
