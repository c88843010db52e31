"""TIFFs of several pages: in, upscaled a page at a time, and out."""

import struct
import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from textsr.documents.rewriting import check_result, is_document, rewrite
from textsr.errors import TextsrError
from textsr.images import headers
from textsr.images.image import LoadedImage, resized
from textsr.images.reading import read_image, read_pages
from textsr.images.tiff_writing import open_tiff
from textsr.inference.batch import upscale_paths
from textsr.inference.interpolation import BicubicBackend

RNG = np.random.default_rng(5)
GREY = RNG.integers(0, 256, (12, 30)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (20, 16, 3)).astype(np.uint8)  # red, green, blue

pytestmark = [
    pytest.mark.filterwarnings("ignore:text outside"),
    pytest.mark.filterwarnings("ignore:large text"),
]


def doubled(image: LoadedImage, _: str) -> LoadedImage:
    return resized(image, image.pixels.repeat(2, 0).repeat(2, 1), None)


def scans(path: Path, compression: str | None = "tiff_lzw") -> list[np.ndarray]:
    """Write a grey page, one of two tones and one in colour; return how they are read."""
    pages = [Image.fromarray(GREY), Image.fromarray(GREY > 127), Image.fromarray(COLOUR)]
    pages[0].save(
        path, save_all=True, append_images=pages[1:], compression=compression, dpi=(75, 75)
    )
    return [GREY, np.where(GREY > 127, 255, 0).astype(np.uint8), COLOUR[..., ::-1]]


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("big", [False, True])
def test_each_page_is_read_as_it_is(tmp_path: Path, compression: str | None, big: bool) -> None:
    path = tmp_path / "scans.tif"
    expected = scans(path, compression)
    if big:
        with open_tiff(path, pixel_bytes=5_000_000_000) as writer:
            for page in expected:
                writer.write(LoadedImage(page, dpi=(75, 75)))
    assert is_document(path)
    pages = list(read_pages(path))
    assert len(pages) == 3
    for page, values in zip(pages, expected, strict=True):
        assert np.array_equal(page.pixels, values)
        assert page.dpi == (75, 75)


def test_pages_of_16_bits_are_read_by_themselves(tmp_path: Path) -> None:
    first, second = (RNG.integers(0, 65536, (9, 8, 3)).astype(np.uint16) for _ in range(2))
    assert cv2.imwritemulti(str(tmp_path / "deep.tif"), [first, second])
    pages = list(read_pages(tmp_path / "deep.tif"))
    assert np.array_equal(pages[0].pixels, first)
    assert np.array_equal(pages[1].pixels, second)


def test_a_document_comes_out_with_all_its_pages(tmp_path: Path) -> None:
    expected = scans(tmp_path / "scans.tif")
    rewrite(tmp_path / "scans.tif", tmp_path / "out.tiff", doubled, scale=2)
    pages = list(read_pages(tmp_path / "out.tiff"))
    assert len(pages) == 3
    for page, values in zip(pages, expected, strict=True):
        assert np.array_equal(page.pixels[::2, ::2], values)
        assert page.dpi == (150, 150)


def test_one_page_is_in_memory_at_a_time(tmp_path: Path) -> None:
    with open_tiff(tmp_path / "scans.tif", pixel_bytes=0) as writer:
        for _ in range(6):
            writer.write(LoadedImage(GREY))
    alive: weakref.WeakSet[LoadedImage] = weakref.WeakSet()
    most = 0

    def watched(image: LoadedImage, name: str) -> LoadedImage:
        nonlocal most
        result = doubled(image, name)
        alive.update((image, result))
        most = max(most, len(alive))
        return result

    rewrite(tmp_path / "scans.tif", tmp_path / "out.tif", watched, scale=2)
    assert most <= 4  # a page and its result, and perhaps those before


def test_a_damaged_page_is_named_and_nothing_is_half_written(tmp_path: Path) -> None:
    path = tmp_path / "scans.tif"
    with open_tiff(path, pixel_bytes=0) as writer:
        for values in (GREY, GREY, COLOUR):
            writer.write(LoadedImage(values))
    content = path.read_bytes()
    path.write_bytes(content[:-200])
    with pytest.raises(TextsrError, match=r"scans\.tif, page 3: cannot be decoded"):
        rewrite(path, tmp_path / "out.tif", doubled, scale=2)
    assert [file.name for file in tmp_path.iterdir()] == ["scans.tif"]


def test_a_broken_list_of_pages_is_no_shorter_document(tmp_path: Path) -> None:
    path = tmp_path / "scans.tif"
    scans(path)
    content = bytearray(path.read_bytes())
    first = struct.unpack_from("<I", content, 4)[0]
    link = first + 2 + 12 * struct.unpack_from("<H", content, first)[0]
    struct.pack_into("<I", content, link, len(content) + 1000)
    path.write_bytes(content)
    with pytest.raises(TextsrError, match="list of pictures is damaged"):
        rewrite(path, tmp_path / "out.tif", doubled, scale=2)


def test_previews_are_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    page, preview = Image.fromarray(COLOUR), Image.fromarray(COLOUR).resize((4, 5))
    page.save(path, save_all=True, append_images=[preview], tiffinfo={254: 0})
    assert is_document(path)
    content = bytearray(path.read_bytes())
    kind = content.rindex(struct.pack("<HHI", 254, 4, 1))  # the second page's
    content[kind + 8] = 1
    path.write_bytes(content)
    assert not is_document(path)
    assert np.array_equal(read_image(path).pixels, COLOUR[..., ::-1])


def test_too_many_pages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scans(tmp_path / "scans.tif")
    monkeypatch.setattr(headers, "MOST_PAGES", 2)
    with pytest.raises(TextsrError, match="more than 2 pages"):
        rewrite(tmp_path / "scans.tif", tmp_path / "out.tif", doubled, scale=2)


def test_pages_above_the_limit_are_refused(tmp_path: Path) -> None:
    scans(tmp_path / "scans.tif")
    with pytest.raises(TextsrError, match=r"page 1: has more than .* megapixels"):
        rewrite(tmp_path / "scans.tif", tmp_path / "out.tif", doubled, scale=2, max_pixels=300)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_format_of_one_page_is_refused_before_the_work(tmp_path: Path, suffix: str) -> None:
    scans(tmp_path / "scans.tif")
    said = rf"scans\.tif: has 3 pages, and out\{suffix} would hold one; write \.tif or \.pdf"
    with pytest.raises(TextsrError, match=said):
        upscale_paths(BicubicBackend(2), [tmp_path / "scans.tif"], tmp_path / f"out{suffix}")
    check_result(tmp_path / "scans.tif", tmp_path / "out.pdf", 2)


@pytest.mark.parametrize(
    ("suffix", "side", "scale"), [(".jpg", 16_376, 4), (".webp", 4096, 4), (".webp", 8192, 2)]
)
def test_what_would_be_too_large_is_refused_before_the_work(
    tmp_path: Path, suffix: str, side: int, scale: int
) -> None:
    def upscaled_from(width: int) -> None:
        Image.new("1", (width, 1)).save(tmp_path / "wide.png")
        check_result(tmp_path / "wide.png", tmp_path / f"out{suffix}", scale)

    with pytest.raises(TextsrError, match=rf"{side * scale}x{scale} .*write \.png or \.tif"):
        upscaled_from(side)
    upscaled_from(side - 1)


def test_the_plan_names_all_that_is_too_large(tmp_path: Path) -> None:
    for name in ("a.webp", "b.webp", "c.webp"):
        Image.new("L", (9000 if name != "b.webp" else 9, 1)).save(tmp_path / name)
    with pytest.raises(TextsrError) as caught:
        upscale_paths(BicubicBackend(2), [tmp_path], tmp_path / "out")
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        str(tmp_path / "out" / name) for name in ("a.webp", "c.webp")
    ]
    assert not (tmp_path / "out").exists()


def test_documents_and_images_of_a_folder_are_worked_together(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    expected = scans(tmp_path / "in" / "scans.tif")
    Image.fromarray(GREY).save(tmp_path / "in" / "page.png", dpi=(75, 75))
    upscale_paths(BicubicBackend(2), [tmp_path / "in"], tmp_path / "out", compare=True)
    pages = list(read_pages(tmp_path / "out" / "scans.tif"))
    assert [(page.height, page.width) for page in pages] == [
        (2 * page.shape[0], 2 * page.shape[1]) for page in expected
    ]
    assert [page.dpi for page in pages] == [(150, 150)] * 3
    image = read_image(tmp_path / "out" / "page.png")
    assert np.array_equal(image.pixels, pages[0].pixels)
    assert image.dpi == pytest.approx((150, 150), rel=1e-3)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "scans.tif", "scans-compare.png", "page.png", "page-compare.png"
    }  # fmt: skip


def test_warnings_name_the_page(tmp_path: Path) -> None:
    page = Image.new("L", (60, 60), 255)
    page.paste(0, (5, 5, 55, 50))  # a block of ink, higher than any text that is known
    page.save(tmp_path / "scans.tif", save_all=True, append_images=[page.rotate(180)])
    with pytest.warns(
        UserWarning, match=r"2 of 2 images: .*scans\.tif, page 1 .*scans\.tif, page 2"
    ):
        upscale_paths(BicubicBackend(2), [tmp_path / "scans.tif"], tmp_path / "out.tif")
