"""The user's pairs and HR images as shards."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from written_formats import picture

from textsr.config.params import Params
from textsr.datasets.shards import decode_grey, iterate_rows
from textsr.errors import TextsrError
from textsr.imports.ingest import ingest
from textsr.imports.schema import IMPORTED_SCHEMA
from textsr.imports.sets import Item, NewSet, SetInfo, write_sets
from textsr.synthesis.corpus import split_of


def run(params: Params, data: Path, output: Path) -> list[str]:
    return ingest(params, data, output, lambda name, total: lambda: None)


def rows(output: Path) -> dict[str, dict[str, Any]]:
    """Rows by their samples, less where they are."""
    assert [path.name for path in output.iterdir()] == ["train"]
    found = list(iterate_rows(output / "train"))
    return {row["sample_id"]: {k: v for k, v in row.items() if k != "where"} for row in found}


def add_pairs(
    data: Path, name: str, count: int, *, scale: int = 4, texts: bool = False, **info: Any
) -> list[np.ndarray]:
    images, items = [], []
    for number in range(count):
        lr = np.random.default_rng(number).integers(0, 256, (10 + number % 9, 30)).astype(np.uint8)
        hr = np.kron(lr, np.ones((scale, scale), np.uint8))
        sides = {"lr": cv2.imencode(".png", lr)[1], "hr": cv2.imencode(".bmp", hr)[1]}
        encoded = {side: image.tobytes() for side, image in sides.items()}
        items.append(Item(f"{number:03d}", "x", encoded, f"text {number}" if texts else None))
        images.append(lr)
    about = SetInfo(kind="pairs", format="pairs", images=1, scale=scale, **info)
    write_sets([NewSet(data / "pairs" / name, about, items)])
    return images


def add_hr(data: Path, name: str, count: int) -> None:
    items = [Item(f"{n:03d}", "x", {"image": picture(50 + n, 180, n)}) for n in range(count)]
    about = SetInfo(kind="hr", format="folder", images=1)
    write_sets([NewSet(data / "hr" / name, about, items)])


def test_pairs_keep_their_pixels(tiny_params: Params, tmp_path: Path) -> None:
    images = add_pairs(tmp_path, "a", 40)
    said = run(tiny_params, tmp_path, tmp_path / "imported")
    found = rows(tmp_path / "imported")
    assert len(found) == 40
    for number, lr in enumerate(images):
        row = found[f"a/{number:03d}"]
        assert np.array_equal(decode_grey(row["lr"]["bytes"]), lr)
        assert np.array_equal(decode_grey(row["hr"]["bytes"])[::4, ::4], lr)
        assert (row["lr_height"], row["hr_width"]) == (lr.shape[0], lr.shape[1] * 4)
        assert (row["origin"], row["set"], row["text"]) == ("pairs", "a", None)
    assert said == [f"{tmp_path}/pairs/a: 40 for training"]


def test_texts_that_synthetic_val_and_test_may_hold_are_left_out(
    tiny_params: Params, tmp_path: Path
) -> None:
    add_pairs(tmp_path, "a", 60, texts=True)
    [said] = run(tiny_params, tmp_path, tmp_path / "imported")
    found = rows(tmp_path / "imported")
    assert {int(row["text"].split()[1]) for row in found.values()} == {
        number for number in range(60) if split_of(f"text {number}") == "train"
    }
    left_out = f"{60 - len(found)} left out, since synthetic val or test may hold their text"
    assert 0 < len(found) < 60
    assert left_out in said


def test_a_publishers_test_set_is_left_out_with_its_images_wherever_they_are(
    tiny_params: Params, tmp_path: Path
) -> None:
    add_pairs(tmp_path, "told", 6, split="train")
    add_pairs(tmp_path, "test", 4, split="test")
    said = run(tiny_params, tmp_path, tmp_path / "imported")
    assert set(rows(tmp_path / "imported")) == {"told/004", "told/005"}
    assert said == [
        f"{tmp_path}/pairs/test: left out: its publisher means it for test",
        f"{tmp_path}/pairs/told: 4 left out, since models are judged on their images, "
        "2 for training",
    ]


@pytest.mark.parametrize("step", [1, -1])
def test_pairs_out_of_step_are_refused(tiny_params: Params, tmp_path: Path, step: int) -> None:
    add_pairs(tmp_path, "a", 12)
    folder = tmp_path / "pairs/a/lr"
    for number in range(12):
        lr = np.random.default_rng(number).integers(0, 256, (10, 30)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{(number + step) % 12:03d}.png"), lr)
        cv2.imwrite(str(tmp_path / f"pairs/a/hr/{number:03d}.bmp"), cv2.resize(lr, (120, 40)))
    with pytest.raises(TextsrError, match=r"pairs/a: \d+ of 12 LR images are more like the pair"):
        run(tiny_params, tmp_path, tmp_path / "imported")


def test_blank_image_of_a_pair_is_named(tiny_params: Params, tmp_path: Path) -> None:
    add_pairs(tmp_path, "a", 3)
    cv2.imwrite(str(tmp_path / "pairs/a/lr/001.png"), np.full((11, 30), 255, np.uint8))
    with pytest.raises(TextsrError, match=r"pairs/a/001: a blank image"):
        run(tiny_params, tmp_path, tmp_path / "imported")


def test_names_may_hold_dots_and_brackets(tiny_params: Params, tmp_path: Path) -> None:
    pair = {side: picture(*size) for side, size in (("lr", (8, 20)), ("hr", (32, 80)))}
    items = [Item(name, "x", pair) for name in ("a", "a.b", "word[1]", "é, x")]
    about = SetInfo(kind="pairs", format="pairs", images=1, scale=4)
    write_sets([NewSet(tmp_path / "pairs/p", about, items)])
    run(tiny_params, tmp_path, tmp_path / "imported")
    assert set(rows(tmp_path / "imported")) == {f"p/{item.name}" for item in items}


def test_transparent_images_lie_on_white(tiny_params: Params, tmp_path: Path) -> None:
    ink = cv2.imdecode(np.frombuffer(picture(64, 128), np.uint8), cv2.IMREAD_GRAYSCALE)
    black = np.dstack([np.zeros((64, 128, 3), np.uint8), 255 - ink])
    encoded = cv2.imencode(".png", black)[1].tobytes()
    about = SetInfo(kind="hr", format="folder", images=1)
    write_sets([NewSet(tmp_path / "hr/a", about, [Item("x", "x", {"image": encoded})])])
    run(tiny_params, tmp_path, tmp_path / "imported")
    assert np.array_equal(decode_grey(rows(tmp_path / "imported")["a/x"]["hr"]["bytes"]), ink)


def test_hr_is_degraded_as_a_function_of_seed_and_name(tiny_params: Params, tmp_path: Path) -> None:
    add_hr(tmp_path, "a", 5)
    run(tiny_params, tmp_path, tmp_path / "imported")
    alone = rows(tmp_path / "imported")
    assert all(row["lr_height"] == 16 and row["hr_height"] == 64 for row in alone.values())
    add_hr(tmp_path, "b", 3)
    run(tiny_params, tmp_path, tmp_path / "more")
    more = rows(tmp_path / "more")
    assert {name: row for name, row in more.items() if row["set"] == "a"} == alone
    assert more["a/001"]["hr"]["bytes"] == more["b/001"]["hr"]["bytes"]
    assert more["a/001"]["lr"]["bytes"] != more["b/001"]["lr"]["bytes"]
    synthesis = tiny_params.synthesis.model_copy(update={"seed": 9})
    run(tiny_params.model_copy(update={"synthesis": synthesis}), tmp_path, tmp_path / "other")
    assert rows(tmp_path / "other")["a/001"]["lr"] != alone["a/001"]["lr"]


@pytest.mark.parametrize("suffix", [".png", ".bmp"])
def test_what_models_are_judged_on_is_not_trained_on(
    tiny_params: Params, tmp_path: Path, suffix: str
) -> None:
    add_hr(tmp_path, "mine", 6)
    images = add_pairs(tmp_path, "ours", 6)
    encoded = [
        cv2.imencode(suffix, image)[1].tobytes()
        for image in (
            images[4],
            cv2.imdecode(np.frombuffer(picture(52, 180, 2), np.uint8), cv2.IMREAD_UNCHANGED),
        )
    ]
    items = [Item(str(n), "x", {"image": image}, "text") for n, image in enumerate(encoded)]
    about = SetInfo(kind="lr", format="folder", images=1)
    write_sets([NewSet(tmp_path / "real/judged", about, items)])
    said = run(tiny_params, tmp_path, tmp_path / "imported")
    assert set(rows(tmp_path / "imported")) == {
        *(f"mine/{number:03d}" for number in range(6) if number != 2),
        *(f"ours/{number:03d}" for number in range(6) if number != 4),
    }
    assert all("1 left out, since models are judged on their" in sentence for sentence in said)


def test_pairs_of_another_scale_are_left_out_and_named(tiny_params: Params, tmp_path: Path) -> None:
    add_pairs(tmp_path, "zoom", 4, scale=2)
    [said] = run(tiny_params, tmp_path, tmp_path / "imported")
    assert said.endswith("left out: its pairs are of scale 2, synthesis.scale is 4")
    assert rows(tmp_path / "imported") == {}


def test_nothing_to_ingest_is_empty_shards(tiny_params: Params, tmp_path: Path) -> None:
    assert run(tiny_params, tmp_path / "none", tmp_path / "imported") == []
    [path] = (tmp_path / "imported/train").iterdir()
    assert path.name == "00000-of-00001.parquet"
    table = pq.read_table(path)
    assert table.num_rows == 0
    assert table.schema.equals(IMPORTED_SCHEMA)


def test_shards_are_of_the_stated_rows(tiny_params: Params, tmp_path: Path) -> None:
    add_pairs(tmp_path, "a", 70, split="train")
    run(tiny_params, tmp_path, tmp_path / "imported")
    paths = sorted((tmp_path / "imported/train").iterdir())
    assert [pq.read_metadata(path).num_rows for path in paths] == [32, 32, 6]
    assert [path.name for path in paths] == [f"{n:05d}-of-00003.parquet" for n in range(3)]


def test_failed_ingest_leaves_what_was_there(tiny_params: Params, tmp_path: Path) -> None:
    add_pairs(tmp_path, "a", 5)
    run(tiny_params, tmp_path, tmp_path / "imported")
    before = rows(tmp_path / "imported")
    (tmp_path / "pairs/a/lr/003.png").write_bytes(picture(5, 5))
    with pytest.raises(TextsrError, match=r"003\.png: 5 x 5 pixels.*not 4 times"):
        run(tiny_params, tmp_path, tmp_path / "imported")
    (tmp_path / "pairs/a/hr/003.bmp").unlink()
    with pytest.raises(TextsrError, match=r"003\.png: no partner in .*hr; import the set anew"):
        run(tiny_params, tmp_path, tmp_path / "imported")
    assert rows(tmp_path / "imported") == before
