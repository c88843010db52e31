"""Effects on ink."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textsr.synthesis import ink


def bar(width: int = 10, height: int = 64, columns: int = 200) -> np.ndarray:
    coverage = np.zeros((height, columns), np.float32)
    coverage[12:44, 90 : 90 + width] = 1
    return coverage


@pytest.mark.parametrize("px", [-3, -1.5, -1, 0, 0.5, 1, 2, 3.2])
def test_strokes_get_thicker_by_so_much(px: float) -> None:
    out = ink.embolden(bar(), px)
    assert out[30].sum() == pytest.approx(10 + px, abs=1e-5)
    assert 0 <= out.min() <= out.max() <= 1


@pytest.mark.parametrize("thickness", [1.0, 2.5, 4.0])
def test_underline_lies_under_the_ink_and_spans_it(thickness: float) -> None:
    out = ink.underline(bar(), thickness, 44, 1.0)
    added = out - bar()
    assert added[:46].max() == 0
    assert added[46:, 95].sum() == pytest.approx(thickness, abs=1e-5)
    assert np.flatnonzero(added.max(axis=0)).tolist() == list(range(90, 100))


def test_underline_of_nothing_is_nothing() -> None:
    assert ink.underline(np.zeros((64, 80), np.float32), 2, 44, 1.0).max() == 0


def test_neighbours_are_the_line_a_pitch_away() -> None:
    out = ink.add_neighbours(bar(), 40, np.random.default_rng(0))
    rows = np.flatnonzero(out.max(axis=1))
    # 12..43 itself, 52..63 of the line below, and of the one above its last rows 0..3.
    assert rows.tolist() == [*range(4), *range(12, 44), *range(52, 64)]
    assert np.array_equal(np.maximum(out, bar()), out)


def test_neighbours_too_far_away_are_not_seen() -> None:
    assert np.array_equal(ink.add_neighbours(bar(), 70, np.random.default_rng(0)), bar())


def test_dots_are_a_pitch_apart_and_only_where_ink_was() -> None:
    solid = np.ones((60, 120), np.float32)
    dots = ink.dot_matrix(solid, 6)
    spectrum = np.abs(np.fft.rfft(dots[0] - dots[0].mean()))
    assert np.argmax(spectrum) == 120 / 6
    assert 0.5 < dots.mean() < 1
    assert ink.dot_matrix(np.zeros((60, 120), np.float32), 6).max() == 0
    half = ink.dot_matrix(bar(40), 5)
    assert half[:, :84].max() == 0


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_fading_takes_at_most_its_share(seed: int, share: float) -> None:
    solid = np.ones((64, 300), np.float32)
    faded = ink.fade_thermally(solid, share, 1.0, np.random.default_rng(seed))
    assert faded.min() >= 1 - share - 1e-5
    assert faded.max() <= 1


def test_fading_is_uneven_and_streaked() -> None:
    solid = np.ones((64, 300), np.float32)
    faded = ink.fade_thermally(solid, 0.8, 1.0, np.random.default_rng(0))
    assert np.ptp(faded) > 0.3
    # Dead elements of the head leave streaks down the line.
    assert faded.mean(axis=0).std() > faded.mean(axis=1).std()


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
def test_wear_takes_about_its_share(share: float) -> None:
    solid = np.ones((64, 400), np.float32)
    left = [ink.wear(solid, share, 1.0, np.random.default_rng(seed)).mean() for seed in range(60)]
    assert np.mean(left) == pytest.approx(1 - share, abs=0.03)


def warped(**update: float) -> np.ndarray:
    arguments = {"oblique": 0.0, "rotation": 0.0, "corner_shift": 0.0, "room": 16.0} | update
    return ink.warp(bar(), **arguments, rng=np.random.default_rng(0))


def test_warp_by_nothing_is_nothing() -> None:
    assert np.allclose(warped(), bar(), atol=1e-3)


def test_oblique_leans_to_the_right() -> None:
    out = warped(oblique=20.0)
    columns = np.arange(out.shape[1])
    top, bottom = ((out[row] * columns).sum() / out[row].sum() for row in (15, 40))
    assert (top - bottom) / 25 == pytest.approx(np.tan(np.radians(20)), abs=0.02)
    assert out.sum() == pytest.approx(bar().sum(), rel=0.01)


def test_rotation_turns_counterclockwise_but_keeps_the_ends_inside() -> None:
    line = np.zeros((64, 200), np.float32)
    line[31:33, 4:196] = 1
    rows = np.arange(64)

    def slope(room: float) -> float:
        arguments = {"oblique": 0.0, "rotation": 5.0, "corner_shift": 0.0, "room": room}
        out = ink.warp(line, **arguments, rng=np.random.default_rng(0))
        left, right = ((out[:, at] * rows).sum() / out[:, at].sum() for at in (10, 190))
        return (left - right) / 180

    assert slope(30) == pytest.approx(np.tan(np.radians(5)), abs=0.01)
    assert slope(4) == pytest.approx(4 * 2 / 200, abs=0.01)


def test_perspective_moves_corners_by_at_most_so_much() -> None:
    solid = np.zeros((64, 200), np.float32)
    solid[10:54, 10:190] = 1
    for seed in range(10):
        out = ink.warp(
            solid,
            oblique=0.0,
            rotation=0.0,
            corner_shift=5.0,
            room=16.0,
            rng=np.random.default_rng(seed),
        )
        changed = np.flatnonzero(np.abs(out - solid).max(axis=1) > 0.5)
        assert changed.size
        assert out[17:47, 17:183].min() > 0.9
        assert out[:4].max() < 0.1


@pytest.mark.parametrize("rise", [-5.0, 4.0])
def test_curve_bows_the_middle_against_the_ends(rise: float) -> None:
    line = np.zeros((64, 201), np.float32)
    line[31:34] = 1
    out = ink.curve(line, rise)
    rows = np.arange(64)[:, None]
    centre = (out * rows).sum(axis=0) / out.sum(axis=0)
    assert centre[0] - centre[100] == pytest.approx(rise, abs=0.1)
    assert centre.mean() == pytest.approx(32 - rise / 6, abs=0.1)
