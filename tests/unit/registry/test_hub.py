"""Pushing a version, against a stub of the hub on loopback."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from textsr.errors import TextsrError
from textsr.files import write_json
from textsr.models.package import FILES
from textsr.pretrained import FOLDER
from textsr.registry.aliases import register_challenger
from textsr.registry.card import write_card
from textsr.registry.origin import keep_files
from textsr.registry.packaging import log_model
from textsr.tracking import Tracker

pytest.importorskip("huggingface_hub", reason="the extra [hub] is not installed")

import huggingface_hub

from textsr.registry import hub

pytestmark = pytest.mark.slow

SCORE = {"accuracy": 0.7, "accuracy_ci": [0.6, 0.8], "gain": 0.05, "gain_ci": [0.01, 0.09]}
SETS = {"test": {"samples": 40, "psnr_db": 23.5, "psnr_db_ci": [23.1, 23.9], "rapidocr": SCORE}}


class Hub(ThreadingHTTPServer):
    """Takes one commit of small files, from those who have the token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str] = []
        self.files: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        files = [
            {"type": "file", "path": name, "size": len(content), "oid": "0"}
            for name, content in self.server.files.items()
        ]
        self._answer(200, files)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked.append(f"{self.path} {self.headers['authorization']}")
        if self.headers["authorization"] != "Bearer hub-secret":
            self._answer(401, {"error": "Invalid token"})
        elif self.path.endswith("/preupload/main"):
            names = [file["path"] for file in json.loads(body)["files"]]
            upload = {"uploadMode": "regular", "shouldIgnore": False}
            self._answer(200, {"files": [{"path": name, **upload} for name in names]})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "deletedFile":
                    del self.server.files[line["value"]["path"]]
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.server.files[line["value"]["path"]] = content
            where = f"{self.server.address}/me/lines/commit/abc"
            self._answer(200, {"commitUrl": where, "commitOid": "abc", "success": True})
        else:
            self._answer(
                200, {"url": f"{self.server.address}/me/lines", "errors": [], "warnings": []}
            )

    def _answer(self, status: int, content: object) -> None:
        sent = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    stub = Hub()
    threading.Thread(target=stub.serve_forever, daemon=True).start()
    api = huggingface_hub.HfApi
    # The client reads its address and token as it is imported.
    monkeypatch.setattr(
        hub, "HfApi", lambda **more: api(endpoint=stub.address, token="hub-secret", **more)
    )
    yield stub
    stub.shutdown()


def register(tracker: Tracker, name: str, folder: Path, *, with_card: bool) -> None:
    run_id = tracker.start("scratch", "e", {}, {}).run_id
    uri = log_model(tracker, run_id, FOLDER)
    version = register_challenger(tracker, name, uri, run_id, "")
    if with_card:
        evaluation = folder / "evaluation"
        write_json(
            evaluation / "metrics.json", {"validation": {"chosen": {"weight": 1.0}}, "sets": SETS}
        )
        write_json(evaluation / "speed.json", {"ms_per_line": 5.0, "lines_per_second": 200.0})
        (evaluation / "model").symlink_to(FOLDER)
        (evaluation / "panels/cases").mkdir(parents=True)
        (evaluation / "panels/cases/test-rapidocr.png").write_bytes(b"a picture")
        made = folder / "made"
        made.mkdir()
        write_card(made, f"{name} version 1", evaluation, {}, folder / "data", 16)
        (made / "params.yaml").write_text("seed: 7\n")
        keep_files(tracker, version, made)


def test_a_version_is_pushed_with_card_metadata_params_and_pictures(
    tracker: Tracker, server: Hub, tmp_path: Path
) -> None:
    register(tracker, "pushed", tmp_path, with_card=True)
    # Of a version before, of a network of another kind; and what is its owner's.
    server.files = dict.fromkeys(["pictures/slices-test.png", FILES[-1], "notes/mine.txt"], b"old")
    version = tracker.client.get_model_version("pushed", "1")
    said = hub.push_to_hub(tracker, version, "me/lines", private=True)
    assert said == f"{server.address}/me/lines/commit/abc"
    assert any(path.startswith("/api/repos/create") for path in server.asked)
    pictures = {"pictures/cases-test-rapidocr.png"}
    assert set(server.files) == {*FILES, *pictures, "README.md", "params.yaml", "notes/mine.txt"}
    for name in FILES:
        assert server.files[name] == (FOLDER / name).read_bytes()
    _, head, text = server.files["README.md"].decode().split("---\n", 2)
    described = yaml.safe_load(head)
    assert described["license"] == "apache-2.0"
    assert described["pipeline_tag"] == "image-to-image"
    [model] = described["model-index"]
    metrics = {each["name"]: each for result in model["results"] for each in result["metrics"]}
    assert metrics["PSNR (dB)"]["value"] == 23.5
    assert metrics["Accuracy as RapidOCR reads"]["args"]["gain_interval"] == [0.01, 0.09]
    assert text.startswith("\n# pushed version 1\n")


def test_a_version_without_a_card_is_named(tracker: Tracker, server: Hub, tmp_path: Path) -> None:
    register(tracker, "bare", tmp_path, with_card=False)
    version = tracker.client.get_model_version("bare", "1")
    with pytest.raises(TextsrError, match="bare version 1: has no card"):
        hub.push_to_hub(tracker, version, "me/lines", private=False)
    assert not server.asked


@pytest.mark.parametrize(
    ("repo", "token", "said"),
    [
        ("me/lines", "wrong", r"http://127\.0\.0\.1:\d+: me/lines cannot be pushed .*HF_TOKEN"),
        ("me//lines", "hub-secret", "me//lines: .*; name it as OWNER/NAME"),
    ],
)
def test_a_refusal_names_the_hub_and_the_remedy(
    tracker: Tracker,
    server: Hub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    repo: str,
    token: str,
    said: str,
) -> None:
    if not tracker.client.search_registered_models("name = 'refused'"):
        register(tracker, "refused", tmp_path, with_card=True)
    api = huggingface_hub.HfApi
    monkeypatch.setattr(
        hub, "HfApi", lambda **more: api(endpoint=server.address, token=token, **more)
    )
    version = tracker.client.get_model_version("refused", "1")
    with pytest.raises(TextsrError, match=said):
        hub.push_to_hub(tracker, version, repo, private=False)
    assert not server.files
