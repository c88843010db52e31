"""Servers whose models are computed by bicubic interpolation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving_server import Backend, Server, Start

from textsr.models.spec import ModelSpec
from textsr.serving.served import Source
from textsr.serving.service import Limits, Service


@pytest.fixture
def backends(monkeypatch: pytest.MonkeyPatch) -> list[Backend]:
    """What has been loaded, in order."""
    loaded: list[Backend] = []

    def open_folder(folder: Path, spec: ModelSpec, **_: Any) -> Backend:
        loaded.append(Backend(spec.scale, spec.blend))
        return loaded[-1]

    monkeypatch.setattr("textsr.api.open_folder", open_folder)
    return loaded


@pytest.fixture
def start(backends: list[Backend], tmp_path: Path) -> Iterator[Start]:
    """Start servers of the pretrained weights, or of another source."""
    running: list[Server] = []

    def begin(
        source: Any = None,
        *,
        limits: Limits | None = None,
        reload_seconds: float = 30,
        host_names: tuple[str, ...] = (),
    ) -> Server:
        source = source or Source(None, tmp_path)
        service = Service(source, limits or Limits(), reload_seconds)
        running.append(Server(service, host_names))
        running[-1].wait(lambda: service.is_ready)
        return running[-1]

    yield begin
    for backend in backends:
        backend.go.set()
    for server in running:
        server.close()


@pytest.fixture
def server(start: Start) -> Server:
    """A server of the pretrained weights' blends."""
    return start()
