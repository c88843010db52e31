"""What a method does to paper that has no text on it: nothing, if it is a good one.

A network that has seen lines alone finds strokes in grain, noise and the blocks of JPEG. How much
it adds is measured on patches of paper, drawn by the effects of synthesis at strengths of their own
and always the same, so that models of different datasets can be compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import torch

from textsr.datasets.pairs import to_tensor
from textsr.evaluation.checkerboard import checkerboard_levels
from textsr.evaluation.score import Upscale, bicubic_upscale, to_image
from textsr.images.grey import Image
from textsr.models.bicubic import bicubic
from textsr.synthesis import camera, surface
from textsr.synthesis.fields import Plane

Paper = dict[str, Any]
"""What `measure_paper` returns."""

_SEED = 1
_SIDE = 96  # of a patch, LR pixels
_BORDER = 16  # LR pixels of it that are not measured: what lies beyond is unknown to a network
_GROUNDS = (246, 205, 150, 90, 30)  # grey levels
_SMOOTHING_SIGMA = 2.0  # LR pixels
_PARAMS_SCALE = 4  # the scale at which the effects' lengths hold


def measure_paper(upscale: Upscale, scale: int, lines: Sequence[Image] = ()) -> Paper:
    """Measure what a method adds to patches of paper, and its checkerboard there and on lines.

    All are RMS values in grey levels, less those of bicubic on the same images: below 0 is less
    than bicubic has.

    Args:
        upscale: the method.
        scale: HR pixels per LR pixel.
        lines: LR images of lines.

    Returns:
        `added_levels`, how far the output is from the input's low-pass, enlarged; and
        `above_band_levels`, its part at frequencies that the input cannot have: each of the kind of
        paper where it is most. `paper_checkerboard_levels` and `lines_checkerboard_levels`, see
        `checkerboard_levels`; None where no line has room for it. `kinds`, which tells
        `added_levels` and `above_band_levels` of each kind of paper: `flat`, `noisy`, `jpeg` and
        `photo`.
    """
    inputs = _inputs(scale, lines)
    return _less(_measure([upscale(image) for image in inputs], scale), _of_bicubic(inputs, scale))


def measure_blends(
    network: Callable[[torch.Tensor], torch.Tensor],
    scale: int,
    lines: Sequence[Image],
    weights: Sequence[float],
) -> list[Paper]:
    """Return `measure_paper` of each weight of a network's output against bicubic's.

    The network is asked once. For the other arguments see `measure_paper`.

    Returns:
        The measures in the order of `weights`, each with its `weight`.
    """
    inputs = _inputs(scale, lines)
    base = _of_bicubic(inputs, scale)
    planes = []
    with torch.inference_mode():
        for image in inputs:
            lr = to_tensor([image])
            planes.append((bicubic(lr, scale)[0, 0], network(lr)[0, 0]))
    return [
        {"weight": weight}
        | _less(
            _measure([to_image(torch.lerp(low, high, weight)) for low, high in planes], scale),
            base,
        )
        for weight in weights
    ]


def _inputs(scale: int, lines: Sequence[Image]) -> list[Image]:
    """Return the LR images to upscale: the patches, then the lines."""
    return [*(patch for _, patch in _patches(scale)), *lines]


@dataclass(frozen=True)
class _Measured:
    """What was measured on a method's outputs, grey levels."""

    kinds: dict[str, dict[str, float]]
    boards: dict[str, float]


def _of_bicubic(inputs: Sequence[Image], scale: int) -> _Measured:
    return _measure(list(map(bicubic_upscale(scale), inputs)), scale)


def _less(ours: _Measured, theirs: _Measured) -> Paper:
    """Return what one method has more than another, as `measure_paper` tells it."""
    kinds = {
        kind: {name: value - theirs.kinds[kind][name] for name, value in measures.items()}
        for kind, measures in ours.kinds.items()
    }
    worst = {name: max(kind[name] for kind in kinds.values()) for name in _ENERGIES}
    boards = {
        name: None if np.isnan(value) else value - theirs.boards[name]
        for name, value in ours.boards.items()
    }
    return {**worst, **boards, "kinds": kinds}


def _measure(outputs: Sequence[Image], scale: int) -> _Measured:
    """Measure what a method made of `_inputs`."""
    inner = slice(_BORDER * scale, -_BORDER * scale)
    papers: list[Image] = []
    squares: dict[str, dict[str, list[float]]] = {}
    for (kind, patch), output in zip(_patches(scale), outputs, strict=False):
        papers.append(output[inner, inner])
        added = papers[-1] - _smooth(patch, scale)[inner, inner]
        of_kind = squares.setdefault(kind, {name: [] for name in _ENERGIES})
        for name, energy in _ENERGIES.items():
            of_kind[name].append(energy(added, scale))
    return _Measured(
        kinds={
            kind: {name: float(np.sqrt(np.mean(values))) for name, values in found.items()}
            for kind, found in squares.items()
        },
        boards={
            "paper_checkerboard_levels": checkerboard_levels(papers, 2 * scale),
            "lines_checkerboard_levels": checkerboard_levels(outputs[len(papers) :], scale),
        },
    )


def _smooth(patch: Image, scale: int) -> Plane:
    """Return a patch's low-pass, enlarged."""
    soft = cv2.GaussianBlur(patch.astype(np.float32), (0, 0), _SMOOTHING_SIGMA)
    return np.asarray(
        cv2.resize(soft, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32
    )


def _energy(plane: Plane, scale: int) -> float:
    """Return the mean square."""
    return float(np.square(plane).mean())


def _energy_above_band(plane: Plane, scale: int) -> float:
    """Return the mean square of what an image of 1/`scale` the size cannot have."""
    window = np.outer(*(np.hanning(side) for side in plane.shape))
    power = np.abs(np.fft.fft2((plane - plane.mean()) * window)) ** 2
    rows, columns = (np.abs(np.fft.fftfreq(side)) for side in plane.shape)
    # The window spreads what is at the limit, which an image can have, over a bin more.
    limit = 0.5 / scale + 1.5 / min(plane.shape)
    above = np.maximum(rows[:, None], columns[None, :]) > limit
    return float(power[above].sum() / (plane.size * np.square(window).sum()))


_ENERGIES: dict[str, Callable[[Plane, int], float]] = {
    "added_levels": _energy,
    "above_band_levels": _energy_above_band,
}


@cache
def _patches(scale: int) -> tuple[tuple[str, Image], ...]:
    """Return LR patches of paper, each with its kind."""
    return tuple(
        (kind, camera.to_8_bit(draw(ground, scale, np.random.default_rng([_SEED, number, ground]))))
        for number, (kind, draw) in enumerate(_KINDS.items())
        for ground in _GROUNDS
    )


def _flat(ground: float, scale: int, rng: np.random.Generator) -> Plane:
    return np.full((_SIDE, _SIDE), ground, np.float32)


def _noisy(ground: float, scale: int, rng: np.random.Generator) -> Plane:
    """A sensor's noise at high gain."""
    return camera.add_noise(_flat(ground, scale, rng), 4, 3, rng)


def _jpeg(ground: float, scale: int, rng: np.random.Generator) -> Plane:
    """Grain of paper, scanned and stored small."""
    return camera.compress_jpeg(camera.add_noise(_grained(ground, scale, rng), 1, 1, rng), 35)


def _photo(ground: float, scale: int, rng: np.random.Generator) -> Plane:
    """Uneven light and a shadow on grained paper, seen by a camera."""
    side = _SIDE * scale
    light = surface.shadow(side, side, 0.3, scale / _PARAMS_SCALE, rng)
    plane = _grained(ground, scale, rng) * camera.resize(light, (_SIDE, _SIDE), "area")
    plane = plane + surface.gradient(_SIDE, _SIDE, 50, rng)
    return camera.compress_jpeg(camera.add_noise(plane, 1.5, 2, rng), 75)


def _grained(ground: float, scale: int, rng: np.random.Generator) -> Plane:
    side = _SIDE * scale
    grain = surface.grain(side, side, 6, scale / _PARAMS_SCALE, rng)
    return camera.resize(np.float32(ground) + grain, (_SIDE, _SIDE), "area")


_KINDS: dict[str, Callable[[float, int, np.random.Generator], Plane]] = {
    "flat": _flat,
    "noisy": _noisy,
    "jpeg": _jpeg,
    "photo": _photo,
}
