"""What OCRmyPDF reads on scans of low resolution, with `--textsr` and without, page by page.

Pages are drawn in fonts that no network of ours was trained on, blurred, made small, and stored as
JPEGs in a PDF.
"""

import argparse
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import img2pdf
import numpy as np
from PIL import Image, ImageDraw
from rapidfuzz.distance import Levenshtein
from rich.console import Console
from rich.table import Table

from benchmarks.cases.scenes.setting import SCALE, Fonts, lines_of, see
from textsr.config import project
from textsr.errors import TextsrError
from textsr.evaluation.statistics import Bootstrap, Estimate
from textsr.files import read_small_file

_FONTS = (
    *("caladea/Caladea-Regular.ttf", "caladea/Caladea-Italic.ttf"),
    *("lato/Lato-Regular.ttf", "lato/Lato-Bold.ttf"),
)
"""Of the families that `params.yaml` holds out for the test split."""

_INCHES = (5.8, 4.1)  # A6, across
_MARGIN_IN = 0.4
_POINTS = (9.0, 12.0)
_PITCH_EM = 1.35
_INK, _PAPER = (0, 60), (215, 255)  # grey levels
_BLUR_PX = (1.0, 3.5)  # HR pixels
_NOISE_LEVELS = (0.5, 6.0)
_QUALITY = (40, 90)
_MOST_BYTES = 10_000_000  # of the list of words
_SECONDS = 600  # of a page: a machine may be busy


@dataclass(frozen=True)
class PageText:
    """What is written on a page, and what was read there as it is and upscaled."""

    written: str
    as_it_is: str
    upscaled: str


def main() -> None:
    """Draw pages, read them both ways, and print a table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ocrmypdf_pages", description=__doc__
    )
    parser.add_argument("--dpi", type=int, nargs="+", default=[60, 75, 100])
    parser.add_argument("--pages", type=int, default=8, help="of each resolution")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", type=Path, default=project.DATA)
    arguments = parser.parse_args()
    table = Table(title=f"characters read wrongly on {arguments.pages} pages each, percent")
    for heading in ("dpi", "as it is", "--textsr", "difference [95%]"):
        table.add_column(heading, justify="right")
    try:
        for dpi in arguments.dpi:
            rng = np.random.default_rng([arguments.seed, dpi])
            table.add_row(str(dpi), *_row(compare(arguments.data, dpi, arguments.pages, rng)))
    except TextsrError as error:
        sys.exit(f"ocrmypdf_pages: {error}")
    Console().print(table)


def compare(data: Path, dpi: int, count: int, rng: np.random.Generator) -> list[PageText]:
    """Draw so many pages of a resolution and have OCRmyPDF read them, as they are and upscaled.

    Raises:
        TextsrError: if a font or the words are missing, or OCRmyPDF fails.
    """
    words = read_small_file(data / "corpora/words.txt", _MOST_BYTES).decode().split()
    fonts = Fonts(data)
    pages = [_draw(words, fonts, dpi, rng) for _ in range(count)]
    with TemporaryDirectory() as place:
        path = Path(place, "pages.pdf")
        layout = img2pdf.get_fixed_dpi_layout_fun((dpi, dpi))
        scans = [_to_jpeg(image, rng) for image, _ in pages]
        path.write_bytes(img2pdf.convert(scans, layout_fun=layout))
        read = [_read(path), _read(path, "--textsr")]
    written = (text for _, text in pages)
    return [PageText(*texts) for texts in zip(written, *read, strict=True)]


def _draw(
    words: Sequence[str], fonts: Fonts, dpi: int, rng: np.random.Generator
) -> tuple[Image.Image, str]:
    """Return a page, made small, and its text."""
    width, height = (round(side * dpi) * SCALE for side in _INCHES)
    page = Image.new("L", (width, height), int(rng.integers(*_PAPER)))
    pen = ImageDraw.Draw(page)
    em = rng.uniform(*_POINTS) / 72 * dpi
    font = fonts(_FONTS[int(rng.integers(len(_FONTS)))], em)
    # Frequent words come first in the list.
    drawn = [words[int(len(words) * rng.random() ** 3)] for _ in range(1000)]
    cased = [word.capitalize() if rng.random() < 0.1 else word for word in drawn]
    margin, pitch = _MARGIN_IN * dpi * SCALE, _PITCH_EM * em * SCALE
    ink, text = int(rng.integers(*_INK)), []
    y = margin
    for line in lines_of(cased, font, width - 2 * margin):
        if y + pitch > height - margin:
            break
        pen.text((margin, y), line, font=font, fill=ink)
        text.append(line)
        y += pitch
    small = see(page, rng, blur=rng.uniform(*_BLUR_PX), noise=rng.uniform(*_NOISE_LEVELS))
    return small, " ".join(text)


def _to_jpeg(image: Image.Image, rng: np.random.Generator) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=int(rng.integers(*_QUALITY)))
    return stream.getvalue()


def _read(path: Path, *options: str) -> list[str]:
    """Return the words of each page that OCRmyPDF reads."""
    text = path.with_suffix(".txt")
    command = [sys.executable, "-m", "ocrmypdf", "--quiet", "--output-type", "pdf", "-O0"]
    command += ["--tesseract-timeout", str(_SECONDS), "--sidecar", str(text), *options]
    done = subprocess.run(
        [*command, str(path), str(path.with_name("read.pdf"))],
        # Tesseract's threads wait for each other: more than one gains nothing on small pages.
        env=os.environ | {"OMP_THREAD_LIMIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise TextsrError(f"ocrmypdf ended with status {done.returncode}: {done.stderr.strip()}")
    return [" ".join(page.split()) for page in text.read_text(encoding="utf-8").split("\f")]


def _row(pages: Sequence[PageText]) -> list[str]:
    """Return the character error rates in percent, and their difference."""
    bootstrap = Bootstrap(resamples=2000, confidence=0.95, seed=0)
    lengths = [len(page.written) for page in pages]
    before, after = (
        [Levenshtein.distance(page.written, getattr(page, name)) for page in pages]
        for name in ("as_it_is", "upscaled")
    )
    gain = [second - first for first, second in zip(before, after, strict=True)]
    rates = [bootstrap.rate(errors, lengths) for errors in (before, after, gain)]
    return [*(f"{100 * rate.value:.1f}" for rate in rates[:2]), _with_interval(rates[2])]


def _with_interval(rate: Estimate) -> str:
    return f"{100 * rate.value:+.1f} [{100 * rate.low:+.1f}, {100 * rate.high:+.1f}]"


if __name__ == "__main__":
    main()
