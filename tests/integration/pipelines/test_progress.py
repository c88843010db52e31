from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import progress
from pipelines.progress import Progress, fraction_done


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("step 500/2000: train_loss 0.1", ("step", 0.25)),
        ("lines: 22000/220000", ("lines", 0.1)),
        ("reading bicubic's output: 40/40", ("reading bicubic's output", 1.0)),
        ("saved to artifacts/3/4", None),
        ("https://host: 1/2/3", None),
        ("on 2026/11/25", None),
        ("lines: 1000", None),
        ("step 5/0: nothing", None),
        ("", None),
    ],
)
def test_reads_counts_and_nothing_else(line: str, expected: tuple[str, float] | None) -> None:
    assert fraction_done(line) == expected


@given(st.text())
def test_is_a_fraction_whatever_a_stage_prints(line: str) -> None:
    found = fraction_done(line)
    assert found is None or 0 <= found[1] <= 1


class Server:
    """Stands for Prefect's, and may be away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away = False
        self.shown: list[float] = []
        monkeypatch.setattr(progress, "create_progress_artifact", self.create)
        monkeypatch.setattr(progress, "update_progress_artifact", self.update)

    def create(self, percent: float, description: str) -> object:
        self.update(None, percent, description)
        return uuid4()

    def update(self, artifact: object, percent: float, description: str) -> None:
        if self.away:
            raise httpx.ConnectError("refused")
        self.shown.append(percent)


def test_shows_some_counts_and_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    server, now = Server(monkeypatch), [0.0]
    shown = Progress("train@byol", clock=lambda: now[0])
    for step in range(1, 101):
        now[0] += 1.0
        shown.see(f"step {step}/100: loss 1")
    assert server.shown[-1] == 100
    assert server.shown == sorted(server.shown)
    assert 15 <= len(server.shown) <= 25


def test_a_server_that_is_away_costs_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    server, now = Server(monkeypatch), [0.0]
    shown = Progress("train@byol", clock=lambda: now[0])
    server.away = True
    shown.see("step 1/3: loss 1")
    server.away, now[0] = False, 10.0
    shown.see("step 2/3: loss 1")
    assert server.shown == [pytest.approx(200 / 3)]
