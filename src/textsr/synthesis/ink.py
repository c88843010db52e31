"""Effects on the ink, each a function of its coverage: HxW, 0 to 1.

Lengths are pixels of the image.
"""

from statistics import NormalDist

import cv2
import numpy as np
import numpy.typing as npt

from textsr.synthesis.fields import Plane, cut_texture


def embolden(coverage: Plane, px: float) -> Plane:
    """Make strokes thicker by `px` in all, or thinner where negative."""
    spread = cv2.dilate if px > 0 else cv2.erode
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    # A pass moves both edges of a stroke by a pixel; what is left of `px` is blended in.
    whole, part = divmod(abs(px) / 2, 1)
    if whole:
        coverage = np.asarray(spread(coverage, cross, iterations=int(whole)), np.float32)
    moved = np.asarray(spread(coverage, cross), np.float32)
    return np.asarray(coverage + np.float32(part) * (moved - coverage), np.float32)


def underline(coverage: Plane, thickness: float, baseline: float, unit: float) -> Plane:
    """Draw a line of `thickness` under the text."""
    top = baseline + 3 * unit
    rows = np.arange(len(coverage), dtype=np.float32)[:, None]
    inside = np.clip(np.minimum(rows + 1 - top, top + thickness - rows), 0, 1)
    columns = np.flatnonzero(coverage.max(axis=0) > 0.5)
    out = coverage.copy()
    if columns.size:
        span = slice(columns[0], columns[-1] + 1)
        out[:, span] = np.maximum(out[:, span], inside)
    return out


def add_neighbours(coverage: Plane, pitch: float, rng: np.random.Generator) -> Plane:
    """Add the lines above and below, `pitch` away, as far as they reach into the image.

    They are the line's own ink moved sideways by a random distance: little is seen of them.
    """
    height, width = coverage.shape
    step = round(pitch)
    out = coverage
    for above in (True, False):
        moved = np.roll(coverage, int(rng.integers(width)), axis=1)
        shifted = np.zeros_like(coverage)
        if step < height:
            if above:
                shifted[: height - step] = moved[step:]
            else:
                shifted[step:] = moved[: height - step]
        out = np.maximum(out, shifted)
    return out


def dot_matrix(coverage: Plane, pitch: float) -> Plane:
    """Print in round dots, `pitch` apart both ways, that touch."""
    height, width = coverage.shape
    cells = (max(1, round(width / pitch)), max(1, round(height / pitch)))
    # A stroke thinner than a dot is struck all the same: first made as wide as half a cell.
    side = max(1, round(pitch / 2))
    wide = cv2.dilate(coverage, np.ones((side, side), np.uint8))
    struck = np.asarray(cv2.resize(wide, cells, interpolation=cv2.INTER_AREA) > 0.5, np.uint8)
    spread = cv2.resize(struck, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    x = (np.arange(width) + 0.5) / width * cells[0] % 1 - 0.5
    y = (np.arange(height) + 0.5) / height * cells[1] % 1 - 0.5
    distance = np.hypot(x[None, :], y[:, None])
    dot = np.clip((0.58 - distance) * pitch + 0.5, 0, 1)
    return np.asarray(spread * dot, np.float32)


def fade_thermally(coverage: Plane, share: float, unit: float, rng: np.random.Generator) -> Plane:
    """Fade the ink by up to `share` in clouds, and in streaks where the head is worn."""
    height, width = coverage.shape
    clouds = cut_texture("clouds", height, width, unit, rng)
    streaks = cut_texture("grain", 1, width, unit, rng)
    loss = np.clip(0.5 + 0.35 * clouds, 0, 1) * np.clip(0.75 + 0.35 * streaks, 0, 1)
    return np.asarray(coverage * (1 - np.float32(share) * loss), np.float32)


def wear(coverage: Plane, share: float, unit: float, rng: np.random.Generator) -> Plane:
    """Take away about `share` of the ink in patches with soft edges."""
    height, width = coverage.shape
    patches = cut_texture("patches", height, width, unit, rng)
    # The texture is normal, so that its quantile is exceeded on that share of the area.
    threshold = NormalDist().inv_cdf(1 - max(share, 1e-6))
    return np.asarray(coverage * np.clip((threshold - patches) * 2.5 + 0.5, 0, 1), np.float32)


def warp(
    coverage: Plane,
    *,
    oblique: float,
    rotation: float,
    corner_shift: float,
    room: float,
    rng: np.random.Generator,
) -> Plane:
    """Slant and turn the ink, and move its corners as a view from aside does.

    Args:
        coverage: HxW.
        oblique: slant to the right, degrees.
        rotation: counterclockwise, degrees; a line that is too long for it is turned less.
        corner_shift: how far each corner moves at most, both ways, pixels.
        room: how far the line's ends may move up and down in rotation, pixels.
        rng: draws where the corners go.
    """
    height, width = coverage.shape
    limit = np.degrees(np.arctan2(2 * room, width))
    matrix = view(
        height,
        width,
        oblique=oblique,
        rotation=float(np.clip(rotation, -limit, limit)),
        corner_shift=corner_shift,
        rng=rng,
    )
    warped = cv2.warpPerspective(coverage, matrix, (width, height), flags=cv2.INTER_CUBIC)
    return np.clip(warped, 0, 1).astype(np.float32)


def view(
    height: int,
    width: int,
    *,
    oblique: float,
    rotation: float,
    corner_shift: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.float64]:
    """Return the 3x3 matrix that maps points of an image to where `warp` moves them."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    rotate = cv2.getRotationMatrix2D((width / 2, height / 2), rotation, 1)
    slant = np.tan(np.radians(oblique)) * (height / 2 - corners[:, 1])
    moved = corners + np.stack([slant, np.zeros(4)], axis=1)
    moved = moved @ rotate[:, :2].T + rotate[:, 2]
    moved = moved + rng.uniform(-corner_shift, corner_shift, (4, 2))
    return np.asarray(cv2.getPerspectiveTransform(corners, moved.astype(np.float32)), np.float64)


def curve(coverage: Plane, rise: float) -> Plane:
    """Bow the line: its middle moves up by `rise` against its ends, half of it each."""
    height, width = coverage.shape
    offset = bow(np.linspace(-1, 1, width, dtype=np.float32), rise)
    map_x = np.broadcast_to(np.arange(width, dtype=np.float32), (height, width))
    map_y = np.arange(height, dtype=np.float32)[:, None] + offset[None, :]
    bowed = cv2.remap(coverage, np.ascontiguousarray(map_x), map_y, cv2.INTER_LINEAR)
    return np.asarray(bowed, np.float32)


def bow(x: Plane, rise: float) -> Plane:
    """Return how far up `curve` moves what is at `x`, -1 to 1 from the left to the right end."""
    return np.asarray(np.float32(rise) * (np.float32(0.5) - x * x), np.float32)
