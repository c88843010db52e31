"""Samples: pure functions of seed and index, split without leaks, within their ranges."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textsr.datasets.schema import SCHEMA, shard_paths
from textsr.datasets.shards import decode_grey, iterate_rows
from textsr.errors import TextsrError
from textsr.params import SPLITS, Params
from textsr.synthesis import shards
from textsr.synthesis.corpus import load_corpus, split_of, text_key
from textsr.synthesis.fonts import characters, load_fonts
from textsr.synthesis.sample import load_source, make_sample
from textsr.synthesis.shards import write_dataset
from textsr.synthesis.sources import fetch_sources


def changed(params: Params, section: str, **update: object) -> Params:
    part = getattr(params, section).model_copy(update=update)
    return params.model_copy(update={section: part})


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.parquet"))
    }


def rows(folder: Path) -> list[dict]:
    return [row for split in SPLITS for row in iterate_rows(folder / split)]


@pytest.mark.parametrize("processes", [1, 3])
def test_bytes_do_not_depend_on_the_number_of_processes(
    tiny_params: Params, data: Path, dataset: Path, tmp_path: Path, processes: int
) -> None:
    params = changed(tiny_params, "compute", processes=processes)
    reported: list[int] = []
    write_dataset(params, data, tmp_path, reported.append)
    assert hashes(tmp_path) == hashes(dataset)
    assert sum(reported) == 144


def test_sample_depends_on_seed_and_index_alone(
    tiny_params: Params, data: Path, dataset: Path
) -> None:
    bigger = tiny_params.synthesis.samples.model_copy(update={"train": 10_000})
    params = changed(tiny_params, "synthesis", samples=bigger, shard_rows=7)
    stored = list(iterate_rows(dataset / "train"))
    source = load_source(params, "train", data)
    for index in (95, 3, 40):
        made = make_sample(source, index)
        assert {name: made[name] for name in SCHEMA.names} == stored[index]
    other = load_source(params.model_copy(update={"seed": 2}), "train", data)
    assert make_sample(other, 3)["hr"] != stored[3]["hr"]


def test_splits_share_no_text_and_no_font_family(dataset: Path) -> None:
    by_split = {split: list(iterate_rows(dataset / split)) for split in SPLITS}
    for column, key in (("text", text_key), ("font_family", str)):
        seen = {split: {key(row[column]) for row in found} for split, found in by_split.items()}
        assert not seen["train"] & seen["val"]
        assert not seen["train"] & seen["test"]
        assert not seen["val"] & seen["test"]


@pytest.mark.parametrize("scale", [2, 4])
def test_rows_are_what_params_ask_for(
    tiny_params: Params, data: Path, tmp_path: Path, scale: int
) -> None:
    params = changed(tiny_params, "synthesis", scale=scale)
    params = changed(params, "compute", processes=1)
    write_dataset(params, data, tmp_path, lambda count: None)
    degradation, render = params.synthesis.degradation, params.synthesis.render
    for row in rows(tmp_path):
        hr, lr = (decode_grey(row[side]["bytes"]) for side in ("hr", "lr"))
        assert hr.shape == (16 * scale, lr.shape[1] * scale)
        assert (row["hr_height"], row["hr_width"]) == hr.shape
        assert (row["lr_height"], row["lr_width"]) == lr.shape
        assert lr.shape[1] % 4 == 0
        assert lr.shape[1] <= params.synthesis.max_lr_width
        assert 1 <= len(row["text"]) <= params.synthesis.text.max_characters
        assert split_of(row["text"]) == row["split"]
        assert set(row["text"]) <= characters(data / row["font_file"])
        assert abs(row["ink"] - row["ground"]) <= render.contrast[1] + 1e-9
        assert (row["ink"] > row["ground"]) == row["inverted"]
        low, high = degradation.blur_sigma_px
        assert row["blur_sigma_x_1"] == 0 or low <= row["blur_sigma_x_1"] <= high
        low, high = degradation.noise_sigma
        assert row["noise_sigma_2"] == 0 or low <= row["noise_sigma_2"] <= high
        low, high = degradation.jpeg_quality
        assert row["jpeg_quality_2"] == 0 or low <= row["jpeg_quality_2"] <= high
        assert row["resize_1"] * row["resize_2"] == pytest.approx(1 / scale, rel=0.02)


@given(st.text(min_size=1))
def test_split_ignores_case_and_white_space(text: str) -> None:
    assert split_of(text) == split_of(f"  {text}\t") == split_of(" ".join(text))
    assert text_key(text) == text_key(text_key(text))


def test_split_shares(tiny_params: Params, data: Path) -> None:
    words = load_corpus(data / "corpora", tiny_params.synthesis.text).words
    shares = {split: np.mean([split_of(word) == split for word in words]) for split in SPLITS}
    assert shares["val"] == pytest.approx(0.05, abs=0.01)
    assert shares["test"] == pytest.approx(0.10, abs=0.01)


def test_custom_lines_are_drawn_when_there_are_some(tiny_params: Params, tmp_path: Path) -> None:
    fetch_sources(tmp_path)
    text = tiny_params.synthesis.text
    assert "custom" not in load_corpus(tmp_path / "corpora", text).kinds()
    (tmp_path / "corpora/custom/mine.txt").write_text("\ufeffZebra crossing\n\n", encoding="utf-8")
    corpus = load_corpus(tmp_path / "corpora", text)
    assert corpus.custom == ("Zebra crossing",)
    rng = np.random.default_rng(0)
    drawn = {corpus.draw(rng) for _ in range(200)}
    assert ("Zebra crossing", "custom") in drawn


@pytest.mark.parametrize("content", [b"\xff\xfe\xfa", b"\n \n"])
def test_bad_word_list_is_named(tiny_params: Params, tmp_path: Path, content: bytes) -> None:
    fetch_sources(tmp_path)
    (tmp_path / "corpora/custom/bad.txt").write_bytes(content)
    with pytest.raises(TextsrError, match=r"bad\.txt"):
        load_corpus(tmp_path / "corpora", tiny_params.synthesis.text)


def test_missing_sources_are_refused_before_work(tiny_params: Params, tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match="fetch-data"):
        write_dataset(tiny_params, tmp_path / "none", tmp_path / "out", lambda rows: None)
    assert not (tmp_path / "out").exists()


def test_families_that_are_not_there_and_fonts_outside_families(
    tiny_params: Params, tmp_path: Path
) -> None:
    fetch_sources(tmp_path)
    splits = tiny_params.synthesis.fonts.model_copy(update={"test_families": ["helvetica"]})
    with pytest.raises(TextsrError, match=r"test_families.*helvetica"):
        load_fonts(tmp_path / "fonts", splits, "test")
    (tmp_path / "fonts/Mine.ttf").touch()
    with pytest.raises(TextsrError, match=r"Mine\.ttf.*family folder"):
        load_fonts(tmp_path / "fonts", tiny_params.synthesis.fonts, "test")


def test_font_that_is_no_font_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    with pytest.raises(TextsrError, match=r"broken\.ttf"):
        characters(tmp_path / "broken.ttf")


def test_failing_worker_leaves_the_old_dataset(
    tiny_params: Params, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = changed(tiny_params, "compute", processes=1)
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "old").touch()
    calls = []

    def fail_at_the_second(task: shards.ShardTask) -> int:
        calls.append(task)
        if len(calls) == 2:
            raise OSError("disk full")
        return 1

    monkeypatch.setattr(shards, "write_shard", fail_at_the_second)
    with pytest.raises(OSError, match="disk full"):
        write_dataset(params, data, tmp_path, lambda rows: None)
    assert [path.name for path in tmp_path.rglob("*")] == ["train", "old"]


def test_incomplete_shards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match="no shards"):
        shard_paths(tmp_path)
    (tmp_path / "00000-of-00002.parquet").touch()
    with pytest.raises(TextsrError, match="not one complete set"):
        shard_paths(tmp_path)


def test_sources_are_the_same_bytes_each_time_and_keep_what_is_the_users(
    data: Path, tmp_path: Path
) -> None:
    (tmp_path / "fonts/mine").mkdir(parents=True)
    (tmp_path / "fonts/mine/a.ttf").touch()
    count = fetch_sources(tmp_path)
    (tmp_path / "fonts/mine/a.ttf").unlink()
    (tmp_path / "fonts/mine").rmdir()
    files = {p.relative_to(data): p.read_bytes() for p in data.rglob("*") if p.is_file()}
    again = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert files == again
    fonts = [path for path in files if path.suffix in (".ttf", ".otf")]
    assert count == len(fonts) >= 100
    assert len({path.parts[1] for path in fonts}) >= 12
    table = files[Path("SOURCES.tsv")].decode().splitlines()[1:]
    licences = {line.split("\t")[0]: line.split("\t")[1] for line in table}
    assert all(licences[path.as_posix()] for path in fonts)
