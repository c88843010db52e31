"""Files that are damaged, empty, misnamed, or larger than a format allows."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from benchmarks.cases.case import Case, Write
from benchmarks.cases.drawing import grey, small, strip
from benchmarks.cases.inputs import (
    write_cut_jpeg,
    write_large_profile,
    write_large_text,
    write_wrong_checksum,
)
from benchmarks.cases.judging import refuses, says
from benchmarks.cases.keeping import keeps
from benchmarks.cases.pdfs import write_cut_pdf

_OUT = ("-o", "big.png")
_PNG = ("upscale", "page.png", *_OUT)


def cases() -> Iterator[Case]:
    """Yield the cases."""
    cut: dict[str, Write] = {
        "JPEG without its last 4 bytes": partial(write_cut_jpeg, lost=4),
        "JPEG without its last third": partial(write_cut_jpeg, share=1 / 3),
    }
    for given, write in cut.items():
        yield Case(
            given,
            {"page.jpg": write},
            ("upscale", "page.jpg", *_OUT),
            "read as far as it goes, with a warning",
            says(r"page\.jpg: is cut short", writes="big.png"),
        )
    yield Case(
        "JPEG without its last third, strictly",
        {"page.jpg": partial(write_cut_jpeg, share=1 / 3)},
        ("upscale", "page.jpg", *_OUT, "--strict"),
        "a refusal",
        refuses(r"page\.jpg: cannot be decoded", leaves="big.png"),
    )
    pdf = ("upscale", "scans.pdf", "-o", "big.pdf")
    for given, wanted, write, judge in (
        (
            "PDF of three scans without its last 30 bytes",
            "all pages, with a warning",
            partial(write_cut_pdf, lost=30),
            says(r"scans\.pdf: is damaged, and was repaired", writes="big.pdf"),
        ),
        (
            "PDF of three scans without its last third",
            "a refusal that names the page",
            partial(write_cut_pdf, share=1 / 3),
            refuses(r"scans\.pdf: cannot be read.*page \d", leaves="big.pdf"),
        ),
    ):
        yield Case(given, {"scans.pdf": write}, pdf, wanted, judge)
    large: dict[str, Write] = {"profile": write_large_profile, "text": write_large_text}
    for what, write in large.items():
        yield Case(
            f"PNG with a {what} of 1.3 MB",
            {"page.png": write},
            _PNG,
            "read as any other",
            keeps("big.png", "page.png"),
        )
    for given, said, write in _broken():
        refused = refuses(rf"page\.png: cannot be decoded.*{said}", leaves="big.png")
        yield Case(given, {"page.png": write}, _PNG, "a refusal that says why", refused)
    yield Case(
        "folder of two good files and an empty one",
        {"in/good.png": small().save, "in/more.png": grey().save, "in/empty.png": Path.touch},
        ("upscale", "in", "-o", "out"),
        "the good ones are done, the other is named, status 1",
        refuses(r"1 of 3 images could not be upscaled.*in/empty\.png", writes="out/more.png"),
    )
    for name, width, most in (("JPEG", 17_000, 65_500), ("WebP", 5_000, 16_383)):
        suffix = {"JPEG": "jpg", "WebP": "webp"}[name]
        yield Case(
            f"{name} of {width:,} pixels across",
            {f"wide.{suffix}": partial(strip(width).save, quality=80)},
            ("upscale", f"wide.{suffix}", "-o", f"big.{suffix}"),
            "a refusal before the work, with formats that can hold it",
            refuses(rf"ends at {most} a side; write \.png or \.tif", leaves=f"big.{suffix}"),
        )
    yield Case(
        "PNG of 1 x 1 pixel",
        {"page.png": Image.new("L", (1, 1), 128).save},
        _PNG,
        "4 x 4 pixels",
        keeps("big.png", "page.png"),
    )


def _broken() -> Iterator[tuple[str, str, Write]]:
    """Yield what files are, what is to be said of them, and what writes them."""
    yield "PNG with a wrong checksum", "damaged", write_wrong_checksum
    yield "empty file", "it is empty", Path.touch
    page = "<html>404</html>"
    yield "web page that is named as a PNG", "format", lambda path: path.write_text(page)
