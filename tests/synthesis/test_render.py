"""Drawn lines."""

from pathlib import Path

import numpy as np
import pytest

from textsr.params import Params
from textsr.synthesis.fonts import FontFile
from textsr.synthesis.render import Line, LineTooWideError, render_line

PLAIN = {
    "contrast": (200.0, 200.0),
    "inverted": 0.0,
    "ground_gradient": (0.0, 0.0),
    "ground_texture": (0.0, 0.0),
    "rotation_degrees": (0.0, 0.0),
    "perspective": (0.0, 0.0),
}


def draw(params: Params, data: Path, text: str, **update: object) -> Line:
    render = params.synthesis.render.model_copy(update=PLAIN | update)
    font = FontFile(data / "fonts/dejavu/DejaVuSans.ttf", "dejavu")
    return render_line(
        text,
        font,
        render,
        height=64,
        max_width=512,
        width_multiple=16,
        scale=4,
        rng=np.random.default_rng(0),
    )


def test_plain_line_has_the_recorded_ink_on_the_recorded_ground(
    tiny_params: Params, data: Path
) -> None:
    line = draw(tiny_params, data, "HELLO")
    ink, ground = line.parameters["ink"], line.parameters["ground"]
    assert line.image[0, 0] == round(ground)
    assert line.image.min() == round(ink)
    assert line.image.shape[0] == 64
    assert line.image.shape[1] % 16 == 0


def test_inverted_line_has_light_ink(tiny_params: Params, data: Path) -> None:
    line = draw(tiny_params, data, "HELLO", inverted=1.0)
    assert line.parameters["ink"] > line.parameters["ground"]
    assert line.image.max() == round(line.parameters["ink"])


def test_nothing_is_cut_off_above_or_below(tiny_params: Params, data: Path) -> None:
    render = {"rotation_degrees": (-1.5, 1.5), "perspective": (0.06, 0.06)}
    line = draw(tiny_params, data, "Åj|gÉ", **render)
    ground = line.parameters["ground"]
    assert np.abs(line.image[[0, -1]].astype(int) - ground).max() < 100


def test_too_long_a_text_is_refused(tiny_params: Params, data: Path) -> None:
    with pytest.raises(LineTooWideError):
        draw(tiny_params, data, "W" * 60)
