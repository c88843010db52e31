"""A peer's end of the talk with `benchmarks.peers`, over standard input and output.

Each line of input is JSON: first what to set up, then requests. Each is answered by `done`.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
"""An 8-bit RGB image, HxWx3."""

Upscale = Callable[[Pixels], Pixels]
"""Maps an image to the upscaled one."""


def serve_lines(prepare: Callable[[list[str], list[str]], Callable[[], object]]) -> None:
    """Draw lines on demand: each request is a number of lines to draw.

    Args:
        prepare: takes texts and paths of fonts, returns what draws one line.
    """
    setup = json.loads(sys.stdin.readline())
    draw = prepare(setup["texts"], setup["fonts"])

    def answer(count: int) -> None:
        for _ in range(count):
            draw()

    _answer_all(answer)


def serve_upscaler(load: Callable[[str, int], Upscale]) -> None:
    """Upscale images on demand.

    A request is either `lr` and `hr`, the paths of a `.npy` file to upscale and of one to write,
    or how many times to upscale the last image again, keeping nothing.

    Args:
        load: takes a network's name and a number of threads, returns what upscales one image.
    """
    setup = json.loads(sys.stdin.readline())
    upscale = load(setup["name"], setup["threads"])
    last: list[Pixels] = []

    def answer(request: Any) -> None:
        if isinstance(request, int):
            for _ in range(request):
                upscale(last[0])
            return
        last[:] = [np.load(request["lr"])]
        np.save(request["hr"], upscale(last[0]))

    _answer_all(answer)


def to_8_bit(channels: npt.NDArray[np.float32]) -> Pixels:
    """Clip a 3xHxW image nominally in [0, 1] and round it to 8 bits, HxWx3."""
    rounded = np.rint(np.clip(channels, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(rounded.transpose(1, 2, 0))


def to_channels(image: Pixels) -> npt.NDArray[np.float32]:
    """Return an 8-bit HxWx3 image as 3xHxW in [0, 1]."""
    return np.ascontiguousarray(image.transpose(2, 0, 1) / 255, np.float32)


def _answer_all(answer: Callable[[Any], None]) -> None:
    print("done", flush=True)  # with setting up
    for request in sys.stdin:
        answer(json.loads(request))
        print("done", flush=True)
