"""Drawing one HR line of text on its ground."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage
from PIL import ImageDraw, ImageFont

from textsr.datasets.shards import Image
from textsr.params import Render
from textsr.synthesis.fonts import FontFile, load_face

_PARAMS_SCALE = 4  # the scale at which params.yaml states lengths


@dataclass(frozen=True)
class Line:
    """A drawn line and how it was drawn; see `schema.RENDER_COLUMNS` for the units."""

    image: Image
    parameters: dict[str, float | int | bool]


class LineTooWideError(Exception):
    """The text does not fit the width at the smallest font size."""


def render_line(
    text: str,
    font: FontFile,
    params: Render,
    *,
    height: int,
    max_width: int,
    width_multiple: int,
    scale: int,
    rng: np.random.Generator,
) -> Line:
    """Draw `text` on a line `height` pixels high.

    Args:
        text: what to draw; every character must be in the font.
        font: the font file.
        params: ranges to draw from; its lengths hold at scale 4 and are multiplied by scale / 4.
        height: of the line, pixels.
        max_width: of the line, pixels; wider text is drawn smaller.
        width_multiple: the line's width is a multiple of this.
        scale: HR pixels an LR pixel.
        rng: source of every choice.

    Raises:
        LineTooWideError: if even the smallest allowed font does not fit.
    """
    unit = scale / _PARAMS_SCALE
    left, right = (int(rng.uniform(*params.margin_px) * unit) for _ in range(2))
    face = _fit_face(text, font, params, unit, max_width - left - right, rng)
    coverage, width = _draw_coverage(text, face, height, left, right, width_multiple, rng)
    if width > max_width:  # the ink of italics reaches beyond the advance that was fitted
        raise LineTooWideError
    rotation = float(rng.uniform(*params.rotation_degrees))
    perspective = float(rng.uniform(*params.perspective))
    coverage = _warp(coverage, rotation, perspective * height, rng)

    contrast = float(rng.uniform(*params.contrast))
    dark = float(rng.uniform(0, 255 - contrast))
    inverted = bool(rng.random() < params.inverted)
    ink, ground = (dark + contrast, dark) if inverted else (dark, dark + contrast)
    gradient = float(rng.uniform(*params.ground_gradient))
    texture = float(rng.uniform(*params.ground_texture))
    surface = _ground(height, width, ground, gradient, texture, unit, rng)
    image = surface * (1 - coverage) + ink * coverage
    return Line(
        image=np.clip(np.rint(image), 0, 255).astype(np.uint8),
        parameters={
            "font_size_px": int(face.size),
            "ink": ink,
            "ground": ground,
            "inverted": inverted,
            "ground_gradient": gradient,
            "ground_texture": texture,
            "rotation_degrees": rotation,
            "perspective": perspective,
            "margin_left_px": left,
            "margin_right_px": right,
        },
    )


def _fit_face(
    text: str,
    font: FontFile,
    params: Render,
    unit: float,
    room: int,
    rng: np.random.Generator,
) -> ImageFont.FreeTypeFont:
    """Return the face whose ascent plus descent has the drawn height, or smaller if it must."""
    smallest, largest = params.font_height_px
    wanted = rng.uniform(smallest, largest) * unit
    reference = load_face(font.path, 64)
    ascent, descent = reference.getmetrics()
    size_of_height = 64 / (ascent + descent)
    width_at_64 = reference.getlength(text)
    size = min(wanted * size_of_height, 64 * room / max(width_at_64, 1))
    if size < smallest * unit * size_of_height * 0.8:
        raise LineTooWideError
    return load_face(font.path, max(int(size), 1))


def _draw_coverage(
    text: str,
    face: ImageFont.FreeTypeFont,
    height: int,
    left: int,
    right: int,
    width_multiple: int,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.float32], int]:
    """Draw the ink's coverage, HxW in 0 to 1, the text placed at a random height that fits."""
    x0, y0, x1, y1 = face.getbbox(text)
    width = int(left + (x1 - x0) + right)
    width += -width % width_multiple
    slack = height - (y1 - y0)
    # The middle half of the slack: rotation and perspective need the rest.
    top = slack * (rng.uniform(0.25, 0.75) if slack > 0 else 0.5)
    mask = PILImage.new("L", (width, height))
    ImageDraw.Draw(mask).text((left - x0, round(top - y0)), text, fill=255, font=face)
    return np.asarray(mask, np.float32) / np.float32(255), width


def _warp(
    coverage: npt.NDArray[np.float32],
    rotation_degrees: float,
    corner_shift: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.float32]:
    """Rotate about the centre and move each corner by up to `corner_shift` pixels."""
    height, width = coverage.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    # A long line turned as a short one would leave the image: the ends move a tenth of the
    # height at most.
    limit = np.degrees(np.arctan2(0.2 * height, width))
    angle = float(np.clip(rotation_degrees, -limit, limit))
    rotate = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    moved = cv2.transform(corners[None], rotate)[0]
    moved += rng.uniform(-corner_shift, corner_shift, (4, 2)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    warped = cv2.warpPerspective(coverage, matrix, (width, height), flags=cv2.INTER_CUBIC)
    return np.clip(warped, 0, 1).astype(np.float32)


def _ground(
    height: int,
    width: int,
    level: float,
    gradient: float,
    texture: float,
    unit: float,
    rng: np.random.Generator,
) -> npt.NDArray[np.float32]:
    """Paint the ground: a level, a linear gradient in a random direction, and paper grain."""
    angle = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    y = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    surface = level + gradient * (np.cos(angle) * x + np.sin(angle) * y)
    white = rng.standard_normal((height, width), np.float32)
    grain = np.asarray(cv2.GaussianBlur(white, (0, 0), 1.5 * unit), np.float32)
    return np.asarray(surface + grain * (texture / max(float(grain.std()), 1e-6)), np.float32)
