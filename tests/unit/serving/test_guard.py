"""Who may ask: names of the server, pages of its own, programs."""

from contextlib import closing
from http.client import HTTPConnection

import pytest
from serving_server import Server, Start, encoded
from starlette.datastructures import Headers

from textsr.errors import TextsrError
from textsr.serving.guard import Guard, is_of_another_page

FOREIGN = ("http://evil.example", "null", "http://127.0.0.1:1", "http://localhost", "file://")


def asked(server: Server, path: str, method: str = "GET", **headers: str) -> int:
    """The status of a request whose headers are these alone, Host included."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        connection.request(method, path, headers=named)
        return connection.getresponse().status


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "a@127.0.0.1", "[::1"])
def test_a_name_that_is_not_the_servers_is_refused(server: Server, host: str) -> None:
    for path in ("/", "/upscale", "/read", "/model", "/docs", "/openapi.json", "/static/page.js"):
        assert asked(server, path, Host=host) == 400, path


def test_probes_are_answered_under_any_name(server: Server) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert asked(server, path, Host="10.0.0.7:9090") == 200, path


def test_names_that_are_given_are_the_servers(start: Start) -> None:
    server = start(host_names=("ocr.example",))
    for host in ("ocr.example", "OCR.example:80", "localhost", f"127.0.0.1:{server.port}", "[::1]"):
        assert asked(server, "/", Host=host) == 200, host
    answer = server.post(encoded(), Host="ocr.example", Origin="https://ocr.example")
    assert answer.status_code == 200


def test_a_refusal_names_what_mends_it(start: Start) -> None:
    said = start().client.get("/", headers={"Host": "10.0.0.7:9090"}).json()["detail"]
    assert said.endswith("start it with --host-name 10.0.0.7")
    server = start(host_names=("10.0.0.7:9090", "OCR.example", "fe80::1", "[fe80::2]:80"))
    for host in ("10.0.0.7", "10.0.0.7:9090", "ocr.example", "[fe80::1]", "[fe80::2]:8000"):
        assert asked(server, "/", Host=host) == 200, host


@pytest.mark.parametrize("name", ["", "http://ocr.example", "ocr.example/x", "a@b", "a:b"])
def test_what_is_no_name_is_refused_at_the_start(name: str) -> None:
    async def app(*_: object) -> None: ...

    with pytest.raises(TextsrError, match="neither a name nor an address; give it alone"):
        Guard(app, [name], (), "/docs")


@pytest.mark.parametrize("origin", FOREIGN)
def test_what_another_servers_page_asks_is_refused_unread(server: Server, origin: str) -> None:
    answer = server.post(encoded(), Origin=origin)
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert server.metric("textsr_images_total") == 0
    preflight = {"Access-Control-Request-Method": "POST"}
    answer = server.client.options("/upscale", headers={"Origin": origin, **preflight})
    assert answer.status_code == 403


def test_forms_and_pictures_of_other_pages_are_refused_and_links_are_not(server: Server) -> None:
    assert server.post(encoded(), Sec_Fetch_Site="cross-site").status_code == 403
    assert asked(server, "/model", Sec_Fetch_Site="same-site") == 403
    assert asked(server, "/", Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="document") == 200


def test_its_own_page_and_programs_may_ask(server: Server) -> None:
    for name in ("127.0.0.1", "localhost"):
        assert server.post(encoded(), Origin=f"http://{name}:{server.port}").status_code == 200
    assert server.post(encoded(), Sec_Fetch_Site="same-origin").status_code == 200
    assert server.post(encoded()).status_code == 200


def test_a_page_by_tls_is_another_unless_that_is_allowed() -> None:
    headers = Headers({"host": "ocr.example", "origin": "https://ocr.example"})
    assert is_of_another_page(headers, {"ocr.example"})
    assert not is_of_another_page(headers, {"ocr.example"}, ("http", "https"))


def test_answers_let_a_browser_load_nothing_from_elsewhere(server: Server) -> None:
    for path in ("/", "/docs", "/model", "/nowhere"):
        policy = server.client.get(path).headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; ")
        assert "http" not in policy
        assert "unsafe-inline" not in policy or path == "/docs"
