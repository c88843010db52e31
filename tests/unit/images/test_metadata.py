"""Resolution, EXIF, XMP and IPTC from file to file."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, IptcImagePlugin

from textsr.images.conversion import to_pillow
from textsr.images.image import LoadedImage, Metadata, resized
from textsr.images.reading import from_pillow, read_image
from textsr.images.tiff_writing import open_tiff
from textsr.images.writing import write_image

Base, IFD = ExifTags.Base, ExifTags.IFD
GREY = np.arange(54, dtype=np.uint8).reshape(6, 9)
COLOUR = np.dstack([GREY, GREY + 50, GREY + 90])
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description dc:title="A form"'
    b' tiff:Orientation="6" tiff:XResolution="72/1"><tiff:ImageWidth>9</tiff:ImageWidth>'
    b"<exif:PixelXDimension>9</exif:PixelXDimension></rdf:Description></x:xmpmeta>"
)
XMP_KEPT = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description dc:title="A form"></rdf:Description>'
    b"</x:xmpmeta>"
)
IPTC = b"\x1c\x02\x78\x00\x06A form"
"""A record 2:120, the caption."""


def camera_exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Orientation] = "Camera", orientation
    exif[Base.ImageWidth], exif[Base.XResolution], exif[Base.YResolution] = 9, 90.5, 89.5
    exif.get_ifd(IFD.Exif).update(
        {Base.FNumber: 2.8, Base.ExifImageWidth: 9, Base.MakerNote: b"note"}
    )
    exif.get_ifd(IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif


def as_kind(values: np.ndarray, depth: int) -> np.ndarray:
    return values if depth == 8 else values.astype(np.uint16) * 257


@pytest.mark.parametrize(
    ("suffix", "depth"),
    [(".png", 8), (".png", 16), (".tif", 8), (".tif", 16), (".jpg", 8), (".webp", 8), (".bmp", 8)],
)
@pytest.mark.parametrize("values", [GREY, COLOUR], ids=["grey", "colour"])
def test_resolution_comes_back(tmp_path: Path, suffix: str, depth: int, values: np.ndarray) -> None:
    path = tmp_path / f"page{suffix}"
    write_image(path, LoadedImage(as_kind(values, depth), dpi=(300, 297)))
    assert read_image(path).dpi == pytest.approx((300, 297), rel=1e-3)
    write_image(path, LoadedImage(as_kind(values, depth)))
    # Windows writes 96 into bitmaps that know none, and so does Pillow.
    assert read_image(path).dpi == (None if suffix != ".bmp" else pytest.approx((96, 96), rel=0.01))


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("a.png", {"dpi": (75, 75)}, (75, 75)),
        ("a.jpg", {"dpi": (75, 72)}, (75, 72)),
        ("a.jpg", {"exif": camera_exif()}, (90.5, 89.5)),
        ("a.webp", {"exif": camera_exif()}, (90.5, 89.5)),
        ("a.png", {"exif": camera_exif(6)}, (89.5, 90.5)),
        ("a.tif", {"dpi": (204, 201)}, (204, 201)),
        ("a.tif", {"dpi": (204, 201), "exif": camera_exif(8)}, (201, 204)),
        ("a.tif", {"tiffinfo": {282: 100.0, 283: 100.0, 296: 3}}, (254, 254)),
        ("a.tif", {"tiffinfo": {282: 3.0, 283: 4.0, 296: 1}}, None),
        ("a.tif", {"tiffinfo": {282: 0.0, 283: 0.0, 296: 2}}, None),
        ("a.tif", {}, None),
        ("a.jpg", {"exif": Image.Exif()}, None),
    ],
)
def test_resolution_is_found_wherever_it_is_told(
    tmp_path: Path, name: str, options: dict[str, Any], expected: tuple[float, float] | None
) -> None:
    Image.fromarray(GREY).save(tmp_path / name, **options)
    found = read_image(tmp_path / name).dpi
    assert found == (expected and pytest.approx(expected, rel=1e-3))


def test_an_image_of_another_size_keeps_its_inches() -> None:
    image = LoadedImage(GREY, dpi=(75, 50))
    larger = resized(image, np.zeros((24, 18), np.uint8), None)
    assert larger.dpi == (150, 200)
    assert resized(replace(image, dpi=None), GREY, None).dpi is None


def test_resolution_goes_through_pillows_images() -> None:
    image = Image.fromarray(GREY)
    image.info["dpi"] = (75, 75)
    assert from_pillow(image, "image").dpi == (75, 75)
    assert to_pillow(LoadedImage(GREY, dpi=(75, 75))).info["dpi"] == (75, 75)


def saved(path: Path) -> Path:
    """A picture on its side with everything."""
    head = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + len(IPTC).to_bytes(4) + IPTC + b"\0"
    segment = b"\xff\xed" + (len(head) + 2).to_bytes(2) + head
    Image.fromarray(COLOUR).save(path, exif=camera_exif(6), xmp=XMP, extra=segment)
    return path


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
@pytest.mark.parametrize("depth", [8, 16])
def test_what_describes_the_picture_is_kept(tmp_path: Path, suffix: str, depth: int) -> None:
    image = read_image(saved(tmp_path / "camera.jpg"))
    path = tmp_path / f"result{suffix}"
    write_image(path, resized(image, as_kind(np.zeros((36, 24), np.uint8), depth), None))
    with Image.open(path) as result:
        exif = result.getexif()
        told = dict(exif.get_ifd(IFD.Exif))
        assert exif[Base.Make] == "Camera"
        assert told == {Base.FNumber: pytest.approx(2.8)}
        assert exif.get_ifd(IFD.GPSInfo) == {ExifTags.GPS.GPSLatitudeRef: "N"}
        assert Base.Orientation not in exif
        assert exif.get(Base.ImageWidth) == (24 if suffix == ".tif" else None)
        # 9 x 6 pixels of 90.5 x 89.5 dpi, turned upright, are 6 x 9 and now 24 x 36.
        assert exif[Base.XResolution] == pytest.approx(89.5 * 4)
        assert exif[Base.YResolution] == pytest.approx(90.5 * 4)
        assert result.info["xmp"] == XMP_KEPT
        iptc = IptcImagePlugin.getiptcinfo(result)
    assert iptc == ({(2, 120): b"A form"} if suffix in (".tif", ".jpg") else None)
    assert read_image(path).metadata.xmp == XMP_KEPT


def test_every_page_of_a_tiff_has_its_own(tmp_path: Path) -> None:
    image = read_image(saved(tmp_path / "camera.jpg"))
    path = tmp_path / "pages.tif"
    with open_tiff(path, pixel_bytes=1000) as writer:
        for dpi in (100, 200):
            writer.write(replace(image, dpi=(dpi, dpi)))
    with Image.open(path) as result:
        assert result.n_frames == 2
        for number, dpi in enumerate((100, 200)):
            result.seek(number)
            assert result.getexif().get_ifd(IFD.Exif) == {Base.FNumber: pytest.approx(2.8)}
            assert result.info["dpi"] == (dpi, dpi)
            assert np.array_equal(np.asarray(result)[..., ::-1], image.pixels)


@pytest.mark.parametrize("kind", ["exif", "xmp", "iptc"])
def test_what_a_jpeg_has_no_room_for_is_left_out(tmp_path: Path, kind: str) -> None:
    exif = camera_exif()
    exif[Base.ImageDescription] = "x" * 70_000
    large = {"exif": exif.tobytes(), "xmp": XMP_KEPT + b" " * 70_000, "iptc": IPTC * 7000}
    image = LoadedImage(GREY, dpi=(75, 75), metadata=Metadata(**{kind: large[kind]}))
    write_image(tmp_path / "page.jpg", image)
    assert read_image(tmp_path / "page.jpg").metadata == Metadata()


@pytest.mark.parametrize("tag", [IFD.Exif, IFD.GPSInfo])
def test_damaged_directories_do_not_keep_a_picture_from_being_read(
    tmp_path: Path, tag: int
) -> None:
    exif = Image.Exif()
    exif[Base.Make], exif[tag] = "Camera", 99_999  # where there is no directory
    content = b"Exif\0\0" + exif._get_head()
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    tags = ImageFileDirectory_v2()
    tags[Base.Make], tags[tag] = "Camera", 99_999
    Image.fromarray(GREY).save(tmp_path / "page.png", exif=content + tags.tobytes(8))
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        assert np.array_equal(read_image(tmp_path / "page.png").pixels, GREY)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_large_files_of_many_strips_come_back(tmp_path: Path, suffix: str, depth: int) -> None:
    values = np.random.default_rng(1).integers(0, 256, (400, 700, 3)).astype(np.uint8)
    write_image(tmp_path / f"page{suffix}", LoadedImage(as_kind(values, depth), dpi=(9, 9)))
    assert np.array_equal(read_image(tmp_path / f"page{suffix}").pixels, as_kind(values, depth))


def test_a_tiff_above_what_32_bits_reach_is_a_big_one(tmp_path: Path) -> None:
    image = LoadedImage(as_kind(COLOUR, 16), dpi=(300, 300), icc_profile=None)
    with open_tiff(tmp_path / "big.tif", pixel_bytes=5_000_000_000) as writer:
        writer.write(image)
        writer.write(image)
    assert (tmp_path / "big.tif").read_bytes()[:4] == b"II\x2b\0"
    with pytest.warns(UserWarning, match="holds 2 pictures"):
        read = read_image(tmp_path / "big.tif")
    assert np.array_equal(read.pixels, image.pixels)
    assert read.dpi == (300, 300)
