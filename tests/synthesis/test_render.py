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


def draw(
    params: Params, data: Path, text: str, *, seed: int = 0, scale: int = 4, **update: object
) -> Line:
    render = params.synthesis.render.model_copy(update=PLAIN | update)
    font = FontFile(data / "fonts/dejavu/DejaVuSans.ttf", "dejavu")
    return render_line(
        text,
        font,
        render,
        height=16 * scale,
        max_width=128 * scale,
        width_multiple=4 * scale,
        scale=scale,
        rng=np.random.default_rng(seed),
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


def test_drawing_twice_is_drawing_once(tiny_params: Params, data: Path) -> None:
    update = {name: getattr(tiny_params.synthesis.render, name) for name in PLAIN}
    one, two, other = (draw(tiny_params, data, "HELLO", seed=seed, **update) for seed in (5, 5, 6))
    assert np.array_equal(one.image, two.image)
    assert one.parameters == two.parameters
    assert one.parameters != other.parameters


@pytest.mark.parametrize("scale", [2, 4])
def test_margins_and_size_shrink_with_the_scale(
    tiny_params: Params, data: Path, scale: int
) -> None:
    update = {"margin_px": (12.0, 12.0), "font_height_px": (50.0, 50.0)}
    line = draw(tiny_params, data, "HELLO", scale=scale, **update)
    margin = 12 * scale // 4
    assert line.parameters["margin_left_px"] == line.parameters["margin_right_px"] == margin
    ink = np.abs(line.image.astype(int) - round(line.parameters["ground"])) > 40
    columns, rows = np.flatnonzero(ink.any(0)), np.flatnonzero(ink.any(1))
    bearing = 0.12 * line.parameters["font_size_px"]  # a letter's own space at its sides
    assert margin <= columns[0] <= margin + bearing
    right = line.image.shape[1] - 1 - columns[-1]
    assert margin - 1 <= right <= margin + bearing + 4 * scale  # the width is rounded up
    # DejaVu's capitals are .729 em high, its ascent plus descent 1.164 em.
    assert len(rows) == pytest.approx(50 * scale / 4 * 0.729 / 1.164, abs=2)


def test_gradient_and_texture_are_of_the_stated_strength(tiny_params: Params, data: Path) -> None:
    update = {"contrast": (50.0, 50.0), "inverted": 1.0, "margin_px": (150.0, 150.0)}
    seen = 0
    for seed in range(20):
        plain = draw(tiny_params, data, ".", seed=seed, **update)
        if not 60 <= plain.parameters["ground"] <= 150:
            continue  # the strength shows only where nothing is clipped
        seen += 1
        slope = draw(
            tiny_params, data, ".", seed=seed, **update | {"ground_gradient": (40.0, 40.0)}
        )
        whole = np.ptp(slope.image[[0, -1]].astype(int))
        assert 38 <= whole <= 58  # the diagonal of a square is 1.41 of its side
        grain = draw(tiny_params, data, ".", seed=seed, **update | {"ground_texture": (6.0, 6.0)})
        assert grain.image[:, :140].std() == pytest.approx(6, rel=0.15)
        assert plain.image[:, :140].std() == 0
    assert seen >= 3


def test_long_text_is_drawn_smaller_before_it_is_refused(tiny_params: Params, data: Path) -> None:
    sizes = [
        draw(tiny_params, data, "n" * length, font_height_px=(48.0, 48.0)).parameters[
            "font_size_px"
        ]
        for length in (5, 10, 22)
    ]
    assert sizes[0] == sizes[1] > sizes[2]


def test_no_line_is_wider_than_allowed(tiny_params: Params, data: Path) -> None:
    widths = []
    for seed in range(60):
        try:
            line = draw(tiny_params, data, "W" * (4 + seed % 14), seed=seed)
        except LineTooWideError:
            continue
        widths.append(line.image.shape[1])
    assert len(widths) > 30
    assert max(widths) <= 512
    assert not any(width % 16 for width in widths)


def test_nothing_is_cut_off_above_or_below(tiny_params: Params, data: Path) -> None:
    render = {"rotation_degrees": (-1.5, 1.5), "perspective": (0.06, 0.06)}
    line = draw(tiny_params, data, "Åj|gÉ", **render)
    ground = line.parameters["ground"]
    assert np.abs(line.image[[0, -1]].astype(int) - ground).max() < 100


def test_too_long_a_text_is_refused(tiny_params: Params, data: Path) -> None:
    with pytest.raises(LineTooWideError):
        draw(tiny_params, data, "W" * 60)
