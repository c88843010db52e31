"""What lenses, sensors, scanners and files do to an image, each a small function.

Planes are grey, HxW, nominally 0 to 255 and not clipped; lengths are pixels of the plane.
"""

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as PILImage

from textsr.images.grey import Image
from textsr.synthesis.fields import Plane, cut_texture

_KERNELS = {
    "area": cv2.INTER_AREA,
    "linear": cv2.INTER_LINEAR,
    "cubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
    "nearest": cv2.INTER_NEAREST_EXACT,
}

_WHITE = 245


def to_8_bit(plane: Plane) -> Image:
    """Quantise: clip to 0 to 255 and round."""
    return np.clip(np.rint(plane), 0, 255).astype(np.uint8)


def is_white_paper(image: Image) -> bool:
    """Say whether most of an image is white, as scanners make the paper."""
    return bool(np.median(image) >= _WHITE)


def blur(plane: Plane, sigma_x: float, sigma_y: float) -> Plane:
    """Convolve with a Gaussian of these standard deviations: a lens."""
    # A deviation near zero is a point: below a tenth of a pixel nothing is left of the kernel.
    size_x, size_y = (2 * max(1, int(np.ceil(3 * sigma))) + 1 for sigma in (sigma_x, sigma_y))
    return np.asarray(
        cv2.GaussianBlur(
            plane,
            (size_x, size_y),
            max(sigma_x, 0.1),
            sigmaY=max(sigma_y, 0.1),
            borderType=cv2.BORDER_REPLICATE,
        ),
        np.float32,
    )


def defocus(plane: Plane, radius: float) -> Plane:
    """Convolve with a disk: a lens out of focus."""
    reach = max(1, int(np.ceil(radius)))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype(np.float32)
    return _convolve(plane, np.clip(radius + 0.5 - np.hypot(x, y), 0, 1))


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


def shift(plane: Plane, x: float, y: float) -> Plane:
    """Displace to the right and down by parts of a pixel."""
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    moved = cv2.warpAffine(
        plane, matrix, plane.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.float32)


def resize(plane: Plane, size: tuple[int, int], kernel: str) -> Plane:
    """Resize to `size` (width, height) with one of `effects.KERNELS`.

    All but area sample without a low-pass filter, as cameras' and browsers' fast paths do, so
    they alias where no blur came first.
    """
    return np.asarray(cv2.resize(plane, size, interpolation=_KERNELS[kernel]), np.float32)


def mosaic(plane: Plane, saturation: float, rng: np.random.Generator) -> Plane:
    """See the line through a Bayer filter array and interpolate along edges, then take the luma.

    The line gets colours that leave its luma alone: what is lighter than its mean is of one hue,
    what is darker of the opposite one, by `saturation` of the contrast.
    """
    red, blue = np.float32(saturation) * rng.uniform(-1, 1, 2).astype(np.float32)
    # Rec. 601 luma stays: 0.299 red + 0.587 green + 0.114 blue = 0.
    green = -(0.299 * red + 0.114 * blue) / 0.587
    contrast = plane - plane.mean()
    raw = plane + green * contrast
    raw[::2, ::2] = (plane + red * contrast)[::2, ::2]
    raw[1::2, 1::2] = (plane + blue * contrast)[1::2, 1::2]
    colours = cv2.demosaicing(to_8_bit(raw), cv2.COLOR_BayerRGGB2RGB_EA)
    return np.asarray(cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY), np.float32)


def add_noise(plane: Plane, read: float, shot: float, rng: np.random.Generator) -> Plane:
    """Add white noise: `read` grey levels everywhere, and `shot` at white.

    Shot noise grows with the root of the light (Foi et al. 2008, Poissonian-Gaussian model).
    """
    light = np.clip(plane, 0, 255) * np.float32(shot * shot / 255)
    sigma = np.sqrt(light + np.float32(read * read))
    height, width = plane.shape
    return np.asarray(plane + sigma * cut_texture("white", height, width, 1.0, rng), np.float32)


def sharpen(plane: Plane, amount: float) -> Plane:
    """Unsharp mask of radius 1: adds `amount` of what a blur takes away; leaves halos."""
    soft = cv2.GaussianBlur(plane, (5, 5), 1.0, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(plane + np.float32(amount) * (plane - soft), np.float32)


def binarise(plane: Plane, offset: float) -> Plane:
    """Leave two levels, split off Otsu's threshold by `offset` of the distance between the two.

    The two are the means of what they replace, and not black and white: the tone of the line is
    no part of what super-resolution has to find.
    """
    rounded = to_8_bit(plane)
    threshold, _ = cv2.threshold(rounded, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    light = rounded > threshold
    if light.all() or not light.any():
        return plane
    distance = float(plane[light].mean() - plane[~light].mean())
    return _two_levels(plane, rounded > threshold + offset * distance)


def dither(plane: Plane, stretch: float) -> Plane:
    """Leave two levels by error diffusion (Floyd and Steinberg 1976), as a fax machine does.

    `stretch` multiplies the contrast first: at 1 the levels between are dots in proportion, at
    more they go to one of the two.
    """
    # Smoothed, since the halos of sharpening are no tones of the line.
    smooth = cv2.GaussianBlur(plane, (0, 0), 1.0, borderType=cv2.BORDER_REPLICATE)
    low, high = np.percentile(smooth, (2, 98))
    if high - low < 1:
        return plane
    middle = (low + high) / 2
    grey = (plane - np.float32(middle)) * np.float32(255 * stretch / (high - low)) + 127.5
    dots = PILImage.fromarray(to_8_bit(np.asarray(grey, np.float32))).convert("1")
    return np.asarray(np.where(np.asarray(dots), high, low), np.float32)


def _two_levels(plane: Plane, light: npt.NDArray[np.bool_]) -> Plane:
    if light.all() or not light.any():
        return plane
    levels = np.where(light, plane[light].mean(), plane[~light].mean())
    return np.asarray(levels, np.float32)


def compress_jpeg(plane: Plane, quality: int) -> Plane:
    """Quantise, compress as baseline JPEG at `quality` (1 to 100) and decode."""
    return _compress(plane, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, quality])


def compress_webp(plane: Plane, quality: int) -> Plane:
    """Quantise, compress as lossy WebP at `quality` (1 to 100) and decode."""
    return _compress(plane, ".webp", [cv2.IMWRITE_WEBP_QUALITY, quality])


def _compress(plane: Plane, suffix: str, options: list[int]) -> Plane:
    ok, encoded = cv2.imencode(suffix, to_8_bit(plane), options)
    assert ok
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.float32)
