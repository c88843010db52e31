"""Printed matter: a page of a newspaper, a fax and a photo of a receipt."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.cases.scenes.setting import (
    SCALE,
    Fonts,
    compress,
    justify,
    lines_of,
    see,
    to_image,
)

_NEWS = """The harbour council voted on Tuesday to repair the old lighthouse, which has been dark
since the storm of last November. Work is to begin in spring and will cost 2.4 million, of which
the county pays two thirds. Ships have had to rely on buoys in the meantime, and fishermen say
that three boats ran aground in fog. The lamp itself, built in 1898, will be kept behind glass in
the museum beside the pier. A new one of a tenth of the power reaches just as far. Visitors may
climb the tower again from the first of June, between ten and six o'clock, for a fee of 3.50. The
keeper's house is to become a school of sailing with room for forty pupils."""

_LETTER = (
    ("Subject: your order 4711 of 12 March", True),
    ("", False),
    ("Dear Ms Lindqvist,", False),
    ("thank you for your order of 250 bearings, type 6204-2RS. We can", False),
    ("deliver 180 of them on Friday and the rest by the end of the month.", False),
    ("The price is 3.85 each, net of tax; payment within 30 days.", False),
    ("Please confirm by fax to 040 555 0173 before Thursday, 16:00.", False),
    ("", False),
    ("With kind regards,   H. Petersen, sales", False),
)

_RECEIPT = (
    "      CORNER GROCERY",
    "   14 Mill Lane, Ashford",
    "     Tel 01233 555 0142",
    "",
    "2 x Milk 1 l        2.38",
    "Bread, whole        1.95",
    "Apples  1.284 kg    3.20",
    "Coffee 500 g        6.49",
    "Butter              2.15",
    "------------------------",
    "TOTAL             16.17",
    "Cash              20.00",
    "Change             3.83",
    "",
    "21.03.2025 17:42  No 8841",
    "  Thank you, come again!",
)


def newspaper(fonts: Fonts) -> Image.Image:
    """Return a part of a page in three columns, scanned in grey at about 100 dpi."""
    width, height = 520 * SCALE, 330 * SCALE
    page = Image.new("L", (width, height), 214)
    pen = ImageDraw.Draw(page)
    ink, margin, gutter = 46, 14 * SCALE, 12 * SCALE
    pen.text(
        (margin, 6 * SCALE),
        "Lighthouse to shine again by summer",
        font=fonts("source-serif-pro/SourceSerifPro-Bold.ttf", 28),
        fill=ink,
    )
    pen.line((margin, 48 * SCALE, width - margin, 48 * SCALE), fill=ink, width=3)
    font = fonts("source-serif-pro/SourceSerifPro-Regular.ttf", 11)
    across = (width - 2 * margin - 2 * gutter) / 3
    lines = list(lines_of(_NEWS.split() * 3, font, across))
    pitch, top, number = 13.6 * SCALE, 55 * SCALE, 0
    for column in range(3):
        left, y = margin + column * (across + gutter), float(top)
        if column == 1:
            picture = _halftone(round(across), 120 * SCALE)
            page.paste(picture, (round(left), round(y)))
            y += 126 * SCALE
        while y < height - pitch:
            justify(pen, (left, y), lines[number], font, across, ink)
            number, y = number + 1, y + pitch
    rng = np.random.default_rng(3)
    grain = cv2.GaussianBlur(rng.normal(0, 18, (height, width)), (0, 0), 3)
    paper = to_image(np.asarray(page, np.float32) + grain)
    return compress(see(paper, rng, blur=2.2, noise=3), 62)


def _halftone(width: int, height: int) -> Image.Image:
    """Return a picture in dots: a tower before the sky."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    light = 0.85 - 0.35 * y / height
    tower = np.abs(x / width - 0.62) < 0.05 + 0.03 * y / height
    light = np.where(tower & (y > 0.15 * height), 0.95, light)
    light = np.where(y > 0.82 * height, 0.25, light)
    pitch, turn = 2.6 * SCALE, np.pi / 4
    u = (x * np.cos(turn) + y * np.sin(turn)) / pitch
    v = (y * np.cos(turn) - x * np.sin(turn)) / pitch
    dots = (np.cos(2 * np.pi * u) + np.cos(2 * np.pi * v)) / 4 + 0.5
    return to_image(np.where(dots > 1 - light, 214.0, 46.0))


def fax(fonts: Fonts) -> Image.Image:
    """Return a part of a fax of two tones: 204 pixels per inch across, 98 down."""
    width, height = 864, 400  # at 204 pixels per inch both ways
    page = Image.new("L", (width * 2, height * 2), 255)
    pen = ImageDraw.Draw(page)
    regular, bold = "caladea/Caladea-Regular.ttf", "caladea/Caladea-Bold.ttf"
    pen.text((60, 24), "NORDWIND MACHINERY Ltd", font=fonts(bold, 15), fill=0)
    pen.line((60, 106, width * 2 - 60, 106), fill=0, width=4)
    for number, (line, is_bold) in enumerate(_LETTER):
        font = fonts(bold if is_bold else regular, 12.5)
        pen.text((60, 134 + number * 70), line, font=font, fill=0)
    rng = np.random.default_rng(4)
    seen = np.asarray(see(page, rng, blur=1.2, noise=9, size=2), np.float32)
    rows = cv2.resize(seen, (width, round(height * 98 / 204)), interpolation=cv2.INTER_AREA)
    return Image.fromarray(np.asarray(rows) > 175)


def receipt(fonts: Fonts) -> Image.Image:
    """Return a photo of a receipt: bowed, turned, in uneven light, a little out of focus."""
    width, height = 250 * SCALE, 330 * SCALE
    paper = Image.new("RGB", (width, height), (236, 232, 222))
    pen = ImageDraw.Draw(paper)
    font = fonts("dejavu/DejaVuSansMono.ttf", 12.5)
    for number, line in enumerate(_RECEIPT):
        place = (20 * SCALE, (16 + number * 19) * SCALE)
        pen.text(place, line, font=font, fill=(78, 74, 84))
    y, x = np.mgrid[:height, :width].astype(np.float32)
    bow = 9 * SCALE * np.sin(np.pi * x / width) - 0.05 * (x - width / 2)
    bowed = cv2.remap(
        np.asarray(paper, np.float32),
        x,
        (y + bow).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    light = 0.72 + 0.3 * x / width - 0.18 * y / height
    photo = to_image(np.asarray(bowed) * light[..., None] * (1.0, 0.97, 0.9))
    return compress(see(photo, np.random.default_rng(5), blur=3.2, noise=5), 70)
