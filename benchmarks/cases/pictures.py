"""Parts of documents before and after, as pictures for the page."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from benchmarks.cases.case import Case, Run, WrongError, run_case, succeeded
from benchmarks.cases.found import look
from benchmarks.cases.scenes import printed, screens
from benchmarks.cases.scenes.setting import Fonts
from textsr.files import replace_file

MOST_BYTES = 300_000
"""Of a picture."""

_QUALITY = 88
_GAP_PX = 8


@dataclass(frozen=True)
class Scene:
    """A document to be looked at.

    Attributes:
        name: of its picture.
        said: what it is, for people.
        draw: draws it.
        file: its name; the suffix says the format.
        options: of its writing.
        part: what is shown: left, top, width and height, as shares of the page.
        shrink: by how much the part is made smaller to be shown.
    """

    name: str
    said: str
    draw: Callable[[Fonts], Image.Image]
    file: str
    options: dict[str, Any]
    part: tuple[float, float, float, float]
    shrink: int = 1


SCENES = (
    Scene(
        "newspaper",
        "A page of a newspaper, scanned in grey at about 100 dpi, JPEG",
        printed.newspaper,
        "newspaper.png",
        {},
        (0.2, 0.34, 0.37, 0.33),
    ),
    Scene(
        "fax",
        "A fax of 204 x 98 dpi, two tones; its pixels are made square first",
        printed.fax,
        "fax.tif",
        {"compression": "group4", "dpi": (204, 98)},
        (0.03, 0.3, 0.44, 0.48),
        shrink=2,
    ),
    Scene(
        "receipt",
        "A photo of a receipt: bowed, turned, in uneven light, a little out of focus",
        printed.receipt,
        "receipt.png",
        {},
        (0.06, 0.23, 0.8, 0.33),
    ),
    Scene(
        "screenshot",
        "A screenshot with coloured text, made small, JPEG",
        screens.screenshot,
        "screenshot.png",
        {},
        (0.06, 0.48, 0.46, 0.46),
    ),
    Scene(
        "slide",
        "A slide in a video, with much compression",
        screens.slide,
        "slide.png",
        {},
        (0.05, 0.2, 0.43, 0.45),
    ),
)


def make_picture(scene: Scene, fonts: Fonts, folder: Path) -> Path:
    """Write `NAME.jpg`: a part of a document, above by bicubic interpolation, below by textsr.

    Raises:
        WrongError: if the command fails, or the picture takes too much.
        TextsrError: if a font is missing.
    """

    def judge(run: Run) -> str:
        succeeded(run)
        before, after = (look(run.folder / name) for name in (scene.file, f"big-{scene.file}"))
        _save(scene, before.values, after.values, path)
        return str(after)

    path = folder / f"{scene.name}.jpg"
    page = scene.draw(fonts)
    case = Case(
        scene.said,
        {scene.file: partial(page.save, **scene.options)},
        ("upscale", scene.file, "-o", f"big-{scene.file}", "--for", "people"),
        "",
        judge,
    )
    outcome = run_case(case)
    if not outcome.is_right:
        raise WrongError(f"{scene.name}: {outcome.said}")
    return path


def _save(scene: Scene, before: np.ndarray, after: np.ndarray, path: Path) -> None:
    height, width = after.shape[:2]
    enlarged = cv2.resize(before, (width, height), interpolation=cv2.INTER_CUBIC)
    left, top, across, down = (
        round(share * side) for share, side in zip(scene.part, (width, height) * 2, strict=True)
    )
    size = across // scene.shrink, down // scene.shrink
    panels = [
        np.asarray(
            cv2.resize(
                page[top : top + down, left : left + across], size, interpolation=cv2.INTER_AREA
            )
        )
        for page in (np.asarray(enlarged), after)
    ]
    gap = np.full((_GAP_PX, size[0], 3), 255, np.float32)
    values = np.vstack([panels[0], gap, panels[1]]).clip(0, 255).round().astype(np.uint8)
    with replace_file(path) as temporary:
        Image.fromarray(values).save(temporary, "JPEG", quality=_QUALITY, subsampling="4:4:4")
        taken = temporary.stat().st_size
        if taken > MOST_BYTES:
            raise WrongError(f"{path}: takes {taken} bytes; show a smaller part")
