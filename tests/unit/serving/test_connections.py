"""What is no request, comes too slowly or too often: refused like all else, and closed."""

import json
import resource
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from serving_server import Backend, Server, encoded

from textsr.serving import connections


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        yield client


def refusal(client: socket.socket) -> tuple[int, bytes, str]:
    """Read until it is closed: status, head and detail of the only answer."""
    received = b"".join(iter(lambda: client.recv(10_000), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head
    content = json.loads(body)
    assert int(head.split()[1]) == content["status"]
    return content["status"], head, content["detail"]


@pytest.mark.parametrize(
    "data",
    [
        b"\0\1\2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 70_000,
        b"POST /upscale HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_like_all_else(server: Server, data: bytes) -> None:
    with connected(server) as client:
        client.sendall(data)
        status, _, detail = refusal(client)
    assert status == 400
    assert "no request of HTTP/1.1" in detail
    assert "ask by http://" in detail


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_come_ends_the_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    with connected(server) as client:
        client.sendall(begun)
        status, _, detail = refusal(client)
    assert status == 408
    assert "no request came within 0.3 seconds; connect and send it anew" in detail


@pytest.mark.parametrize("path", [b"/healthz", b"/nowhere"])
def test_what_drips_after_an_answer_ends_the_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch, path: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    with connected(server) as client:
        # A body that nobody reads; then its second byte and no more.
        client.sendall(b"GET %s HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n" % path)
        assert client.recv(10_000).startswith(b"HTTP/1.1 ")
        client.sendall(b"1")
        client.settimeout(4)  # before uvicorn's own limit, which a byte puts off for good
        while client.recv(10_000):
            pass


def test_work_may_take_longer_than_a_head(
    server: Server, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)
    backends[0].go.clear()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(server.post, encoded())
        server.wait(lambda: backends[0].batches)
        with connected(server) as client:  # whose time is over later than the other's was
            refusal(client)
        backends[0].go.set()
        assert asked.result().status_code == 200


def test_more_connections_than_there_is_room_for_are_refused_and_then_taken(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.client.close()
    monkeypatch.setattr(connections, "most_connections", lambda: 3)
    server.wait(lambda: not _connections(server))
    with connected(server), connected(server), connected(server):
        server.wait(lambda: len(_connections(server)) == 3)
        with connected(server) as client:
            status, head, detail = refusal(client)
        assert status == 503
        assert b"retry-after: 1" in head
        assert "too many connections are open; ask again later" in detail
    server.wait(lambda: not _connections(server))
    with connected(server) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 200"


def test_there_are_fewer_connections_than_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in ((1024, 824), (100, 1), (resource.RLIM_INFINITY, 1000), (100_000, 1000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert connections.most_connections() == most


def test_other_paths_and_methods_name_the_remedy(server: Server) -> None:
    answer = server.client.get("/upscale")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.json()["detail"] == "GET /upscale: this path is not asked so; use POST"
    answer = server.client.get("/nowhere")
    assert answer.status_code == 404
    assert (
        answer.json()["detail"]
        == "GET /nowhere: there is no such path; /docs lists those there are"
    )


def _connections(server: Server) -> set[object]:
    found: set[object] = server._server.server_state.connections
    return found
