"""Too much, too late, too many: what is refused, and that the rest goes on."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from serving_server import WORKERS, Backend, Server, Start, encoded, picture

from textsr.serving.service import Limits

LARGE = encoded(picture(600, 500))  # a tile, of more bytes than what may go together


def test_a_body_that_says_it_is_too_long_is_refused_unread(start: Start) -> None:
    server = start(limits=Limits(megabytes=0.1))
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(
            b"POST /upscale HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
            b"Content-Length: 100001\r\n\r\n"
        )
        assert b"HTTP/1.1 413 " in client.recv(10_000)


@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=x"])
def test_a_body_that_does_not_say_its_length_is_measured(start: Start, kind: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="a"; filename="a.png"\r\n\r\n'
        yield from [b"x" * 10_000] * 11

    server = start(limits=Limits(megabytes=0.1))
    answer = server.client.post("/upscale", content=pieces(), headers={"Content-Type": kind})
    assert answer.status_code == 413
    assert "the body has more than 0.1 MB; send fewer or smaller" in answer.json()["detail"]
    assert server.post(encoded()).status_code == 200


def test_pixels_are_counted_before_they_are_decoded(start: Start, backends: list[Backend]) -> None:
    server = start(limits=Limits(pixels=640))
    assert server.post(encoded(picture(40, 16))).status_code == 200
    answer = server.post(encoded(picture(41, 16)))
    assert answer.status_code == 422
    assert "has more than 0.00064 megapixels; cut it into pieces" in answer.json()["detail"]
    assert len(backends[0].batches) == 1


def test_pixels_of_the_result_are_counted_too(start: Start, backends: list[Backend]) -> None:
    server = start(limits=Limits(pixels=640))
    image = encoded(picture(40, 16), dpi=(75, 75))
    for asked in ("scale=5", "target_dpi=500"):
        answer = server.post(image, f"/upscale?{asked}")
        assert answer.status_code == 422
        assert "and may have 0.01024; ask for a smaller scale" in answer.json()["detail"]
        assert "a higher --max-pixels" in answer.json()["detail"]
    assert backends[0].batches == []
    assert server.post(encoded(picture(20, 16)), "/upscale?scale=5").status_code == 200


def test_a_body_that_does_not_come_gives_its_place_back(start: Start) -> None:
    server = start(limits=Limits(seconds=0.5))
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        client.sendall(
            b"POST /upscale HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
            b"Content-Length: 100\r\n\r\nhalf"
        )
        server.wait(lambda: server.metric("textsr_in_flight") == 1)
        assert b"HTTP/1.1 408 " in client.recv(10_000)
    assert server.metric("textsr_in_flight") == 0


@pytest.mark.parametrize("kind", ["image/png", "multipart/form-data; boundary=x"])
def test_a_client_that_breaks_off_is_no_error(
    start: Start, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    server = start()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
        head = f"Content-Type: {kind}\r\nContent-Length: 100\r\n\r\n--x\r\n"
        client.sendall(f"POST /upscale HTTP/1.1\r\nHost: localhost\r\n{head}".encode())
        server.wait(lambda: server.metric("textsr_in_flight") == 1)
    server.wait(lambda: server.metric("textsr_in_flight") == 0)
    server.wait(lambda: server.metric('textsr_requests_total{path="/upscale"') == 1)
    assert server.metric('textsr_requests_total{path="/upscale",status="400"}') == 1
    assert not [each for each in caplog.records if each.exc_info]


@pytest.mark.slow
def test_what_takes_too_long_is_ended_at_the_next_tile(
    start: Start, backends: list[Backend]
) -> None:
    server = start(limits=Limits(seconds=3))
    backends[0].go.clear()
    answer = server.post(encoded(picture(1000, 1000)))  # of several tiles
    assert answer.status_code == 503
    assert "not done within 3 seconds" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) >= 1
    backends[0].go.set()
    assert server.post(encoded()).status_code == 200
    assert len(backends[0].batches) == 2  # a tile of the first, and the second


def test_over_capacity_load_is_shed_and_what_was_taken_is_done(
    start: Start, backends: list[Backend]
) -> None:
    server = start(limits=Limits(waiting=3))
    backends[0].go.clear()
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(server.post, LARGE) for _ in range(20)]
        server.wait(lambda: sum(each.done() for each in waiting) == 20 - WORKERS - 3)
        assert server.client.get("/healthz").status_code == 200
        assert server.client.get("/readyz").status_code == 200
        assert server.metric("textsr_in_flight") == WORKERS + 3
        backends[0].go.set()
        answers = [each.result() for each in waiting]
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(200) == WORKERS + 3
    assert statuses.count(503) == 20 - WORKERS - 3
    (refused, *_) = (answer for answer in answers if answer.status_code == 503)
    assert "no more may wait; ask again later" in refused.json()["detail"]
    assert int(refused.headers["retry-after"]) >= 1
    assert server.metric("textsr_shed_total") == statuses.count(503)
    assert server.metric("textsr_images_total") == statuses.count(200)


def test_work_of_clients_that_have_gone_is_not_begun(start: Start, backends: list[Backend]) -> None:
    server = start()
    backends[0].go.clear()
    with ThreadPoolExecutor(WORKERS) as pool:
        working = [pool.submit(server.post, LARGE) for _ in range(WORKERS)]
        server.wait(lambda: len(backends[0].batches) == WORKERS)
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            head = f"Content-Type: image/png\r\nContent-Length: {len(LARGE)}\r\n\r\n"
            client.sendall(f"POST /upscale HTTP/1.1\r\nHost: localhost\r\n{head}".encode() + LARGE)
            server.wait(lambda: server.metric("textsr_waiting") == 1)
        server.wait(lambda: server.metric("textsr_in_flight") == WORKERS)
        assert server.metric("textsr_waiting") == 0  # with its place, its bytes are gone
        backends[0].go.set()
        assert [each.result().status_code for each in working] == [200] * WORKERS
    server.wait(lambda: server.metric("textsr_waiting") == 0)
    assert len(backends[0].batches) == WORKERS


def test_an_answer_that_is_not_taken_keeps_its_place_until_its_time_is_over(
    start: Start, backends: list[Backend]
) -> None:
    server = start(limits=Limits(seconds=4))
    large = encoded(picture(700, 700), "BMP")  # 8 MB become of it: more than a socket's buffers
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(("127.0.0.1", server.port))
        head = f"Content-Type: image/bmp\r\nContent-Length: {len(large)}\r\n\r\n"
        client.sendall(f"POST /upscale HTTP/1.1\r\nHost: localhost\r\n{head}".encode() + large)
        assert client.recv(12) == b"HTTP/1.1 200"
        assert server.metric("textsr_in_flight") == 1
        server.wait(lambda: server.metric("textsr_in_flight") == 0, 30)
    assert server.post(encoded()).status_code == 200


def test_small_images_that_wait_go_through_the_network_together(
    start: Start, backends: list[Backend]
) -> None:
    server = start()
    backends[0].go.clear()
    with ThreadPoolExecutor(WORKERS + 10) as pool:
        working = [pool.submit(server.post, LARGE) for _ in range(WORKERS)]
        server.wait(lambda: len(backends[0].batches) == WORKERS)
        lines = [pool.submit(server.post, encoded(picture(seed=n))) for n in range(10)]
        server.wait(lambda: server.metric("textsr_waiting") == 10)
        backends[0].go.set()
        results = [each.result() for each in (*working, *lines)]
    assert all(each.status_code == 200 for each in results)
    assert sum(backends[0].batches) == WORKERS + 10
    assert max(backends[0].batches) >= 10 // WORKERS
    alone = [server.post(encoded(picture(seed=n))).content for n in range(10)]
    assert [each.content for each in results[WORKERS:]] == alone


def test_a_damaged_image_does_not_take_others_along(start: Start, backends: list[Backend]) -> None:
    server = start()
    backends[0].go.clear()
    images = [encoded(picture(seed=n)) for n in range(8)]
    images[3] = images[3][:80]
    with ThreadPoolExecutor(WORKERS + 8) as pool:
        working = [pool.submit(server.post, LARGE) for _ in range(WORKERS)]
        server.wait(lambda: len(backends[0].batches) == WORKERS)
        lines = [pool.submit(server.post, image) for image in images]
        server.wait(lambda: server.metric("textsr_waiting") == 8)
        backends[0].go.set()
        statuses = [each.result().status_code for each in (*lines, *working)]
    assert statuses == [200, 200, 200, 422, 200, 200, 200, 200, 200, 200]


def test_warnings_of_one_request_are_not_anothers(server: Server) -> None:
    cut = encoded(picture(200, 200), "JPEG")[:-400]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(server.post, [cut, encoded()] * 8))
    noted = ["textsr-note" in answer.headers for answer in answers]
    assert noted == [True, False] * 8


def test_it_ends_with_what_is_in_work(start: Start, backends: list[Backend]) -> None:
    server = start()
    backends[0].go.clear()
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(server.post, LARGE)
        server.wait(lambda: len(backends[0].batches) == 1)
        server.stop()
        threading.Timer(0.5, backends[0].go.set).start()
        assert working.result().status_code == 200


def test_before_the_model_is_there_it_is_alive_and_not_ready(start: Start) -> None:
    server = start()
    served, server.service.served = server.service.served, None
    assert server.client.get("/healthz").status_code == 200
    for answer in (
        server.client.get("/readyz"),
        server.client.get("/model"),
        server.post(encoded()),
    ):
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
    server.service.served = served
    server.service.is_draining = True
    assert server.client.get("/readyz").status_code == 503
    assert server.post(encoded()).status_code == 200  # whoever did not ask is served, too
