"""`textsr serve` asked what its OpenAPI document allows and does not, and what is hardly HTTP."""

import contextlib
import functools
import io
import json
import random
import socket
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h11
import numpy as np
from PIL import Image

from tests.faults.campaign.attack import Attack, Broken
from tests.faults.campaign.server import Server, check_answer

_SECONDS = 6  # that a request may take: short, so that what is slow is seen to end
_MEGABYTES = 4
_FILES = 256
_MEMORY_MB = 900  # of the server, at all times; it begins with about 250
_REQUESTS = 25  # of schemathesis in a case
_DONE = frozenset({200, 503})  # the latter where others keep the machine busy for those seconds
_PATHS = ("/upscale", "/read", "/healthz", "/readyz", "/metrics", "/model", "/", "/docs", "/x")


@functools.cache
def _server() -> Server:
    """Return this process's server; it ends with the process."""
    folder = Path(tempfile.mkdtemp(prefix="textsr-attacked-"))
    # Few files may be open, so that connections could take all of them.
    program = ["prlimit", f"--nofile={_FILES}", str(Path(sys.executable).with_name("textsr"))]
    program += ["serve", "--port", "0", "--time-limit", str(_SECONDS), "--max-pixels", "1000000"]
    return Server(folder=folder, program=[*program, "--max-megabytes", str(_MEGABYTES)])


@functools.cache
def _asked() -> list[Callable[[int], None]]:
    """Return what asks each operation of the document, by a seed."""
    from schemathesis.generation import GenerationMode

    from tests.faults.campaign.openapi import ask, document, operations

    found: list[Callable[[int], None]] = []
    for label, operation in operations(document(f"http://127.0.0.1:{_server().port}")):
        # An operation without parameters cannot be asked wrongly.
        for mode in GenerationMode if label.startswith("POST") else [GenerationMode.POSITIVE]:
            found.append(
                lambda seed, operation=operation, mode=mode: ask(operation, mode, _REQUESTS, seed)()
            )
    return found


def ask_by_document(case: int, folder: Path) -> None:
    """Ask an operation some times what the document allows, or does not."""
    asks = _asked()
    asks[case % len(asks)](case)
    _check(folder)


def ask_raw(case: int, folder: Path) -> None:
    """Send bytes that are a request, almost."""
    draw = random.Random(case)
    kind = _KINDS[case % len(_KINDS)]
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):  # the server had closed
        kind(draw)
    _check(folder)


def _check(folder: Path) -> None:
    try:
        _server().check(memory_mb=_MEMORY_MB)
    except BaseException:
        (folder / "log").write_bytes(_server().log.read_bytes())
        raise


def _connect() -> socket.socket:
    return socket.create_connection(("127.0.0.1", _server().port), timeout=4 * _SECONDS)


def _answers(client: socket.socket, methods: list[str]) -> list[int]:
    """Read an answer to each request, check them, and return their statuses."""
    statuses: list[int] = []
    kept = b""
    closed = False
    for method in methods:
        reader = h11.Connection(h11.CLIENT)
        reader.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        reader.send(h11.EndOfMessage())
        if kept:
            reader.receive_data(kept)
        head: Any = None
        body = b""
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                data = client.recv(65_536)
                if not data and (head is None or closed):
                    return statuses
                closed = not data
                reader.receive_data(data)
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                break
        headers = {name.decode().lower(): value.decode() for name, value in head.headers}
        is_refusal = head.status_code >= 400 and method != "HEAD"
        if method != "HEAD":
            content = json.loads(body) if is_refusal and body.startswith(b"{") else body
            check_answer(head.status_code, headers, content)
        statuses.append(head.status_code)
        kept, _ = reader.trailing_data
    return statuses


def _until_end_of_sent(client: socket.socket, methods: list[str]) -> None:
    """Send no more, and read the answers. Who sends no more has gone, for all that uvicorn sees."""
    with contextlib.suppress(OSError):  # the server has closed
        client.shutdown(socket.SHUT_WR)
    with contextlib.suppress(h11.RemoteProtocolError):  # an answer that is broken off
        _answers(client, methods)


def _head(method: str, path: str, *fields: str, host: str = "localhost") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *fields, "", ""]).encode(
        "latin-1"
    )


def _post(body: bytes, kind: str = "image/png", path: str = "/upscale", *fields: str) -> bytes:
    return (
        _head("POST", path, f"Content-Type: {kind}", f"Content-Length: {len(body)}", *fields) + body
    )


def _one(data: bytes, *, method: str = "POST", expect: frozenset[int] | None = None) -> None:
    """Send it, and require an answer."""
    with _connect() as client:
        client.sendall(data)
        statuses = _answers(client, [method])
    if len(statuses) != 1 or (expect is not None and statuses[0] not in expect):
        raise Broken(f"answered with {statuses} instead of {sorted(expect or ())}: {data[:300]!r}")


@functools.cache
def _image(kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (16, 40)).astype(np.uint8)
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def _flipped(draw: random.Random, data: bytes) -> bytes:
    """Change some bytes, drop some, double some."""
    found = bytearray(data)
    for _ in range(draw.randint(1, 8)):
        at = draw.randrange(len(found))
        match draw.randrange(3):
            case 0:
                found[at] = draw.randrange(256)
            case 1:
                del found[at : at + draw.randint(1, 8)]
            case _:
                found[at:at] = found[at : at + draw.randint(1, 64)]
        found = found or bytearray(b"\0")
    return bytes(found)


def _damaged_image(draw: random.Random) -> None:
    kind = draw.choice(["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"])
    body = _flipped(draw, _image(kind))
    _one(_post(body, draw.choice(["image/png", "application/octet-stream"])))


def _bomb(draw: random.Random) -> None:
    """An image of few bytes that would be large."""
    width, height = draw.choice([(30_000, 30_000), (2**31 - 1, 1), (1, 65_535), (0, 7)])

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    png = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, 8, draw.choice([0, 2, 6]), 0, 0, 0)
    )
    if draw.random() < 0.5:  # a text that unpacks to 50 MB
        png += chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000), 1))
    png += chunk(b"IDAT", zlib.compress(bytes(draw.choice([10, 3_000_000])), 9)) + chunk(
        b"IEND", b""
    )
    _one(_post(png))


_FORM = (
    b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n'
    b"Content-Type: image/png\r\n\r\n%s\r\n--x--\r\n"
)


def _broken_form(draw: random.Random) -> None:
    body = _flipped(draw, _FORM % draw.choice([_image(), b"", b"no image"]))
    boundary = draw.choice(["x", "x", "x", "y", '"', "x; charset=\xff", "x" * 300])
    _one(_post(body, f"multipart/form-data; boundary={boundary}", draw.choice(_PATHS[:2])))


def _large_form(draw: random.Random) -> None:
    """Many parts, many headers in a part, or fields that are no files."""
    match draw.randrange(4):
        case 0:
            body = (
                b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" * 5_000 + b"--x--\r\n"
            )
        case 1:
            fields = b"".join(b"X-%d: y\r\n" % number for number in range(20_000))
            body = b"--x\r\n" + fields + b"\r\n1\r\n--x--\r\n"
        case 2:
            body = b"--x\r\nContent-Disposition: form-data; name=" + b"a" * 3_000_000 + b"\r\n\r\n"
        case _:
            part = _FORM.removesuffix(b"--x--\r\n") % b"no"
            body = part * 1_200 + b"--x--\r\n"
    _one(_post(body, "multipart/form-data; boundary=x"), expect=frozenset({400, 422}))


def _chunked(draw: random.Random) -> None:
    """A body in chunks, of which some are wrong, endless or cut off."""
    head = _head("POST", "/upscale", "Content-Type: image/png", "Transfer-Encoding: chunked")
    image = _image()
    good = b"%x\r\n%s\r\n0\r\n\r\n" % (len(image), image)
    match draw.randrange(4):
        case 0:
            _one(head + good, expect=_DONE)
        case 1:
            _one(head + _flipped(draw, good) + b"\r\n\r\n0\r\n\r\n")
        case 2:
            piece = b"10000\r\n" + bytes(65_536) + b"\r\n"
            with _connect() as client:
                for _ in range(_MEGABYTES * 16 + 40):
                    client.sendall(piece) if _ else client.sendall(head + piece)
                if _answers(client, ["POST"]) != [413]:
                    raise Broken("an endless body is not refused by 413")
        case _:
            with _connect() as client:
                client.sendall(head + good[: draw.randrange(len(good) - 5)])


def _lengths(draw: random.Random) -> None:
    """Lengths that are no numbers, contradict each other or what comes."""
    length = draw.choice(["-1", "1e3", "\xb2", "9" * 30, "0x10", "", "5, 6", "+5"])
    fields = [f"Content-Length: {length}"]
    if draw.random() < 0.3:
        fields.append("Transfer-Encoding: chunked")
    if draw.random() < 0.3:
        fields.append("Content-Length: 7")
    _one(_head("POST", "/upscale", "Content-Type: image/png", *fields) + b"12345")


def _odd_heads(draw: random.Random) -> None:
    """Heads that are long, hold bytes of all kinds, or are of another protocol."""
    match draw.randrange(8):
        case 0:
            data = _head("GET", "/healthz", "X: " + "y" * draw.choice([60_000, 70_000, 500_000]))
        case 1:
            data = _head("GET", "/healthz", *(f"X-{n}: y" for n in range(draw.choice([50, 9_000]))))
        case 2:
            data = _head("GET", "/" + "a" * draw.choice([8_000, 100_000]))
        case 3:
            data = _flipped(draw, _head("GET", draw.choice(_PATHS), "Accept: */*"))
            data += b"\r\n\r\n"
        case 4:
            data = bytes(draw.randrange(256) for _ in range(200)) + b"\r\n\r\n"
        case 5:
            data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        case 6:
            data = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n"
        case _:
            data = _head(
                "GET", "/", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: AAAA"
            )
    with _connect() as client:
        client.sendall(data)
        _until_end_of_sent(client, ["GET"])


def _hosts_and_origins(draw: random.Random) -> None:
    """Foreign names and pages: refused wherever anything is done."""
    host = draw.choice(
        ["localhost", "127.0.0.1:80", "evil.example", "", "a@localhost", "[::1", "x y"]
    )
    origin = draw.choice([None, "null", "http://evil.example", "http://localhost:1", "\xff"])
    fields = [f"Content-Type: {draw.choice(['text/plain', 'image/png', 'application/json'])}"]
    if origin is not None:
        fields.append(f"Origin: {origin}")
    if draw.random() < 0.3:
        fields.append("Sec-Fetch-Site: cross-site")
    image = _image()
    data = _head("POST", "/upscale", *fields, f"Content-Length: {len(image)}", host=host) + image
    is_own = host in ("localhost", "127.0.0.1:80") and origin is None and len(fields) == 1
    is_image = "image/png" in fields[0]
    expect = (_DONE if is_image else frozenset({415})) if is_own else frozenset({400, 403})
    _one(data, expect=expect)


def _parameters(draw: random.Random) -> None:
    """Parameters and what is acceptable, of all kinds."""
    values = ["", "nan", "inf", "-1", "1e308", "0", "9" * 400, "\u0661", "a\0b", "%00", "%ff", "3"]
    names = ["scale", "target_dpi", "dpi", "quality", "format", "for", "Scale", "scale[]"]
    query = "&".join(
        f"{draw.choice(names)}={draw.choice(values)}" for _ in range(draw.randint(1, 4))
    )
    query = "".join(c if c.isascii() and c.isprintable() else f"%{ord(c) % 256:02x}" for c in query)
    accept = draw.choice(
        ["*/*", "image/webp", ";;;", "text/html", "image/*;q=nan", "\xe9/x", "a" * 999]
    )
    path = f"{draw.choice(_PATHS[:2])}?{query}"
    _one(_post(_image(), "image/png", path, f"Accept: {accept}"))


def _methods(draw: random.Random) -> None:
    method = draw.choice(
        ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "X"]
    )
    path = draw.choice([*_PATHS, "//", "/..%2f..%2fetc/passwd", "/static/../app.py", "/%00", "*"])
    path = draw.choice([path, "/static/%2e%2e/app.py", "/swagger/" + "x" * 300, "/static/\\..\\x"])
    _one(_head(method, path, "Content-Length: 0"), method=method)


def _pipelined(draw: random.Random) -> None:
    """Requests that come before the answers to others, and one that is none among them."""
    requests = [
        draw.choice(
            [
                _head("GET", "/healthz"),
                _post(_image()),
                _post(b"no image"),
                _head("POST", "/nowhere", "Content-Length: 4") + b"body",
            ]
        )
        for _ in range(draw.randint(2, 12))
    ]
    good = len(requests)
    if draw.random() < 0.4:
        good = draw.randrange(len(requests))
        requests[good] = b"\0 no request\r\n\r\n"
    with _connect() as client:
        client.sendall(b"".join(requests))
        statuses = _answers(client, ["POST"] * len(requests))
    expected = good if good == len(requests) else good + 1
    if len(statuses) != expected:
        raise Broken(f"{expected} requests in a row, {len(statuses)} answers")


def _half_closed(draw: random.Random) -> None:
    """A client that sends no more, and one that is gone."""
    data = _post(_image())
    with _connect() as client:
        client.sendall(data if draw.random() < 0.5 else data[: draw.randrange(1, len(data))])
        if draw.random() < 0.5:
            _until_end_of_sent(client, ["POST"])
        elif draw.random() < 0.5:  # a reset instead of an end
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _crowd(draw: random.Random) -> None:
    """Many connections on which nothing, or half a head, comes; others are served beside them."""
    count = draw.choice([20, 100, 400])
    before = _server().files()
    crowd = []
    try:
        for _ in range(count):
            client = _connect()
            client.sendall(
                draw.choice([b"", b"POST /upscale HT", b"GET / HTTP/1.1\r\nHost: x\r\n"])
            )
            crowd.append(client)
        _one(_post(_image()), expect=_DONE if count == 20 else frozenset({503}))
    finally:
        for client in crowd:
            client.close()
    _wait_for(lambda: _server().files() <= before + 5, "connections that were closed stay open")


def _slow(draw: random.Random) -> None:
    """A body that drips, or stops: its place is given back in time."""
    data = _post(_image())
    start = len(data) - draw.randint(2, 60)
    with _connect() as client:
        client.sendall(data[:start])
        begun = time.monotonic()
        client.settimeout(0.5)
        at = start
        while time.monotonic() - begun < _SECONDS + 10:
            try:
                if client.recv(12) not in (b"HTTP/1.1 408", b"HTTP/1.1 200"):
                    raise Broken("a slow body is answered by neither 408 nor 200")
                return
            except TimeoutError:
                if at < len(data) - 1:
                    client.sendall(data[at : at + 1])
                    at += 1
    raise Broken(f"a slow body is not refused within {_SECONDS} s")


def _wait_for(condition: Callable[[], bool], said: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Broken(said)
        time.sleep(0.05)


_KINDS = (
    _damaged_image, _broken_form, _chunked, _lengths, _odd_heads, _hosts_and_origins, _parameters,
    _methods, _pipelined, _half_closed, _bomb, _large_form,
    _damaged_image, _broken_form, _chunked, _lengths, _odd_heads, _hosts_and_origins, _parameters,
    _methods, _pipelined, _half_closed, _crowd, _slow,
)  # fmt: skip

ATTACKS = [
    Attack("http-document", ask_by_document, 2_000, 8, 300, prepare=_asked),
    Attack("http-raw", ask_raw, 20_000, 48, 120, prepare=_server),
]
