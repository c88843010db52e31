"""Effects on what the ink lies on and on the light that falls on both; grey levels of 256.

Each returns an HxW plane: what to add to the ground, or the factor of light.
"""

import cv2
import numpy as np

from textsr.synthesis.fields import Plane, cut_texture


def _ramp(height: int, width: int, angle: float) -> Plane:
    """Return a plane that rises from -0.5 to 0.5 along `angle`, radians, over height and width."""
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    return np.asarray(np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y, np.float32)


def gradient(height: int, width: int, levels: float, rng: np.random.Generator) -> Plane:
    """Uneven light: a rise of `levels` across the line in a random direction."""
    return np.float32(levels) * _ramp(height, width, rng.uniform(0, 2 * np.pi))


def grain(height: int, width: int, levels: float, unit: float, rng: np.random.Generator) -> Plane:
    """Grain of paper, of standard deviation `levels`."""
    return np.float32(levels) * cut_texture("grain", height, width, unit, rng)


def clutter(height: int, width: int, levels: float, unit: float, rng: np.random.Generator) -> Plane:
    """What signs and photographs have behind the text, of standard deviation `levels`."""
    return np.float32(levels) * cut_texture("clutter", height, width, unit, rng)


def ruling(
    height: int, width: int, levels: float, pitch: float, unit: float, rng: np.random.Generator
) -> Plane:
    """Ruled paper, or squared in one case of two: lines of `levels`, `pitch` pixels apart."""
    thickness = max(1.0, 1.5 * unit)
    down, across, squared = rng.uniform(0, pitch), rng.uniform(0, pitch), rng.random() < 0.5
    rows = _lines(height, pitch, down, thickness)[:, None]
    if not squared:
        return np.asarray(np.float32(levels) * np.repeat(rows, width, axis=1), np.float32)
    columns = _lines(width, pitch, across, thickness)[None, :]
    return np.asarray(np.float32(levels) * np.maximum(rows, columns), np.float32)


def _lines(length: int, pitch: float, start: float, thickness: float) -> Plane:
    offset = (np.arange(length, dtype=np.float32) - np.float32(start)) % np.float32(pitch)
    return np.asarray(np.clip(np.float32(thickness) - offset, 0, 1), np.float32)


def stain(height: int, width: int, levels: float, unit: float, rng: np.random.Generator) -> Plane:
    """Blots of `levels` with soft edges over about a fifth of the line."""
    clouds = cut_texture("clouds", height, width, unit, rng)
    blots = np.clip((clouds - np.float32(0.7)) * 3, 0, 1)
    return np.asarray(np.float32(levels) * blots, np.float32)


def show_through(coverage: Plane, levels: float, unit: float, rng: np.random.Generator) -> Plane:
    """What is printed on the back: the line's own ink mirrored, moved and blurred, by `levels`."""
    height, width = coverage.shape
    back = np.roll(
        coverage[:, ::-1], (int(rng.integers(height)), int(rng.integers(width))), axis=(0, 1)
    )
    return np.float32(levels) * np.asarray(cv2.GaussianBlur(back, (0, 0), 2 * unit), np.float32)


def shadow(height: int, width: int, share: float, unit: float, rng: np.random.Generator) -> Plane:
    """Light, 1 - `share` behind a soft edge across the line and 1 before it."""
    softness = rng.uniform(2, 40) * unit
    at = rng.uniform(0.15, 0.85) * width
    slope = rng.uniform(-1.5, 1.5)
    side = 1 if rng.random() < 0.5 else -1
    x = np.arange(width, dtype=np.float32)[None, :]
    y = np.arange(height, dtype=np.float32)[:, None]
    distance = np.float32(side) * (x - np.float32(at) + np.float32(slope) * (y - height / 2))
    return np.asarray(
        1 - np.float32(share) * np.clip(distance / np.float32(softness) + 0.5, 0, 1), np.float32
    )
