"""PDFs: scanned pages are upscaled where they stand, and all else stays."""

import json
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from textsr.documents import pdf_reader
from textsr.documents.pdf import read_pdf_pages
from textsr.documents.rewriting import check_result, is_document, rewrite
from textsr.errors import TextsrError
from textsr.images.image import LoadedImage, resized
from textsr.images.reading import read_image, read_pages

pikepdf = pytest.importorskip("pikepdf")
pytest.importorskip("pypdfium2")

import made_pdfs as made  # noqa: E402
from pikepdf import Array, Dictionary, Name, Pdf, Stream  # noqa: E402

from textsr.documents import pdf_process  # noqa: E402

GREY = np.tile(np.arange(0, 240, 2, dtype=np.uint8), (160, 1))
"""160 x 120 pixels: 40 to an inch."""
COLOUR = np.dstack([GREY, GREY[:, ::-1], np.full_like(GREY, 90)])  # red, green, blue
INK = np.zeros((160, 120), bool)
INK[40:80, 20:100] = True

left_alone = pytest.mark.filterwarnings("ignore:.*no scans, and left")


def doubled(image: LoadedImage, _: str) -> LoadedImage:
    return resized(image, image.pixels.repeat(2, 0).repeat(2, 1), None)


class AsOne:
    """Does in this process what another one does, which takes long to start."""

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        answered: dict[str, Any] = json.loads(json.dumps(pdf_process.answer(asked)))
        return answered

    def end(self) -> None:
        pass


@pytest.fixture(autouse=True)
def as_one(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(pdf_reader, "Process", AsOne)


ImagesOf = Callable[..., dict[str, pikepdf.Object]]


@pytest.fixture
def images_of() -> Iterator[ImagesOf]:
    """A page's images by name; their documents are open until the test ends."""
    with ExitStack() as documents:

        def find(path: Path, number: int = 0) -> dict[str, pikepdf.Object]:
            document = documents.enter_context(pikepdf.open(path))
            found = document.pages[number].resources.XObject
            return {name[1:]: image for name, image in found.items()}

        yield find


def rewritten(path: Path, **options: object) -> Path:
    result = path.with_name("out.pdf")
    rewrite(path, result, doubled, scale=2, **options)
    return result


def looks_alike(before: Path, after: Path, number: int = 0, most: float = 3) -> bool:
    """Whether pages of doubled pixels look as they did, but for steps within pixels."""
    difference = made.shown(before, number, 40).astype(int) - made.shown(after, number, 40)
    return bool(np.abs(difference).mean() < most)


def test_a_scan_gets_other_pixels_and_keeps_all_else(tmp_path: Path, images_of: ImagesOf) -> None:
    def build(document: Pdf) -> None:
        page = made.add_page(
            document,
            made.full("A") + made.text("words below the picture", mode=3),
            A=made.image(document, COLOUR),
        )
        page.rotate(90, relative=True)
        page.cropbox = Array([10, 20, 200, 280])
        page.Annots = Array(
            [Dictionary(Type=Name.Annot, Subtype=Name.Link, Rect=[0, 0, 50, 50], Border=[0, 0, 3])]
        )
        with document.open_outline() as outline:
            outline.root.append(pikepdf.OutlineItem("Chapter", 0))
        document.docinfo["/Title"] = "A form"

    path = made.save(tmp_path / "scan.pdf", build)
    assert is_document(path)
    after = rewritten(path)
    image = images_of(after)["A"]
    assert (image.Width, image.Height) == (240, 320)
    assert np.array_equal(
        np.frombuffer(image.read_bytes(), np.uint8).reshape(320, 240, 3)[::2, ::2], COLOUR
    )
    with pikepdf.open(after) as document:
        assert document.check_pdf_syntax() == []
        page = document.pages[0]
        assert page.rotation == 90
        assert [float(side) for side in page.mediabox] == [0, 0, *made.POINTS]
        assert [float(side) for side in page.cropbox] == [10, 20, 200, 280]
        assert page.Annots[0].Subtype == Name.Link
        assert document.docinfo["/Title"] == "A form"
        with document.open_outline() as outline:
            assert [item.title for item in outline.root] == ["Chapter"]
    assert "words below the picture" in made.words(after)
    assert looks_alike(path, after)


def test_a_scan_becomes_the_same_bytes_each_time(tmp_path: Path) -> None:
    def build(document: Pdf) -> None:
        made.add_page(document, made.full("A"), A=made.image(document, COLOUR))

    path = made.save(tmp_path / "scan.pdf", build)
    first = rewritten(path).read_bytes()
    time.sleep(1.1)  # an id that is not made of the content is made of the second
    assert rewritten(path).read_bytes() == first


def test_pages_that_a_program_drew_are_left_and_said(tmp_path: Path, images_of: ImagesOf) -> None:
    def build(document: Pdf) -> None:
        made.add_page(document, made.text("drawn by a program", times=20))
        made.add_page(document, made.full("A"), A=made.image(document, GREY))
        # A slide: much text on a picture as large as the page.
        slide = made.full("A") + made.text("drawn by a program", times=20)
        made.add_page(document, slide, A=made.image(document, GREY))
        made.add_page(document, b"0 0 100 100 re f")
        logo = b"q 40 0 0 40 9 9 cm /A Do Q\n" + made.text("drawn")
        made.add_page(document, logo, A=made.image(document, COLOUR))

    path = made.save(tmp_path / "mixed.pdf", build)
    said = r"mixed\.pdf: 4 of 5 pages are no scans, and left as they are \(page 1, 3, 4, 5\)"
    with pytest.warns(UserWarning, match=said):
        after = rewritten(path)
    assert [images_of(after, number)["A"].Width for number in (1, 2, 4)] == [240, 120, 120]
    for number in (0, 2, 3, 4):
        assert np.array_equal(made.shown(path, number, 90), made.shown(after, number, 90))
        assert made.words(path, number) == made.words(after, number)


def test_a_stamp_on_a_scan_stays_a_stamp(tmp_path: Path, images_of: ImagesOf) -> None:
    def build(document: Pdf) -> None:
        content = made.full("A") + made.text("RECEIVED 2024-05-13")
        made.add_page(document, content, A=made.image(document, GREY))

    after = rewritten(made.save(tmp_path / "stamped.pdf", build))
    assert images_of(after)["A"].Width == 240
    assert "RECEIVED" in made.words(after)


def test_strips_cover_a_page_together_and_forms_are_followed(
    tmp_path: Path, images_of: ImagesOf
) -> None:
    def build(document: Pdf) -> None:
        strips = {f"S{n}": made.image(document, COLOUR[n * 40 : n * 40 + 40]) for n in range(4)}
        inner = b"".join(b"q 120 0 0 40 0 %d cm /S%d Do Q\n" % (120 - 40 * n, n) for n in range(4))
        form = Stream(
            document,
            inner,
            Type=Name.XObject,
            Subtype=Name.Form,
            BBox=[0, 0, 120, 160],
            Matrix=[1.8, 0, 0, 1.8, 0, 0],
            Resources=Dictionary(
                XObject=Dictionary({f"/{name}": strip for name, strip in strips.items()})
            ),
        )
        made.add_page(document, b"/F Do", F=form)

    path = made.save(tmp_path / "strips.pdf", build)
    after = rewritten(path)
    strips = images_of(after)["F"].Resources.XObject
    assert [(one.Width, one.Height) for one in strips.values()] == [(240, 80)] * 4
    assert looks_alike(path, after)


@pytest.mark.parametrize("decode", [None, [1, 0]])
def test_one_bit_stays_one_bit(
    tmp_path: Path, images_of: ImagesOf, decode: list[int] | None
) -> None:
    entries = {} if decode is None else {"Decode": Array(decode)}

    def build(document: Pdf) -> None:
        made.add_page(document, made.full("A"), A=made.image(document, INK, **entries))

    path = made.save(tmp_path / "fax.pdf", build)
    after = rewritten(path)
    image = images_of(after)["A"]
    assert (image.Width, image.BitsPerComponent) == (240, 1)
    assert image.Filter == Name.CCITTFaxDecode
    assert np.abs(made.shown(path, dpi=80).astype(int) - made.shown(after, dpi=80)).mean() < 2


@pytest.mark.parametrize("decode", [None, [1, 0]])
def test_stencils_keep_their_ink(
    tmp_path: Path, images_of: ImagesOf, decode: list[int] | None
) -> None:
    """Mixed raster content: a coarse picture of the ground, and letters as a stencil over it."""
    entries = {} if decode is None else {"Decode": Array(decode)}

    def build(document: Pdf) -> None:
        made.add_page(
            document,
            made.full("A") + b"0.2 0 0.8 rg\n" + made.full("B"),
            A=made.image(document, COLOUR[::4, ::4], lossy=True),
            B=made.image(document, INK, ImageMask=True, **entries),
        )

    path = made.save(tmp_path / "mixed.pdf", build)
    after = rewritten(path)
    images = images_of(after)
    assert images["A"].Filter == Name.DCTDecode
    assert images["A"].Width == 60
    assert bool(images["B"].ImageMask)
    assert images["B"].Width == 240
    assert Name.ColorSpace not in images["B"]
    before, result = (made.shown(one, dpi=80) for one in (path, after))
    inks = [np.abs(page.astype(int) - (51, 0, 204)).max(axis=2) < 30 for page in (before, result)]
    assert inks[0].mean() == pytest.approx(
        INK.mean() if decode is not None else 1 - INK.mean(), 0.05
    )
    assert (inks[0] != inks[1]).mean() < 0.02


@pytest.mark.parametrize("kind", ["SMask", "Mask"])
def test_masks_are_upscaled_with_their_images(
    tmp_path: Path, images_of: ImagesOf, kind: str
) -> None:
    def build(document: Pdf) -> None:
        if kind == "SMask":
            mask = made.image(document, np.where(INK, 200, 0).astype(np.uint8))
        else:
            mask = made.image(document, ~INK, ImageMask=True)
        image = made.image(document, COLOUR, **{kind: mask})
        made.add_page(document, made.full("A"), A=image)

    path = made.save(tmp_path / "masked.pdf", build)
    after = rewritten(path)
    image = images_of(after)["A"]
    assert (image.Width, image[f"/{kind}"].Width) == (240, 240)
    assert bool(image[f"/{kind}"].get(Name.ImageMask, False)) == (kind == "Mask")
    assert np.abs(made.shown(path, dpi=80).astype(int) - made.shown(after, dpi=80)).mean() < 1


@left_alone
def test_what_pixels_and_masks_are_bound_by_is_left(tmp_path: Path, images_of: ImagesOf) -> None:
    def build(document: Pdf) -> None:
        keyed = made.image(document, GREY, Mask=Array([0, 20]))
        made.add_page(document, made.full("A"), A=keyed)

    path = made.save(tmp_path / "keyed.pdf", build)
    after = rewritten(path)
    assert images_of(after)["A"].Width == 120
    assert np.array_equal(made.shown(path), made.shown(after))


def test_every_kind_of_colours_is_kept(tmp_path: Path, images_of: ImagesOf) -> None:
    palette = np.random.default_rng(1).integers(0, 256, (256, 3)).astype(np.uint8)
    inks = np.dstack([255 - COLOUR, np.zeros_like(GREY)])
    spaces = {
        "indexed": (GREY, Array([Name.Indexed, Name.DeviceRGB, 255, palette.tobytes()])),
        "inks": (inks, Name.DeviceCMYK),
        "calibrated": (GREY, Array([Name.CalGray, Dictionary(WhitePoint=[0.95, 1, 1.09])])),
    }

    def build(document: Pdf) -> None:
        for values, space in spaces.values():
            image = Stream(
                document,
                values.tobytes(),
                Type=Name.XObject,
                Subtype=Name.Image,
                Width=120,
                Height=160,
                BitsPerComponent=8,
                ColorSpace=space,
            )
            made.add_page(document, made.full("A"), A=image)

    path = made.save(tmp_path / "colours.pdf", build)
    after = rewritten(path)
    for number in range(len(spaces)):
        assert images_of(after, number)["A"].Width == 240
        assert looks_alike(path, after, number, most=0.5 if number != 0 else 8)


def test_an_image_on_several_pages_is_upscaled_once(tmp_path: Path, images_of: ImagesOf) -> None:
    def build(document: Pdf) -> None:
        image = made.image(document, GREY)
        for _ in range(3):
            made.add_page(document, made.full("A"), A=image)

    path = made.save(tmp_path / "same.pdf", build)
    upscaled: list[str] = []

    def count(image: LoadedImage, name: str) -> LoadedImage:
        upscaled.append(name)
        return doubled(image, name)

    rewrite(path, tmp_path / "out.pdf", count, scale=2)
    assert upscaled == [f"{path}, page 1"]
    assert [images_of(tmp_path / "out.pdf", number)["A"].Width for number in range(3)] == [240] * 3


def test_a_fax_in_a_pdf_gets_square_pixels(tmp_path: Path, images_of: ImagesOf) -> None:
    def build(document: Pdf) -> None:
        made.add_page(document, made.full("A"), A=made.image(document, INK[::2]))

    path = made.save(tmp_path / "fax.pdf", build)
    with pytest.warns(UserWarning, match=r"fax\.pdf, page 1: 40 x 20 pixels per inch; made square"):
        after = rewritten(path)
    image = images_of(after)["A"]
    assert (image.Width, image.Height) == (240, 320)


def test_pictures_know_their_resolution(tmp_path: Path) -> None:
    def build(document: Pdf) -> None:
        made.add_page(document, made.full("A"), A=made.image(document, GREY))

    found = []

    def look(image: LoadedImage, name: str) -> LoadedImage:
        found.append(image.dpi)
        assert np.array_equal(image.pixels, GREY)
        return doubled(image, name)

    rewrite(made.save(tmp_path / "a.pdf", build), tmp_path / "out.pdf", look, scale=2)
    assert found == [pytest.approx((40, 40), rel=1e-3)]


def mixed(path: Path) -> Path:
    def build(document: Pdf) -> None:
        made.add_page(document, made.full("A"), A=made.image(document, COLOUR))
        made.add_page(document, made.text("drawn by a program", times=20))

    return made.save(path, build)


def test_a_pdf_becomes_a_tiff(tmp_path: Path) -> None:
    path = mixed(tmp_path / "mixed.pdf")
    upscaled: list[str] = []

    def count(image: LoadedImage, name: str) -> LoadedImage:
        upscaled.append(name)
        return doubled(image, name)

    rewrite(path, tmp_path / "out.tif", count, scale=2, drawn_dpi=200)
    scan, drawn = read_pages(tmp_path / "out.tif")
    assert upscaled == [f"{path}, page 1"]
    assert np.array_equal(scan.pixels[::2, ::2, ::-1], COLOUR)
    assert scan.dpi == pytest.approx((80, 80), rel=1e-3)
    # By the program that draws it, at twice 100 pixels per inch: no network is needed.
    assert (drawn.width, drawn.height) == (600, 800)
    assert drawn.dpi == pytest.approx((200, 200), rel=1e-3)
    assert np.array_equal(drawn.pixels, made.shown(path, 1, 200)[..., 0])


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize(
    "drawn",
    ["216 0 0 288 0 0", "-216 0 0 288 216 0", "216 0 0 -288 0 288", "0 288 216 0 0 0",
     "0 -288 216 0 0 288", "0 288 -216 0 216 0", "0 -288 -216 0 216 288"],
)  # fmt: skip
def test_a_scan_is_turned_as_its_page_shows_it(tmp_path: Path, rotation: int, drawn: str) -> None:
    values = COLOUR if drawn[0] != "0" else np.ascontiguousarray(COLOUR.swapaxes(0, 1))

    def build(document: Pdf) -> None:
        content = f"q {drawn} cm /A Do Q".encode()
        page = made.add_page(document, content, A=made.image(document, values))
        page.rotate(rotation, relative=True)

    path = made.save(tmp_path / "turned.pdf", build)
    ((page, is_upscaled),) = read_pdf_pages(path, 300, max_pixels=10**6)
    assert not is_upscaled
    # As PDFium shows it, which interpolates by half a pixel.
    expected = made.shown(path, dpi=40).astype(int)
    assert page.pixels.shape == expected.shape
    assert np.abs(page.pixels[..., ::-1] - expected).max() <= 3
    assert page.dpi == pytest.approx((40, 40), rel=1e-3)


def test_a_page_becomes_an_image_and_several_do_not(tmp_path: Path) -> None:
    def build(document: Pdf) -> None:
        made.add_page(document, made.full("A"), A=made.image(document, GREY))

    path = made.save(tmp_path / "one.pdf", build)
    rewrite(path, tmp_path / "out.png", doubled, scale=2)
    assert np.array_equal(read_image(tmp_path / "out.png").pixels[::2, ::2], GREY)
    mixed(tmp_path / "two.pdf")
    with pytest.raises(TextsrError, match=r"two\.pdf: has 2 pages, and out\.png would hold one"):
        check_result(tmp_path / "two.pdf", tmp_path / "out.png", 2)


def test_scans_become_a_pdf(tmp_path: Path) -> None:
    pages = [Image.fromarray(GREY), Image.fromarray(COLOUR)]
    pages[0].save(tmp_path / "scans.tif", save_all=True, append_images=pages[1:], dpi=(40, 40))
    rewrite(tmp_path / "scans.tif", tmp_path / "out.pdf", doubled, scale=2)
    with pikepdf.open(tmp_path / "out.pdf") as document:
        sizes = [[float(side) for side in page.mediabox][2:] for page in document.pages]
    assert sizes == [list(made.POINTS)] * 2
    assert np.abs(made.shown(tmp_path / "out.pdf", 1, 40).astype(int) - COLOUR).max() <= 3


def test_an_encrypted_pdf_is_refused(tmp_path: Path) -> None:
    path = mixed(tmp_path / "secret.pdf")
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        document.save(encryption=pikepdf.Encryption(owner="a", user="b"))
    with pytest.raises(TextsrError, match=r"secret\.pdf: .*encrypted; remove its password"):
        rewritten(path)
    assert not (tmp_path / "out.pdf").exists()


@pytest.mark.parametrize("content", [b"%PDF-1.7\n", b"%PDF-1.4\n" + bytes(range(256)) * 40])
def test_a_damaged_pdf_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "damaged.pdf").write_bytes(content)
    with pytest.raises(TextsrError, match=r"damaged\.pdf: cannot be read"):
        rewritten(tmp_path / "damaged.pdf")
    assert not (tmp_path / "out.pdf").exists()


@pytest.mark.parametrize("result", ["out.pdf", "out.tif"])
def test_a_pdf_without_pages_is_refused(tmp_path: Path, result: str) -> None:
    path = made.save(tmp_path / "empty.pdf", lambda _: None)
    with pytest.raises(TextsrError, match=r"empty\.pdf: cannot be read \(.*it has no pages"):
        rewrite(path, tmp_path / result, doubled, scale=2)
    assert not (tmp_path / result).exists()


def test_what_is_wrong_with_a_pdf_is_said_on_one_line(tmp_path: Path) -> None:
    """Libraries say in several lines which arguments they take."""

    def build(document: Pdf) -> None:
        made.add_page(document, b"1 0 0 1 0 cm")  # a matrix has six

    path = made.save(tmp_path / "five.pdf", build)
    with pytest.raises(TextsrError, match=r"five\.pdf: cannot be read") as caught:
        rewritten(path)
    assert "\n" not in str(caught.value)


def three_scans(path: Path) -> bytes:
    """What a PDF of three scans is made of; its last page comes last."""

    def build(document: Pdf) -> None:
        rng = np.random.default_rng(2)
        for _ in range(3):
            noise = rng.integers(0, 256, GREY.shape, np.uint8)  # which compresses badly
            made.add_page(document, made.full("A"), A=made.image(document, noise))

    return made.save(path, build).read_bytes()


def test_a_pdf_without_its_end_is_repaired_and_said(tmp_path: Path, images_of: ImagesOf) -> None:
    path = tmp_path / "cut.pdf"
    whole = three_scans(path)
    path.write_bytes(whole[: whole.rindex(b"startxref")])
    with pytest.warns(UserWarning, match=r"cut\.pdf: is damaged, and was repaired") as said:
        result = rewritten(path)
    assert len(said) == 1
    with pikepdf.open(result) as document:
        assert document.get_warnings() == []
        assert len(document.pages) == 3
    assert all(images_of(result, number)["A"].Width == 240 for number in range(3))
    result.unlink()
    for other in ("out.pdf", "out.tif"):
        with pytest.raises(TextsrError, match=r"cut\.pdf: is damaged, and could be read only"):
            rewrite(path, tmp_path / other, doubled, scale=2, strict=True)
        assert not (tmp_path / other).exists()


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("result", ["out.pdf", "out.tif"])
def test_a_pdf_that_lost_what_a_page_shows_is_refused(
    tmp_path: Path, share: float, result: str
) -> None:
    path = tmp_path / "cut.pdf"
    whole = three_scans(path)
    path.write_bytes(whole[: round(share * len(whole))])
    with pytest.raises(TextsrError, match=r"cut\.pdf: cannot be read"):
        rewrite(path, tmp_path / result, doubled, scale=2)
    assert not (tmp_path / result).exists()


def test_what_stands_before_a_pdf_is_passed_over(tmp_path: Path, images_of: ImagesOf) -> None:
    path = tmp_path / "mail.pdf"
    path.write_bytes(b"Content-Type: application/pdf\r\n\r\n" + three_scans(path))
    assert is_document(path)
    assert images_of(rewritten(path), 2)["A"].Width == 240


def test_an_image_that_claims_to_be_large_is_refused(tmp_path: Path) -> None:
    def build(document: Pdf) -> None:
        image = made.image(document, GREY)
        image.Width = image.Height = 60_000
        made.add_page(document, made.full("A"), A=image)

    path = made.save(tmp_path / "large.pdf", build)
    with pytest.raises(TextsrError, match=r"large\.pdf, page 1: has more than 50 megapixels"):
        rewritten(path)


def test_forms_within_forms_end(tmp_path: Path) -> None:
    def build(document: Pdf) -> None:
        form = made.image(document, GREY)
        for _ in range(8):
            form = Stream(
                document,
                b"/F Do " * 10,
                Type=Name.XObject,
                Subtype=Name.Form,
                BBox=[0, 0, 9, 9],
                Resources=Dictionary(XObject=Dictionary(F=form)),
            )
        made.add_page(document, b"/F Do", F=form)

    path = made.save(tmp_path / "forms.pdf", build)
    with pytest.raises(TextsrError, match=r"forms\.pdf: .*more than 10000 forms"):
        rewritten(path)


def bomb(size: int) -> bytes:
    """So many spaces, deflated a megabyte at a time."""
    block = b" " * 1_000_000
    packer = zlib.compressobj(9)
    head = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + rest * (size // len(block) - 1) + b"\3\0"


@pytest.mark.slow
def test_what_asks_for_too_much_memory_ends_its_process_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(document: Pdf) -> None:
        page = made.add_page(document, made.full("A"), A=made.image(document, GREY))
        page.Contents = Stream(document, bomb(800_000_000), Filter=Name.FlateDecode)

    path = made.save(tmp_path / "bomb.pdf", build)
    monkeypatch.setattr(pdf_reader, "_BYTES", 500_000_000)
    with pytest.raises(TextsrError, match=r"bomb\.pdf: (cannot be read|takes too much)"):
        rewritten(path)


@pytest.mark.slow
def test_all_of_it_works_by_a_process_of_its_own(tmp_path: Path, images_of: ImagesOf) -> None:
    path = mixed(tmp_path / "mixed.pdf")
    with pytest.warns(UserWarning, match="page 2"):
        after = rewritten(path)
    assert images_of(after)["A"].Width == 240
    rewrite(path, tmp_path / "out.tif", doubled, scale=2)
    assert [page.width for page in read_pages(tmp_path / "out.tif")] == [240, 900]
    (tmp_path / "damaged.pdf").write_bytes(b"%PDF-1.7\n")
    with pytest.raises(TextsrError, match=r"damaged\.pdf: cannot be read"):
        rewritten(tmp_path / "damaged.pdf")


@pytest.mark.slow
def test_what_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_reader, "_PATIENCE", 0)
    with pytest.raises(TextsrError, match=r"mixed\.pdf: takes too much time or memory"):
        rewritten(mixed(tmp_path / "mixed.pdf"))


def test_too_many_pages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf_reader, "MOST_PAGES", 1)
    with pytest.raises(TextsrError, match="more than 1 pages"):
        rewritten(mixed(tmp_path / "mixed.pdf"))


@pytest.mark.parametrize("missing", ["pikepdf", "pypdfium2"])
def test_without_its_packages_a_pdf_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    path = mixed(tmp_path / "mixed.pdf")
    monkeypatch.setattr(pdf_reader, "find_spec", lambda name: None if name == missing else name)
    with pytest.raises(TextsrError, match=rf"needs? {missing}.*pip install 'textsr\[pdf\]'"):
        check_result(path, tmp_path / "out.pdf", 2)


def test_a_pdf_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match=r"mixed\.pdf: is a PDF, not an image"):
        read_image(mixed(tmp_path / "mixed.pdf"))
