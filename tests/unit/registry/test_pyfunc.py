"""What a registered model takes, what it gives, and what it says of the rest."""

import base64
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from PIL import Image

from textsr import load_model
from textsr.errors import TextsrError
from textsr.inference.onnx_backend import FLOAT32
from textsr.inference.stream import Task
from textsr.models.package import WEIGHTS
from textsr.pretrained import FOLDER
from textsr.registry import pyfunc
from textsr.registry.pyfunc import RegisteredModel

SAMPLE = Path(__file__).parents[3] / "docs" / "images" / "sample.png"


@pytest.fixture(scope="module")
def model() -> RegisteredModel:
    return RegisteredModel(FOLDER)


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    """Grey, with text that the network upscales."""
    return cv2.imread(str(SAMPLE), cv2.IMREAD_GRAYSCALE)


def encoded(suffix: str, pixels: np.ndarray) -> bytes:
    return cv2.imencode(suffix, pixels)[1].tobytes()


def decoded(file: bytes) -> np.ndarray:
    assert file.startswith(b"\x89PNG")
    return cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)


def table(*cells: Any, column: str = "image") -> pd.DataFrame:
    return pd.DataFrame({column: list(cells)})


def said_of(model: RegisteredModel, model_input: Any, **params: Any) -> str:
    with pytest.raises(MlflowException) as caught:
        model.predict(model_input, params)
    assert caught.value.get_http_status_code() == 400
    return caught.value.message


def test_files_of_any_kind_come_out_as_textsr_upscale_writes_them(
    model: RegisteredModel, page: np.ndarray, tmp_path: Path
) -> None:
    colour = np.dstack([page[:40, :90], page[:40, 90:180], page[:40, :90]])
    clear = np.dstack([colour, np.full(colour.shape[:2], 128, np.uint8)])
    deep = page[:30, :70].astype(np.uint16) * 257
    files = [
        SAMPLE.read_bytes(),
        encoded(".jpg", colour),
        encoded(".png", clear),
        encoded(".tiff", deep),
        encoded(".bmp", page[:5, :9]),
    ]
    result = model.predict(table(*files).set_axis([7, 3, 5, 1, 9]))
    assert list(result.index) == [7, 3, 5, 1, 9]
    shapes = [decoded(file).shape for file in result["image"]]
    assert shapes == [(640, 960), (160, 360, 3), (160, 360, 4), (120, 280), (20, 36)]
    ours = load_model(FOLDER, backend="onnx", device="cpu")
    for number, (file, made) in enumerate(zip(files, result["image"], strict=True)):
        ours.upscale(file).save(tmp_path / f"{number}.png")
        expected = decoded((tmp_path / f"{number}.png").read_bytes())
        # A batch and an image alone may round a half differently.
        assert np.abs(decoded(made).astype(int) - expected).max() <= (257 if number == 3 else 1)


def test_base64_is_taken_with_and_without_line_breaks(model: RegisteredModel) -> None:
    file = SAMPLE.read_bytes()
    broken = base64.encodebytes(file).decode()
    assert "\n" in broken[:80]
    first, second, third = model.predict(
        table(file, base64.b64encode(file).decode(), broken, column="content")
    )["image"]
    assert first == second == third


def test_arrays_come_out_as_files_do(model: RegisteredModel, page: np.ndarray) -> None:
    lines = np.stack([page[top : top + 40] for top in (0, 60, 110)])
    files = model.predict(table(*(encoded(".png", line) for line in lines)))["image"]
    from_files = np.stack([decoded(file) for file in files])
    from_bytes = model.predict(lines)
    assert from_bytes.dtype == np.uint8
    assert np.array_equal(from_bytes, from_files)
    assert np.array_equal(model.predict(lines.astype(np.int64)), from_files)  # as JSON brings them
    scaled = model.predict(lines / 255)
    assert scaled.dtype == np.float64
    assert np.abs(scaled * 255 - from_files).max() <= 0.51
    assert model.predict(lines[:0]).shape == (0, 160, 960)


def test_who_reads_chooses_the_blend(model: RegisteredModel, page: np.ndarray) -> None:
    lines = page[np.newaxis, :80]
    by_reader = {name: model.predict(lines, {"for": name}) for name in ("people", "rapidocr")}
    assert np.array_equal(model.predict(lines), by_reader["people"])
    assert not np.array_equal(*by_reader.values())
    said = said_of(model, lines, **{"for": "cats"})
    assert "no weight for 'cats'; it has been judged for:" in said
    assert "people" in said


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        (b"no image", "row 1: cannot be decoded"),
        (SAMPLE.read_bytes()[:300], "row 1: cannot be decoded"),
        ("/home/me/scan.png", "row 1: '/home/me/scan.png' is no base64"),
        ("aGVsbG8=", "row 1: cannot be decoded"),
        (None, "row 1: None is no image; give the content of an image's file"),
        (3.5, "row 1: 3.5 is no image"),
    ],
)
def test_a_bad_image_is_named_or_left_empty(
    model: RegisteredModel, cell: object, said: str
) -> None:
    file = encoded(".png", np.full((16, 40), 200, np.uint8))
    images = pd.DataFrame({"image": pd.Series([file, cell, file], dtype=object)})
    assert said_of(model, images).startswith(said)
    with pytest.warns(UserWarning, match=said.split(":")[0]):
        first, bad, last = model.predict(images, {"on_error": "null"})["image"]
    assert bad is None
    assert decoded(first).shape == (64, 160)
    assert first == last


@pytest.mark.parametrize(
    ("model_input", "said"),
    [
        (np.full((2, 8, 8), 1.5), "image 1 of 2: an array of floats outside 0 to 1: scale it"),
        (np.full((1, 8, 8), np.nan), "image 1 of 1: an array of floats outside 0 to 1"),
        (np.full((1, 8, 8), 256), "image 1 of 1: an array of the type int64: use uint8"),
        (np.zeros((8, 8), np.uint8), r"an array of the shape (8, 8): give grey images (N, H, W)"),
        (np.zeros((1, 8, 8, 3), np.uint8), "an array of the shape (1, 8, 8, 3)"),
        (np.array(["aGVsbG8="]), "an array of the shape (1,)"),
        ({"image": ["aGVsbG8="]}, "a dict: give a DataFrame with a column `image`"),
        (pd.DataFrame({"a": [b""], "b": [b""]}), "columns ['a', 'b']: none is `image`"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(
    model: RegisteredModel, model_input: object, said: str
) -> None:
    assert said_of(model, model_input).startswith(said)


def test_what_becomes_of_bad_images_is_one_of_two(model: RegisteredModel) -> None:
    said = said_of(model, table(b""), on_error="ignore")
    assert said == "on_error 'ignore': use raise or null"


def test_a_page_of_too_many_pixels_is_refused_by_its_header(model: RegisteredModel) -> None:
    large = io.BytesIO()
    Image.new("1", (8000, 8000)).save(large, "PNG")
    assert said_of(model, table(large.getvalue())).startswith("row 0: has more than 50 megapixels")


def test_a_damaged_folder_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    for name in ("model.json", WEIGHTS, FLOAT32):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    with (tmp_path / WEIGHTS).open("ab") as file:
        file.write(b"x")
    with pytest.raises(TextsrError, match="was made of other weights"):
        RegisteredModel(tmp_path)


def test_a_small_file_of_many_pixels_is_not_small(
    model: RegisteredModel, page: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a portion of 64 of them is upscaled at once."""
    seen: list[bool] = []

    def upscale(_: object, tasks: Iterable[Task]) -> Iterator[TextsrError]:
        for task in tasks:
            seen.append(task.is_small)
            yield TextsrError("not tried")

    monkeypatch.setattr(pyfunc, "upscale_stream", upscale)
    blank = io.BytesIO()
    Image.new("1", (4000, 4000)).save(blank, "PNG")
    large, small = blank.getvalue(), encoded(".png", page[:40, :90])
    assert len(large) < 10_000
    cells = [
        *(small, encoded(".jpg", page[:40, :90]), base64.encodebytes(small).decode()),
        *(large, base64.b64encode(large).decode(), small[:20], "no base64", None),
    ]
    with pytest.warns(UserWarning, match="not tried"):
        model.predict(table(*cells), {"on_error": "null"})
    assert seen == [True] * 3 + [False] * 5
