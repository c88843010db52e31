"""Upscaling images, files and folders."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.progress import Progress as ProgressBar
from torch import nn

from textsr.errors import TextsrError
from textsr.inference.compare import compare_picture
from textsr.inference.images import FloatImage, IntImage, LoadedImage, to_float, to_integer
from textsr.inference.planning import Job, plan_jobs
from textsr.inference.reading import MAX_PIXELS, read_image
from textsr.inference.tiling import (
    HALO,
    TILE,
    Progress,
    Tile,
    magnify,
    scale_of,
    upscale_tiles,
    widen,
)
from textsr.inference.writing import write_image

_Scalar = TypeVar("_Scalar", bound=np.integer[Any] | np.floating[Any])

_CUBIC_REACH = 2
"""LR pixels on either side that a bicubically interpolated value depends on."""


def upscale_image(
    model: nn.Module,
    image: LoadedImage,
    *,
    device: torch.device,
    tile: int = TILE,
    halo: int = HALO,
    progress: Progress | None = None,
) -> LoadedImage:
    """Upscale an image of any kind; the result has its kind, bit depth and profile.

    The network upscales luminance (BT.601); chroma and alpha are interpolated bicubically. Besides
    the result itself, memory grows with the input and the tile only.

    Raises:
        TextsrError: as `textsr.inference.tiling.upscale_tiles` does.
    """
    scale = scale_of(model)
    values = to_float(image.pixels)
    if image.is_colour:
        values = np.asarray(cv2.cvtColor(values, cv2.COLOR_BGR2YCrCb), np.float32)
    luminance = values[..., 0] if image.is_colour else values
    shape = (image.height * scale, image.width * scale, *image.pixels.shape[2:])
    pixels: IntImage = np.empty(shape, image.pixels.dtype)
    for part in upscale_tiles(
        model, luminance, device=device, tile=tile, halo=halo, progress=progress
    ):
        result = _join_chroma(part, values[..., 1:], scale) if image.is_colour else part.values
        place = magnify(part.rows, scale), magnify(part.columns, scale)
        pixels[place] = to_integer(result, image.bit_depth)
    alpha = None if image.alpha is None else _enlarge(image.alpha, scale)
    return replace(image, pixels=pixels, alpha=alpha)


def _join_chroma(part: Tile, chroma: FloatImage, scale: int) -> FloatImage:
    """The tile's BGR values, of its HR luminance and the whole image's HxWx2 LR chroma."""
    height, width = chroma.shape[:2]
    rows = widen(part.rows, _CUBIC_REACH, height)
    columns = widen(part.columns, _CUBIC_REACH, width)
    top, left = (part.rows.start - rows.start) * scale, (part.columns.start - columns.start) * scale
    tall, wide = part.values.shape
    enlarged = _enlarge(chroma[rows, columns], scale)[top : top + tall, left : left + wide]
    joined = np.dstack([np.clip(part.values, 0, 1), enlarged])
    return np.asarray(cv2.cvtColor(joined, cv2.COLOR_YCrCb2BGR), np.float32)


def _enlarge(values: npt.NDArray[_Scalar], scale: int) -> npt.NDArray[_Scalar]:
    larger = cv2.resize(values, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.asarray(larger, values.dtype)


def upscale_paths(
    model: nn.Module,
    inputs: Sequence[Path],
    output: Path,
    *,
    device: torch.device,
    tile: int = TILE,
    halo: int = HALO,
    max_pixels: int = MAX_PIXELS,
    compare: bool = False,
    progress: bool = False,
) -> list[tuple[Path, Path]]:
    """Upscale files and folders of images; see `textsr.inference.planning.plan_jobs` for names.

    Args:
        model: the network.
        inputs: image files, and folders that are searched recursively.
        output: a file or a folder.
        device: where to compute.
        tile: side of a tile in LR pixels.
        halo: LR pixels that a tile is computed with on every side besides.
        max_pixels: larger inputs are refused.
        compare: also write `<stem>-compare.png`, the result beside nearest neighbour and bicubic.
        progress: show bars on standard error, of images and of a large image's tiles.

    Returns:
        Each input and its result, in the order done.

    Raises:
        TextsrError: before any work, if the plan is impossible; after all other images are done,
            if some could not be, naming each with its reason.
    """
    jobs = plan_jobs(inputs, output, compare=compare)
    done: list[tuple[Path, Path]] = []
    problems: list[str] = []
    with ProgressBar(console=Console(stderr=True), transient=True, disable=not progress) as bar:
        images = bar.add_task("images", total=len(jobs), visible=len(jobs) > 1)
        tiles = bar.add_task("tiles", visible=False)

        def show_tiles(finished: int, total: int) -> None:
            bar.update(tiles, completed=finished, total=total, visible=total > 1)

        for job in jobs:
            try:
                image = read_image(job.source, max_pixels=max_pixels)
                result = upscale_image(
                    model, image, device=device, tile=tile, halo=halo, progress=show_tiles
                )
                _write(job, image, result, scale_of(model))
                done.append((job.source, job.result))
            except TextsrError as error:
                problems.append(str(error))
            except MemoryError:
                problems.append(f"{job.source}: not enough memory for the result; cut it up")
            bar.advance(images)
    if problems:
        raise TextsrError(_report(problems, len(jobs)))
    return done


def _write(job: Job, image: LoadedImage, result: LoadedImage, scale: int) -> None:
    write_image(job.result, result)
    if job.comparison is not None:
        write_image(job.comparison, LoadedImage(compare_picture(image, result, scale)))


def _report(problems: Sequence[str], images: int) -> str:
    if images == 1:
        return problems[0]
    listed = "\n".join(f"  {problem}" for problem in problems)
    return f"{len(problems)} of {images} images could not be upscaled:\n{listed}"
