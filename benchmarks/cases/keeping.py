"""Whether a result is its input, larger: of the same size in inches, colours, depth and pages."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks.cases.case import Judge, Run, WrongError, message, succeeded
from benchmarks.cases.drawing import SCALE
from benchmarks.cases.found import Found, look

_EVEN = 0.01
"""Share by which a length may differ: JPEGs hold whole pixels per inch alone."""
_SQUARE = 1.02
_SHADE = 4.0
"""Grey levels that the mean of a channel may differ by over all of a page."""
_SPOT = 24.0
"""The same over a spot, where letters become crisper."""
_SPOT_PX = 16


def keeps(
    result: str,
    source: str,
    *,
    scale: float = SCALE,
    dpi: float | None = None,
    says: str | None = None,
) -> Judge:
    """Return what demands that a result is its source, larger, and that all its pages are.

    Args:
        result: the file that is to come out.
        source: the file that it is made of.
        scale: how many times as large; pages of a PDF that a program drew stay as they are.
        dpi: the resolution of the source, if its file does not tell the true one.
        says: what is to be in the command's message.
    """

    def judge(run: Run) -> str:
        succeeded(run)
        said = check_pair(run.folder / source, run.folder / result, scale=scale, dpi=dpi)
        if says is not None and says not in message(run):
            raise WrongError(f"{said}; said nothing of: {says}")
        return said + (f"; said: {message(run)}" if says else "")

    return judge


def check_pair(
    source: Path, result: Path, *, scale: float = SCALE, dpi: float | None = None
) -> str:
    """Return what a result is.

    Raises:
        WrongError: if it is not its source, larger; see `keeps`.
    """
    if not result.exists():
        raise WrongError(f"no {result.name}")
    said = str(look(result))
    for page in range(look(source).pages):
        before, after = look(source, page), look(result, page)
        factor = 1 if before.is_drawn else scale  # what a program drew is sharp at any size
        wrong = list(differences(before, after, factor, (dpi, dpi) if dpi else before.dpi))
        if wrong:
            place = f" of page {page + 1}" if before.pages > 1 else ""
            raise WrongError(f"{said}; wrong{place}: {', '.join(wrong)}")
    return said


def differences(
    before: Found, after: Found, scale: float, dpi: tuple[float, float] | None
) -> Iterator[str]:
    """Yield what of a page is not as it was, but larger.

    Args:
        before: the page.
        after: what came of it.
        scale: how many times as large it is to be.
        dpi: resolution of the page.
    """
    width, height = before.size
    if dpi is not None and max(dpi) / min(dpi) > _SQUARE:  # a fax: square pixels first
        width, height = (round(s * max(dpi) / d) for s, d in zip(before.size, dpi, strict=True))
    if after.size != (round(width * scale), round(height * scale)):
        yield f"{after.size[0]} x {after.size[1]} px"
    if dpi is not None:
        inches = tuple(side / per for side, per in zip(before.size, dpi, strict=True))
        if after.inches is None or not np.allclose(after.inches, inches, rtol=_EVEN):
            yield f"{after.inches} inches, not {inches}"
    elif after.dpi is not None and after.kind != "PDF":
        yield f"a resolution of {after.dpi}"
    if after.bits < before.bits and after.kind not in ("JPEG", "BMP", "WEBP"):
        yield f"{after.bits} bits, not {before.bits}"
    if after.is_colour != before.is_colour:
        yield "colour" if after.is_colour else "grey"
    if after.has_alpha != before.has_alpha:
        yield "alpha" if after.has_alpha else "no alpha"
    if after.pages != before.pages:
        yield f"{after.pages} pages, not {before.pages}"
    if before.profile != after.profile and not before.is_ink:
        yield "another profile" if after.profile else "no profile"
    if (tones := _tones(before, after)) is not None:
        yield tones


def _tones(before: Found, after: Found) -> str | None:
    """Return how far colours are off, if they are."""
    shape = before.values.shape[1::-1]
    seen = cv2.resize(after.values, shape, interpolation=cv2.INTER_AREA)
    off = np.asarray(seen, np.float32) - before.values
    if (shade := np.abs(off.mean((0, 1))).max()) > _SHADE:
        return f"colours off by {shade:.0f} levels"
    spot = np.abs(cv2.blur(off, (_SPOT_PX, _SPOT_PX))).max()
    return f"a spot off by {spot:.0f} levels" if spot > _SPOT else None
