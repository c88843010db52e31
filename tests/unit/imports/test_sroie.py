"""SROIE receipts: boxes cut out upright."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from textsr.datasets.shards import decode_grey
from textsr.errors import TextsrError
from textsr.imports.sroie import cut_out, read_receipts


@pytest.fixture
def receipt(tmp_path: Path) -> Path:
    """A page whose every pixel tells where it is: rows by level, columns by sign."""
    page = np.tile(np.linspace(0, 255, 200).astype(np.uint8)[:, None], (1, 300))
    page[:, 150:] = 255 - page[:, 150:]
    cv2.imwrite(str(tmp_path / "X001.png"), page)
    return tmp_path


def boxes(folder: Path, *lines: str, encoding: str = "utf-8") -> Path:
    (folder / "X001.txt").write_bytes("\r\n".join(lines).encode(encoding))
    return folder


def test_boxes_are_cut_out_with_their_texts(receipt: Path) -> None:
    boxes(
        receipt, "10,20,109,20,109,49,10,49,TOTAL, RM 1,234.50", "", "200,5,219,5,219,14,200,14,A"
    )
    first, second = read_receipts(receipt)
    assert (first.name, first.text) == ("X001_0", "TOTAL, RM 1,234.50")
    assert (second.name, second.text) == ("X001_2", "A")
    page = cv2.imread(str(receipt / "X001.png"), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(decode_grey(first.images["image"]), page[20:50, 10:110])
    assert np.array_equal(decode_grey(second.images["image"]), page[5:15, 200:220])


def test_turned_box_comes_out_upright() -> None:
    upright = np.random.default_rng(0).integers(0, 256, (40, 120)).astype(np.uint8)
    upright = cv2.GaussianBlur(upright, (0, 0), 3)
    page = np.full((300, 300), 128, np.uint8)
    page[130:170, 90:210] = upright
    turn = cv2.getRotationMatrix2D((150, 150), 30, 1)
    page = cv2.warpAffine(page, turn, (300, 300), flags=cv2.INTER_CUBIC)
    corners = np.array([[90, 130], [209, 130], [209, 169], [90, 169]], np.float32)
    corners = cv2.transform(corners[None], turn)[0].astype(np.float32)
    cut = cut_out(page, corners, "here")
    assert cut.shape == (40, 120)
    difference = np.abs(cut.astype(int) - upright)[2:-2, 2:-2]
    assert difference.mean() < 3


def test_16_bit_page_keeps_its_tones(receipt: Path) -> None:
    page = cv2.imread(str(receipt / "X001.png"), cv2.IMREAD_GRAYSCALE)
    cv2.imwrite(str(receipt / "X001.png"), page.astype(np.uint16) * 257)
    boxes(receipt, "10,20,109,20,109,49,10,49,x")
    [item] = read_receipts(receipt)
    assert np.array_equal(decode_grey(item.images["image"]), page[20:50, 10:110])


def test_text_in_an_old_code_page_is_read(receipt: Path) -> None:
    boxes(receipt, "10,20,109,20,109,49,10,49,CAFÉ", encoding="cp1252")
    [item] = read_receipts(receipt)
    assert item.text == "CAFÉ"
    (receipt / "X001.txt").write_bytes(b"10,20,109,20,109,49,10,49,\x81\n")
    with pytest.raises(TextsrError, match=r"X001\.txt: neither UTF-8 nor Windows-1252"):
        list(read_receipts(receipt))


def test_boxes_without_text_are_left_out(receipt: Path) -> None:
    boxes(receipt, "10,20,109,20,109,49,10,49,", "10,20,109,20,109,49,10,49,x")
    assert [item.text for item in read_receipts(receipt)] == ["x"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("10,20,109,20,109,49,10,oops,text", "expected eight numbers"),
        ("10,20,109,20,109,49,10,49", "eight numbers and a text"),
        ("10,20,nan,20,109,49,10,49,x", "eight numbers and a text"),
        ("400,400,500,400,500,450,400,450,far", "a box of 1 x 1 pixels inside the image"),
    ],
)
def test_malformed_line_is_named(receipt: Path, line: str, said: str) -> None:
    boxes(receipt, "10,20,109,20,109,49,10,49,fine", line)
    with pytest.raises(TextsrError, match=rf"X001\.txt: line 2: .*{said}"):
        list(read_receipts(receipt))


def test_receipt_without_boxes_or_pixels_is_named(receipt: Path) -> None:
    with pytest.raises(TextsrError, match=r"X001\.txt: no such file"):
        list(read_receipts(receipt))
    boxes(receipt, "10,20,109,20,109,49,10,49,x")
    (receipt / "X001.png").write_bytes(b"")
    with pytest.raises(TextsrError, match=r"X001\.png: cannot be decoded"):
        list(read_receipts(receipt))
