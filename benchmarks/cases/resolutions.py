"""Resolution, metadata and sizes."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import ExifTags, Image

from benchmarks.cases.case import Case, Write
from benchmarks.cases.drawing import fax, grey, small
from benchmarks.cases.inputs import DPI, FAX_DPI, exif, write_photo, write_white_is_0
from benchmarks.cases.judging import both, holds, refuses
from benchmarks.cases.keeping import keeps

_SAME_PAGE = "300 dpi: the page keeps its size in inches"
_DESCRIBED = "upright; camera, place and rating kept, orientation gone"


def cases() -> Iterator[Case]:
    """Yield the cases."""
    page = {"page.png": partial(small().save, dpi=DPI)}
    bare: dict[str, Write] = {"page.png": small().save}
    to_300 = ("upscale", "page.png", "-o", "big.png", "--target-dpi", "300")
    for given, name, write in _stated():
        arguments = ("upscale", name, "-o", f"big-{name}")
        yield Case(given, {name: write}, arguments, _SAME_PAGE, keeps(f"big-{name}", name))
    yield Case(
        "PNG that does not tell its resolution, 75 dpi",
        bare,
        ("upscale", "page.png", "-o", "big.png", "--dpi", "75"),
        "300 dpi",
        keeps("big.png", "page.png", dpi=75),
    )
    yield Case(
        "page of 100 dpi, to be of 300",
        {"page.png": partial(small().save, dpi=(100, 100))},
        to_300,
        "3 times as large, 300 dpi",
        keeps("big.png", "page.png", scale=3),
    )
    yield Case(
        "page of 300 dpi already, to be of 300",
        {"page.png": partial(small().save, dpi=(300, 300))},
        to_300,
        "the page as it is, said",
        keeps("big.png", "page.png", scale=1, says="300 dpi or more already"),
    )
    yield Case(
        "page that does not tell its resolution, to be of 300",
        bare,
        to_300,
        "a refusal with the remedy",
        refuses(r"does not say its resolution.*--dpi", leaves="big.png"),
    )
    yield Case(
        "page, to be twice as large",
        page,
        ("upscale", "page.png", "-o", "big.png", "--scale", "2"),
        "twice as many pixels, 150 dpi",
        keeps("big.png", "page.png", scale=2),
    )
    yield Case(
        "photo on its side with EXIF, XMP and GPS",
        {"photo.jpg": write_photo},
        ("upscale", "photo.jpg", "-o", "big.jpg"),
        "upright; what describes the picture stays, what describes its pixels is new",
        both(keeps("big.jpg", "photo.jpg"), holds(_DESCRIBED, _is_described)),
    )
    for given, write in (
        ("fax of group 4", partial(fax().save, compression="group4", dpi=FAX_DPI)),
        ("fax of group 3, white is 0", write_white_is_0),
    ):
        yield Case(
            f"{given}, 204 x 98 dpi",
            {"fax.tif": write},
            ("upscale", "fax.tif", "-o", "big.tif"),
            "square pixels; the page keeps its size in inches",
            keeps("big.tif", "fax.tif"),
        )


def _stated() -> Iterator[tuple[str, str, Write]]:
    """Yield ways to state a resolution, each with the name of a file and what writes it."""
    stated = exif({282: 75.0, 283: 75.0, 296: 2})
    yield "PNG of 75 dpi (pHYs)", "page.png", partial(small().save, dpi=DPI)
    yield "JPEG of 75 dpi (JFIF)", "page.jpg", partial(small().save, dpi=DPI)
    yield "TIFF of 75 dpi (tags 282, 283, 296)", "page.tif", partial(grey().save, dpi=DPI)
    yield "WebP of 75 dpi (EXIF)", "page.webp", partial(small().save, lossless=True, exif=stated)


def _is_described(folder: Path) -> bool:
    with Image.open(folder / "big.jpg") as image:
        tags, xmp = image.getexif(), image.info.get("xmp", b"")
        return (
            tags.get(ExifTags.Base.Model) == "a camera"
            and tags.get_ifd(ExifTags.IFD.GPSInfo).get(1) == "N"
            and tags.get(ExifTags.Base.Orientation, 1) == 1
            and b'Rating="5"' in xmp
            and b"Orientation" not in xmp
        )
