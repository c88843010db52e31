"""What screens show: a screenshot with coloured text, and a slide of a talk."""

import numpy as np
from PIL import Image, ImageDraw

from benchmarks.cases.scenes.setting import SCALE, Fonts, compress, see

_BLUE, _GREEN, _RED, _YELLOW, _GREY, _WHITE = (
    (86, 156, 250),
    (106, 190, 100),
    (244, 96, 90),
    (220, 200, 120),
    (130, 130, 140),
    (220, 220, 225),
)

_CODE = (
    ((_GREY, "# Sum of what was sold, by month"),),
    ((_BLUE, "def "), (_YELLOW, "monthly_total"), (_WHITE, "(sales, year=2025):")),
    ((_WHITE, "    total = "), (_GREEN, "defaultdict"), (_WHITE, "(float)")),
    ((_BLUE, "    for "), (_WHITE, "sale "), (_BLUE, "in "), (_WHITE, "sales:")),
    ((_BLUE, "        if "), (_WHITE, "sale.date.year != year:")),
    ((_BLUE, "            continue"),),
    ((_WHITE, "        total[sale.date.month] += sale.price"),),
    ((_BLUE, "    return "), (_YELLOW, "dict"), (_WHITE, "(total)")),
    ((_RED, "NameError: name 'defaultdict' is not defined"),),
)

_POINTS = (
    "Orders grew by 18 % against last year",
    "Half of them come from three regions",
    "Returns fell from 6.2 % to 4.9 %",
    "Next: delivery within two days",
)
_BARS = (("North", 64, (230, 110, 40)), ("East", 48, (60, 140, 190)), ("South", 82, (90, 160, 80)))


def screenshot(fonts: Fonts) -> Image.Image:
    """Return a screenshot of an editor in dark colours, made small by a chat program."""
    width, height = 420 * SCALE, 220 * SCALE
    screen = Image.new("RGB", (width, height), (30, 30, 34))
    pen = ImageDraw.Draw(screen)
    pen.rectangle((0, 0, width, 22 * SCALE), fill=(58, 58, 64))
    bar = fonts("roboto/Roboto-Regular.ttf", 11)
    pen.text((10 * SCALE, 4 * SCALE), "sales.py", font=bar, fill=_WHITE)
    pen.text((80 * SCALE, 4 * SCALE), "report.md (changed)", font=bar, fill=(200, 150, 90))
    font = fonts("dejavu/DejaVuSansMono.ttf", 11)
    for number, line in enumerate(_CODE):
        x, y = 34 * SCALE, (32 + 20 * number) * SCALE
        pen.text((10 * SCALE, y), str(number + 11), font=font, fill=(90, 90, 100))
        for colour, text in line:
            pen.text((x, y), text, font=font, fill=colour)
            x += round(font.getlength(text))
    return compress(see(screen, np.random.default_rng(6), blur=1.2, noise=0.5), 80)


def slide(fonts: Fonts) -> Image.Image:
    """Return a slide as a video of a talk shows it."""
    width, height = 480 * SCALE, 270 * SCALE
    page = Image.new("RGB", (width, height), (250, 250, 247))
    pen = ImageDraw.Draw(page)
    pen.rectangle((0, 0, width, 46 * SCALE), fill=(24, 62, 110))
    title = fonts("lato/Lato-Bold.ttf", 25)
    pen.text((18 * SCALE, 7 * SCALE), "Sales in the third quarter", font=title, fill=(250,) * 3)
    font = fonts("lato/Lato-Regular.ttf", 14)
    for number, point in enumerate(_POINTS):
        y = (64 + 32 * number) * SCALE
        pen.ellipse((20 * SCALE, y + 22, 25 * SCALE, y + 42), fill=(200, 60, 40))
        pen.text((34 * SCALE, y), point, font=font, fill=(40, 40, 50))
    small = fonts("lato/Lato-Regular.ttf", 10)
    for number, (name, value, colour) in enumerate(_BARS):
        left, bottom = (320 + 50 * number) * SCALE, 226 * SCALE
        pen.rectangle((left, bottom - 1.6 * value * SCALE, left + 34 * SCALE, bottom), fill=colour)
        pen.text((left + 17 * SCALE, bottom + 6), name, font=small, fill=(60, 60, 70), anchor="ma")
        above = (left + 17 * SCALE, bottom - 1.6 * value * SCALE - 6)
        pen.text(above, f"{value} k", font=small, fill=colour, anchor="md")
    note = "Source: order records, July to September; figures rounded to thousands"
    pen.text(
        (18 * SCALE, 250 * SCALE), note, font=fonts("lato/Lato-Regular.ttf", 9), fill=(110,) * 3
    )
    return compress(see(page, np.random.default_rng(7), blur=2, noise=1.5), 45)
