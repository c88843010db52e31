"""What `textsr upscale` takes and says: readers, names, pipes, sizes, batches that go on."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from reading import LineReader
from typer.testing import CliRunner, Result

from textsr.cli import main as cli
from textsr.cli.pipes import piped
from textsr.errors import TextsrError
from textsr.images.image import LoadedImage
from textsr.inference.compare import Legend
from textsr.inference.interpolation import BicubicBackend
from textsr.inference.records import NAME
from textsr.models.spec import ModelSpec
from textsr.pretrained import FOLDER

pytestmark = pytest.mark.filterwarnings("ignore:text outside", "ignore:large text")

Upscale = Callable[..., Result]


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """The pixels of `small.png` in the current folder."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(2).integers(60, 200, (16, 40)).astype(np.uint8)
    assert cv2.imwrite("small.png", pixels)
    return pixels


@pytest.fixture
def blends(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The blends at which models have been loaded; what computes them is bicubic interpolation."""
    loaded = []

    def open_folder(folder: Path, spec: ModelSpec, **_: Any) -> BicubicBackend:
        loaded.append(spec.blend)
        return BicubicBackend(spec.scale)

    monkeypatch.setattr("textsr.api.open_folder", open_folder)
    return loaded


@pytest.fixture
def upscale(small: np.ndarray, blends: list[float]) -> Upscale:
    """Run the command in this process."""

    def run(*arguments: str, status: int = 0, piped_in: bytes = b"") -> Result:
        result = CliRunner().invoke(cli.app, ["upscale", *arguments], input=piped_in)
        assert result.exit_code == status, result.output
        return result

    return run


@pytest.fixture
def refusal(upscale: Upscale) -> Callable[..., str]:
    """Run the command, which must refuse what it is given; return what it says."""

    def run(*arguments: str) -> str:
        error = upscale(*arguments, status=1).exception
        assert isinstance(error, TextsrError)
        return str(error)

    return run


@pytest.fixture
def judged(small: np.ndarray) -> str:
    """The folder of a model that was judged for people, any reader and one engine."""
    spec = json.loads((FOLDER / "model.json").read_text())
    spec |= {"blend": 0.4, "blends": {"people": 0.8, "any": 0.4, "tesseract": 1}}
    Path("judged").mkdir()
    Path("judged/model.json").write_text(json.dumps(spec))
    return "judged"


def read(name: str) -> np.ndarray:
    return np.asarray(cv2.imread(name, cv2.IMREAD_UNCHANGED))


def test_the_reader_chooses_the_blend_and_people_read_where_nobody_is_named(
    upscale: Upscale, judged: str, blends: list[float]
) -> None:
    for options, said in (
        ([], "blended for people at 0.8"),
        (["--for", "people"], "blended for people at 0.8"),
        (["--for", "tesseract"], "blended for tesseract at 1"),
        (["--for", "any"], "blended for any reader at 0.4"),
        (["--blend", "0.2"], "blended at 0.2"),
    ):
        done = upscale("small.png", "-o", "big.png", "--model", judged, *options)
        assert done.stderr == f"model: judged, {said}\n"
    assert blends == [0.8, 0.8, 1, 0.4, 0.2]


def test_a_model_that_was_not_judged_for_people_is_blended_for_any_reader(
    upscale: Upscale, judged: str, blends: list[float]
) -> None:
    path = Path(judged, "model.json")
    spec = json.loads(path.read_text())
    for known in ({}, {"tesseract": 1.0}):
        path.write_text(json.dumps(spec | {"blends": known}))
        done = upscale("small.png", "-o", "big.png", "--model", judged)
        assert "blended for any reader at 0.4" in done.stderr
    assert blends == [0.4, 0.4]


def test_a_reader_is_one_that_the_model_was_judged_for_and_no_blend_besides(
    upscale: Upscale, refusal: Callable[..., str], judged: str
) -> None:
    command = ["small.png", "-o", "big.png", "--model", judged]
    said = refusal(*command, "--for", "rapidocr")
    assert "no weight for 'rapidocr'; it has been judged for: any, people, tesseract" in said
    both = upscale(*command, "--for", "any", "--blend", "0.5", status=2)
    assert "--for and --blend exclude each other" in both.stderr
    Path("mine.onnx").touch()
    command = ["small.png", "-o", "big.png", "--model", "mine.onnx", "--for", "any"]
    assert "has its blend in it" in refusal(*command)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ("", (64, 160)),
        ("--scale 2", (32, 80)),
        ("--scale 1", (16, 40)),
        ("--scale 2.5", (40, 100)),
        ("--scale 6", (96, 240)),
        ("--dpi 60 --target-dpi 300", (80, 200)),
    ],
)
def test_results_are_as_large_as_is_asked_for(
    upscale: Upscale, options: str, size: tuple[int, int]
) -> None:
    upscale("small.png", "-o", "big.png", *options.split())
    assert read("big.png").shape == size


@pytest.mark.parametrize(
    "options",
    [
        "--scale 0.5",
        "--scale 9",
        "--scale 2 --target-dpi 300",
        "--quality 0",
        "--dpi inf",
        "--target-dpi 1e9",
    ],
)
def test_impossible_sizes_are_usage_errors(upscale: Upscale, options: str) -> None:
    upscale("small.png", "-o", "big.png", *options.split(), status=2)


def test_an_image_that_says_no_resolution_is_named(refusal: Callable[..., str]) -> None:
    said = refusal("small.png", "-o", "big.png", "--target-dpi", "300")
    assert said.startswith("small.png: does not say its resolution")


def test_nothing_but_the_image_goes_to_standard_output(upscale: Upscale) -> None:
    encoded = Path("small.png").read_bytes()
    upscale("small.png", "-o", "big.png")
    done = upscale("-", "-o", "-", piped_in=encoded)
    assert done.stdout_bytes == Path("big.png").read_bytes()
    assert "model: " in done.stderr
    jpeg = upscale("small.png", "-o", "-", "--format", "jpg").stdout_bytes
    assert Image.open(io.BytesIO(jpeg)).format == "JPEG"


def test_what_is_piped_in_is_called_so(upscale: Upscale, refusal: Callable[..., str]) -> None:
    done = upscale("-", "-o", "big.png", piped_in=Path("small.png").read_bytes())
    assert done.stdout == "standard input -> big.png\n"
    assert refusal("-", "-o", "big.png") == (
        "standard input: cannot be decoded (it is empty); it is damaged, cut short or not an image"
    )


def test_results_of_what_is_piped_in_are_named_by_its_format(upscale: Upscale) -> None:
    upscale("-", "-o", "out/", piped_in=Path("small.png").read_bytes())
    assert read("out/stdin.png").shape == (64, 160)


def test_warnings_tell_of_standard_input_too(upscale: Upscale) -> None:
    line = np.full((60, 320), 230, np.uint8)
    cv2.putText(line, "Amount due", (4, 44), 0, 1.5, 20, 3, cv2.LINE_AA)
    encoded = cv2.imencode(".png", line)[1].tobytes()
    with pytest.warns(UserWarning, match=r"sharp already in 1 of 1 images: standard input \("):
        upscale("-", "-o", "big.png", piped_in=encoded)


def test_named_pipes_are_read_and_written(upscale: Upscale) -> None:
    os.mkfifo("in.pipe")
    os.mkfifo("out.pipe")
    encoded, received = Path("small.png").read_bytes(), []
    ends = [
        threading.Thread(target=lambda: Path("in.pipe").write_bytes(encoded)),
        threading.Thread(target=lambda: received.append(Path("out.pipe").read_bytes())),
    ]
    for end in ends:
        end.start()
    done = upscale("in.pipe", "-o", "out.pipe")
    for end in ends:
        end.join(timeout=60)
    assert done.stdout == ""
    upscale("small.png", "-o", "big.png")
    assert received == [Path("big.png").read_bytes()]


def test_a_pipe_takes_one_image_and_nothing_beside_it(refusal: Callable[..., str]) -> None:
    assert "standard output: takes one image" in refusal("small.png", "small.png", "-o", "-")
    assert "standard output: takes one image" in refusal(".", "-o", "-")
    assert "are for files" in refusal("small.png", "-o", "-", "--compare")


class Parrot(LineReader):
    name, title = "parrot", "Parrot"

    def read_line(self, line: np.ndarray) -> str:
        return f"{line.shape[1]} pixels"


def test_a_comparison_tells_the_weight_and_what_the_installed_engines_read(
    upscale: Upscale, refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    legends = []

    def compare(original: LoadedImage, upscaled: LoadedImage, *, legend: Legend) -> np.ndarray:
        legends.append(legend)
        return np.zeros((4, 4, 3), np.uint8)

    monkeypatch.setattr("textsr.inference.batch.compare_picture", compare)
    monkeypatch.setattr("textsr.ocr.engines.available_engines", lambda: [Parrot()])
    upscale("small.png", "-o", "big.png", "--compare", "--for", "people", "--read")
    upscale("small.png", "-o", "big.png", "--compare")
    told, silent = legends
    assert told.blended == "blended for people at 0.6"
    assert told.read is not None
    assert told.read([np.zeros((16, 40), np.uint8)]) == {"Parrot": ["40 pixels"]}
    assert silent.read is None
    assert "--compare; give that, too" in refusal("small.png", "-o", "big.png", "--read")


def test_readings_without_an_engine_are_refused_with_the_remedy(
    refusal: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "textsr.ocr.engines", None)  # as with the core alone
    said = refusal("small.png", "-o", "big.png", "--compare", "--read")
    assert "no OCR engine is installed; `pip install 'textsr[ocr]'`" in said


def test_a_pipe_that_brings_too_much_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("textsr.cli.pipes.MOST_BESIDES", 1000)
    endless = "/dev/zero"
    with (
        pytest.raises(TextsrError, match=r"/dev/zero: brings more than .* \(--max-pixels\)"),
        piped([endless], "out.png", 10),
    ):
        pass


def test_what_is_left_out_of_a_folder_is_told_or_with_strict_refused(
    upscale: Upscale, refusal: Callable[..., str]
) -> None:
    Path("in").mkdir()
    Path("small.png").rename("in/small")
    for name in ("a.txt", "b.txt", "c.txt", "d.txt"):
        Path("in", name).write_text("no image")
    told = r"left out 4 files .*: in/a\.txt, in/b\.txt, in/c\.txt, \.\.\."
    with pytest.warns(UserWarning, match=told):
        assert upscale("in", "-o", "out").stdout == "in/small -> out/small.png\n"
    assert refusal("in", "-o", "strict", "--strict").startswith("left out 4 files")
    assert not Path("strict").exists()


def test_a_batch_that_is_begun_again_does_the_rest(upscale: Upscale) -> None:
    Path("in").mkdir()
    for name in ("a.png", "b.png"):
        Path("in", name).write_bytes(Path("small.png").read_bytes())

    def made(*options: str) -> list[str]:
        return upscale("in", "-o", "out", *options).stdout.split("\n")[:-1]

    both = ["in/a.png -> out/a.png", "in/b.png -> out/b.png"]
    assert made() == both
    assert made() == both  # unless it is asked for
    assert made("--skip-existing") == []
    assert cv2.imwrite("in/b.png", read("in/b.png")[:, 4:])
    assert made("--skip-existing") == both[1:]
    assert read("out/b.png").shape == (64, 144)
    assert made("--skip-existing", "--scale", "2") == both
    assert made("--skip-existing", "--scale", "2", "--blend", "0.2") == both
    assert made("--skip-existing", "--scale", "2", "--blend", "0.2") == []


def test_single_files_are_recorded_only_where_that_is_asked(upscale: Upscale) -> None:
    upscale("small.png", "-o", "big.png")
    assert not Path(NAME).exists()
    upscale("small.png", "-o", "big.png", "--skip-existing")
    done = upscale("small.png", "-o", "big.png", "--skip-existing")
    assert done.stdout == ""
    assert "1 of 1 results are up to date" in done.stderr


@pytest.mark.usefixtures("small")
def test_names_of_files_break_neither_lines_nor_streams() -> None:
    """Marked up, with control characters, and in a stream that has no such letters."""
    names = ("[red]a", "new\nline", "\x1b[31mb", "\u65e5\u672c", "caf\udce9")
    Path("in").mkdir()
    for name in names:
        Path("in", f"{name}.png").write_bytes(Path("small.png").read_bytes())
    environment = os.environ | {"PYTHONIOENCODING": "cp1252", "FORCE_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from textsr.cli.main import main; main()", "upscale", "in", "-o",
         "out", "--backend", "onnx"],
        env=environment,
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode("cp1252").splitlines()
    shown = ("[red]a", r"new\x0aline", r"\x1b[31mb", r"\u65e5\u672c", r"caf\udce9")
    assert {*lines} == {f"in/{name}.png -> out/{name}.png" for name in shown}
    assert {path.stem for path in Path("out").glob("*.png")} == {*names}


def test_a_searchable_result_is_a_pdf_of_a_language_that_tesseract_reads(
    refusal: Callable[..., str],
) -> None:
    said = refusal("small.png", "-o", "out.tif", "--searchable")
    assert said == "out.tif: only PDFs can be made searchable; write .pdf"
    said = refusal("small.png", "-o", "out.pdf", "--searchable", "--language", "eng+xyz")
    assert "Tesseract" in said
    assert "install it" in said
    assert not Path("out.pdf").exists()


def test_a_tiff_of_pages_comes_out_with_all_of_them_or_is_refused(
    upscale: Upscale, refusal: Callable[..., str]
) -> None:
    pages = [Image.new("L", (20 + 10 * number, 12), 200) for number in range(3)]
    pages[0].save("scans.tif", save_all=True, append_images=pages[1:], dpi=(75, 75))
    upscale("scans.tif", "-o", "out.tif", "--scale", "2")
    with Image.open("out.tif") as result:
        sizes = []
        for number in range(3):
            result.seek(number)
            sizes.append((result.size, result.info["dpi"]))
    assert sizes == [((40 + 20 * number, 24), (150, 150)) for number in range(3)]
    said = refusal("scans.tif", "-o", "out.png")
    assert said == "scans.tif: has 3 pages, and out.png would hold one; write .tif or .pdf"
