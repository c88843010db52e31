"""Cases are judged by what comes out, and the page of the documentation shows each of them."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.cases.__main__ import PAGE, PICTURES
from benchmarks.cases.case import Case, Outcome, Run, WrongError, run_case
from benchmarks.cases.drawing import small
from benchmarks.cases.fifty import OddFile, OddFolder, odd_files
from benchmarks.cases.found import Found, look
from benchmarks.cases.judging import refuses, says
from benchmarks.cases.keeping import differences, keeps
from benchmarks.cases.listing import all_cases
from benchmarks.cases.page import render_cases
from benchmarks.cases.pictures import MOST_BYTES, SCENES

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def listed() -> dict[str, list[Case]]:
    return all_cases()


def found(**changes: object) -> Found:
    values = np.asarray(small(), np.float32)
    usual = Found("PNG", (320, 96), (75, 75), 8, True, False, False, None, 1, False, values)
    return replace(usual, **changes)  # type: ignore[arg-type]


def enlarged(**changes: object) -> Found:
    values = np.asarray(small().resize((1280, 384), Image.Resampling.BICUBIC), np.float32)
    return replace(found(size=(1280, 384), dpi=(300, 300), values=values), **changes)  # type: ignore[arg-type]


def wrong(before: Found, after: Found) -> list[str]:
    return list(differences(before, after, 4, before.dpi))


def test_a_page_that_was_made_larger_alone_is_right() -> None:
    assert not wrong(found(), enlarged())
    assert not wrong(found(dpi=None), enlarged(dpi=None))
    assert not wrong(found(bits=1), enlarged())
    assert not wrong(found(profile=b"press", is_ink=True), enlarged())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"size": (1276, 384)}, "1276 x 384 px"),
        ({"dpi": (75, 75)}, "inches"),
        ({"dpi": None}, "inches"),
        ({"is_colour": False}, "grey"),
        ({"has_alpha": True}, "alpha"),
        ({"pages": 2}, "2 pages"),
        ({"profile": b"another"}, "profile"),
        ({"values": 255 - np.asarray(small(), np.float32)}, "colours"),
        ({"values": np.asarray(small(), np.float32)[..., ::-1]}, "colours"),
        ({"values": np.asarray(small().rotate(180), np.float32)}, "spot"),
    ],
)
def test_whatever_else_has_changed_is_wrong(changes: dict[str, object], said: str) -> None:
    assert said in ", ".join(wrong(found(), enlarged(**changes)))


def test_depth_and_profile_must_not_be_lost() -> None:
    assert wrong(found(bits=16), enlarged()) == ["8 bits, not 16"]
    assert wrong(found(profile=b"sRGB"), enlarged()) == ["no profile"]
    assert wrong(found(dpi=None), enlarged()) == ["a resolution of (300, 300)"]


def test_a_fax_is_as_high_as_it_is_in_inches() -> None:
    before = found(dpi=(204, 102))
    assert not wrong(before, enlarged(size=(1280, 768), dpi=(816, 816)))
    assert wrong(before, enlarged(size=(1280, 384), dpi=(816, 408)))


def test_files_are_seen_as_viewers_show_them(tmp_path: Path) -> None:
    path = tmp_path / "page.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = small().rotate(90, expand=True)
    turned.save(path, quality=95, exif=exif, dpi=(75, 150))
    seen = look(path)
    assert (seen.size, seen.dpi, seen.pages) == ((320, 96), (150, 75), 1)
    assert np.abs(seen.values - np.asarray(small(), np.float32)).mean() < 4


@pytest.mark.parametrize("name", ["colour of 16 bits.png", "palette.png", "inks.tif", "report.pdf"])
def test_what_a_file_shows_is_seen_whatever_it_is(tmp_path: Path, name: str) -> None:
    odd_files()[name](tmp_path / name)
    seen = look(tmp_path / name)
    assert seen.is_colour == (name != "report.pdf")
    assert seen.values[:4, :4].mean() > seen.values.mean() + 3  # paper, and letters on it


def run(status: int, said: str, folder: Path) -> Run:
    return Run(folder, status, b"", said)


def test_a_refusal_needs_its_status_its_words_and_nothing_written(tmp_path: Path) -> None:
    judge = refuses(r"page\.png: .*empty", leaves="big.png")
    assert judge(run(1, "textsr: page.png: is empty\n", tmp_path)) == "refused: page.png: is empty"
    for status, said in ((0, "page.png: is empty"), (1, "page.png"), (2, "page.png: is empty")):
        with pytest.raises(WrongError):
            judge(run(status, said, tmp_path))
    (tmp_path / "big.png").touch()
    with pytest.raises(WrongError, match=r"wrote big\.png"):
        judge(run(1, "page.png: is empty", tmp_path))


def test_a_warning_needs_its_words_and_the_result(tmp_path: Path) -> None:
    judge = says("cut short", writes="big.png")
    for said in ("cut short", "all is well"):
        with pytest.raises(WrongError):
            judge(run(0, said, tmp_path))
    (tmp_path / "big.png").touch()
    assert "cut short" in judge(run(0, "model: x\nwarning: page.jpg: is cut short\n", tmp_path))


def test_a_case_is_run_by_the_command_itself() -> None:
    """Each way once; all of them are run in `tests/integration`."""
    page = {"page.png": partial(small().save, dpi=(75, 75))}
    command = ("upscale", "page.png", "-o", "big.png", "--scale", "2")
    right = run_case(Case("page", page, command, "larger", keeps("big.png", "page.png", scale=2)))
    assert (right.said, right.is_right) == ("PNG, 640 x 192 px, 150 dpi, colour, 8 bits", True)
    other = run_case(
        Case("page", page, (*command[:-2], "-x"), "larger", keeps("big.png", "page.png"))
    )
    assert other.said.startswith("status 2: ")
    assert not other.is_right


def test_a_traceback_is_wrong_whatever_came_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmarks.cases.case._run",
        lambda case, folder: run(0, "Traceback (most recent call last):\nKeyError: 1", folder),
    )
    outcome = run_case(Case("page", {}, (), "", lambda run: "all is well"))
    assert (outcome.said, outcome.is_right) == ("a traceback: KeyError: 1", False)


def test_tables_hold_any_text(listed: dict[str, list[Case]]) -> None:
    case = Case("a|b [c] <i>", {}, ("x",), "*d*", lambda run: "", shell="cat a | b > c")
    outcomes = {"Heading": [Outcome(case, "e\nf", is_right=False)]}
    page = render_cases(outcomes, OddFolder("x", "y", [OddFile("_z_", "i", "o", is_right=True)]))
    row = r"| a\|b \[c\] &lt;i> | `cat a \| b > c` | \*d\* | e f | **no** |"
    assert row in page.splitlines()
    assert r"| \_z\_ | i | o | yes |" in page
    assert "1 of 2 are" in page


def test_the_committed_page_shows_every_case_and_all_are_right(
    listed: dict[str, list[Case]],
) -> None:
    outcomes = {
        heading: [Outcome(case, "", is_right=True) for case in cases]
        for heading, cases in listed.items()
    }
    files = [OddFile(name, "", "", is_right=True) for name in odd_files()]
    expected = render_cases(outcomes, OddFolder("", "", files)).splitlines()
    page = (ROOT / PAGE).read_text(encoding="utf-8").splitlines()
    assert [_constant(line) for line in page] == [_constant(line) for line in expected]


def _constant(line: str) -> str:
    """Return what of a line does not depend on what came out."""
    if not line.startswith("| "):
        return line if line.startswith(("#", "!")) else ""
    cells = line.replace(r"\|", "").split("|")
    return "|".join([*(cells[1:4] if len(cells) > 6 else cells[1:2]), cells[-2]])


def test_there_are_fifty_odd_files() -> None:
    assert len(odd_files()) >= 50


def test_pictures_are_there_and_small() -> None:
    for scene in SCENES:
        path = ROOT / PICTURES / f"{scene.name}.jpg"
        assert path.stat().st_size <= MOST_BYTES
        with Image.open(path) as picture:
            assert min(picture.size) > 400
