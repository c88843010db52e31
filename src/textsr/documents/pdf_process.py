"""What looks into a PDF, in a process of its own, which may end for it: PDFs may be hostile.

`textsr.documents.pdf_reader` starts it for a PDF. Each line of its standard input is a request as
JSON; a line of its standard output is the answer. It ends by itself when a request takes too much
time or memory.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import pikepdf
import pypdfium2
from pikepdf import Array, Dictionary, Matrix, Name, Object, Page, Pdf, Stream
from PIL import Image

_POINTS = 72  # of an inch
_MOST_DEPTH = 12  # of forms within forms
_MOST_DRAWN = 10_000  # forms and images on a page
_LEAST_SIDE = 8
"""Pixels below which an image shows no text, but a rule or a shade."""
_MOST_BILEVEL_BITS = 1
_INVISIBLE = (3, 7)  # text rendering modes (ISO 32000-1, section 9.3.6)
_BILEVEL_FILTERS = ("/CCITTFaxDecode", "/JBIG2Decode")
_LOSSY_FILTERS = ("/DCTDecode", "/JPXDecode")
_REBUILT = "reconstruct cross-reference table"  # in qpdf's warning
_OPERATORS = "q Q cm Do Tr Tj TJ ' \""

_OF_PIXELS = (
    *("/Width", "/Height", "/BitsPerComponent", "/ColorSpace", "/Decode", "/Interpolate"),
    *("/Filter", "/DecodeParms", "/F", "/FFilter", "/FDecodeParms", "/DL", "/Length"),
    *("/Alternates", "/SMaskInData"),
)
"""Entries of an image that are wrong of other pixels."""


def inspect(source: str, most_pages: int) -> dict[str, Any]:
    """Return what the pages show, and whether the file had to be repaired for that.

    `textsr.documents.pdf_reader.PdfPage` says what a page is.
    """
    with pikepdf.open(source) as document:
        if not len(document.pages):
            raise ValueError("it has no pages, or their list is damaged")
        if len(document.pages) > most_pages:
            raise ValueError(f"it has more than {most_pages} pages")
        is_repaired = any(_REBUILT in str(warning) for warning in document.get_warnings())
        pages = []
        for number, page in enumerate(document.pages, 1):
            pages.append(_look_at(page))
            is_empty = page.obj.get(Name.Contents) is None
            if (pages[-1].pop("lacks_drawn") or is_empty) and is_repaired:
                raise ValueError(f"it is cut short or damaged: page {number} lacks what it shows")
        return {"pages": pages, "is_repaired": is_repaired}


class _State(NamedTuple):
    """What of the graphics state matters."""

    matrix: Matrix
    text_mode: int = 0


class _Seen:
    """What a page was found to show."""

    def __init__(self, page: Page) -> None:
        left, bottom, right, top = (float(side) for side in page.cropbox)
        self.box = min(left, right), min(bottom, top), max(left, right), max(bottom, top)
        self.images: dict[tuple[int, int], dict[str, Any]] = {}
        self.covered = 0.0
        self.characters = 0
        self.hidden = 0
        self.drawn = 0
        self.lacks_drawn = False
        self._parsed: dict[tuple[int, int], list[tuple[str, Any]]] = {}

    def parse(self, content: Page | Object) -> list[tuple[str, Any]]:
        """Return the operators and operands of a content stream; of a form, read once."""
        number = content.obj.objgen if isinstance(content, Page) else content.objgen
        if number not in self._parsed:
            instructions = pikepdf.parse_content_stream(content, _OPERATORS)
            self._parsed[number] = [(str(one.operator), one.operands) for one in instructions]
        return self._parsed[number]

    def draw(self, image: Object, matrix: Matrix) -> None:
        corners = [matrix.transform(corner) for corner in ((0, 0), (0, 1), (1, 0), (1, 1))]
        sides = []
        for axis in (0, 1):
            low, high = self.box[axis], self.box[axis + 2]
            places = [min(max(corner[axis], low), high) for corner in corners]
            sides.append((max(places) - min(places)) / max(high - low, 1e-6))
        self.covered += sides[0] * sides[1]
        drawn = matrix.a, matrix.b, matrix.c, matrix.d
        for found in _with_masks(image):
            if found.objgen not in self.images:
                self.images[found.objgen] = _describe(found)
            described = self.images[found.objgen]
            if _area(drawn) > _area(described["matrix"]):
                described["matrix"] = drawn


def _area(matrix: tuple[float, float, float, float]) -> float:
    """Return the area of the unit square under a matrix."""
    a, b, c, d = matrix
    return abs(a * d - b * c)


def _look_at(page: Page) -> dict[str, Any]:
    seen = _Seen(page)
    _follow(page, page.resources, _State(Matrix()), seen, 0)
    left, bottom, right, top = seen.box
    wide, high = right - left, top - bottom
    return {
        "points": [high, wide] if page.rotation % 180 else [wide, high],
        "rotation": page.rotation % 360,
        "images": list(seen.images.values()),
        "covered": min(seen.covered, 1),
        "characters": seen.characters,
        "hidden": seen.hidden,
        "lacks_drawn": seen.lacks_drawn,
    }


def _follow(
    content: Page | Object, resources: Object, state: _State, seen: _Seen, depth: int
) -> None:
    """Follow a content stream and the forms in it."""
    objects = resources.get(Name.XObject, Dictionary())
    waiting: list[_State] = []
    for operator, operands in seen.parse(content):
        match operator:
            case "q":
                waiting.append(state)
            case "Q" if waiting:
                state = waiting.pop()
            case "cm":
                state = state._replace(matrix=Matrix(*map(float, operands)) @ state.matrix)
            case "Tr":
                state = state._replace(text_mode=int(operands[0]))
            case "Tj" | "TJ" | "'" | '"':
                length = sum(_length(operand) for operand in operands)
                if state.text_mode in _INVISIBLE:
                    seen.hidden += length
                else:
                    seen.characters += length
            case "Do":
                seen.drawn += 1
                if seen.drawn > _MOST_DRAWN:
                    raise ValueError(f"a page draws more than {_MOST_DRAWN} forms and images")
                drawn = objects.get(str(operands[0]))
                if not isinstance(drawn, Stream):
                    seen.lacks_drawn = True
                    continue
                if drawn.get(Name.Subtype) == Name.Image:
                    seen.draw(drawn, state.matrix)
                elif drawn.get(Name.Subtype) == Name.Form and depth < _MOST_DEPTH:
                    own = Matrix(drawn.get(Name.Matrix, Array([1, 0, 0, 1, 0, 0])))
                    inner = state._replace(matrix=own @ state.matrix)
                    own_resources = drawn.get(Name.Resources, resources)
                    _follow(drawn, own_resources, inner, seen, depth + 1)


def _length(operand: Any) -> int:
    """Return the bytes of the strings that are shown, which are about as many as characters."""
    if isinstance(operand, pikepdf.String):
        return len(bytes(operand))
    return sum(_length(part) for part in operand) if isinstance(operand, Array) else 0


def _with_masks(image: Object) -> Iterator[Object]:
    yield image
    for name in (Name.SMask, Name.Mask):
        if isinstance(image.get(name), Stream):
            yield image[name]


def _describe(image: Object) -> dict[str, Any]:
    """Return how an image is stored."""
    filters = image.get(Name.Filter, Array())
    names = [str(one) for one in filters] if isinstance(filters, Array) else [str(filters)]
    width, height = int(image.Width), int(image.Height)
    soft = image.get(Name.SMask)
    # Of these, pixels and masks are to be taken together.
    is_bound = isinstance(image.get(Name.Mask), Array) or (soft is not None and Name.Matte in soft)
    return {
        "number": list(image.objgen),
        "width": width,
        "height": height,
        "matrix": (0.0, 0.0, 0.0, 0.0),
        "is_bilevel": bool(image.get(Name.ImageMask, False))
        or image.get(Name.BitsPerComponent, 0) == _MOST_BILEVEL_BITS
        or any(name in _BILEVEL_FILTERS for name in names),
        "is_lossy": any(name in _LOSSY_FILTERS for name in names),
        "is_left": is_bound or Name.Matte in image or min(width, height) < _LEAST_SIDE,
    }


def extract(source: str, number: list[int], points: list[float], picture: str) -> None:
    """Write an image of a PDF as a PNG, as PDFium decodes it, without its masks."""
    with pikepdf.open(source) as document, Pdf.new() as alone:
        image = alone.copy_foreign(document.get_object(number[0], number[1]))
        for name in (Name.SMask, Name.Mask, Name.OC, Name.Interpolate, Name.Alternates):
            if name in image:
                del image[name]
        width, height = int(image.Width), int(image.Height)
        page = alone.add_blank_page(page_size=(width, height))
        page.Resources = Dictionary(XObject=Dictionary(P=image))
        page.Contents = Stream(alone, b"%d 0 0 %d 0 0 cm /P Do" % (width, height))
        content = BytesIO()
        alone.save(content)
    dpi = [width / max(points[0], 1e-6) * _POINTS, height / max(points[1], 1e-6) * _POINTS]
    _save(content.getvalue(), 0, 1, dpi, picture)


def render(source: str, page: int, dpi: float, picture: str) -> None:
    """Write a page as a PNG."""
    # PDFium rounds up, and what should be whole is a little more in floats.
    _save(source, page, dpi / _POINTS * (1 - 1e-6), [dpi, dpi], picture)


def _save(source: str | bytes, page: int, scale: float, dpi: list[float], picture: str) -> None:
    with pypdfium2.PdfDocument(source) as document:
        values = document[page].render(scale=scale, rev_byteorder=True).to_numpy()[..., :3]
    is_grey = (values == values[..., :1]).all()
    made = Image.fromarray(np.ascontiguousarray(values[..., 0] if is_grey else values))
    made.save(picture, "PNG", compress_level=1, dpi=dpi)


def assemble(source: str, pictures: str, numbers: list[list[int]], result: str) -> None:
    """Write a PDF with other pixels in its images.

    Args:
        source: the PDF.
        pictures: another that holds the new images.
        numbers: of each image that is new: object and generation in `source`, object in `pictures`.
        result: where to.
    """
    with pikepdf.open(source) as document, pikepdf.open(pictures) as made:
        new = {}
        for number, generation, other in numbers:
            old = document.get_object(number, generation)
            picture = document.copy_foreign(made.get_object(other, 0))
            for name, value in old.items():
                if name not in _OF_PIXELS:
                    picture[name] = value
            if old.get(Name.ImageMask, False):
                del picture[Name.ColorSpace]
            new[number, generation] = picture
        for picture in new.values():
            for mask in (Name.SMask, Name.Mask):
                if isinstance(picture.get(mask), Stream) and picture[mask].objgen in new:
                    picture[mask] = new[picture[mask].objgen]
        seen: set[tuple[int, int]] = set()
        for page in document.pages:
            _replace(page.resources, new, seen)
        _write(document, result)


def _replace(
    resources: Object, new: dict[tuple[int, int], Object], seen: set[tuple[int, int]]
) -> None:
    """Put new images into a page's resources, and into those of the forms in it."""
    objects = resources.get(Name.XObject, Dictionary())
    for name, drawn in list(objects.items()):
        if not isinstance(drawn, Stream):
            continue
        if drawn.objgen in new:
            objects[name] = new[drawn.objgen]
        elif drawn.get(Name.Subtype) == Name.Form and drawn.objgen not in seen:
            seen.add(drawn.objgen)
            if Name.Resources in drawn:
                _replace(drawn.Resources, new, seen)


def lay_under(source: str, texts: dict[str, tuple[str, int]], result: str) -> None:
    """Write a PDF with other PDFs' first pages under some of its pages, counted from 0.

    Args:
        source: the PDF.
        texts: for each number of a page, the other PDF, and quarters by which it is turned
            clockwise.
        result: where to.
    """
    with pikepdf.open(source) as document, ExitStack() as opened:
        for number, (path, quarters) in texts.items():
            page = document.pages[int(number)]
            text = opened.enter_context(pikepdf.open(path))
            text.pages[0].rotate(90 * quarters, relative=True)
            page.add_underlay(text.pages[0], pikepdf.Rectangle(page.cropbox))
        _write(document, result)


def _write(document: Pdf, result: str) -> None:
    # A trailer that was cut off has none, and none would be written.
    document.trailer[Name.Size] = len(document.objects) + 1
    # Else its id is random, and a result that is made again is another file.
    document.save(result, deterministic_id=True)


_VERBS: dict[str, Callable[..., Any]] = {
    "inspect": inspect,
    "extract": extract,
    "render": render,
    "assemble": assemble,
    "lay_under": lay_under,
}


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked for; return what it gives, or what is wrong."""
    try:
        return {"answer": _VERBS[asked["verb"]](**asked["arguments"])}
    except pikepdf.PasswordError:
        return {"error": "it is encrypted; remove its password"}
    except Exception as error:  # pikepdf's and PDFium's own, of damaged files
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Do what is asked for, one after the other, within limits."""
    for line in sys.stdin:
        asked = json.loads(line)
        spent = int(time.process_time()) + 1
        _limit(resource.RLIMIT_CPU, spent + asked["most_seconds"])
        _limit(resource.RLIMIT_AS, asked["most_bytes"])
        print(json.dumps(answer(asked)), flush=True)  # noqa: T201


def _limit(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main()
