"""Drawn lines."""

from pathlib import Path

import numpy as np
import pytest
from effect_params import without_effects

from textsr.config.params import Params
from textsr.datasets.schema import RENDER_COLUMNS
from textsr.synthesis.fonts import FontFile
from textsr.synthesis.render import Line, LineTooWideError, NoInkError, render_line

BLACK_ON_WHITE = {"contrast_levels": (200.0, 200.0), "inverted": 0.0}


def draw(
    params: Params,
    data: Path,
    text: str,
    *,
    seed: int = 0,
    scale: int = 4,
    effects: dict[str, dict[str, object]] | None = None,
    **update: object,
) -> Line:
    """Draw with no effect but `effects`."""
    render = without_effects(params.synthesis.render, **(effects or {}))
    font = FontFile(data / "fonts/dejavu/DejaVuSans.ttf", "dejavu")
    return render_line(
        text,
        font,
        render.model_copy(update=BLACK_ON_WHITE | update),
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


def test_every_column_is_recorded(tiny_params: Params, data: Path) -> None:
    assert set(draw(tiny_params, data, "HELLO").parameters) == set(RENDER_COLUMNS)


@pytest.mark.parametrize(
    ("effect", "intervals"),
    [
        ("tracking", {"em": (0.2, 0.2)}),
        ("oblique", {"degrees": (12.0, 12.0)}),
        ("weight", {"px": (2.0, 2.0)}),
        ("underline", {"thickness_px": (3.0, 3.0)}),
        ("neighbours", {"pitch_em": (0.9, 0.9)}),
        ("dot_matrix", {"pitch_px": (4.0, 4.0)}),
        ("rotation", {"degrees": (2.0, 2.0)}),
        ("perspective", {"heights": (0.08, 0.08)}),
        ("curvature", {"heights": (0.08, 0.08)}),
        ("thermal", {"fade_share": (0.8, 0.8)}),
        ("worn", {"ink_share": (0.3, 0.3)}),
        ("gradient", {"levels": (40.0, 40.0)}),
        ("grain", {"levels": (6.0, 6.0)}),
        ("clutter", {"levels": (20.0, 20.0)}),
        ("ruled", {"levels": (40.0, 40.0), "pitch_px": (20.0, 20.0)}),
        ("stain", {"levels": (50.0, 50.0)}),
        ("show_through", {"share": (0.15, 0.15)}),
        ("shadow", {"share": (0.4, 0.4)}),
        ("clipping", {"share": (0.3, 0.3)}),
    ],
)
@pytest.mark.parametrize("inverted", [0.0, 1.0])
def test_each_effect_changes_the_image_and_is_recorded(
    tiny_params: Params, data: Path, effect: str, intervals: dict[str, object], inverted: float
) -> None:
    update = {"contrast_levels": (120.0, 120.0), "inverted": inverted}
    plain = draw(tiny_params, data, "Receipt 12", **update)
    changed = draw(tiny_params, data, "Receipt 12", effects={effect: intervals}, **update)
    columns = {
        name: value
        for name, value in changed.parameters.items()
        if name.startswith(f"{effect}_") and name not in ("margin_left_px", "margin_right_px")
    }
    assert columns
    assert None not in columns.values()
    assert all(plain.parameters[name] is None for name in columns)
    if plain.image.shape == changed.image.shape:
        assert np.abs(plain.image.astype(int) - changed.image).mean() > 0.4
    else:
        assert effect == "tracking"


@pytest.mark.parametrize("inverted", [0.0, 1.0])
def test_clipping_makes_the_lighter_side_white_and_keeps_the_other(
    tiny_params: Params, data: Path, inverted: float
) -> None:
    for seed in range(10):
        line = draw(
            tiny_params,
            data,
            "Receipt",
            seed=seed,
            effects={"clipping": {"share": (0.3, 0.3)}, "grain": {"levels": (2.0, 2.0)}},
            contrast_levels=(60.0, 60.0),
            inverted=inverted,
        )
        edges = line.image[[0, -1]]
        if inverted:
            assert line.image.max() == 255
            assert edges.max() < 225
        else:
            assert (edges == 255).all()
            assert line.image.min() < 225


def test_effects_together_leave_the_text_to_be_seen(tiny_params: Params, data: Path) -> None:
    font = FontFile(data / "fonts/dejavu/DejaVuSans.ttf", "dejavu")
    render = tiny_params.synthesis.render
    rng = np.random.default_rng(0)
    for _ in range(300):
        line = render_line(
            "Receipt 12",
            font,
            render,
            height=64,
            max_width=512,
            width_multiple=16,
            scale=4,
            rng=rng,
        )
        assert line.image.std() > 2, line.parameters


def test_inverted_line_has_light_ink(tiny_params: Params, data: Path) -> None:
    line = draw(tiny_params, data, "HELLO", inverted=1.0)
    assert line.parameters["ink"] > line.parameters["ground"]
    assert line.image.max() == round(line.parameters["ink"])


def test_drawing_twice_is_drawing_once(tiny_params: Params, data: Path) -> None:
    on = {"rotation": {}, "grain": {}, "thermal": {}}
    one, two, other = (
        draw(tiny_params, data, "HELLO", seed=seed, effects=on) for seed in (5, 5, 6)
    )
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
    assert margin <= columns[0] <= margin + 1
    right = line.image.shape[1] - 1 - columns[-1]
    assert margin <= right <= margin + 2 + 4 * scale  # the width is rounded up
    # DejaVu's capitals are .729 em high, its ascent plus descent 1.164 em.
    assert len(rows) == pytest.approx(50 * scale / 4 * 0.729 / 1.164, abs=2)


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
    for height in (40.0, 60.0, 88.0):
        line = draw(
            tiny_params,
            data,
            "Åj|gÉ",
            font_height_px=(height, height),
            effects={"perspective": {"heights": (0.02, 0.02)}},
        )
        ground = line.parameters["ground"]
        assert np.abs(line.image[[0, -1]].astype(int) - ground).max() < 120


def test_too_long_a_text_is_refused(tiny_params: Params, data: Path) -> None:
    with pytest.raises(LineTooWideError):
        draw(tiny_params, data, "W" * 60)


def test_line_that_effects_leave_without_ink_is_refused(tiny_params: Params, data: Path) -> None:
    thinned: dict[str, dict[str, object]] = {"weight": {"px": (-2.0, -2.0)}}
    small = {"font_height_px": (12.0, 12.0)}
    with pytest.raises(NoInkError):
        draw(tiny_params, data, "ill", effects=thinned, **small)
    for line in (
        draw(tiny_params, data, "ill", **small),
        draw(tiny_params, data, "ill", effects=thinned, font_height_px=(60.0, 60.0)),
    ):
        assert line.image.std() > 5
