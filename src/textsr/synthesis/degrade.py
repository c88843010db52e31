"""Second-order degradation of an HR line into its LR partner.

After Real-ESRGAN (Wang et al. 2021, section 3.2): blur, resize, noise and JPEG compression,
twice. The second resize ends at exactly 1/scale of HR. Each effect is a function of its own.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from textsr.datasets.shards import Image
from textsr.params import Degradation

Plane = npt.NDArray[np.float32]
"""A grey image, HxW, nominally 0 to 255, not clipped."""

_KERNELS = {"area": cv2.INTER_AREA, "linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}


@dataclass(frozen=True)
class Degraded:
    """An LR line and what was done to it; see `schema.DEGRADATION_COLUMNS` for the units."""

    image: Image
    parameters: dict[str, float | int | str]


def degrade(image: Image, params: Degradation, scale: int, rng: np.random.Generator) -> Degraded:
    """Degrade an HR line HxW to H/scale x W/scale.

    Both sides of `image` must be multiples of `scale`.
    """
    height, width = image.shape
    target = (width // scale, height // scale)
    first = float(rng.uniform(*params.first_resize))
    middle = (
        max(round(width * first), target[0]),
        max(round(height * first), target[1]),
    )
    plane: Plane = image.astype(np.float32)
    parameters: dict[str, float | int | str] = {}
    for order, size in ((1, middle), (2, target)):
        # Blur is stated in HR pixels; the second pass works on a plane already made smaller.
        unit = plane.shape[1] / width
        plane, used = _degrade_once(plane, size, params, unit, rng)
        parameters |= {f"{name}_{order}": value for name, value in used.items()}
    return Degraded(np.clip(np.rint(plane), 0, 255).astype(np.uint8), parameters)


def _degrade_once(
    plane: Plane,
    size: tuple[int, int],
    params: Degradation,
    unit: float,
    rng: np.random.Generator,
) -> tuple[Plane, dict[str, float | int | str]]:
    sigma_x = sigma_y = angle = length = direction = noise = 0.0
    quality = 0
    if rng.random() < params.blur_probability:
        sigma_x, sigma_y = (float(value) for value in rng.uniform(*params.blur_sigma_px, 2) * unit)
        angle = float(rng.uniform(0, 180))
        plane = blur(plane, sigma_x, sigma_y, angle)
    if rng.random() < params.motion_probability:
        length = float(rng.uniform(*params.motion_length_px) * unit)
        direction = float(rng.uniform(0, 180))
        plane = motion_blur(plane, length, direction)
    kernel = str(rng.choice(list(_KERNELS)))
    ratio = size[0] / plane.shape[1]
    plane = resize(plane, size, kernel)
    if rng.random() < params.noise_probability:
        noise = float(rng.uniform(*params.noise_sigma))
        plane = add_noise(plane, noise, rng)
    if rng.random() < params.jpeg_probability:
        quality = int(rng.integers(int(params.jpeg_quality[0]), int(params.jpeg_quality[1]) + 1))
        plane = compress_jpeg(plane, quality)
    return plane, {
        "blur_sigma_x": sigma_x,
        "blur_sigma_y": sigma_y,
        "blur_angle": angle,
        "motion_length": length,
        "motion_angle": direction,
        "resize": ratio,
        "resize_kernel": kernel,
        "noise_sigma": noise,
        "jpeg_quality": quality,
    }


def blur(plane: Plane, sigma_x: float, sigma_y: float, angle_degrees: float) -> Plane:
    """Convolve with an anisotropic Gaussian: standard deviations in pixels, axes turned."""
    radius = max(1, int(np.ceil(3 * max(sigma_x, sigma_y))))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32)
    cos, sin = np.cos(np.radians(angle_degrees)), np.sin(np.radians(angle_degrees))
    along, across = cos * x + sin * y, cos * y - sin * x
    # A deviation near zero is a point: below a tenth of a pixel nothing is left of the kernel.
    kernel = np.exp(-0.5 * ((along / max(sigma_x, 0.1)) ** 2 + (across / max(sigma_y, 0.1)) ** 2))
    return _convolve(plane, kernel)


def motion_blur(plane: Plane, length: float, angle_degrees: float) -> Plane:
    """Convolve with a straight line of `length` pixels: the camera moved during the exposure."""
    radius = max(1, int(np.ceil(length / 2)))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32)
    cos, sin = np.cos(np.radians(angle_degrees)), np.sin(np.radians(angle_degrees))
    along, across = cos * x + sin * y, cos * y - sin * x
    # Pixels at the line's ends and beside it count by how much of them it covers.
    kernel = np.clip(length / 2 - np.abs(along) + 0.5, 0, 1) * np.clip(1 - np.abs(across), 0, 1)
    return _convolve(plane, kernel)


def _convolve(plane: Plane, kernel: npt.NDArray[np.floating]) -> Plane:
    normalised = (kernel / kernel.sum()).astype(np.float32)
    return np.asarray(
        cv2.filter2D(plane, -1, normalised, borderType=cv2.BORDER_REPLICATE), np.float32
    )


def resize(plane: Plane, size: tuple[int, int], kernel: str) -> Plane:
    """Resize to `size` (width, height) with `area`, `linear` or `cubic`.

    Linear and cubic sample without a low-pass filter, as cameras' and browsers' fast paths do, so
    they alias where no blur came first.
    """
    return np.asarray(cv2.resize(plane, size, interpolation=_KERNELS[kernel]), np.float32)


def add_noise(plane: Plane, sigma: float, rng: np.random.Generator) -> Plane:
    """Add white Gaussian noise of `sigma` grey levels: a sensor in low light."""
    return plane + sigma * rng.standard_normal(plane.shape, np.float32)


def compress_jpeg(plane: Plane, quality: int) -> Plane:
    """Round to 8 bits, compress as baseline JPEG at `quality` (1 to 100) and decode."""
    rounded = np.clip(np.rint(plane), 0, 255).astype(np.uint8)
    ok, encoded = cv2.imencode(".jpg", rounded, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.float32)
