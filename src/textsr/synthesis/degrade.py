"""Second-order degradation of an HR line into its LR partner.

After Real-ESRGAN (Wang et al. 2021, section 3.2): a camera or a scanner, then a file, then all of
it again. The second resize ends at exactly 1/scale of HR.
"""

from dataclasses import dataclass

import numpy as np

from textsr.config.effects import CameraPass, Degradation
from textsr.images.grey import Image
from textsr.synthesis import camera
from textsr.synthesis.draws import Draws, draw_key
from textsr.synthesis.fields import Plane

_PARAMS_SCALE = 4  # the scale at which params.yaml states lengths


@dataclass(frozen=True)
class Degraded:
    """An LR line and what was done to it; see `schema.DEGRADATION_COLUMNS`."""

    image: Image
    parameters: dict[str, float | int | bool | str | None]


def degrade(image: Image, params: Degradation, scale: int, rng: np.random.Generator) -> Degraded:
    """Degrade an HR line HxW to H/scale x W/scale.

    Both sides of `image` must be multiples of `scale`.
    """
    height, width = image.shape
    target = (width // scale, height // scale)
    draws = Draws(rng)
    drawn = draws.uniform(params.first_size)
    middle = (max(round(width * drawn), target[0]), max(round(height * drawn), target[1]))
    draws.recorded["first_size"] = middle[1] / height
    scanned = draws.rng.random() < params.scanned and camera.is_white_paper(image)
    draws.recorded["scanned"] = bool(scanned)
    plane: Plane = image.astype(np.float32)
    first = params.scan if scanned else params.first
    passes = (("_1", first, middle), ("_2", params.second, target))
    for suffix, params_of_pass, size in passes:
        # Lengths are those of HR; the second pass works on a plane already made smaller.
        unit = scale / _PARAMS_SCALE * plane.shape[0] / height
        plane = _see(plane, size, params_of_pass, unit, draws, suffix)
        plane = _save(plane, params_of_pass, draws, suffix)
    return Degraded(camera.to_8_bit(plane), draws.recorded)


def _see(
    plane: Plane, size: tuple[int, int], params: CameraPass, unit: float, draws: Draws, suffix: str
) -> Plane:
    """Lens, sensor and its sharpening, at the end `size` (width, height)."""
    if drawn := draws.effect("lens", params.lens, suffix):
        sigma, ratio = drawn[0] * unit, drawn[1] ** 0.5
        wide = draws.rng.random() < 0.5
        plane = camera.blur(plane, *((sigma * ratio, sigma / ratio)[:: 1 if wide else -1]))
    if drawn := draws.effect("defocus", params.defocus, suffix):
        plane = camera.defocus(plane, drawn[0] * unit)
    if drawn := draws.effect("motion", params.motion, suffix):
        plane = camera.motion_blur(plane, drawn[0] * unit, drawn[1])
    if drawn := draws.effect("shift", params.shift, suffix):
        plane = camera.shift(plane, drawn[0] * unit, drawn[1] * unit)
    kernel = draw_key(params.kernels, draws.rng)
    draws.recorded[f"kernel{suffix}"] = kernel
    plane = camera.resize(plane, size, kernel)
    if drawn := draws.effect("mosaic", params.mosaic, suffix):
        plane = camera.mosaic(plane, drawn[0], draws.rng)
    if drawn := draws.effect("noise", params.noise, suffix):
        plane = camera.add_noise(plane, drawn[0], drawn[1], draws.rng)
    if drawn := draws.effect("sharpening", params.sharpening, suffix):
        plane = camera.sharpen(plane, drawn[0])
    return plane


def _save(plane: Plane, params: CameraPass, draws: Draws, suffix: str) -> Plane:
    """Two levels where it is a fax, then files."""
    if drawn := draws.effect("bilevel", params.bilevel, suffix):
        plane = camera.binarise(plane, drawn[0])
    if drawn := draws.effect("dithering", params.dithering, suffix):
        plane = camera.dither(plane, drawn[0])
    if drawn := draws.effect("jpeg", params.jpeg, suffix):
        plane = camera.compress_jpeg(plane, round(drawn[0]))
    if drawn := draws.effect("webp", params.webp, suffix):
        plane = camera.compress_webp(plane, round(drawn[0]))
    return plane
