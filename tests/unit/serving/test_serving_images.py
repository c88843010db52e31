"""What comes back: what the library makes of the same image, in the format that is asked for."""

import errno
import io
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw
from serving_server import Backend, Server, encoded, opened, picture

from textsr.api import load_model
from textsr.serving.results import write_zip

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def deep(suffix: str = ".png") -> bytes:
    """16 bits, colour and alpha."""
    values = np.random.default_rng(1).integers(20_000, 60_000, (12, 20, 4)).astype(np.uint16)
    ok, content = cv2.imencode(suffix, values)
    assert ok
    return content.tobytes()


def unusual() -> bytes:
    """A TIFF of floats a colour, which Pillow does not know."""
    values = np.random.default_rng(1).random((12, 20, 3)).astype(np.float32)
    ok, content = cv2.imencode(".tif", values)
    assert ok
    return content.tobytes()


def downwards() -> bytes:
    """Text that runs down."""
    page = Image.new("L", (300, 200), 240)
    for top in range(10, 190, 20):
        ImageDraw.Draw(page).text((8, top), "Quick words of a page, again", 20, font_size=12)
    return encoded(page.rotate(90, expand=True))


@pytest.mark.parametrize(
    ("image", "suffix"),
    [
        (encoded(), "png"),
        (encoded(dpi=(75, 75), icc_profile=PROFILE), "png"),
        (encoded(picture().convert("RGB"), "JPEG", dpi=(96, 96), icc_profile=PROFILE), "jpg"),
        (encoded(picture(300, 200), "TIFF", dpi=(200, 200)), "tif"),
        (deep(), "png"),
        (downwards(), "png"),
    ],
    ids=["grey", "profile", "jpeg", "tiff", "deep", "downwards"],
)
def test_a_result_is_the_librarys_to_the_byte(
    server: Server, tmp_path: Path, image: bytes, suffix: str
) -> None:
    expected = tmp_path / f"expected.{suffix}"
    load_model().upscale(image).save(expected)
    answer = server.post(image)
    assert answer.status_code == 200, answer.text
    assert answer.content == expected.read_bytes()


def test_format_quality_and_size_are_as_asked(server: Server) -> None:
    image = encoded(picture(80, 40).convert("RGB"), dpi=(75, 75))
    by_format = server.post(image, "/upscale?format=webp")
    assert (by_format.headers["content-type"], opened(by_format.content).format) == (
        "image/webp",
        "WEBP",
    )
    by_accept = opened(server.post(image, Accept="image/jpeg").content)
    assert by_accept.format == "JPEG"
    low, high = (server.post(image, f"/upscale?format=jpg&quality={q}").content for q in (20, 90))
    assert len(low) < len(high)
    assert opened(server.post(image, "/upscale?scale=2.5").content).size == (200, 100)
    sized = opened(server.post(image, "/upscale?target_dpi=150").content)
    assert sized.size == (160, 80)
    assert sized.info["dpi"] == pytest.approx((150, 150), abs=0.1)
    told = opened(server.post(image, "/upscale?target_dpi=150&dpi=50").content)
    assert told.size == (240, 120)


def test_what_has_the_resolution_already_stays_as_it_is(
    server: Server, backends: list[Backend]
) -> None:
    image = picture(80, 40)
    answer = server.post(encoded(image, dpi=(300, 300)), "/upscale?target_dpi=300")
    assert np.array_equal(np.asarray(opened(answer.content)), np.asarray(image))
    assert backends[0].batches == []


def test_a_reader_has_its_blend_loaded_once(server: Server, backends: list[Backend]) -> None:
    for reader in ("people", "any", "any", "tesseract", "rapidocr"):
        assert server.post(encoded(), f"/upscale?for={reader}").status_code == 200
    assert [backend.blend for backend in backends] == [0.6, 0.4, 0.2]
    assert [len(backend.batches) for backend in backends] == [2, 2, 1]
    assert server.client.get("/model").json()["readers"][0] == "people"


@pytest.mark.parametrize(
    ("image", "path", "status", "said"),
    [
        (encoded(), "/upscale?for=nobody", 422, "it has been judged for: any, people"),
        (encoded(), "/upscale?format=gif", 422, "format: Input should be 'png'"),
        (encoded(), "/upscale?scale=9", 422, "scale: Input should be less than or equal to 8"),
        (encoded(), "/upscale?scale=nan", 422, "scale: Input should be a finite number"),
        (encoded(), "/upscale?dpi=inf", 422, "dpi: Input should be a finite number"),
        (encoded(), "/upscale?dpi=1e9", 422, "dpi: Input should be less than or equal to 100000"),
        (encoded(), "/upscale?target_dpi=1e300", 422, "target_dpi: Input should be less than"),
        (encoded(), "/upscale?scale=2&target_dpi=300", 422, "exclude each other"),
        (encoded(), "/upscale?quality=90", 422, "quality 90: png is lossless"),
        (encoded(), "/upscale?target_dpi=300", 422, "image: does not say its resolution"),
        (b"no image", "/upscale", 422, "image: its format is none of"),
        (encoded()[:60], "/upscale", 422, "it is damaged, cut short or not an image"),
        (b"", "/upscale", 422, "image: "),
        (deep(".tif"), "/upscale", 422, "is not served; send it as PNG"),
        (unusual(), "/upscale", 422, "is not served; send it as PNG"),
        (b"%PDF-1.7\n", "/upscale", 415, "`textsr upscale` takes documents"),
        (encoded(picture(5000, 8)), "/upscale?format=webp", 422, "write .png or .tif"),
    ],
)
def test_a_refusal_is_a_problem_with_its_remedy(
    server: Server, backends: list[Backend], image: bytes, path: str, status: int, said: str
) -> None:
    answer = server.post(image, path)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (status, status)
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in problem["detail"]
    assert "\n" not in problem["detail"]
    assert backends[0].batches == []


def test_pages_are_not_lost_silently(server: Server) -> None:
    two = encoded(file_format="TIFF", save_all=True, append_images=[picture(seed=1)])
    answer = server.post(two)
    assert answer.status_code == 422
    assert "has 2 pages, and a result holds one" in answer.json()["detail"]


def test_what_is_to_be_known_of_a_result_is_noted(server: Server) -> None:
    clear = picture(40, 16).convert("RGBA")
    clear.putalpha(120)
    cut = encoded(picture(200, 200), "JPEG")[:-400]
    notes = server.post(encoded(clear), "/upscale?format=jpg").headers.get_list("textsr-note")
    assert "the result: no alpha in JPEG; laid over white" in notes
    assert "image: is cut short" in server.post(cut).headers["textsr-note"]
    animated = encoded(file_format="GIF", save_all=True, append_images=[picture(seed=1)])
    assert "image: holds 2 pictures" in server.post(animated).headers["textsr-note"]


@pytest.mark.parametrize("file_format", ["png", "jpg", "tif", "webp", "bmp", "pdf"])
def test_every_format_takes_the_largest_resolution(server: Server, file_format: str) -> None:
    answer = server.post(encoded(), f"/upscale?format={file_format}&dpi=100000&scale=8")
    assert answer.status_code == 200, answer.text


def test_who_accepts_a_zip_alone_gets_one(server: Server) -> None:
    files = [("a", ("a.png", encoded())), ("b", ("b.jpg", encoded(file_format="JPEG")))]
    answer = server.client.post("/upscale", files=files, headers={"Accept": "application/zip"})
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["a.png", "b.jpg"]


def test_several_files_come_back_as_a_zip_of_their_names(server: Server) -> None:
    files = [
        ("image", ("a.jpg", encoded(file_format="JPEG"), "image/jpeg")),
        ("image", ("../../a.jpg", encoded(picture(30, 20), "JPEG"), "image/jpeg")),
        ("image", ("C:\\scans\\größe.gif", encoded(file_format="GIF"), "image/gif")),
        ("image", ("no image.txt", b"text", "text/plain")),
    ]
    answer = server.client.post("/upscale", files=files)
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.namelist() == ["a.jpg", "a-2.jpg", "größe.png", "problems.json"]
        assert opened(archive.read("a-2.jpg")).size == (120, 80)
        (problem,) = json.loads(archive.read("problems.json"))
    assert problem["file"] == "no image.txt"
    assert problem["status"] == 422
    assert "no image.txt: its format is none of" in problem["detail"]
    server.wait(lambda: not list(server.service.scratch.iterdir()))


def test_notes_of_several_are_in_the_zip_and_counted(server: Server) -> None:
    cut = encoded(picture(200, 200), "JPEG")[:-400]
    files = [("a", (f"{number}.jpg", cut)) for number in range(120)]
    answer = server.client.post("/upscale", files=files)
    (counted,) = answer.headers.get_list("textsr-note")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        notes = json.loads(archive.read("notes.json"))
    assert counted == f"{len(notes)}, which notes.json in the ZIP has"
    assert [note["file"] for note in notes] == [f"{number}.jpg" for number in range(120)]
    assert "0.jpg: is cut short" in notes[0]["note"]


def test_names_in_a_zip_are_all_different(tmp_path: Path) -> None:
    given = ["a.png", "a.png", "a-2.png", "A.PNG", "b.png"]
    (tmp_path / "0.png").write_bytes(b"x")
    write_zip(tmp_path / "x.zip", [(name, tmp_path / "0.png") for name in given], [], [])
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.namelist() == ["a.png", "a-2.png", "a-2-2.png", "A-3.png", "b.png"]


def test_a_full_disk_is_said_and_leaves_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile.ZipFile, "write", fail)
    answer = server.client.post("/upscale", files=[("a", encoded()), ("b", encoded())])
    assert answer.status_code == 507
    assert "the server's disk does not take the results" in answer.json()["detail"]
    server.wait(lambda: not list(server.service.scratch.iterdir()))


def test_a_form_of_one_file_gives_an_image(server: Server) -> None:
    answer = server.client.post("/upscale", files={"image": ("a.png", encoded(), "image/png")})
    assert answer.headers["content-type"] == "image/png"


def test_where_no_file_has_a_result_there_is_no_zip(server: Server) -> None:
    answer = server.client.post("/upscale", files=[("a", b"x"), ("b", b"y")])
    assert answer.status_code == 422
    assert "its format is none of" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (b"a=b", "application/x-www-form-urlencoded", 415, "send an image as it is"),
        (b"{}", "application/json", 415, "Content-Type: application/json"),
        (b"--x\r\n", "multipart/form-data", 400, "the form cannot be read"),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422, "the form has no file"),
    ],
)
def test_other_bodies_are_refused(
    server: Server, body: bytes, kind: str, status: int, said: str
) -> None:
    answer = server.client.post("/upscale", content=body, headers={"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]


def test_several_files_are_not_an_image(server: Server) -> None:
    files = [("image", ("a.png", encoded())), ("image", ("b.png", encoded()))]
    answer = server.client.post("/upscale", files=files, headers={"Accept": "image/png"})
    assert answer.status_code == 406
    assert "application/zip" in answer.json()["detail"]


def test_an_error_of_ours_tells_nothing_and_ends_nothing(
    server: Server, backends: list[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret of the backend")

    monkeypatch.setattr(backends[0], "run", fail)
    answer = server.post(encoded())
    assert answer.status_code == 500
    assert "secret" not in answer.text
    monkeypatch.undo()
    assert server.post(encoded()).status_code == 200


def test_what_is_not_there_is_a_problem_too(server: Server) -> None:
    for answer, status in (
        (server.client.get("/nowhere"), 404),
        (server.client.get("/upscale"), 405),
    ):
        assert answer.status_code == answer.json()["status"] == status
