"""Small sound PDFs, and their damage by object, by stream and by byte."""

import random
import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pikepdf
from pikepdf import Array, Dictionary, Name, Object, Pdf, Stream, String

from tests.faults.campaign.inputs.damage import damage
from tests.support.made_pdfs import add_page, full, image, text

_DRAWN = np.random.default_rng(8)
_KEYS = (
    *("/Type", "/Subtype", "/Width", "/Height", "/BitsPerComponent", "/ColorSpace", "/Filter"),
    *("/DecodeParms", "/Decode", "/ImageMask", "/SMask", "/Mask", "/Matte", "/Matrix", "/BBox"),
    *("/Resources", "/XObject", "/Font", "/Contents", "/MediaBox", "/CropBox", "/Rotate", "/Kids"),
    *(
        "/Parent",
        "/Count",
        "/Length",
        "/UserUnit",
        "/Annots",
        "/OC",
        "/Predictor",
        "/Columns",
        "/K",
    ),
)
_HOLDERS = Dictionary, Array, Stream
_NUMBER = re.compile(rb"-?\d+\.?\d*")
_NUMBERS = (0, 1, 2, 3, 7, 8, -1, 90, 45, 100, 255, 10_000, 65_536, 10**7, 2**31 - 1, 2**31, 10**12)
_OPERATORS = (
    *(b"/P Do\n", b"/Q Do\n" * 500, b"q\n" * 200, b"Q\n" * 50, b"1 0 0 1 1e9 1e9 cm\n", b"7 Tr\n"),
    *(
        b"0 0 0 0 0 0 cm\n",
        b"(x) Tj\n" * 300,
        b"BI /W 9 /H 9 /BPC 8 ID xx EI\n",
        b"[(a) -1e30] TJ ",
    ),
    *(b"99999999999999999999 Tr\n", b"cm\n", b"/X cm\n", b"Tr\n", b"(\xff) ' ", b"BT\n"),
)


def _grey(high: int, wide: int) -> np.ndarray:
    return _DRAWN.integers(0, 256, (high, wide), np.uint8)


def _scan(pdf: Pdf) -> None:
    add_page(pdf, full("P"), P=image(pdf, _grey(40, 30)))
    add_page(pdf, full("P") + text("under", mode=3), P=image(pdf, _grey(40, 30), lossy=True))


def _tones(pdf: Pdf) -> None:
    add_page(pdf, full("P"), P=image(pdf, _grey(40, 32) > 99))
    stencil = image(pdf, _grey(40, 32) > 99, ImageMask=True)
    add_page(pdf, full("P") + full("Q"), P=image(pdf, np.dstack([_grey(40, 30)] * 3)), Q=stencil)


def _masked(pdf: Pdf) -> None:
    soft = pdf.make_indirect(image(pdf, _grey(20, 15)))
    add_page(pdf, full("P"), P=image(pdf, _grey(40, 30), SMask=soft))
    add_page(pdf, full("P"), P=image(pdf, _grey(40, 30), Mask=Array([0, 9])))


def _forms(pdf: Pdf) -> None:
    own = pdf.make_indirect(image(pdf, _grey(40, 30)))
    form = Stream(
        pdf,
        full("P"),
        Type=Name.XObject,
        Subtype=Name.Form,
        BBox=[0, 0, 216, 288],
        Matrix=[1, 0, 0, 1, 0, 0],
        Resources=Dictionary(XObject=Dictionary(P=own)),
    )
    page = add_page(pdf, b"/F1 Do\n", F1=form)
    page.rotate(90, relative=False)
    add_page(pdf, text("a page that a program drew", times=9))
    with pdf.open_outline() as outline:
        outline.root.append(pikepdf.OutlineItem("first", 0))


@cache
def pdfs() -> list[bytes]:
    """Return sound PDFs, plain and packed."""
    found = []
    for build in (_scan, _tones, _masked, _forms):
        for options in (
            {"compress_streams": False},
            {"object_stream_mode": pikepdf.ObjectStreamMode.generate},
        ):
            with pikepdf.new() as pdf:
                build(pdf)
                found.append(_saved(pdf, **options))
    return found


def _saved(pdf: Pdf, **options: Any) -> bytes:
    stream = BytesIO()
    pdf.save(stream, static_id=True, **options)
    return stream.getvalue()


def damaged_pdf(draw: random.Random) -> bytes:
    """Return a PDF, damaged in its objects, in its bytes, or both."""
    content = draw.choice(pdfs())
    if draw.random() < 0.7:
        content = _damage_objects(content, draw)
    for _ in range(draw.choice((0, 1, 2)) if draw.random() < 0.5 else 0):
        if draw.random() < 0.4:
            content = _damage_number(content, draw)
        else:
            content = damage(content, pdfs(), draw)
    return content


def _damage_number(content: bytes, draw: random.Random) -> bytes:
    """Write another number: a length, a place in the list of objects, an object's number."""
    found = list(_NUMBER.finditer(content))
    if not found:
        return content
    chosen = draw.choice(found[-200:] if draw.random() < 0.5 else found)
    written = str(draw.choice(_NUMBERS)).encode()
    return content[: chosen.start()] + written + content[chosen.end() :]


def _damage_objects(content: bytes, draw: random.Random) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pikepdf.open(BytesIO(content)) as pdf:
            options: dict[str, Any] = {"compress_streams": False, "fix_metadata_version": False}
            if draw.random() < 0.3:
                options["object_stream_mode"] = pikepdf.ObjectStreamMode.generate
            for _ in range(draw.choice((1, 1, 2, 4))):
                objects = [one for one in pdf.objects if isinstance(one, _HOLDERS)]
                with suppress(Exception):  # the library keeps some entries from being changed
                    _damage_object(draw.choice(objects), pdf, draw)
            try:
                return _saved(pdf, **options)
            except Exception:  # what it will not write, it will not be given
                return content


def _damage_object(chosen: Object, pdf: Pdf, draw: random.Random) -> None:
    if isinstance(chosen, Stream) and draw.random() < 0.6:
        _damage_stream(chosen, draw)
        return
    if isinstance(chosen, Array):
        place = draw.randrange(len(chosen) + 1)
        if place < len(chosen) and draw.random() < 0.7:
            chosen[place] = _value(pdf, draw)
        else:
            chosen.append(_value(pdf, draw))
        return
    keys = [key for key, _ in chosen.items()]
    key = draw.choice(keys if keys and draw.random() < 0.8 else _KEYS)
    inner = chosen.get(key)
    if isinstance(inner, _HOLDERS[:2]) and draw.random() < 0.5:
        _damage_object(inner, pdf, draw)
    elif draw.random() < 0.2 and key in chosen:
        del chosen[key]
    else:
        chosen[key] = _value(pdf, draw)


def _damage_stream(chosen: Stream, draw: random.Random) -> None:
    raw = chosen.read_raw_bytes()
    if draw.random() < 0.4:
        place = draw.randrange(len(raw) + 1)
        raw = raw[:place] + draw.choice(_OPERATORS) + raw[place:]
    elif draw.random() < 0.4:
        raw = _damage_number(raw, draw)
    else:
        raw = damage(raw, pdfs(), draw)
    chosen.write(raw, filter=chosen.get(Name.Filter), decode_parms=chosen.get(Name.DecodeParms))


def _value(pdf: Pdf, draw: random.Random) -> Any:
    makers: tuple[Callable[[], Any], ...] = (
        lambda: draw.choice(_NUMBERS),
        lambda: draw.choice(_NUMBERS),
        lambda: draw.choice((1e-9, 0.5, -1e30, 1e30, True, False)),
        lambda: draw.choice((Name.DeviceRGB, Name.DeviceCMYK, Name.Image, Name.Form, Name.XX)),
        lambda: draw.choice((Name.FlateDecode, Name.DCTDecode, Name.JBIG2Decode, Name.JPXDecode)),
        lambda: draw.choice((Name.CCITTFaxDecode, Name.LZWDecode, Name.RunLengthDecode)),
        lambda: Array([Name.FlateDecode] * draw.choice((0, 1, 5, 100))),
        lambda: Array([draw.choice(_NUMBERS) for _ in range(draw.choice((0, 1, 4, 6)))]),
        lambda: Array([Name.Indexed, Name.DeviceRGB, 255, String("x")]),
        lambda: Dictionary(),
        lambda: String("x" * draw.choice((0, 1, 3000))),
        lambda: draw.choice(list(pdf.objects)),
        lambda: draw.choice([page.obj for page in pdf.pages] or [0]),
    )
    return draw.choice(makers)()
