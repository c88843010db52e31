"""`python -m tests.faults.campaign.moving_server FILE`: a server whose alias names FILE's version.

Each version is the package's weights; all else is as in `textsr serve`.
"""

import logging
import sys
from dataclasses import dataclass
from pathlib import Path

from textsr.pretrained import FOLDER
from textsr.serving.served import Served, Source
from textsr.serving.server import serve
from textsr.serving.service import Limits, Service

WAITING = 4


@dataclass(frozen=True)
class Moving(Source):
    """An alias, whose version a file has."""

    def alias(self) -> str:
        return "models:/textsr@champion"

    def version(self) -> str:
        return self.start.read_text()

    def open(self) -> Served:
        version = self.version()
        return Served(FOLDER, f"version {version}", version, backend="auto", device="cpu")


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, format="textsr: %(message)s", level=logging.INFO)
    source = Moving(None, Path(sys.argv[1]))
    serve(Service(source, Limits(waiting=WAITING), 0.2), host="127.0.0.1", port=0)
