"""Which images are worked together, and what becomes of those that nobody waits for."""

from collections.abc import Iterator
from concurrent.futures import CancelledError

import pytest
from PIL import Image
from serving_server import Backend, encoded, picture

from textsr.api import Model, load_model
from textsr.images.image import LoadedImage
from textsr.inference.sizing import Sizing
from textsr.serving.work import Job, Pool, Taken, _AllStopped

BLANK = encoded(Image.new("1", (4000, 4000), 1))  # 2 KB


def job(image: bytes, model: Model | None = None) -> Job[LoadedImage]:
    def finish(_: Taken, result: LoadedImage) -> LoadedImage:
        return result

    return Job(image, "image", model or load_model(), Sizing(), 16_000_000, finish)


@pytest.fixture
def pool() -> Iterator[Pool]:
    """One worker."""
    made = Pool(1, 1)
    yield made
    made.close(30)


def test_few_bytes_of_many_pixels_are_not_small() -> None:
    assert len(BLANK) < 32_768
    assert not job(BLANK).is_small
    assert not job(b"no image").is_small
    assert job(encoded(picture())).is_small


def test_a_portion_ends_when_nobody_waits_for_any_of_it() -> None:
    jobs = [job(encoded()) for _ in range(2)]
    stopped = _AllStopped(jobs)
    jobs[0].stop()
    assert not stopped.is_set()
    jobs[1].stop()
    assert stopped.is_set()


def test_what_nobody_waits_for_is_neither_decoded_nor_finished(pool: Pool) -> None:
    finished: list[object] = []
    given: Job[None] = Job(
        encoded(),
        "image",
        load_model(),
        Sizing(),
        16_000_000,
        lambda *_: finished.append(1),
        lambda *_: given.stop(),
    )
    pool.submit(given)
    with pytest.raises(CancelledError):
        given.done.result(30)
    assert not finished


class Panic(BaseException):
    """What a library in Rust raises."""


def test_a_worker_goes_on_whatever_is_raised(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Panic

    model = load_model()
    with monkeypatch.context() as broken:
        broken.setattr("textsr.serving.work.upscale_portion", fail)
        failing = job(encoded(), model)
        pool.submit(failing)
        with pytest.raises(Panic):
            failing.done.result(30)
    following = job(encoded(), model)
    pool.submit(following)
    assert following.done.result(30).pixels == 640


def test_the_end_waits_no_longer_than_it_may(backends: list[Backend]) -> None:
    pool = Pool(1, 1)
    model = load_model()
    backends[0].go.clear()
    held = job(encoded(), model)
    pool.submit(held)
    pool.close(0.2)
    assert not held.done.done()
    backends[0].go.set()
    held.done.result(30)
