"""How ONNX Runtime's threads are shared among batches that are computed at once."""

import numpy as np
import pytest

from textsr import pretrained
from textsr.inference import onnx_backend
from textsr.inference.onnx_backend import FLOAT32, OnnxBackend


@pytest.mark.parametrize(("threads", "share"), [(6, 2), (8, 2), (9, 3), (6, 6), (6, 1), (4, 9)])
def test_batches_at_once_have_all_their_shares_of_threads(
    monkeypatch: pytest.MonkeyPatch, threads: int, share: int
) -> None:
    path = pretrained.FOLDER / FLOAT32
    session = onnx_backend._open(path, 1)
    made: list[int] = []

    def opened(_: object, count: int) -> object:
        made.append(count)
        return session

    monkeypatch.setattr(onnx_backend, "_open", opened)
    backend = OnnxBackend(path, threads)
    used: list[int] = []
    monkeypatch.setattr(backend, "_session", lambda count: used.append(count) or session)
    batches = max(threads // share, 1)
    for _ in range(batches):
        backend.run(np.zeros((1, 1, 16, 16), np.float32), threads=share)
    (of_session,) = set(used)  # they share one
    assert made == [threads]
    # A session has one thread less than it is told: that which calls it is one of them.
    assert batches + of_session - 1 == threads
