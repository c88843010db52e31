"""Pairs for people: what is shown, in which order, and how answers are counted."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.stats import binomtest

from benchmarks.preference.__main__ import parse_folders
from benchmarks.preference.crops import PART, Crop, folder_crops
from benchmarks.preference.judgements import (
    Answer,
    JudgedModel,
    count_pairs,
    read_judgements,
    render_count,
)
from benchmarks.preference.page import render_judging
from benchmarks.preference.pairs import Pair, make_pairs
from textsr.errors import TextsrError
from textsr.images.image import FloatImage, LoadedImage
from textsr.inference.interpolation import BicubicBackend

MODEL = JudgedModel(name="mine", weights_sha256="0" * 64, blend=0.4)


class Lighter(BicubicBackend):
    """Tells its pictures from bicubic's by their brightness."""

    def run(self, images: FloatImage, threads: int | None = None) -> FloatImage:
        return super().run(images, threads) * np.float32(0.5) + np.float32(0.5)


def save(path: Path, height: int, width: int, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.arange(height * width, dtype=np.uint32).reshape(height, width) % 251
    image[0, 0] = value
    cv2.imwrite(str(path), image.astype(np.uint8))


def crops(count: int = 7) -> dict[str, list[Crop]]:
    rng = np.random.default_rng(0)
    found = [
        Crop(f"{number}", LoadedImage(rng.integers(0, 90, (5, 8)).astype(np.uint8)))
        for number in range(count)
    ]
    return {"dark": found[:3], "rest": found[3:]}


def judgement(name: str, better: str = "a", **changes: Any) -> dict[str, Any]:
    answer = {"pair": "p", "set": "s", "name": "n", "a": "model", "better": better, "seconds": 1}
    return {
        "judgement": name,
        "judge": name,
        "finished": "2026-01-01T00:00:00Z",
        "seed": 1,
        "model": MODEL.model_dump(),
        "answers": [answer],
        **changes,
    }


def write(path: Path, content: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def answers(*votes: tuple[str, int]) -> list[Answer]:
    """Answers by pair, 1 for the model, -1 for bicubic and 0 for neither, on either side."""
    found = []
    for number, (pair, vote) in enumerate(votes):
        a = "model" if number % 2 else "bicubic"
        better = "equal" if vote == 0 else "a" if (vote > 0) == (a == "model") else "b"
        found.append(
            Answer.model_validate(
                {"pair": pair, "set": "s", "name": "n", "a": a, "better": better, "seconds": 0}
            )
        )
    return found


def test_each_image_of_a_large_folder_gives_at_most_one_crop_at_equal_distances(
    tmp_path: Path,
) -> None:
    for number in range(30):
        save(tmp_path / f"{number:02}.png", 20, 50, number)
    found = folder_crops("mine", tmp_path, 5)
    assert [int(crop.image.pixels[0, 0]) for crop in found] == [3, 9, 15, 21, 27]


def test_a_page_is_cut_into_parts_that_are_whole_and_differ(tmp_path: Path) -> None:
    save(tmp_path / "page.png", 300, 400)
    found = folder_crops("mine", tmp_path, 10)
    assert {crop.image.pixels.shape for crop in found} == {PART}
    assert len({crop.image.pixels.tobytes() for crop in found}) == 10
    with pytest.raises(TextsrError, match=r"1 images have 10 different parts, and 11 are needed"):
        folder_crops("mine", tmp_path, 11)


def test_an_empty_folder_is_refused_and_so_is_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match="0 images"):
        folder_crops("mine", tmp_path, 1)
    with pytest.raises(TextsrError, match="no such folder"):
        folder_crops("mine", tmp_path / "none", 1)


def test_each_method_comes_first_in_half_of_the_pairs() -> None:
    for seed in range(5):
        firsts = [pair.first for pair in make_pairs(crops(8), Lighter(4), seed)]
        assert firsts.count("model") == firsts.count("bicubic") == 4


def test_the_seed_shuffles_pairs_and_sides_and_changes_no_picture() -> None:
    one, again, other = (make_pairs(crops(), Lighter(4), seed) for seed in (1, 1, 2))
    assert one == again
    assert [pair.key for pair in one] != [pair.key for pair in other]
    assert [pair.first for pair in one] != [pair.first for pair in other]
    assert {pair.key: pair.pictures for pair in one} == {p.key: p.pictures for p in other}
    assert len({pair.key for pair in one}) == len(one)


def test_the_page_shows_the_pictures_on_the_sides_that_it_records() -> None:
    pairs = make_pairs(crops(), Lighter(4), 3)
    for shown in content_of(render_judging(pairs, MODEL, 3))["pairs"]:
        levels = []
        for url in shown["pictures"]:
            png = base64.b64decode(url.partition(",")[2])
            levels.append(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE).mean())
        assert ("model" if levels[0] > levels[1] else "bicubic") == shown["a"]


def test_the_page_is_whole_and_names_cannot_break_out_of_it() -> None:
    name = "</script><img src=x onerror=alert(1)>\udcff"
    pair: Pair = replace(make_pairs(crops(), Lighter(4), 1)[0], name=name)
    page = render_judging([pair], MODEL, 1)
    assert content_of(page)["pairs"][0]["name"] == name
    assert "<img src=x" not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:)", page)
    assert "http" not in re.sub(r"http-equiv", "", page)


def content_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page)
    assert found is not None
    return dict(json.loads(found[1]))


def test_answers_of_several_people_to_one_pair_are_one_observation() -> None:
    of_one = answers(("p", 1), ("q", -1), ("r", 0), ("s", 1))
    assert count_pairs(of_one) == (2, 1, 1)
    assert count_pairs(of_one * 3) == (2, 1, 1)
    of_three = answers(("p", 1), ("p", 1), ("p", -1), ("q", -1), ("q", 1), ("r", -1), ("r", 0))
    assert count_pairs(of_three) == (1, 1, 1)


def test_the_interval_is_wilsons_of_the_decided_pairs() -> None:
    votes = [(f"{number}", 1 if number < 13 else -1 if number < 17 else 0) for number in range(20)]
    interval = binomtest(13, 17).proportion_ci(0.95, "wilson")
    assert str(count_pairs(answers(*votes))) == (
        f"{13 / 17:.0%} [{interval.low:.0%}, {interval.high:.0%}] of 17"
    )
    assert str(count_pairs(answers(("p", 0)))) == "nothing was decided"


def test_files_of_several_people_are_counted_together(tmp_path: Path) -> None:
    ways = {"Ada": "a", "Ben": "a", "Cleo": "b"}
    paths = [write(tmp_path / f"{name}.json", judgement(name, way)) for name, way in ways.items()]
    text = render_count(read_judgements(paths))
    assert "mine (00000000) at blend 0.4" in text
    assert "| 3. Cleo | 0 | 1 | 0 |" in text
    assert "| all | 1 | 0 | 0 |" in text


def test_a_file_given_twice_or_of_another_model_is_refused(tmp_path: Path) -> None:
    first = write(tmp_path / "first.json", judgement("Ada"))
    copied = write(tmp_path / "copied.json", judgement("Ada"))
    with pytest.raises(TextsrError, match=r"copied.json: the same judgement as .*first.json"):
        read_judgements([first, copied])
    model = MODEL.model_copy(update={"blend": 1.0}).model_dump()
    other = write(tmp_path / "other.json", judgement("Ben", model=model))
    with pytest.raises(TextsrError, match=r"other.json: of mine .* at blend 1, and .*first.json"):
        read_judgements([first, other])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "not valid"),
        (json.dumps(judgement("Ada", answers=[])), "answers"),
        (json.dumps(judgement("Ada", better="left")), "answers.0.better"),
    ],
)
def test_what_the_page_did_not_save_is_refused_by_name(
    tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "some.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TextsrError, match=said) as refusal:
        read_judgements([path])
    assert str(path) in str(refusal.value)
    assert "make preference" in str(refusal.value)
    with pytest.raises(TextsrError, match=r"none.json: no such file; .*make preference"):
        read_judgements([tmp_path / "none.json"])


def test_folders_are_named_each_once() -> None:
    assert parse_folders(["mine=a=b", "x.y=c"]) == {"mine": Path("a=b"), "x.y": Path("c")}
    for arguments in (["mine"], ["=a"], ["mine="], ["a b=c"], ["m=a", "m=b"], ["lines=a"]):
        with pytest.raises(TextsrError, match=r"NAME=FOLDER|choose a new name"):
            parse_folders(arguments)
