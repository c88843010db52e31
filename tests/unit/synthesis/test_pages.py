"""Pages: composed as params say, cut into samples that say what they show."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textsr.config.pages import CROPS
from textsr.config.params import Params, parse_params
from textsr.config.sections import effect_fields
from textsr.datasets.shards import decode_grey, read_table
from textsr.errors import TextsrError
from textsr.images.grey import Image, correlate
from textsr.synthesis.corpus import split_of
from textsr.synthesis.page import DrawnPage, draw_page
from textsr.synthesis.page_crops import Window, describe
from textsr.synthesis.page_pictures import draw_picture
from textsr.synthesis.sample import Source, load_source, make_samples
from textsr.synthesis.shards import write_dataset

SMALL = {"lr_height": 128, "lr_width": 192, "crops": 10}
TEXT_ALONE = {"paragraph": 1, "heading": 1, "space": 1}

Row = dict[str, Any]
Change = dict[str, Any]


@pytest.fixture(scope="module")
def pages(tiny_params: Params) -> Callable[..., Params]:
    """The params of an extra dataset of pages: those of a page, then other changes."""

    def make(page: Change, **changes: Any) -> Params:
        raw = tiny_params.model_dump()
        raw["extra_datasets"] = {"pages": {"page": SMALL | page, **changes}}
        raw["training"]["mixture"] = {"dataset": 1, "pages": 1}
        return parse_params(raw).extra_dataset("pages")

    return make


def plain(params: Params, *kept: str) -> Change:
    """Changes that switch all effects of rendering off, save some."""
    render = params.synthesis.render
    return {name: {"probability": float(name in kept)} for name, _ in effect_fields(type(render))}


@pytest.fixture(scope="module")
def source(pages: Callable[..., Params], data: Path) -> Source:
    return load_source(pages({}), "train", data)


def draw(source: Source, seed: int) -> DrawnPage:
    return draw_page(
        source.params.synthesis,
        source.corpus,
        source.fonts,
        source.split,
        np.random.default_rng(seed),
    )


def images(row: Row) -> tuple[Image, Image]:
    return decode_grey(row["hr"]["bytes"]), decode_grey(row["lr"]["bytes"])


def test_a_row_is_the_same_wherever_its_shard_begins(source: Source) -> None:
    rows = list(make_samples(source, 0, 24))
    assert rows[13:24] == list(make_samples(source, 13, 24))
    assert [row["index"] for row in rows] == list(range(24))


def test_rows_are_crops_of_one_page_degraded_as_a_whole(source: Source) -> None:
    rows = list(make_samples(source, 0, 40))
    for first in range(0, 40, SMALL["crops"]):
        of_page = rows[first : first + SMALL["crops"]]
        assert len({(row["first_size"], row["kernel_1"], row["kernel_2"]) for row in of_page}) == 1
    assert len({row["first_size"] for row in rows}) == 4
    synthesis = source.params.synthesis
    for row in rows:
        hr, lr = images(row)
        assert hr.shape == (4 * lr.shape[0], 4 * lr.shape[1])
        assert lr.shape[0] == synthesis.lr_height
        assert 64 <= lr.shape[1] <= synthesis.max_lr_width
        assert lr.shape[1] % 8 == 0
        assert row["neighbours_pitch_em"] is None
        if row["kind"] == "line":
            assert (correlate(hr, lr) or 0) > 0.5


@pytest.mark.slow
def test_lines_have_texts_of_their_split_and_nothing_else_has(
    pages: Callable[..., Params], data: Path
) -> None:
    for split in ("train", "val"):
        source = load_source(pages({"around_line": 0.6, "on_paper": 0.2}), split, data)
        rows = list(make_samples(source, 0, 60))
        kinds = Counter(row["kind"] for row in rows)
        assert set(kinds) <= set(CROPS)
        assert kinds["line"] > 5
        assert kinds["paper"] > 5
        for row in rows:
            assert bool(row["text"]) == (row["kind"] == "line")
            assert not row["text"] or split_of(row["text"]) == split
            assert len(row["text"]) <= source.params.synthesis.text.max_characters
            assert row["font_family"] in source.fonts.families


def test_what_is_drawn_lies_where_it_is_said_to(pages: Callable[..., Params], data: Path) -> None:
    """However the page lies: beside its lines and pictures, there is nothing but paper."""
    params = pages({"elements": TEXT_ALONE | {"picture": 0.5}, "panel": 0, "framed": 0, "empty": 0})
    quiet = plain(params, "rotation", "perspective", "curvature", "oblique", "weight")
    strong = {
        "rotation": {"probability": 1, "degrees": [-15, 15]},
        "curvature": {"probability": 1, "heights": [-0.3, 0.3]},
    }
    params = pages(
        {"elements": TEXT_ALONE | {"picture": 0.5}, "panel": 0, "framed": 0, "empty": 0,
         "max_columns": 1},
        render=quiet | strong,
    )  # fmt: skip
    source = load_source(params, "train", data)
    inked = 0
    for seed in range(6):
        page = draw(source, seed)
        beside = np.ones(page.image.shape, bool)
        for left, top, right, bottom in np.concatenate([page.places, page.pictures]):
            # A few pixels more: turning the page leaves faint halos beside its edges.
            rows = slice(max(int(top) - 4, 0), max(int(bottom) + 5, 0))
            beside[rows, max(int(left) - 4, 0) : max(int(right) + 5, 0)] = False
        ground = np.rint(page.tone.ground)
        assert np.abs(page.image[beside].astype(int) - ground).max(initial=0) <= 1
        for left, top, right, bottom in page.places.round().astype(int):
            part = page.image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
            inked += bool(part.size and np.ptp(part) > 10)
    assert inked > 10


def test_clipping_leaves_all_text_on_a_page_of_many_tones(
    pages: Callable[..., Params], data: Path
) -> None:
    page = {"elements": {"heading": 1}, "panel": 0.7, "empty": 0}
    quiet = plain(pages(page), "clipping") | {"contrast_levels": [24, 60]}
    quiet["clipping"] = {"probability": 1, "share": [0.4, 0.4]}
    source = load_source(pages(page, render=quiet), "train", data)
    contrasts = []
    for seed in range(4):
        drawn = draw(source, seed)
        for left, top, right, bottom in drawn.places.round().astype(int):
            part = drawn.image[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
            if part.size > 400:
                contrasts.append(np.ptp(part))
    assert len(contrasts) > 20
    assert min(contrasts) > 10  # six tenths of 24, less what thin strokes lack


def test_an_empty_page_is_paper(pages: Callable[..., Params], data: Path) -> None:
    source = load_source(pages({"empty": 1}), "train", data)
    assert {row["kind"] for row in make_samples(source, 0, 20)} == {"paper"}


def crop(source: Source, page: DrawnPage, left: float, top: float, width: float) -> str:
    synthesis = source.params.synthesis
    window = Window(int(left // 4), int(top // 4), int(width // 4), synthesis.lr_height)
    return describe(page, window, synthesis).kind


def test_a_line_is_one_that_is_whole_and_alone(pages: Callable[..., Params], data: Path) -> None:
    """Moved aside, so that a letter is cut; up and down, so that half of it is."""
    page = {"elements": {"heading": 1, "space": 3}, "panel": 0, "framed": 0, "empty": 0,
            "max_columns": 1}  # fmt: skip
    render = plain(pages(page)) | {"font_height_px": [30, 60]}
    source = load_source(pages(page, render=render), "train", data)
    looked = 0
    for seed in range(20):
        drawn = draw(source, seed)
        for (left, top, right, bottom), line in zip(drawn.places, drawn.lines, strict=True):
            around = (left - 8, (top + bottom) / 2 - 32, right - left + 20)
            if min(around[:2]) < 4 or crop(source, drawn, *around) != "line":
                continue
            looked += 1
            width = around[2]
            assert crop(source, drawn, left + 0.3 * width, around[1], width) == "text"
            assert crop(source, drawn, around[0], top + 0.4 * (bottom - top), width) == "text"
            assert line.height_px >= 0.4 * 64
    assert looked > 5


@pytest.mark.parametrize("size", [(40, 300), (400, 90)])
def test_pictures_are_of_the_size_asked_and_have_tones(size: tuple[int, int]) -> None:
    drawn = [draw_picture(*size, 1.0, np.random.default_rng(seed)) for seed in range(12)]
    for plane in drawn:
        assert plane.shape == size
        assert plane.dtype == np.float32
        assert 0 <= plane.min() < plane.max() <= 255
    assert len({plane.tobytes() for plane in drawn}) == 12
    assert np.array_equal(drawn[3], draw_picture(*size, 1.0, np.random.default_rng(3)))


@pytest.mark.slow
def test_pages_are_written_as_any_dataset_is(
    pages: Callable[..., Params], data: Path, tmp_path: Path
) -> None:
    """In shards, each of which begins within a page."""
    params = pages({}, shard_rows=7, samples={"train": 21, "val": 3, "test": 3})
    write_dataset(params, data, tmp_path, lambda rows: None)
    rows = read_table(tmp_path / "train").to_pylist()
    assert rows == list(make_samples(load_source(params, "train", data), 0, 21))


def refused(raw: dict[str, Any]) -> str:
    with pytest.raises(TextsrError) as error:
        parse_params(raw)
    return str(error.value)


def test_pages_are_of_extra_datasets_alone(tiny_params: Params) -> None:
    raw = tiny_params.model_dump()
    raw["synthesis"]["page"] = {}
    assert "synthesis.page: models are judged on lines" in refused(raw)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"page": {"lr_width": 64}},
            "extra_datasets.pages.max_lr_width: 128 is more than the page has (64); lower it",
        ),
        ({"page": {}, "lr_height": 300}, "lr_height"),
        ({"page": {"min_crop_lr_width": 256}}, "page.min_crop_lr_width: 256 is more than"),
        ({"page": {"elements": {"poem": 1}}}, "page.elements.poem"),
        ({"page": {"elements": {"rule": 0}}}, "at least one needs a share above 0"),
        ({"page": {"around_line": 0.7, "on_paper": 0.6}}, "more than 1 together"),
        (
            {"page": {}, "render": {"neighbours": {"probability": 0.1}}},
            "the lines of a page have neighbours",
        ),
    ],
)
def test_what_no_page_can_be_is_refused(tiny_params: Params, changes: Change, message: str) -> None:
    raw = tiny_params.model_dump()
    raw["extra_datasets"] = {"pages": changes}
    raw["training"]["mixture"] = {"dataset": 1, "pages": 1}
    said = refused(raw)
    assert "extra_datasets.pages." in said
    assert message in said


def test_settings_of_pages_give_way_to_the_users(pages: Callable[..., Params]) -> None:
    usual = pages({}).synthesis
    assert usual.render.font_height_px[0] < 0.5 * 64 < 64 < usual.render.font_height_px[1]
    assert usual.degradation.first.bilevel.probability == 0
    higher = pages({}, lr_height=24).synthesis.render.font_height_px
    assert higher == tuple(1.5 * end for end in usual.render.font_height_px)
    own = pages(
        {},
        render={"font_height_px": [40, 50]},
        degradation={"first": {"bilevel": {"probability": 0.2}}},
    ).synthesis
    assert own.render.font_height_px == (40, 50)
    assert own.degradation.first.bilevel.probability == 0.2
