"""Samples: pure functions of seed and index, within the ranges of params.yaml."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textsr.config.params import SPLITS, Params
from textsr.config.sections import Section, effect_fields, interval_columns
from textsr.datasets.schema import SCHEMA
from textsr.datasets.shards import decode_grey, iterate_rows
from textsr.errors import TextsrError
from textsr.synthesis.camera import resize
from textsr.synthesis.corpus import split_of, text_key
from textsr.synthesis.fonts import characters, load_face
from textsr.synthesis.sample import load_source, make_sample


def with_synthesis(params: Params, **update: object) -> Params:
    synthesis = params.synthesis.model_copy(update=update)
    return params.model_copy(update={"synthesis": synthesis})


def rows_by_split(folder: Path) -> dict[str, list[dict[str, Any]]]:
    return {split: list(iterate_rows(folder / split)) for split in SPLITS}


def within(value: float, interval: tuple[float, float], unit: float = 1) -> bool:
    low, high = (end * unit for end in interval)
    return low - 1e-9 <= value <= high + 1e-9


def check_drawing(row: dict[str, Any], params: Params, data: Path, unit: float) -> None:
    render = params.synthesis.render
    assert 0 <= min(row["ink"], row["ground"]) <= max(row["ink"], row["ground"]) <= 255
    assert within(abs(row["ink"] - row["ground"]), render.contrast_levels)
    assert (row["ink"] > row["ground"]) == row["inverted"]
    for side in ("margin_left_px", "margin_right_px"):
        assert int(render.margin_px[0] * unit) <= row[side] <= render.margin_px[1] * unit
    low, high = render.font_height_px
    height = sum(load_face(data / row["font_file"], 64).getmetrics()) / 64 * row["font_size_px"]
    # Drawn smaller where the line is long or the ink tall; whole pixels an em.
    assert 0.6 * low * unit - 2 <= height <= high * unit


def check_effects(row: dict[str, Any], section: Section, suffix: str) -> None:
    for name, kind in effect_fields(type(section)):
        effect = getattr(section, name)
        columns = interval_columns(kind, name, suffix)
        values = [row[column] for column in columns]
        assert len({value is None for value in values}) == 1, "all of an effect, or none"
        if effect.probability == 0:
            assert values[0] is None
        for column, interval in columns.items():
            assert row[column] is None or within(row[column], getattr(effect, interval)), column


def check_row(row: dict[str, Any], params: Params, data: Path) -> None:
    synthesis = params.synthesis
    hr, lr = (decode_grey(row[side]["bytes"]) for side in ("hr", "lr"))
    assert hr.shape == (16 * synthesis.scale, lr.shape[1] * synthesis.scale)
    assert (row["hr_height"], row["hr_width"]) == hr.shape
    assert (row["lr_height"], row["lr_width"]) == lr.shape
    assert lr.shape[1] % 4 == 0
    assert 0 < lr.shape[1] <= synthesis.max_lr_width
    assert (row["scale"], row["seed"]) == (synthesis.scale, synthesis.seed)
    assert row["sample_id"] == f"{row['split']}-{row['index']:07d}"
    assert 1 <= len(row["text"]) <= synthesis.text.max_characters
    assert synthesis.text.kinds[row["kind"]] > 0
    assert split_of(row["text"]) == row["split"]
    assert row["font_file"].split("/")[:2] == ["fonts", row["font_family"]]
    assert set(row["text"]) <= characters(data / row["font_file"])
    check_drawing(row, params, data, synthesis.scale / 4)
    degradation = synthesis.degradation
    check_effects(row, synthesis.render, "")
    first = degradation.scan if row["scanned"] else degradation.first
    check_effects(row, first, "_1")
    check_effects(row, degradation.second, "_2")
    assert first.kernels[row["kernel_1"]] > 0
    assert degradation.second.kernels[row["kernel_2"]] > 0
    low, high = degradation.first_size
    assert max(low, 1 / synthesis.scale) - 0.03 <= row["first_size"] <= high + 0.03


def test_rows_are_what_params_ask_for(tiny_params: Params, data: Path, dataset: Path) -> None:
    for split, rows in rows_by_split(dataset).items():
        assert [row["index"] for row in rows] == list(range(len(rows)))
        assert {row["split"] for row in rows} == {split}
        for row in rows:
            check_row(row, tiny_params, data)


@pytest.mark.parametrize("split", SPLITS)
def test_rows_at_scale_2_and_of_other_sizes(tiny_params: Params, data: Path, split: Any) -> None:
    text = tiny_params.synthesis.text.model_copy(update={"max_characters": 9})
    params = with_synthesis(tiny_params, scale=2, max_lr_width=96, text=text)
    source = load_source(params, split, data)
    for index in range(40):
        check_row(make_sample(source, index), params, data)


def test_sample_depends_on_seed_and_index_alone(
    tiny_params: Params, data: Path, dataset: Path
) -> None:
    bigger = tiny_params.synthesis.samples.model_copy(update={"train": 10_000})
    params = with_synthesis(tiny_params, samples=bigger, shard_rows=7)
    stored = list(iterate_rows(dataset / "train"))
    source = load_source(params, "train", data)
    for index in (95, 3, 40):
        made = make_sample(source, index)
        assert [made[name] for name in SCHEMA.names] == [
            stored[index][name] for name in SCHEMA.names
        ]


def test_other_seeds_splits_and_indices_give_other_samples(tiny_params: Params, data: Path) -> None:
    images = []
    for seed in (1, 2):
        synthesis = tiny_params.synthesis.model_copy(update={"seed": seed})
        params = tiny_params.model_copy(update={"synthesis": synthesis})
        for split in SPLITS:
            source = load_source(params, split, data)
            images += [make_sample(source, index)["hr"]["bytes"] for index in range(5)]
    assert len(set(images)) == 2 * 3 * 5


def test_splits_share_no_text_and_no_font(dataset: Path) -> None:
    rows = rows_by_split(dataset)
    for column, key in (("text", text_key), ("font_family", str), ("font_file", str)):
        seen = {split: {key(row[column]) for row in found} for split, found in rows.items()}
        assert not seen["train"] & seen["val"]
        assert not seen["train"] & seen["test"]
        assert not seen["val"] & seen["test"]


def test_lr_shows_what_hr_shows_at_the_same_place(dataset: Path) -> None:
    correlations, displaced = [], 0
    for rows in rows_by_split(dataset).values():
        for row in rows:
            hr, lr = (decode_grey(row[side]["bytes"]).astype(float) for side in ("hr", "lr"))
            small = resize(hr.astype(np.float32), lr.shape[::-1], "area")
            middle = lr[1:-1, 1:-1]
            shifted = {
                (y, x): np.corrcoef(
                    small[1 + y : small.shape[0] - 1 + y, 1 + x : small.shape[1] - 1 + x].ravel(),
                    middle.ravel(),
                )[0, 1]
                for y in (-1, 0, 1)
                for x in (-1, 0, 1)
            }
            displaced += max(shifted, key=lambda shift: shifted[shift]) != (0, 0)
            correlations.append(shifted[0, 0])
    # Half a pixel of motion or of displacement in an LR of much noise can look like a whole one.
    assert displaced <= 0.03 * len(correlations)
    assert np.median(correlations) > 0.85
    assert np.quantile(correlations, 0.01) > 0.3


def test_users_lines_reach_their_split(tiny_params: Params, data: Path, tmp_path: Path) -> None:
    for name in ("fonts", "corpora"):
        (tmp_path / name).mkdir()
    (tmp_path / "fonts").rmdir()
    (tmp_path / "fonts").symlink_to(data / "fonts")
    for path in (data / "corpora").glob("*.txt"):
        (tmp_path / "corpora" / path.name).symlink_to(path)
    lines = [f"Custom line {number}" for number in range(200)]
    (tmp_path / "corpora/custom").mkdir()
    (tmp_path / "corpora/custom/mine.txt").write_text("\n".join(lines))
    kinds = {"words": 0.01, "custom": 1.0}
    text = tiny_params.synthesis.text.model_copy(update={"kinds": kinds, "uppercase": 0.0})
    params = with_synthesis(tiny_params, text=text)
    for split in SPLITS:
        source = load_source(params, split, tmp_path)
        drawn = [make_sample(source, index) for index in range(20)]
        custom = {row["text"] for row in drawn if row["kind"] == "custom"}
        assert len(custom) >= 5
        assert custom <= {line for line in lines if split_of(line) == split}


def test_text_that_no_font_can_draw_is_refused_with_the_remedy(
    tiny_params: Params, data: Path
) -> None:
    source = load_source(with_synthesis(tiny_params, max_lr_width=4), "val", data)
    with pytest.raises(TextsrError, match=r"no text of split val.*max_lr_width"):
        make_sample(source, 0)
