"""Sections of `params.yaml` on how lines are drawn and what cameras, scanners and files do to them.

Lengths in `px` are HR pixels at scale 4 and shrink with the scale; `levels` are grey levels of
256; `heights` are heights of the HR line; `em` is the font's size; a `share` is of 1. What each
effect does is told where it is done: `synthesis.ink`, `synthesis.surface`, `synthesis.camera`.
"""

from typing import Annotated, Literal

from pydantic import model_validator

from textsr.config.sections import Effect, Frequency, Interval, Probability, Section, inside

Share = Annotated[Interval, inside(0, 1)]
Levels = Annotated[Interval, inside(0, 255)]

KERNELS = ("area", "linear", "cubic", "lanczos", "nearest")
"""Kernels of resizing."""


class Tracking(Effect):
    """Extra space between letters."""

    em: Annotated[Interval, inside(-0.1, 1)]


class Oblique(Effect):
    """Slant on top of the font's own."""

    degrees: Annotated[Interval, inside(-30, 30)]


class Weight(Effect):
    """Strokes made thicker, or thinner where negative."""

    px: Annotated[Interval, inside(-2, 4)]


class Underline(Effect):
    """A line under the text."""

    thickness_px: Annotated[Interval, inside(0.5, 10)]


class DotMatrix(Effect):
    """Text of round dots."""

    pitch_px: Annotated[Interval, inside(2, 10)]


class Thermal(Effect):
    """Print that fades unevenly, with streaks of dead heating elements."""

    fade_share: Share


class Worn(Effect):
    """Ink missing in patches."""

    ink_share: Annotated[Interval, inside(0, 0.5)]


class Neighbours(Effect):
    """The lines above and below, cut off by the crop."""

    pitch_em: Annotated[Interval, inside(0.5, 4)]


class Rotation(Effect):
    """Turn of the line; less for long ones, so that they stay in the image."""

    degrees: Annotated[Interval, inside(-20, 20)]


class Perspective(Effect):
    """Corners moved by up to this."""

    heights: Annotated[Interval, inside(0, 0.4)]


class Curvature(Effect):
    """A bow of the baseline, up or down in the middle."""

    heights: Annotated[Interval, inside(-0.3, 0.3)]


class Levelled(Effect):
    """An effect of one strength in grey levels."""

    levels: Levels


class Ruled(Effect):
    """Ruled or squared paper."""

    levels: Levels
    pitch_px: Annotated[Interval, inside(4, 200)]


class Shared(Effect):
    """An effect of one strength as a share."""

    share: Share


class Render(Section):
    """How HR lines look."""

    font_height_px: Annotated[Interval, inside(8, 512)]
    margin_px: Annotated[Interval, inside(0, 200)]
    contrast_levels: Annotated[Interval, inside(1, 255)]
    inverted: Probability
    tracking: Tracking
    oblique: Oblique
    weight: Weight
    underline: Underline
    neighbours: Neighbours
    dot_matrix: DotMatrix
    rotation: Rotation
    perspective: Perspective
    curvature: Curvature
    thermal: Thermal
    worn: Worn
    gradient: Levelled
    grain: Levelled
    clutter: Levelled
    ruled: Ruled
    stain: Levelled
    show_through: Shared
    shadow: Shared
    clipping: Shared


class Lens(Effect):
    """Gaussian blur; `ratio` is of the wider axis to the narrower."""

    sigma_px: Annotated[Interval, inside(0, 20)]
    ratio: Annotated[Interval, inside(1, 4)]


class Defocus(Effect):
    """Blur by a disk."""

    radius_px: Annotated[Interval, inside(0, 20)]


class Motion(Effect):
    """Blur along a straight line."""

    length_px: Annotated[Interval, inside(0, 40)]
    degrees: Annotated[Interval, inside(0, 180)]


class Shift(Effect):
    """Displacement against HR."""

    x_px: Annotated[Interval, inside(-4, 4)]
    y_px: Annotated[Interval, inside(-4, 4)]


class Mosaic(Effect):
    """A colour filter array; `saturation` is of ink against ground."""

    saturation: Share


class Noise(Effect):
    """Sensor noise: read noise everywhere, shot noise at white."""

    read_levels: Annotated[Interval, inside(0, 60)]
    shot_levels: Annotated[Interval, inside(0, 60)]


class Sharpening(Effect):
    """Unsharp mask."""

    amount: Annotated[Interval, inside(0, 5)]


class Bilevel(Effect):
    """Two levels by a threshold, off Otsu's by this share of their distance."""

    offset_share: Annotated[Interval, inside(-0.5, 0.5)]


class Dithering(Effect):
    """Two levels by error diffusion over contrast stretched this many times."""

    stretch: Annotated[Interval, inside(0.5, 4)]


class Compression(Effect):
    """A lossy file."""

    quality: Annotated[Interval, inside(1, 100)]


class CameraPass(Section):
    """One pass of degradation, in the order in which its effects are applied."""

    lens: Lens
    defocus: Defocus
    motion: Motion
    shift: Shift
    kernels: dict[Literal[KERNELS], Frequency]  # type: ignore[valid-type]
    mosaic: Mosaic
    noise: Noise
    sharpening: Sharpening
    bilevel: Bilevel
    dithering: Dithering
    jpeg: Compression
    webp: Compression

    @model_validator(mode="after")
    def _some_kernel(self) -> "CameraPass":
        if not any(self.kernels.values()):
            raise ValueError("kernels: at least one needs a share above 0")
        return self


class Degradation(Section):
    """Second-order degradation after Real-ESRGAN (Wang et al. 2021, section 3.2).

    The first pass is a camera's; for `scanned` of the lines on white paper it is a scanner's.
    """

    first_size: Annotated[Interval, inside(0.1, 2)]
    scanned: Probability
    first: CameraPass
    scan: CameraPass
    second: CameraPass
