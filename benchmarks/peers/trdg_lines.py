"""TRDG's side of the comparison: the effects that it has, on lines of the same height."""

from collections.abc import Callable

import cv2
import numpy as np
from protocol import serve_lines
from trdg.generators import GeneratorFromStrings

HEIGHT = 64


def prepare(texts: list[str], fonts: list[str]) -> Callable[[], object]:
    """Return what draws one line, skewed, blurred and on a noisy ground, and its small partner."""
    lines = GeneratorFromStrings(
        texts,
        fonts=fonts,
        size=HEIGHT,
        skewing_angle=3,
        random_skew=True,
        blur=2,
        random_blur=True,
        background_type=0,  # noise
        text_color="#101010,#909090",
    )

    def draw() -> object:
        image = cv2.cvtColor(np.asarray(next(lines)[0]), cv2.COLOR_RGB2GRAY)
        small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        return [cv2.imencode(".png", side) for side in (image, small)]

    return draw


serve_lines(prepare)
