"""A folder of fifty odd files, as years leave it; each is to come out as it was, but larger."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image, TiffImagePlugin

from benchmarks.cases import profiles
from benchmarks.cases.case import (
    Case,
    Run,
    Write,
    WrongError,
    message,
    run_case,
    succeeded,
)
from benchmarks.cases.deep_tiff import write_deep_tiff
from benchmarks.cases.drawing import PAPER, block, fax, grey, small, strip, values16
from benchmarks.cases.found import look
from benchmarks.cases.inputs import (
    DPI,
    FAX_DPI,
    deep_alpha,
    deep_colour,
    exif,
    write_cut_jpeg,
    write_inks,
    write_large_profile,
    write_large_text,
    write_photo,
    write_three_pages,
    write_values,
    write_white_is_0,
)
from benchmarks.cases.keeping import check_pair
from benchmarks.cases.pdfs import write_drawn_pdf, write_scanned_pdf

_FOLDER, _RESULTS = "years", "larger"


@dataclass(frozen=True)
class OddFile:
    """One file of the folder: what it is, what came out, and whether that is right."""

    name: str
    given: str
    came_out: str
    is_right: bool


@dataclass(frozen=True)
class OddFolder:
    """What came of the folder: the command, what it said, and each file in order of names."""

    command: str
    said: str
    files: list[OddFile]


def odd_files() -> dict[str, Write]:
    """Return what writes each file, by its name."""
    return dict(sorted([*_pngs(), *_jpegs(), *_tiffs(), *_others()]))


def run_folder(files: Mapping[str, Write]) -> OddFolder:
    """Write the files into a folder, upscale that by one command, and judge what came out."""
    judged: list[OddFile] = []

    def judge(run: Run) -> str:
        succeeded(run)
        judged.extend(_judge(run.folder, name) for name in files)
        return message(run)

    case = Case(
        "a folder of odd files",
        {f"{_FOLDER}/{name}": write for name, write in files.items()},
        ("upscale", _FOLDER, "-o", _RESULTS),
        "each as it was, but larger",
        judge,
    )
    outcome = run_case(case)
    if not outcome.is_right:
        raise WrongError(outcome.said)
    return OddFolder(case.command, outcome.said, judged)


def _judge(folder: Path, name: str) -> OddFile:
    source = folder / _FOLDER / name
    given = str(look(source))
    # Results of formats that cannot be written have another suffix.
    results = [path for path in (folder / _RESULTS).iterdir() if path.stem == source.stem]
    if not results:
        return OddFile(name, given, "nothing", is_right=False)
    try:
        return OddFile(name, given, check_pair(source, results[0]), is_right=True)
    except WrongError as wrong:
        return OddFile(name, given, str(wrong), is_right=False)


def _pngs() -> Iterator[tuple[str, Write]]:
    yield "grey.png", partial(grey().save, dpi=DPI)
    yield "colour.png", partial(small().save, dpi=DPI)
    yield "no resolution.png", small().save
    yield "two resolutions.png", partial(grey().save, dpi=(150, 75))
    yield "grey of 16 bits.png", partial(write_values, values=values16(grey()))
    yield "colour of 16 bits.png", partial(write_values, values=deep_colour())
    yield "alpha of 16 bits.png", partial(write_values, values=deep_alpha())
    yield "logo.png", partial(_logo("RGBA").save, dpi=DPI)
    yield "grey logo.png", _logo("LA").save
    yield "palette.png", small().quantize(8).save
    yield "palette with a clear colour.png", partial(small().quantize(8).save, transparency=0)
    yield "one clear colour.png", partial(small().save, transparency=PAPER)
    yield "two tones.png", partial(_two_tones().save, dpi=DPI)
    yield "profile.png", partial(small().save, icc_profile=profiles.srgb())
    yield "large profile.png", write_large_profile
    yield "large text.png", write_large_text
    yield "dark ground.png", block(ink=(240, 240, 240), ground=(15, 15, 15))[1].save
    yield "a PNG by content.jpg", partial(small().save, format="PNG", dpi=DPI)
    yield "scan without a suffix", partial(small().save, format="PNG", dpi=DPI)
    yield "page[1] [red]é 日本.png", partial(grey().save, dpi=DPI)
    yield "tiny.png", Image.new("L", (3, 3), 128).save
    yield "wide.png", strip(5000).save


def _jpegs() -> Iterator[tuple[str, Write]]:
    save = partial(small().save, format="JPEG", quality=92)
    yield "grey scan.jpg", partial(grey().save, quality=92, dpi=DPI)
    yield "colour scan.jpg", partial(save, dpi=DPI)
    yield "photo.JPG", partial(save, exif=exif({0x010E: "an invoice"}), dpi=DPI)
    yield "from a browser.jfif", partial(save, dpi=DPI)
    yield "old.jpe", save
    yield "progressive.jpeg", partial(save, progressive=True)
    yield "on its side.jpg", write_photo
    yield "profile of a camera.jpg", partial(save, icc_profile=profiles.srgb())
    yield "inks without a profile.jpg", partial(small().convert("CMYK").save, quality=92)
    yield "inks of a press.jpg", write_inks
    yield "lacks 4 bytes.jpg", partial(write_cut_jpeg, lost=4)


def _tiffs() -> Iterator[tuple[str, Write]]:
    yield "grey sheet.tif", partial(grey().save, dpi=DPI)
    yield "pixels per centimetre.tif", partial(small().save, tiffinfo=_per_centimetre())
    yield "LZW.tif", partial(small().save, compression="tiff_lzw", dpi=DPI)
    yield "JPEG inside.tif", partial(small().save, compression="jpeg", dpi=DPI)
    yield "BigTIFF.tif", partial(small().save, big_tiff=True, dpi=DPI)
    yield (
        "profile, 16 bits.tif",
        partial(write_deep_tiff, values=values16(small()), dpi=75, profile=profiles.srgb()),
    )
    yield "inks.tif", write_inks
    yield "CIELAB.tif", partial(small().convert("LAB").save, dpi=DPI)
    yield (
        "fax of group 4.tif",
        partial(fax(width=864, height=200).save, compression="group4", dpi=FAX_DPI),
    )
    yield "fax of group 3.tif", write_white_is_0
    yield "three pages.tiff", write_three_pages


def _others() -> Iterator[tuple[str, Write]]:
    yield "screenshot.webp", partial(small().save, lossless=True)
    yield "sticker.webp", partial(_logo("RGBA").save, lossless=True)
    yield "painted.bmp", partial(small().save, dpi=DPI)
    yield "clipart.gif", small().save
    yield "pixmap.ppm", small().save
    yield "bitmap.pbm", _two_tones().save
    yield "targa.tga", small().save
    yield "archive.jp2", small().save
    yield "from the web.avif", partial(small().save, quality=92)
    yield "from a phone.heic", partial(small().save, quality=92)
    yield "two scans.pdf", partial(write_scanned_pdf, pages=2)
    yield "report.pdf", write_drawn_pdf


def _logo(mode: str) -> Image.Image:
    """Return letters whose paper is clear."""
    made = small().convert("RGBA")
    made.putalpha(grey().point(lambda level: 255 - level))
    return made.convert(mode)


def _two_tones() -> Image.Image:
    return grey().point(lambda level: 255 if level > 128 else 0).convert("1")


def _per_centimetre() -> TiffImagePlugin.ImageFileDirectory_v2:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[282] = tags[283] = TiffImagePlugin.IFDRational(7500, 254)
    tags[296] = 3
    return tags
