"""Names of inputs and results, pipes, folders and streams."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from PIL import Image

from benchmarks.cases.case import Case, Write
from benchmarks.cases.drawing import grey, small
from benchmarks.cases.judging import both, holds, refuses, says
from benchmarks.cases.keeping import keeps
from benchmarks.cases.pdfs import write_scanned_pdf

_NAMES = (
    *("page[1].png", "[red]a.png", "a b.png", "new\nline.png", "日本語.png", "é.png"),
    *("-dash.png", "100%.png", "a;b&c.png", "emoji😀.png", "x" * 200 + ".png"),
)
_FOLDER = ("upscale", "in", "-o", "out")


def cases() -> Iterator[Case]:
    """Yield the cases."""
    page: dict[str, Write] = {"page.png": partial(small().save, dpi=(75, 75))}
    yield Case(
        "result whose format cannot be written",
        page,
        ("upscale", "page.png", "-o", "big.heic"),
        "a refusal with the remedy",
        refuses(r"big\.heic: cannot write.*\.png", leaves="big.heic"),
    )
    yield Case(
        "two inputs, one name for the results",
        page | {"more.png": grey().save},
        ("upscale", "page.png", "more.png", "-o", "big.png"),
        "a refusal with the remedy",
        refuses(r"names one file.*big\.png/", leaves="big.png"),
    )
    yield Case(
        "pipes on both sides",
        page,
        (),
        "the result on standard output, and nothing else there",
        keeps("big.png", "page.png"),
        shell="cat page.png | textsr upscale - -o - > big.png",
    )
    yield Case(
        "named pipes",
        page,
        (),
        "the result in the pipe",
        keeps("big.png", "page.png"),
        shell="mkfifo a b; cat page.png > a & cat b > big.png & textsr upscale a -o b; wait",
    )
    yield Case(
        "a folder with a PNG and a GIF of one name",
        {"in/page.png": small().save, "in/page.gif": grey().save},
        _FOLDER,
        "a result of each",
        holds("page.png and page.gif.png", _has_both),
    )
    names = {f"in/{name}": _line().save for name in _NAMES}
    yield Case(
        f"{len(_NAMES)} file names with brackets, spaces, line ends, emoji ...",
        names,
        _FOLDER,
        "a result for each, of the same name",
        holds(f"{len(_NAMES)} results of the same names", _has_names),
    )
    yield Case(
        "the same, where the output is not UTF-8",
        names,
        _FOLDER,
        "the same, and no traceback",
        holds(f"{len(_NAMES)} results of the same names", _has_names),
        environment={"PYTHONIOENCODING": "cp1252"},
    )
    yield from _folders()


def _folders() -> Iterator[Case]:
    odd: dict[str, Write] = {
        "in/scan": partial(small().save, format="PNG"),
        "in/photo.jfif": partial(small().save, format="JPEG", quality=92),
        "in/scan.pdf": write_scanned_pdf,
        "in/list.txt": lambda path: path.write_text("photo.jfif\n"),
        "in/Thumbs.db": lambda path: path.write_bytes(bytes(100)),
    }
    yield Case(
        "folder with a scan without a suffix, a .jfif, a PDF, and two files that are no images",
        odd,
        _FOLDER,
        "the images upscaled; what is left out counted and named",
        both(
            holds("three results", _has_three),
            says(r"left out 2 files.*in/list\.txt", writes="out/scan.pdf"),
        ),
    )
    yield Case(
        "the same, strictly",
        odd,
        (*_FOLDER, "--strict"),
        "a refusal",
        refuses(r"left out 2 files", leaves="out"),
    )
    yield Case(
        "batch that is begun again",
        {"in/page.png": small().save, "in/more.png": grey().save},
        (),
        "what is done already stays",
        says(r"1 of 2 results are up to date", writes="out/more.png"),
        shell="textsr upscale in/page.png -o out/ 2>/dev/null && "
        "textsr upscale in -o out --skip-existing",
    )


def _line() -> Image.Image:
    return grey(("a line",)).crop((0, 0, 64, 24))


def _has_names(folder: Path) -> bool:
    return {path.name for path in (folder / "out").glob("*.png")} == set(_NAMES)


def _has_both(folder: Path) -> bool:
    return {path.name for path in (folder / "out").glob("*.png")} == {"page.png", "page.gif.png"}


def _has_three(folder: Path) -> bool:
    return len([path for path in (folder / "out").iterdir() if path.name[0] != "."]) == 3
