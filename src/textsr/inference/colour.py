"""How chroma comes out beside a luminance that a network has upscaled.

Chroma follows luminance where luminance steps with it: letters and ground have a colour each. Where
text lives in chroma, as blue on dark grey, luminance has nothing to follow; there the network
upscales chroma's principal plane, too, and chroma follows that.
"""

from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from textsr.images.image import FloatImage
from textsr.inference.interpolation import enlarge
from textsr.inference.tiling import Tile, magnify

_LEVEL = 1 / 255

# All of these were chosen by measurement on coloured text; docs/explanation/upscaling.md has the
# tables.
_WINDOW = (7, 7)
_SMOOTHING = ((5, 5), 1.0)
_EVENNESS = 2e-5
_LUMINANCE_NOISE = 0.7 * _LEVEL
_EXPLAINED, _UNEXPLAINED = 0.8, 1.6  # chroma that luminance leaves over, times luminance's contrast
_NOISE_QUANTILE = 0.1
_CHROMA_NOISE_RANGE = (0.1 * _LEVEL, 0.5 * _LEVEL)
_CHROMA_NOISE, _CHROMA_TEXT = 2.0, 4.0  # times the noise
_PRINCIPAL_EVENNESS = (3 * _LEVEL) ** 2


_Values = npt.NDArray[np.floating[Any]]


class Principal(NamedTuple):
    """What becomes of chroma where text lives in it.

    Attributes:
        plane: HxW in [0, 1], chroma along the axis in which luminance explains least of it: for the
            network.
        weight: HxW in [0, 1], 1 where text lives in chroma, 0 where chroma follows luminance.
        rest: HxWx2, chroma that luminance does not explain, times the weight.
        slopes: HxWx2, what chroma changes by with the plane, times the weight.
    """

    plane: FloatImage
    weight: FloatImage
    rest: FloatImage
    slopes: FloatImage


class Colours(NamedTuple):
    """How an image's chroma follows what the network upscales.

    Attributes:
        followed: HxWx4, two slopes and two offsets: chroma as a linear function of luminance.
        principal: where it does not follow luminance; None if it does everywhere.
    """

    followed: FloatImage
    principal: Principal | None


def analyse(luminance: FloatImage, chroma: FloatImage, text: FloatImage | None) -> Colours:
    """Find how chroma goes with luminance around each pixel, and where it does not.

    A guided filter with luminance as the guide (He et al. 2013, section 3). Both are smoothed
    first: JPEG files often hold chroma at half the resolution, so that its edges are wider than
    luminance's, and would seem to have little to do with them.

    Args:
        luminance: HxW in [0, 1].
        chroma: HxWx2 in [0, 1], no colour at 0.5.
        text: where luminance has structure, as `textsr.inference.paper.text_weight` returns it;
            noise leads nothing.
    """
    guide, smooth = _smooth(luminance), _smooth(chroma)
    guide_mean, smooth_mean = _mean(guide), _mean(smooth)
    variance = np.maximum(_mean(guide * guide) - guide_mean**2, 0)
    slopes = _mean(guide[..., None] * smooth) - guide_mean[..., None] * smooth_mean
    slopes /= (variance + _EVENNESS)[..., None]
    if text is not None:
        slopes *= text[..., None]
    offsets = _mean(smooth_mean - slopes * guide_mean[..., None])
    slopes = _mean(slopes)
    unexplained = smooth - slopes * guide[..., None] - offsets
    left = np.sqrt(_mean((unexplained**2).sum(axis=2)))
    contrast = np.sqrt(variance + _LUMINANCE_NOISE**2)
    # What a tenth of the image does not exceed: few images have text everywhere.
    noise = float(np.clip(np.quantile(left, _NOISE_QUANTILE), *_CHROMA_NOISE_RANGE))
    weight = _ramp(left / contrast, _EXPLAINED, _UNEXPLAINED)
    if text is not None:
        weight = np.maximum(weight, 1 - text)
    weight = _mean(weight * _ramp(left, _CHROMA_NOISE * noise, _CHROMA_TEXT * noise))
    followed = np.dstack([slopes, offsets])
    if not weight.any():
        return Colours(followed, None)
    rest = (chroma - slopes * luminance[..., None] - offsets) * weight[..., None]
    return Colours(followed, _principal(chroma, rest, weight))


def _principal(chroma: FloatImage, rest: FloatImage, weight: FloatImage) -> Principal:
    (red, both), (_, blue) = np.tensordot(rest, rest, axes=([0, 1], [0, 1]))
    angle = np.arctan2(2 * both, red - blue) / 2
    axis = np.array([np.cos(angle), np.sin(angle)], np.float32)
    axis /= np.abs(axis).sum()  # so that the plane stays in [0, 1]
    plane = np.asarray((chroma - 0.5) @ axis + 0.5, np.float32)
    plane_mean = _mean(plane)
    variance = np.maximum(_mean(plane * plane) - plane_mean**2, 0)
    slopes = _mean(chroma * plane[..., None]) - _mean(chroma) * plane_mean[..., None]
    slopes = _mean(slopes / (variance + _PRINCIPAL_EVENNESS)[..., None])
    return Principal(plane, weight, rest, slopes * weight[..., None])


def join(luminance: Tile, principal: Tile | None, colours: Colours, scale: int) -> FloatImage:
    """Return the BGR values of a part of the result, not clipped.

    Args:
        luminance: the part, and its HR luminance.
        principal: the network's output for the principal plane, for all of the part that has
            weight; None if there is no such plane.
        colours: of the whole image.
        scale: HR pixels per LR pixel.
    """
    rows, columns, values = luminance
    values = np.clip(values, 0, 1)
    followed = enlarge(colours.followed, rows, columns, scale, cv2.INTER_LINEAR)
    chroma = followed[..., :2] * values[..., None] + followed[..., 2:]
    if colours.principal is not None and principal is not None:
        _add_principal(chroma, luminance, principal, colours.principal, scale)
    return np.asarray(cv2.cvtColor(np.dstack([values, chroma]), cv2.COLOR_YCrCb2BGR), np.float32)


def _add_principal(
    chroma: FloatImage, part: Tile, upscaled: Tile, principal: Principal, scale: int
) -> None:
    rows, columns = _overlap(part.rows, upscaled.rows), _overlap(part.columns, upscaled.columns)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    detail = upscaled.values[_inside(rows, columns, upscaled, scale)] - enlarge(
        principal.plane, rows, columns, scale, cv2.INTER_CUBIC
    )
    slopes = enlarge(principal.slopes, rows, columns, scale, cv2.INTER_LINEAR)
    rest = enlarge(principal.rest, rows, columns, scale, cv2.INTER_CUBIC)
    chroma[_inside(rows, columns, part, scale)] += rest + slopes * detail[..., None]


def _overlap(first: slice, second: slice) -> slice:
    return slice(max(first.start, second.start), min(first.stop, second.stop))


def _inside(rows: slice, columns: slice, part: Tile, scale: int) -> tuple[slice, slice]:
    """Where LR rows and columns of a part are in its values."""
    down = slice(rows.start - part.rows.start, rows.stop - part.rows.start)
    across = slice(columns.start - part.columns.start, columns.stop - part.columns.start)
    return magnify(down, scale), magnify(across, scale)


def _ramp(values: _Values, low: float, high: float) -> FloatImage:
    """0 up to `low`, 1 from `high` on."""
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), np.float32)


def _mean(values: _Values) -> FloatImage:
    mean = cv2.blur(values, _WINDOW, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(mean, np.float32)


def _smooth(values: _Values) -> FloatImage:
    size, sigma = _SMOOTHING
    smooth = cv2.GaussianBlur(values, size, sigma, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth, np.float32)
