"""How far a long stage is, read from the lines that it prints, as a Prefect progress artifact."""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact

_SECONDS = 5.0  # between updates
# "step 500/6000: loss 0.1" of trainings, "lines: 22000/200600" of the other verbs.
_COUNT = re.compile(r"^(?P<what>[^:/]*?):? (?P<done>\d+)/(?P<total>\d+)(?![\d/])")


def fraction_done(line: str) -> tuple[str, float] | None:
    """Return what a line counts and how far it is, from 0 to 1; None for other lines."""
    found = _COUNT.match(line)
    if found is None or int(found["total"]) == 0 or int(found["done"]) > int(found["total"]):
        return None
    return found["what"], int(found["done"]) / int(found["total"])


class Progress:
    """The progress artifact of a stage, made when its first count is seen."""

    def __init__(self, stage: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._stage = stage
        self._clock = clock
        self._artifact: UUID | None = None
        self._next = clock()

    def see(self, line: str) -> None:
        """Take a line of the stage's output; show at most one count in some seconds, and the last.

        A server that is away must not end a training: the next count is shown instead.
        """
        count = fraction_done(line)
        if count is None or (self._clock() < self._next and count[1] < 1):
            return
        self._next = self._clock() + _SECONDS
        what, fraction = count
        percent, about = 100 * fraction, f"{self._stage}: {what}"
        with suppress(httpx.HTTPError):
            if self._artifact is None:
                made = create_progress_artifact(percent, description=about)
                assert isinstance(made, UUID)
                self._artifact = made
            else:
                update_progress_artifact(self._artifact, percent, description=about)
