"""Pictures for pages: drawn, since no photograph comes with the package."""

import cv2
import numpy as np

from textsr.images.grey import Image
from textsr.synthesis.camera import blur
from textsr.synthesis.draws import draw_key
from textsr.synthesis.fields import Plane, cut_texture

_KINDS = {"leaves": 5.0, "scene": 2.0, "chart": 2.0, "texture": 1.0}
_SHIFT = 4  # bits of parts of a pixel that OpenCV draws at


def draw_picture(height: int, width: int, unit: float, rng: np.random.Generator) -> Plane:
    """Draw a picture, HxW, 0 to 255: like a photograph, or a chart.

    Args:
        height: pixels.
        width: pixels.
        unit: size of its details: 1 at scale 4.
        rng: source of every choice.
    """
    kind = draw_key(_KINDS, rng)
    if kind == "chart":
        return _chart(height, width, unit, rng)
    if kind == "texture":
        plane = 128 + np.float32(rng.uniform(10, 60)) * _texture(height, width, unit, rng)
    elif kind == "scene":
        plane = _scene(height, width, unit, rng)
    else:
        plane = _leaves(height, width, unit, rng)
    sigma = rng.uniform(0, 1.5) * unit
    return np.clip(blur(np.asarray(plane, np.float32), sigma, sigma), 0, 255)


def _texture(height: int, width: int, unit: float, rng: np.random.Generator) -> Plane:
    return cut_texture("clutter", height, width, unit, rng)


def _leaves(height: int, width: int, unit: float, rng: np.random.Generator) -> Plane:
    """Draw dead leaves: shapes that hide one another, their sizes by a power law.

    Edges, their statistics at every scale and the texture between are those of photographs (Lee,
    Mumford and Huang 2001); networks learn to restore photographs from such pictures alone
    (Achddou, Gousseau and Ladjal 2021).
    """
    image = np.full((height, width), rng.integers(20, 236), np.uint8)
    smallest, largest = 4 * unit, 0.5 * max(height, width)
    count = int(rng.integers(30, 150))
    # The radius of density r^-3, by its inverse distribution; the largest lie below.
    drawn = rng.random(count) * (smallest**-2 - largest**-2) + largest**-2
    for radius in np.sort(drawn**-0.5)[::-1]:
        _shape(image, float(radius), int(np.clip(rng.normal(120, 70), 0, 255)), rng)
    grain = np.float32(rng.uniform(0, 12)) * _texture(height, width, unit, rng)
    return np.asarray(image + grain, np.float32)


def _shape(image: Image, radius: float, grey: int, rng: np.random.Generator) -> None:
    """Draw an ellipse or a polygon at a random place."""
    height, width = image.shape
    centre = rng.uniform((0, 0), (width, height))
    if rng.random() < 0.5:
        cv2.ellipse(
            image,
            _fixed(centre),
            _fixed(np.array([radius, radius * rng.uniform(0.3, 1)])),
            float(rng.uniform(0, 180)),
            0,
            360,
            grey,
            -1,
            cv2.LINE_AA,
            _SHIFT,
        )
        return
    angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 7))))
    corners = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.rint(corners * (1 << _SHIFT)).astype(np.int32)
    cv2.fillConvexPoly(image, points, grey, cv2.LINE_AA, _SHIFT)


def _fixed(point: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[int, int]:
    x, y = np.rint(point * (1 << _SHIFT)).astype(int).tolist()
    return x, y


def _scene(height: int, width: int, unit: float, rng: np.random.Generator) -> Plane:
    """Draw a sky and a ground, each with its own light and texture, and a rough edge between."""
    edge = cut_texture("clouds", 1, width, unit, rng)[0]
    horizon = height * (np.float32(rng.uniform(0.3, 0.7)) + np.float32(0.08) * edge)
    depth = np.arange(height, dtype=np.float32)[:, None] - horizon[None, :]
    below = np.clip(depth + 0.5, 0, 1)
    tones, rises = rng.uniform(30, 225, 2), rng.uniform(-60, 60, 2)
    away = np.abs(depth) / np.float32(height)
    sky, ground = (
        np.float32(tone) + np.float32(rise) * away for tone, rise in zip(tones, rises, strict=True)
    )
    sky = sky + np.float32(rng.uniform(0, 20)) * cut_texture("clouds", height, width, unit, rng)
    ground = ground + np.float32(rng.uniform(3, 40)) * _texture(height, width, unit, rng)
    return np.asarray(sky + below * (ground - sky), np.float32)


def _chart(height: int, width: int, unit: float, rng: np.random.Generator) -> Plane:
    """Draw bars or curves between two axes."""
    paper, ink = (255, 0) if rng.random() < 0.7 else (int(rng.integers(150, 255)), 20)
    image = np.full((height, width), paper, np.uint8)
    thickness = max(1, round(rng.uniform(1, 4) * unit))
    left, bottom = round(0.08 * width), round(0.92 * height)
    steps = int(rng.integers(4, 14))
    values = rng.uniform(0.1, 0.95, (int(rng.integers(1, 4)), steps)) * bottom
    places = np.linspace(left, width, steps + 1)
    if rng.random() < 0.5:
        for start, end, value in zip(places, places[1:], values[0], strict=False):
            grey = int(rng.integers(40, 180))
            corner = (round(start + 0.8 * (end - start)), bottom)
            cv2.rectangle(image, (round(start), round(bottom - value)), corner, grey, -1)
    else:
        for curve in values:
            points = np.stack([places[:-1], bottom - curve], axis=1)
            fixed = np.rint(points * (1 << _SHIFT)).astype(np.int32)
            grey = int(rng.integers(0, 140))
            cv2.polylines(image, [fixed], False, grey, thickness, cv2.LINE_AA, _SHIFT)
    cv2.line(image, (left, 0), (left, bottom), ink, thickness)
    cv2.line(image, (left, bottom), (width, bottom), ink, thickness)
    return image.astype(np.float32)
