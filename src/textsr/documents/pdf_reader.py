"""Looking into a PDF by a process of its own."""

import json
import math
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Timer
from types import TracebackType
from typing import Any, NamedTuple, Self

from textsr.errors import TextsrError, shorten
from textsr.images.headers import MOST_PAGES
from textsr.images.image import LoadedImage
from textsr.images.reading import decode_image

_COVERED = 2 / 3
"""Share of a page that images cover from which on it counts as scanned."""
_MOST_CHARACTERS = 200
"""Visible characters up to which it does: stamps and headers that were put on scans."""

_LONG, _SHORT = 300, 60  # seconds of a core for a document, and for a picture
_BYTES, _BYTES_A_PIXEL = 3_000_000_000, 24
_PATIENCE = 10
"""Seconds for each that a core may take: others may keep the machine busy."""


class PdfImage(NamedTuple):
    """An image in a PDF.

    Attributes:
        number: of its object, and its generation.
        width: in pixels.
        height: in pixels.
        matrix: how it is drawn where it is largest: points right and up that its columns take, and
            points right and up that its rows take, from the last to the first.
        is_bilevel: whether it has one bit a pixel.
        is_lossy: whether it was compressed with loss.
        is_left: whether it cannot be upscaled by itself, or has no room for text.
    """

    number: tuple[int, int]
    width: int
    height: int
    matrix: tuple[float, float, float, float]
    is_bilevel: bool
    is_lossy: bool
    is_left: bool

    @property
    def points(self) -> tuple[float, float]:
        """How wide and high it is drawn."""
        a, b, c, d = self.matrix
        return math.hypot(a, b), math.hypot(c, d)


class PdfPage(NamedTuple):
    """What a page of a PDF shows.

    Attributes:
        points: across and down, as it is shown.
        rotation: degrees clockwise by which it is turned to be shown: 0, 90, 180 or 270.
        images: those that are drawn on it, masks included.
        covered: share of the page that they cover.
        characters: of visible text, about how many.
        hidden: of invisible text.
    """

    points: tuple[float, float]
    rotation: int
    images: list[PdfImage]
    covered: float
    characters: int
    hidden: int

    @property
    def is_scan(self) -> bool:
        """Whether its images are what there is to read."""
        is_covered = self.covered >= _COVERED and self.characters <= _MOST_CHARACTERS
        return is_covered and any(not image.is_left for image in self.images)


def require_pdf(path: Path) -> None:
    """Refuse a PDF where the packages for it are not installed.

    Raises:
        TextsrError: naming the remedy.
    """
    for name in ("pikepdf", "pypdfium2"):
        if find_spec(name) is None:
            raise TextsrError(
                f"{path}: PDFs need {name}; install it by `pip install 'textsr[pdf]'`"
            )


class PdfReader:
    """Looks into a PDF by a process of its own, which ends where a PDF is made to do harm.

    Its methods raise a `TextsrError` where the PDF is damaged, encrypted or harmful.
    """

    def __init__(self, source: Path) -> None:
        require_pdf(source)
        self._source = source
        self._process = Process()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.end()

    def inspect(self) -> tuple[list[PdfPage], bool]:
        """Return what the pages show, and whether the file had to be repaired for that."""
        found = self._ask("inspect", _LONG, 0, str(self._source), most_pages=MOST_PAGES)
        pages = [
            PdfPage(
                **page
                | {
                    "images": [
                        PdfImage(**image | {"number": tuple(image["number"])})
                        for image in page["images"]
                    ]
                }
            )
            for page in found["pages"]
        ]
        return pages, found["is_repaired"]

    def extract(self, image: PdfImage, name: str) -> LoadedImage:
        """Return an image without its masks, with square pixels; messages call it `name`."""
        pixels = image.width * image.height
        return self._picture("extract", pixels, name, number=image.number, points=image.points)

    def render(self, number: int, dpi: float, pixels: int, name: str) -> LoadedImage:
        """Return a page, counted from 0, as a picture of about so many pixels."""
        return self._picture("render", pixels, name, page=number, dpi=dpi)

    def draw(self, number: int, dpi: float, pixels: int, picture: Path, name: str) -> None:
        """Write a page, counted from 0, as a PNG of about so many pixels."""
        self._ask("render", _SHORT, pixels, name, picture=str(picture), page=number, dpi=dpi)

    def lay_under(self, texts: dict[int, tuple[str, int]], result: Path) -> None:
        """Write the PDF with the first pages of others under some pages, counted from 0.

        Each is turned clockwise by so many quarters.
        """
        self._ask("lay_under", _LONG, 0, str(self._source), texts=texts, result=str(result))

    def assemble(self, pictures: Path, numbers: dict[tuple[int, int], int], result: Path) -> None:
        """Write the PDF with other images.

        Args:
            pictures: a PDF that holds them.
            numbers: of each image that gets other pixels, its number there.
            result: where to.
        """
        self._ask(
            "assemble",
            _LONG,
            0,
            str(self._source),
            pictures=str(pictures),
            numbers=[[*number, other] for number, other in numbers.items()],
            result=str(result),
        )

    def _picture(self, verb: str, pixels: int, name: str, **arguments: Any) -> LoadedImage:
        with TemporaryDirectory() as folder:
            picture = Path(folder, "picture.png")
            self._ask(verb, _SHORT, pixels, name, picture=str(picture), **arguments)
            # A page may be rounded up; a fax's pixels become more when they are made square.
            most = 5 * pixels + 10_000
            return decode_image(picture.read_bytes(), name, max_pixels=most)

    def _ask(self, verb: str, seconds: int, pixels: int, name: str, **arguments: Any) -> Any:
        """Return what the process answers within so many seconds of a core."""
        asked = {
            "verb": verb,
            "arguments": {"source": str(self._source), **arguments},
            "most_seconds": seconds,
            "most_bytes": _BYTES + _BYTES_A_PIXEL * pixels,
        }
        try:
            answer = self._process.ask(asked)
        except (OSError, ValueError) as error:
            raise TextsrError(
                f"{name}: takes too much time or memory, or breaks the reader; it is damaged, or "
                "made to do harm"
            ) from error
        if "error" in answer:
            said = " ".join(answer["error"].split())  # libraries say some in several lines
            raise TextsrError(f"{name}: cannot be read ({shorten(said)})")
        return answer["answer"]


class Process:
    """A process that runs `textsr.documents.pdf_process`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "textsr.documents.pdf_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Return the answer.

        Raises:
            OSError: if the process has ended.
            ValueError: if it ends without an answer; it is made to when it takes far too long.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        timer = Timer(_PATIENCE * asked["most_seconds"], self._process.kill)
        timer.start()
        try:
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        finally:
            timer.cancel()
        return answer

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        self._process.communicate()
