"""Servers at our ports that are not ours: they are told no credentials."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines import services
from pipelines.credentials import make_credentials
from pipelines.services import Settings
from textsr.errors import TextsrError


class Impostor(BaseHTTPRequestHandler):
    """Answers whatever is asked, and notes what it is told."""

    told: list[str | None]

    def do_GET(self) -> None:
        self.told.append(self.headers["Authorization"])
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"[]")

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def impostor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Settings, list[str | None]]]:
    """Settings whose ports all lead to a server that is not of `make up`, and what it is told."""
    Impostor.told = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Impostor)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    make_credentials(tmp_path, "http://127.0.0.1:4200/api")
    monkeypatch.setenv("TEXTSR_HOME", str(tmp_path))
    for name in ("PREFECT", "MLFLOW", "DOCS"):
        monkeypatch.setenv(f"TEXTSR_{name}_PORT", str(server.server_port))
    yield Settings(), Impostor.told
    server.shutdown()
    server.server_close()


def test_status_takes_it_for_down_and_tells_it_nothing(
    impostor: tuple[Settings, list[str | None]], capsys: pytest.CaptureFixture[str]
) -> None:
    settings, told = impostor
    assert not services.print_status(settings)
    assert "ok" not in capsys.readouterr().out
    assert told == []


def test_a_server_that_asks_for_no_credentials_is_refused(
    impostor: tuple[Settings, list[str | None]],
) -> None:
    settings, _ = impostor
    with pytest.raises(TextsrError, match="runs without the credentials"):
        services._demand_guarded(settings)
