"""What an image file is and shows, by Pillow, pikepdf and PDFium: not by what is judged."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pikepdf
import pillow_heif
import pypdfium2
from PIL import Image, ImageCms, ImageFile, ImageOps, PngImagePlugin, TiffImagePlugin

_Image = npt.NDArray[np.float32]

_POINTS = 72  # of an inch
_DRAWN_DPI = 144
_INKS = ("CMYK", "LAB")
_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_DEEP = ("PNG", "TIFF")

pillow_heif.register_heif_opener()

_MOST_BESIDES = 16 << 20  # bytes of a PNG's profile or texts: programs write more than a megabyte
_lenient = threading.Lock()


@dataclass(frozen=True)
class Found:
    """A file, or a page of one.

    Attributes:
        kind: the name of its format.
        size: pixels across and down, upright.
        dpi: pixels per inch across and down; None if it does not tell.
        bits: a channel.
        is_colour: whether it has channels of colour.
        is_ink: whether its values are of inks or of CIELAB, which become sRGB.
        has_alpha: whether some pixels may be clear.
        profile: its ICC profile.
        pages: how many.
        is_drawn: whether it is a page of a PDF without a picture.
        values: what it shows, laid over white: HxWx3, red, green and blue, 0 to 255, in sRGB or
            by its profile.
    """

    kind: str
    size: tuple[int, int]
    dpi: tuple[float, float] | None
    bits: int
    is_colour: bool
    is_ink: bool
    has_alpha: bool
    profile: bytes | None
    pages: int
    is_drawn: bool
    values: _Image

    @property
    def inches(self) -> tuple[float, float] | None:
        """Its size, if it tells its resolution."""
        if self.dpi is None:
            return None
        return self.size[0] / self.dpi[0], self.size[1] / self.dpi[1]

    def __str__(self) -> str:
        return ", ".join(
            [
                self.kind,
                *([f"{self.pages} pages"] if self.pages > 1 else []),
                f"{self.size[0]} x {self.size[1]} px",
                *([_said_of_dpi(self.dpi)] if self.dpi else []),
                ("colour" if self.is_colour else "grey") + (", alpha" if self.has_alpha else ""),
                f"{self.bits} bit" + "s" * (self.bits > 1),
                *(["its profile"] if self.profile else []),
            ]
        )


def _said_of_dpi(dpi: tuple[float, float]) -> str:
    across, down = (round(value) for value in dpi)
    return f"{across} dpi" if across == down else f"{across} x {down} dpi"


def look(path: Path, page: int = 0) -> Found:
    """Look at a file, and what one of its pages shows, counted from 0."""
    if path.read_bytes()[:5] == b"%PDF-":
        return _look_at_pdf(path, page)
    with _as_viewers_do(), Image.open(path) as image:
        pages = getattr(image, "n_frames", 1)
        image.seek(min(page, pages - 1))
        upright = ImageOps.exif_transpose(image)
        deep = _deep(path) if image.format in _DEEP and page == 0 else None
        return Found(
            kind=str(image.format),
            size=upright.size,
            dpi=_resolution(image),
            bits=16 if deep is not None else 8 if image.mode != "1" else 1,
            is_colour=_has_colour(image),
            is_ink=image.mode in _INKS,
            has_alpha=image.mode in _WITH_ALPHA or "transparency" in image.info,
            profile=image.info.get("icc_profile"),
            pages=pages,
            is_drawn=False,
            values=_shown(upright) if deep is None else deep,
        )


@contextmanager
def _as_viewers_do() -> Iterator[None]:
    """Have Pillow read files that lack their end, and what is large beside the pixels.

    These are settings of all of Pillow: they hold for one file at a time.
    """
    with _lenient:
        usual = PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY
        PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = _MOST_BESIDES
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            yield
        finally:
            PngImagePlugin.MAX_TEXT_CHUNK, PngImagePlugin.MAX_TEXT_MEMORY = usual
            ImageFile.LOAD_TRUNCATED_IMAGES = False


def _has_colour(image: Image.Image) -> bool:
    if image.mode in ("P", "PA"):
        values = np.asarray(image.convert("RGB"))
        return bool((values.min(-1) != values.max(-1)).any())
    return len(set(image.getbands()) - {"A", "a"}) > 1


def _deep(path: Path) -> _Image | None:
    """Return the values of a file of 16 bits a channel: Pillow reads those of colour as 8."""
    values = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16:
        return None
    return _over_white(np.asarray(values / 257, np.float32))


def _over_white(values: _Image) -> _Image:
    """Return OpenCV's grey, BGR or BGRA as RGB over white."""
    if values.ndim == 2:
        return np.repeat(values[..., None], 3, axis=2)
    colours = values[..., 2::-1]
    if values.shape[2] == 4:
        opacity = values[..., 3:] / 255
        return np.asarray(colours * opacity + 255 * (1 - opacity), np.float32)
    return colours


def _shown(image: Image.Image) -> _Image:
    if image.mode in _INKS:
        image = _to_srgb(image)
    if image.mode.startswith("I"):
        return np.repeat((np.asarray(image, np.float32) / 257)[..., None], 3, axis=2)
    layers = image.convert("RGBA")
    white = Image.new("RGBA", layers.size, "white")
    return np.asarray(Image.alpha_composite(white, layers).convert("RGB"), np.float32)


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    srgb = ImageCms.createProfile("sRGB")
    if image.mode == "LAB":
        made = ImageCms.profileToProfile(
            image, ImageCms.createProfile("LAB"), srgb, outputMode="RGB"
        )
    elif profile is None:
        return image.convert("RGB")
    else:
        made = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            srgb,
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            "RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    assert made is not None
    return made


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    """Return pixels per inch; where an image lies on its side, as it comes upright."""
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else image.getexif()
    stated = image.info.get("dpi")
    # Pillow makes up what a JPEG without a unit and a TIFF without tags do not tell.
    if stated is not None and image.format == "JPEG" and image.info.get("jfif_unit") not in (1, 2):
        stated = None
    if stated is None or image.format == "TIFF":
        if 282 not in tags or 283 not in tags:
            return None
        inch = 2.54 if tags.get(296, 2) == 3 else 1.0
        stated = float(tags[282]) * inch, float(tags[283]) * inch
    across, down = (float(value) for value in stated)
    return (down, across) if image.getexif().get(0x0112, 1) > 4 else (across, down)


def _look_at_pdf(path: Path, page: int) -> Found:
    """Look at the largest picture of a page, and at what the page shows."""
    document = pypdfium2.PdfDocument(path)
    try:
        points = document[page].get_size()
        bitmap = document[page].render(scale=_DRAWN_DPI / _POINTS, rev_byteorder=True)
        values = bitmap.to_numpy()[..., :3].astype(np.float32)
        pages = len(document)
    finally:
        document.close()
    with pikepdf.open(path) as pdf:
        images = list(pdf.pages[page].images.values())
        largest = max(images, key=lambda one: int(one.Width) * int(one.Height), default=None)
        if largest is None:
            size, bits, is_colour = (round(points[0]), round(points[1])), 8, False
        else:
            size = int(largest.Width), int(largest.Height)
            if int(pdf.pages[page].get("/Rotate", 0)) % 180:
                size = size[::-1]
            bits = int(largest.get("/BitsPerComponent", 8))
            is_colour = "Gray" not in str(largest.get("/ColorSpace"))
    inches = points[0] / _POINTS, points[1] / _POINTS
    return Found(
        kind="PDF",
        size=size,
        dpi=(size[0] / inches[0], size[1] / inches[1]),
        bits=bits,
        is_colour=is_colour,
        is_ink=False,
        has_alpha=False,
        profile=None,
        pages=pages,
        is_drawn=largest is None,
        values=values,
    )
