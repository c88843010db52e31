"""Colours, depth, paper and text that is turned; some of it is measured against bicubic."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.cases import profiles
from benchmarks.cases.case import Case, Judge, Run, Write, WrongError, succeeded
from benchmarks.cases.deep_tiff import write_deep_tiff
from benchmarks.cases.drawing import Colour, block, small, values16
from benchmarks.cases.found import look
from benchmarks.cases.inputs import deep_alpha, write_inks, write_values
from benchmarks.cases.keeping import keeps
from benchmarks.cases.scenes.setting import compress

_NO_WORSE_DB = -0.1
_NEARER_DB = 1.0
_MOST_TEXTURE = 0.5  # grey levels
_BORDER = 32  # pixels of a result

_PAIRS: dict[str, tuple[Colour, Colour]] = {
    "blue #0000FF on #1E1E1E": ((0, 0, 255), (30, 30, 30)),
    "red #FF0000 on green #008000": ((255, 0, 0), (0, 128, 0)),
    "red #FF0000 on grey #4C4C4C": ((255, 0, 0), (76, 76, 76)),
    "orange #E67814 on grey #8C8C8C": ((230, 120, 20), (140, 140, 140)),
    "grey #787878 on green #3C9650": ((120, 120, 120), (60, 150, 80)),
}
"""Ink and ground whose luminance is nearly the same."""

_TONES: dict[str, tuple[Colour, Colour]] = {
    "dark text on a light ground": ((20, 20, 20), (245, 245, 245)),
    "light text on a dark ground": ((240, 240, 240), (15, 15, 15)),
    "faint text": ((205, 205, 205), (225, 225, 225)),
}

_TRUE = "true/page.png"
_PAGE = ("upscale", "page.png", "-o", "big.png")
_NEAR = "no farther from the true picture than by bicubic interpolation"


def cases() -> Iterator[Case]:
    """Yield the cases."""
    for given, (ink, ground) in (_PAIRS | _TONES).items():
        yield Case(given, _pair(ink, ground), _PAGE, _NEAR, no_worse_than_bicubic("page.png"))
    hr, lr = block(ink=(255, 0, 0), ground=(0, 128, 0))
    yield Case(
        "red on green, as a JPEG of quality 80",
        {"page.jpg": partial(lr.save, quality=80), _TRUE: hr.save},
        ("upscale", "page.jpg", "-o", "big.png"),
        _NEAR,
        no_worse_than_bicubic("page.jpg"),
    )
    for turn in (90, 180, 270):
        yield Case(
            f"text turned by {turn} degrees",
            _pair(turn=turn),
            _PAGE,
            "nearer to the true picture than by bicubic interpolation",
            no_worse_than_bicubic("page.png", least_db=_NEARER_DB),
        )
    for given, lines in (("empty paper", ()), ("paper beside text", ("Short line", "Another one"))):
        for and_noise, noise in (("", 0.0), (" with noise, JPEG", 3.0)):
            yield Case(
                f"{given}{and_noise}, by the network alone",
                {"page.png": partial(_write_paper, lines=lines, noise=noise)},
                (*_PAGE, "--blend", "1"),
                "paper without a pattern",
                adds_no_texture,
            )
    yield from _kinds()


def _kinds() -> Iterator[Case]:
    for kind, name in (("JPEG", "inks.jpg"), ("TIFF", "inks.tif")):
        yield Case(
            f"{kind} of inks (CMYK) with the profile of a press",
            {name: write_inks},
            ("upscale", name, "-o", "big.png"),
            "colours by the profile, in sRGB",
            keeps("big.png", name),
        )
    deep = partial(write_deep_tiff, values=values16(small()), dpi=75, profile=profiles.srgb())
    yield Case(
        "TIFF of 16 bits with a profile",
        {"deep.tif": deep},
        ("upscale", "deep.tif", "-o", "big.tif"),
        "16 bits, with the profile",
        keeps("big.tif", "deep.tif"),
    )
    yield Case(
        "PNG of 16 bits with alpha",
        {"deep.png": partial(write_values, values=deep_alpha())},
        ("upscale", "deep.png", "-o", "big.png"),
        "16 bits, with alpha",
        keeps("big.png", "deep.png"),
    )
    yield Case(
        "palette with a clear colour",
        {"page.png": partial(small().quantize(8).save, transparency=0)},
        _PAGE,
        "alpha",
        keeps("big.png", "page.png"),
    )


def _pair(
    ink: Colour = (20, 20, 20), ground: Colour = (245, 245, 245), turn: int = 0
) -> dict[str, Write]:
    """Return what writes a small picture, and the true one where the command does not look."""
    hr, lr = (image.rotate(turn, expand=True) for image in block(ink=ink, ground=ground))
    return {"page.png": lr.save, _TRUE: hr.save}


def no_worse_than_bicubic(source: str, least_db: float = _NO_WORSE_DB) -> Judge:
    """Return what demands that `big.png` is so much nearer to the true picture than bicubic's."""

    def judge(run: Run) -> str:
        succeeded(run)
        true = look(run.folder / _TRUE).values
        given = look(run.folder / source).values
        size = true.shape[1::-1]
        bicubic = np.asarray(cv2.resize(given, size, interpolation=cv2.INTER_CUBIC)).clip(0, 255)
        gain = _psnr(look(run.folder / "big.png").values, true) - _psnr(bicubic, true)
        said = f"{gain:+.1f} dB beside bicubic interpolation"
        if gain < least_db:
            raise WrongError(said)
        return said

    return judge


def adds_no_texture(run: Run) -> str:
    """Demand that paper shows no more of a pattern than bicubic interpolation gives it."""
    succeeded(run)
    given = look(run.folder / "page.png").values
    ours = look(run.folder / "big.png").values
    bicubic = cv2.resize(given, ours.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    rows, columns = slice(_BORDER, -_BORDER), slice(ours.shape[1] // 4, -_BORDER)
    added = float(ours[rows, columns].std() - np.asarray(bicubic)[rows, columns].std())
    said = f"{added:+.1f} grey levels of texture beside bicubic interpolation"
    if added > _MOST_TEXTURE:
        raise WrongError(said)
    return said


def _psnr(image: np.ndarray, true: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(image - true).mean()))


def _write_paper(path: Path, lines: Sequence[str], noise: float) -> None:
    """Write paper with short lines on its left, or none; if it has noise, as a JPEG would be."""
    page = np.asarray(block(("", *lines, "", ""))[1].convert("L"), np.float32)
    noisy = page + np.random.default_rng(1).normal(0, noise, page.shape)
    paper = Image.fromarray(noisy.clip(0, 255).round().astype(np.uint8))
    (compress(paper, 80) if noise else paper).save(path)
