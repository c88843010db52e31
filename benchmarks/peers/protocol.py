"""A peer's end of the talk with `benchmarks.peers`, over standard input and output."""

import json
import sys
from collections.abc import Callable


def serve(prepare: Callable[[list[str], list[str]], Callable[[], object]]) -> None:
    """Draw lines on demand, answering each request by `done`.

    The first line of input is JSON with `texts` and `fonts` (paths), each further one a number of
    lines to draw.

    Args:
        prepare: takes texts and fonts, returns what draws one line.
    """
    setup = json.loads(sys.stdin.readline())
    draw = prepare(setup["texts"], setup["fonts"])
    print("done", flush=True)
    for request in sys.stdin:
        for _ in range(int(request)):
            draw()
        print("done", flush=True)
