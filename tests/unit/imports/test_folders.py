"""Plain folders: paired by name, never by order; what is wrong is named."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from written_formats import picture

from textsr.errors import TextsrError
from textsr.images.folders import read_grey
from textsr.imports.folders import pair_items, read_images, read_pairs


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Three pairs; by listing order, b.png of one side would meet b.jpg only by luck."""
    lr, hr = tmp_path / "lr_dir", tmp_path / "hr_dir"
    (lr / "sub").mkdir(parents=True)
    (hr / "sub").mkdir(parents=True)
    for number, name in enumerate(("b", "a", "sub/c")):
        (lr / f"{name}.png").write_bytes(picture(8, 10 + number, number))
        (hr / f"{name}.jpg").write_bytes(picture(32, 4 * (10 + number), number, ".jpg"))
    return lr, hr


def test_pairs_are_paired_by_name(sides: tuple[Path, Path]) -> None:
    pairs, scale = read_pairs(*sides)
    assert scale == 4
    assert sorted((lr.stem, hr.stem) for lr, hr in pairs) == [("a", "a"), ("b", "b"), ("c", "c")]
    items = {item.name: item for item in pair_items(pairs, sides[0])}
    assert set(items) == {"a", "b", "sub__c"}
    assert items["b"].images["lr"] == (sides[0] / "b.png").read_bytes()
    assert items["b"].images["hr"] == (sides[1] / "b.jpg").read_bytes()
    assert items["b"].text is None


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(["01", "2", "10", "a", "B", "ä"]))
def test_order_of_writing_does_not_matter(
    order: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    lr, hr = (tmp_path_factory.mktemp(side) for side in ("lr", "hr"))
    for name in order:
        (lr / f"{name}.png").write_bytes(picture(4, 6))
    for name in reversed(order):
        (hr / f"{name}.bmp").write_bytes(picture(8, 12))
    pairs, scale = read_pairs(lr, hr)
    assert scale == 2
    assert {(lr.stem, hr.stem) for lr, hr in pairs} == {(name, name) for name in order}


def test_labels_of_pairs_are_used(sides: tuple[Path, Path]) -> None:
    (sides[0] / "labels.tsv").write_text("file\ttext\nb.png\tTotal, 5\nsub/c.png\tc\n")
    pairs, _ = read_pairs(*sides)
    texts = {item.name: item.text for item in pair_items(pairs, sides[0])}
    assert texts == {"a": None, "b": "Total, 5", "sub__c": "c"}


def test_labels_of_pairs_that_name_no_image_are_named(sides: tuple[Path, Path]) -> None:
    (sides[0] / "labels.tsv").write_text("file\ttext\nb.png\tTotal, 5\ngone.png\tc\n")
    with pytest.raises(TextsrError, match=r"labels\.tsv: line 3: gone\.png: no such image"):
        list(pair_items(read_pairs(*sides)[0], sides[0]))


def test_sizes_are_those_of_upright_images(tmp_path: Path) -> None:
    for side, size in (("lr", (8, 20)), ("hr", (32, 80))):
        (tmp_path / side).mkdir()
        upright = Image.fromarray(np.zeros(size, np.uint8))
        turned = Image.Exif()
        turned[ExifTags.Base.Orientation] = 6
        upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / side / "a.jpg", exif=turned)
    upright.save(tmp_path / "hr/a.jpg")
    _, scale = read_pairs(tmp_path / "lr", tmp_path / "hr")
    assert scale == 4


def test_image_that_claims_to_be_huge_is_named(tmp_path: Path) -> None:
    huge = bytearray(picture(8, 8))
    huge[16:24] = (100_000).to_bytes(4, "big") * 2
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(huge)
    with pytest.raises(TextsrError, match=r"a\.png: has more than 50 megapixels"):
        read_grey(tmp_path / "a.png")


@pytest.mark.parametrize("side", [0, 1])
def test_image_without_a_partner_is_named(sides: tuple[Path, Path], side: int) -> None:
    (sides[side] / "alone.png").write_bytes(picture(8, 8))
    with pytest.raises(TextsrError, match=rf"{sides[side]}: 1 images without a partner.*alone"):
        read_pairs(*sides)


def test_two_of_one_name_are_named(sides: tuple[Path, Path]) -> None:
    (sides[1] / "a.png").write_bytes(picture(32, 44))
    with pytest.raises(TextsrError, match=r"a\.png: a\.jpg has the same name"):
        read_pairs(*sides)


@pytest.mark.parametrize("size", [(32, 45), (24, 33), (33, 44), (8, 11)])
def test_pair_of_another_ratio_is_named(sides: tuple[Path, Path], size: tuple[int, int]) -> None:
    (sides[1] / "a.jpg").write_bytes(picture(*size, suffix=".jpg"))
    with pytest.raises(TextsrError, match=rf"a\.jpg: {size[0]} x {size[1]} pixels.*2 or 4 times"):
        read_pairs(*sides)


def test_scales_are_not_mixed(sides: tuple[Path, Path]) -> None:
    (sides[1] / "a.jpg").write_bytes(picture(16, 22, suffix=".jpg"))
    with pytest.raises(TextsrError, match=r"a\.png is of scale 2.*a set of its own"):
        read_pairs(*sides)


def test_broken_image_of_a_pair_is_named(sides: tuple[Path, Path]) -> None:
    (sides[0] / "a.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(TextsrError, match=r"a\.png: cannot be decoded"):
        read_pairs(*sides)


def test_missing_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match="none: no such folder"):
        list(read_images(tmp_path / "none", labelled=False))
    with pytest.raises(TextsrError, match=r"no images in it \(of \.bmp"):
        list(read_images(tmp_path, labelled=False))


def test_labelled_images_are_those_of_the_labels(sides: tuple[Path, Path]) -> None:
    (sides[0] / "labels.tsv").write_text("file\ttext\nb.png\tTotal\n")
    [item] = read_images(sides[0], labelled=True)
    assert (item.name, item.text) == ("b", "Total")
    (sides[0] / "labels.tsv").write_text("file\ttext\ngone.png\tTotal\n")
    with pytest.raises(TextsrError, match=r"labels\.tsv: line 2: gone\.png: no such image"):
        list(read_images(sides[0], labelled=True))
