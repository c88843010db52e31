"""Which model is served, and what happens when its alias moves."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from serving_server import WORKERS, Backend, Start, encoded, picture

from textsr import api
from textsr.errors import TextsrError
from textsr.pretrained import FOLDER
from textsr.serving.served import Served, Source

LARGE = encoded(picture(600, 500))


class Moving(Source):
    """An alias whose version a test moves."""

    now = "1"
    problem: Exception | None = None

    def alias(self) -> str:
        return "models:/x@champion"

    def version(self) -> str:
        if self.problem is not None:
            raise self.problem
        return self.now

    def open(self) -> Served:
        said = f"x version {self.now}"
        return Served(FOLDER, said, self.now, backend=self.backend, device=self.device)


@pytest.fixture
def moving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Moving]:
    monkeypatch.setattr(Moving, "now", "1")
    monkeypatch.setattr(Moving, "problem", None)
    return Moving


def test_a_new_version_takes_over_and_no_request_is_lost(
    start: Start, backends: list[Backend], moving: type[Moving], tmp_path: Path
) -> None:
    server = start(moving("models:/x@champion", tmp_path), reload_seconds=0.05)
    assert server.post(encoded(), "/upscale?for=any").status_code == 200
    old, stop = backends[0], threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        while not stop.is_set():
            statuses.append(server.post(encoded()).status_code)

    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(ask) for _ in range(2)]
        server.wait(lambda: len(statuses) > 5)
        old.go.clear()
        held = pool.submit(server.post, LARGE)
        server.wait(lambda: 1 in old.batches)
        moving.now = "2"
        server.wait(lambda: server.client.get("/model").json()["version"] == "2")
        assert len(backends) == 4  # both blends that were in use, before the first request
        old.go.set()
        assert held.result().status_code == 200
        before = len(backends[2].batches)
        server.wait(lambda: len(backends[2].batches) > before + 2)
        stop.set()
        for each in asking:
            each.result()
    assert set(statuses) == {200}
    assert server.post(encoded()).headers["textsr-model"] == "x version 2"
    assert server.metric('textsr_reloads_total{outcome="done"}') == 1
    assert server.metric('textsr_model{backend="bicubic",name="pretrained",version="2"}') == 1
    assert server.metric('textsr_model{backend="bicubic",name="pretrained",version="1"}') == 0


@pytest.mark.parametrize("kind", [TextsrError, RuntimeError])
def test_a_registry_that_is_away_is_said_once_and_changes_nothing(
    start: Start,
    moving: type[Moving],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    kind: type[Exception],
) -> None:
    caplog.set_level("INFO", "textsr.serving")
    server = start(moving("models:/x@champion", tmp_path), reload_seconds=0.05)
    moving.problem = kind("the tracking server is away")
    server.wait(lambda: server.metric('textsr_reloads_total{outcome="failed"}') >= 3)
    assert server.post(encoded()).headers["textsr-model"] == "x version 1"
    moving.problem, moving.now = None, "2"
    server.wait(lambda: server.client.get("/model").json()["version"] == "2")
    assert [record.message for record in caplog.records] == [
        "serving x version 1",
        "models:/x@champion: the tracking server is away",
        "serving x version 2",
    ]


def test_work_goes_on_while_another_reader_is_loaded(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    loading, go_on = threading.Event(), threading.Event()
    load = api.open_folder

    def held(*given: Any, **named: Any) -> Any:
        loading.set()
        assert go_on.wait(60)
        return load(*given, **named)

    monkeypatch.setattr("textsr.api.open_folder", held)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(server.post, encoded(), "/upscale?for=any")
        assert loading.wait(60)
        assert server.post(encoded()).status_code == 200
        assert server.client.get("/readyz").status_code == 200
        assert not waiting.done()
        go_on.set()
        assert waiting.result().status_code == 200


def test_a_version_that_cannot_be_loaded_is_tried_once(
    start: Start, moving: type[Moving], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try would download it again."""
    server = start(moving("models:/x@champion", tmp_path), reload_seconds=0.05)
    asked, tried = [], []

    def version(source: Moving) -> str:
        asked.append(source.now)
        return source.now

    def open_broken(source: Moving) -> Served:
        tried.append(source.now)
        if source.now == "2":
            raise TextsrError("damaged")
        return Served(FOLDER, "mended", source.now, backend=source.backend, device=source.device)

    monkeypatch.setattr(moving, "version", version)
    monkeypatch.setattr(moving, "open", open_broken)
    moving.now = "2"
    server.wait(lambda: asked.count("2") > 5)
    assert tried == ["2"]
    assert server.metric('textsr_reloads_total{outcome="failed"}') == 1
    moving.now = "3"
    server.wait(lambda: server.client.get("/model").json()["version"] == "3")


def test_a_reader_is_loaded_once_for_all_who_ask(start: Start, backends: list[Backend]) -> None:
    server = start()
    with ThreadPoolExecutor(6) as pool:
        asked = ["people", "any", "rapidocr"] * 4
        answers = list(pool.map(lambda who: server.post(encoded(), f"/upscale?for={who}"), asked))
    assert {answer.status_code for answer in answers} == {200}
    assert len(backends) == 3
    assert backends[0].workers == WORKERS


def test_an_onnx_file_is_for_nobody_in_particular(tmp_path: Path) -> None:
    served = Served(_without_folder(tmp_path), "a file", None, backend="auto", device="auto")
    assert served.readers == []
    with pytest.raises(TextsrError, match="an ONNX file has its blend in it"):
        served.model("people")


def _without_folder(tmp_path: Path) -> Path:
    path = tmp_path / "network.onnx"
    path.write_bytes((FOLDER / "model.onnx").read_bytes())
    return path


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("models:/x@challenger", "models:/x@challenger"),
        ("models:/x/3", None),
        ("runs:/abc/model", None),
        ("folder@home", None),
        (None, None),
    ],
)
def test_what_may_change_is_an_alias(tmp_path: Path, name: str | None, alias: str | None) -> None:
    assert Source(name, tmp_path).alias() == alias


def test_in_a_project_the_champion_is_followed(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    assert Source(None, root).alias() == "models:/textsr@champion"
    assert Source("folder", root).alias() is None


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match=r"nowhere/model\.json: no such file"):
        Source("nowhere", tmp_path).open()
