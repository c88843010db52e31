"""SynthTIGER's side of the comparison: its components, put together as in its own example."""

from collections.abc import Callable

import cv2
import numpy as np
from protocol import serve_lines
from synthtiger import components, layers, utils

HEIGHT = 64


def prepare(texts: list[str], fonts: list[str]) -> Callable[[], object]:
    """Return what draws one line, warped, noisy, blurred and resampled, and its small partner.

    Textures, borders and a second text behind the first, which the example also has, are left out.
    """
    rng = np.random.default_rng(0)
    font = components.BaseFont(paths=fonts, weights=[1] * len(fonts), size=[40, 64])
    color = components.Gray(gray=[0, 255], alpha=[1, 1])
    layout = components.Selector(
        [components.FlowLayout(space=[-2, 5]), components.CurveLayout(curve=[20, 40])],
        weights=[4, 1],
    )
    transform = components.Selector(
        [
            components.Perspective(percents=[[0.8, 1], [1, 1]], aligns=[[0, 0], [0, 0]]),
            components.Skew(weights=[1, 0], angle=[0, 15]),
            components.Rotate(angle=[0, 3]),
        ],
        weights=[1, 1, 1],
    )
    postprocess = components.Iterator(
        [
            components.Switch(components.AdditiveGaussianNoise(scale=[4, 8]), prob=1),
            components.Switch(components.GaussianBlur(sigma=[0, 2]), prob=0.9),
            components.Switch(components.Resample(size=[0.4, 0.4]), prob=0.1),
        ]
    )
    fit, pad = components.Fit(), components.Pad(pxs=[[0, 10]] * 4)

    def draw() -> object:
        text = texts[int(rng.integers(len(texts)))]
        drawn = font.sample()  # any: it knows what a font can draw only from lists beside them
        characters = [layers.TextLayer(character, **drawn) for character in text]
        layout.apply(characters, {"meta": {"vertical": False}})
        line = layers.Group(characters).merge()
        color.apply([line])
        transform.apply([line])
        for step in (fit, pad):
            step.apply([line])
        ground = layers.RectLayer(line.size)
        color.apply([ground])
        blended = layers.Layer(utils.blend_image(line.output(), ground.output()))
        postprocess.apply([blended])
        grey = cv2.cvtColor(blended.output()[..., :3].astype(np.uint8), cv2.COLOR_RGB2GRAY)
        image = cv2.resize(grey, (max(4, grey.shape[1] * HEIGHT // grey.shape[0]), HEIGHT))
        small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        return [cv2.imencode(".png", side) for side in (image, small)]

    return draw


serve_lines(prepare)
