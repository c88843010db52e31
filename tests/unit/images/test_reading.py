import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps, PngImagePlugin
from PIL.PngImagePlugin import PngInfo

from textsr.errors import TextsrError
from textsr.images.reading import read_image

RNG = np.random.default_rng(7)
GREY = RNG.integers(0, 256, (6, 9)).astype(np.uint8)
COLOUR = RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8)  # blue, green, red
ALPHA = RNG.integers(0, 256, (6, 9)).astype(np.uint8)
GREY_16 = RNG.integers(0, 65536, (6, 9)).astype(np.uint16)
COLOUR_16 = RNG.integers(0, 65536, (6, 9, 3)).astype(np.uint16)
ALPHA_16 = RNG.integers(0, 65536, (6, 9)).astype(np.uint16)


def pillow(values: np.ndarray) -> Image.Image:
    """A Pillow image of grey or BGR values."""
    return Image.fromarray(np.ascontiguousarray(values[..., ::-1]) if values.ndim == 3 else values)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".gif", ".pgm"])
def test_grey(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"grey{suffix}"
    pillow(GREY).save(path)
    image = read_image(path)
    assert image.bit_depth == 8
    assert image.alpha is None
    assert np.array_equal(image.pixels, GREY)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp", ".ppm", ".jp2"])
def test_colour_is_blue_green_red(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"colour{suffix}"
    pillow(COLOUR).save(path)
    assert np.array_equal(read_image(path).pixels, COLOUR)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_lossy_formats_give_pillows_values(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"colour{suffix}"
    pillow(COLOUR).save(path)
    expected = np.asarray(Image.open(path).convert("RGB"))[..., ::-1]
    assert np.array_equal(read_image(path).pixels, expected)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_colour_with_alpha(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"colour{suffix}"
    picture = pillow(COLOUR)
    picture.putalpha(Image.fromarray(ALPHA))
    picture.save(path, lossless=True, exact=True)
    image = read_image(path)
    assert np.array_equal(image.pixels, COLOUR)
    assert image.alpha is not None
    assert np.array_equal(image.alpha, ALPHA)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_with_alpha_stays_grey(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"grey{suffix}"
    Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)]).save(path)
    image = read_image(path)
    assert np.array_equal(image.pixels, GREY)
    assert image.alpha is not None
    assert np.array_equal(image.alpha, ALPHA)


def palette_image(colours: list[tuple[int, int, int]]) -> tuple[Image.Image, np.ndarray]:
    indices = (np.arange(54).reshape(6, 9) % len(colours)).astype(np.uint8)
    picture = Image.fromarray(indices, "P")
    picture.putpalette([value for colour in colours for value in colour])
    return picture, indices


@pytest.mark.parametrize("suffix", [".png", ".gif", ".tif", ".bmp"])
def test_palette(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"palette{suffix}"
    picture, indices = palette_image([(250, 0, 10), (0, 200, 20), (5, 5, 5)])
    picture.save(path)
    image = read_image(path)
    assert image.alpha is None
    expected = np.array([(10, 0, 250), (20, 200, 0), (5, 5, 5)], np.uint8)[indices]
    assert np.array_equal(image.pixels, expected)


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_palette_with_a_transparent_colour(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"palette{suffix}"
    picture, indices = palette_image([(250, 0, 10), (0, 200, 20), (5, 5, 5)])
    picture.save(path, transparency=1)
    image = read_image(path)
    assert image.is_colour
    assert image.alpha is not None
    assert np.array_equal(image.alpha, np.where(indices == 1, 0, 255))


def test_palette_of_greys_is_grey(tmp_path: Path) -> None:
    picture, indices = palette_image([(9, 9, 9), (200, 200, 200)])
    picture.save(tmp_path / "grey.png")
    image = read_image(tmp_path / "grey.png")
    assert np.array_equal(image.pixels, np.where(indices == 0, 9, 200))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pbm"])
def test_bilevel(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"bilevel{suffix}"
    Image.fromarray(GREY > 127).save(path)
    assert np.array_equal(read_image(path).pixels, np.where(GREY > 127, 255, 0))


def test_grey_with_a_transparent_value(tmp_path: Path) -> None:
    values = np.where(GREY > 127, 255, 3).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "key.png", transparency=3)
    image = read_image(tmp_path / "key.png")
    assert np.array_equal(image.pixels, values)
    assert image.alpha is not None
    assert np.array_equal(image.alpha, np.where(GREY > 127, 255, 0))


def test_deep_grey_with_a_transparent_value(tmp_path: Path) -> None:
    values = np.uint16([[40000, 3, 40001]])
    Image.fromarray(values).save(tmp_path / "key.png", transparency=40000)
    image = read_image(tmp_path / "key.png")
    assert np.array_equal(image.pixels, values)
    assert image.alpha is not None
    assert np.array_equal(image.alpha, np.uint16([[0, 65535, 65535]]))


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_cmyk_becomes_rgb(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ink{suffix}"
    Image.new("CMYK", (9, 6), (0, 255, 255, 0)).save(path)
    image = read_image(path)
    assert image.pixels.shape == (6, 9, 3)
    assert np.abs(image.pixels.astype(int) - (0, 0, 255)).max() <= 2


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pnm"])
@pytest.mark.parametrize("values", [GREY_16, COLOUR_16], ids=["grey", "colour"])
def test_16_bits_are_kept(tmp_path: Path, suffix: str, values: np.ndarray) -> None:
    path = tmp_path / f"deep{suffix}"
    assert cv2.imwrite(str(path), values)
    image = read_image(path)
    assert image.bit_depth == 16
    assert image.alpha is None
    assert np.array_equal(image.pixels, values)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bit_colour_with_alpha(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"deep{suffix}"
    assert cv2.imwrite(str(path), np.dstack([COLOUR_16, ALPHA_16]))
    image = read_image(path)
    assert np.array_equal(image.pixels, COLOUR_16)
    assert image.alpha is not None
    assert np.array_equal(image.alpha, ALPHA_16)


def test_16_bit_grey_with_alpha_is_grey(tmp_path: Path) -> None:
    rows = np.dstack([GREY_16, ALPHA_16]).astype(">u2")
    header = struct.pack(">IIBBBBB", 9, 6, 16, 4, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    path = tmp_path / "deep.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", data)
        + png_chunk(b"IEND", b"")
    )
    image = read_image(path)
    assert np.array_equal(image.pixels, GREY_16)
    assert image.alpha is not None
    assert np.array_equal(image.alpha, ALPHA_16)


def test_big_endian_tiff(tmp_path: Path) -> None:
    path = tmp_path / "big.tif"
    Image.frombytes("I;16B", (9, 6), GREY_16.astype(">u2").tobytes()).save(path)
    image = read_image(path)
    assert image.pixels.dtype == np.uint16
    assert np.array_equal(image.pixels, GREY_16)


def test_floats_and_long_integers_become_16_bits(tmp_path: Path) -> None:
    Image.fromarray((GREY_16 / 65535).astype(np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(GREY_16.astype(np.int32)).save(tmp_path / "long.tif")
    for name in ("float.tif", "long.tif"):
        assert np.array_equal(read_image(tmp_path / name).pixels, GREY_16)


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_floats_out_of_range_are_refused(tmp_path: Path, value: float) -> None:
    Image.fromarray(np.array([[0.5, value]], np.float32)).save(tmp_path / "float.tif")
    with pytest.raises(TextsrError, match=r"float\.tif: floating-point values outside 0 to 1"):
        read_image(tmp_path / "float.tif")


def test_long_integers_out_of_range_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.array([[5, 70000]], np.int32)).save(tmp_path / "long.tif")
    with pytest.raises(TextsrError, match="outside 0 to 65535"):
        read_image(tmp_path / "long.tif")


def test_formats_that_only_opencv_knows(tmp_path: Path) -> None:
    path = tmp_path / "float.pfm"
    assert cv2.imwrite(str(path), (COLOUR_16 / 65535).astype(np.float32))
    assert np.array_equal(read_image(path).pixels, COLOUR_16)


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[274] = orientation
    return data


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_camera_turns_are_undone(tmp_path: Path, suffix: str, orientation: int) -> None:
    path = tmp_path / f"turned{suffix}"
    pillow(COLOUR).save(path, exif=exif(orientation))
    expected = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    assert np.array_equal(read_image(path).pixels, expected[..., ::-1])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("values", [GREY, GREY_16], ids=["8 bits", "16 bits"])
def test_camera_turns_of_raw_grey(tmp_path: Path, values: np.ndarray, orientation: int) -> None:
    path = tmp_path / "raw.tif"
    pillow(values).save(path, tiffinfo={274: orientation})
    turns = {
        2: values[:, ::-1],
        3: values[::-1, ::-1],
        4: values[::-1],
        5: values.T,
        6: np.rot90(values, -1),
        7: np.rot90(values, 2).T,
        8: np.rot90(values),
    }
    assert np.array_equal(read_image(path).pixels, turns.get(orientation, values))


@pytest.mark.parametrize("values", [GREY, GREY_16], ids=["8 bits", "16 bits"])
def test_tiff_whose_zero_is_white(tmp_path: Path, values: np.ndarray) -> None:
    path = tmp_path / "fax.tif"
    pillow(values).save(path)
    entry = struct.pack("<HHI", 262, 3, 1)  # photometric interpretation, a short, one
    content = path.read_bytes()
    assert content.count(entry) == 1
    before, after = content.split(entry)
    path.write_bytes(before + entry + struct.pack("<H", 0) + after[2:])
    assert np.array_equal(read_image(path).pixels, np.bitwise_not(values))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_camera_turns_of_16_bit_colour(tmp_path: Path, orientation: int) -> None:
    data = np.frombuffer(exif(orientation).tobytes()[6:], np.uint8)
    ok, encoded = cv2.imencodeWithMetadata(".png", COLOUR_16, [cv2.IMAGE_METADATA_EXIF], [data])
    assert ok
    (tmp_path / "turned.png").write_bytes(encoded.tobytes())
    upright = ImageOps.exif_transpose(Image.open(tmp_path / "turned.png"))
    image = read_image(tmp_path / "turned.png")
    assert image.bit_depth == 16
    assert np.array_equal(image.pixels >> 8, np.asarray(upright)[..., ::-1])


def test_of_an_animation_the_first_frame_is_read(tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    frames = [Image.new("L", (9, 6), value) for value in (10, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match=r"moving\.gif: holds 2 pictures; only the first"):
        image = read_image(path)
    assert (image.pixels == 10).all()


def test_a_single_picture_gives_no_warning(tmp_path: Path) -> None:
    pillow(COLOUR).save(tmp_path / "still.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_image(tmp_path / "still.png")


def test_the_profile_is_kept_only_where_it_fits(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pillow(COLOUR).save(tmp_path / "colour.png", icc_profile=profile)
    pillow(GREY).save(tmp_path / "grey.jpg", icc_profile=profile)
    assert read_image(tmp_path / "colour.png").icc_profile == profile
    assert read_image(tmp_path / "grey.jpg").icc_profile is None


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match=r"none\.png: no such file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(TextsrError, match="is a folder"):
        read_image(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".gif", ".bmp", ".webp"])
def test_truncated_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TextsrError, match=rf"cut\{suffix}: cannot be decoded"):
        read_image(path, strict=True)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("missing", [4, 0.3])
def test_of_a_jpeg_that_is_cut_short_what_is_there_is_read(
    tmp_path: Path, missing: float, progressive: bool
) -> None:
    path = tmp_path / "cut.jpg"
    ramp = np.tile(np.arange(256, dtype=np.uint8), (256, 1))
    Image.fromarray(ramp).save(path, quality=95, progressive=progressive)
    whole = path.read_bytes()
    path.write_bytes(whole[: -missing if missing > 1 else round(len(whole) * (1 - missing))])
    with pytest.warns(UserWarning, match=r"cut\.jpg: is cut short; what it lacks is grey"):
        image = read_image(path)
    assert image.pixels.shape == (256, 256)
    assert np.abs(image.pixels[:100].astype(int) - ramp[:100]).max() <= (40 if progressive else 3)


def test_a_jpeg_without_any_pixels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    pillow(GREY).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"\xff\xda")])
    with pytest.raises(TextsrError, match=r"cut\.jpg: cannot be decoded"):
        read_image(path)


def test_a_damaged_jpeg_that_has_its_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "damaged.jpg"
    pillow(GREY).save(path)
    path.write_bytes(path.read_bytes().replace(b"\xff\xdb", b"\xff\xfe"))  # no tables
    with pytest.raises(TextsrError, match=r"damaged\.jpg: cannot be decoded"):
        read_image(path)


@pytest.mark.parametrize("kind", ["icc_profile", "xmp"])
def test_a_png_may_have_a_large_profile_or_text(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "page.png"
    content = RNG.bytes(1_300_000)
    options = {"icc_profile": bytes(16) + b"RGB " + content} if kind == "icc_profile" else {}
    if kind == "xmp":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", "x" * 1_300_000, zip=True)
    pillow(COLOUR).save(path, **options)
    image = read_image(path)
    assert np.array_equal(image.pixels, COLOUR)
    kept = image.icc_profile if kind == "icc_profile" else image.metadata.xmp
    assert kept is not None
    assert len(kept) >= 1_300_000
    assert PngImagePlugin.MAX_TEXT_CHUNK == 2**20  # Pillow's own limit, which others rely on


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_truncated_16_bit_files_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut{suffix}"
    assert cv2.imwrite(str(path), RNG.integers(0, 65536, (64, 64, 3)).astype(np.uint16))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TextsrError, match="cannot be decoded"):
        read_image(path)


@pytest.mark.parametrize("content", [b"", b"not an image"])
def test_what_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "text.png").write_bytes(content)
    with pytest.raises(TextsrError, match=r"text\.png: cannot be decoded"):
        read_image(tmp_path / "text.png")


@pytest.mark.parametrize("limit", [53, 20])  # Pillow warns above its limit, refuses above twice
@pytest.mark.parametrize("suffix", [".png", ".pfm"])
def test_too_many_pixels_are_refused(tmp_path: Path, suffix: str, limit: int) -> None:
    path = tmp_path / f"large{suffix}"
    values = COLOUR if suffix == ".png" else COLOUR.astype(np.float32) / 255
    assert cv2.imwrite(str(path), values)
    with pytest.raises(TextsrError, match=rf"large\{suffix}: has more than .* megapixels"):
        read_image(path, max_pixels=limit)
    assert read_image(path, max_pixels=54).width == 9


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    (tmp_path / "bomb.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"")
    )
    with pytest.raises(TextsrError, match="has more than 50 megapixels"):
        read_image(tmp_path / "bomb.png")


def test_the_limit_may_lie_above_pillows_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow(COLOUR).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    assert read_image(tmp_path / "large.png").width == 9
    assert Image.MAX_IMAGE_PIXELS == 5
