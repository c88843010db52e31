"""How `make bench BENCH=serving` counts what a server does under load."""

import threading

import pytest
from serving_server import WORKERS, Backend, Server, Start, encoded

from benchmarks.serving import Load, put_load
from textsr.serving.service import Limits


def test_what_is_done_is_counted_with_how_long_it_took(server: Server) -> None:
    load = put_load(server.port, encoded(), clients=4, seconds=0.5)
    assert server.metric("textsr_images_total") == len(load.seconds) >= 4
    assert load.shed == 0
    assert 0 < load.at(0.5) <= load.at(0.99)


def test_what_is_shed_is_counted_apart(start: Start, backends: list[Backend]) -> None:
    server = start(limits=Limits(waiting=0))
    backends[0].go.clear()
    threading.Timer(0.4, backends[0].go.set).start()
    load = put_load(server.port, encoded(), clients=2 * WORKERS, seconds=0.3)
    assert load.shed == server.metric("textsr_shed_total") >= WORKERS
    assert len(load.seconds) == server.metric("textsr_images_total")


def test_another_answer_ends_it(server: Server) -> None:
    with pytest.raises(SystemExit, match=r"422: .*its format is none of"):
        put_load(server.port, b"no image", clients=1, seconds=0.3)


def test_quantiles_are_milliseconds() -> None:
    assert Load(1, [0.1, 0.2, 0.3], 0).at(0.5) == pytest.approx(200)
