"""The Python API: what goes in comes out larger, of the same type and layout."""

import hashlib
import io
import shutil
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import textsr
from textsr import LoadedImage, Model, TextsrError, load_model, pretrained, upscale
from textsr.images.image import FloatImage
from textsr.inference import choice, onnx_backend, stream
from textsr.inference.interpolation import BicubicBackend
from textsr.inference.onnx_backend import INT8
from textsr.models.spec import ModelSpec, read_spec

RNG = np.random.default_rng(7)

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*text of"),
]


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model(backend="onnx")


def some_array(*shape: int, dtype: type = np.uint8) -> np.ndarray:
    values = cv2.GaussianBlur(RNG.random((24, 56, shape[2] if len(shape) > 2 else 1)), (0, 0), 1.5)
    values = values.reshape(24, 56, -1)[: shape[0], : shape[1]].reshape(shape)
    if np.dtype(dtype).kind == "f":
        return values.astype(dtype)
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(12, 40), (12, 40, 1), (12, 40, 3), (12, 40, 4)])
def test_arrays_keep_type_and_layout(model: Model, shape: tuple[int, ...], dtype: type) -> None:
    array = some_array(*shape, dtype=dtype)
    before = array.copy()
    result = model.upscale(array)
    assert result.dtype == dtype
    assert result.shape == (48, 160, *shape[2:])
    assert np.array_equal(array, before)
    most = 1 if np.dtype(dtype).kind == "f" else np.iinfo(dtype).max
    shrunk = cv2.resize(result.astype(float) / most, (40, 12), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.reshape(shape) - array.astype(float) / most).mean() < 0.05


@pytest.mark.parametrize("channels", [3, 4])
def test_the_order_of_colours_is_as_told(model: Model, channels: int) -> None:
    bgr = some_array(12, 40, channels)
    order = [2, 1, 0, 3][:channels]
    rgb = model.upscale(bgr[..., order], channels="RGB")
    assert np.array_equal(rgb[..., order], model.upscale(bgr))
    assert not np.array_equal(rgb, model.upscale(bgr))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((3, 4, 2), np.uint8), r"shape \(3, 4, 2\): use HxW"),
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\)"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
        (np.array(3, np.uint8), r"shape \(\)"),
        (np.zeros((1, 3, 4, 3), np.uint8), r"shape \(1, 3, 4, 3\)"),
        (np.zeros((3, 4), np.int32), "type int32: use uint8"),
        (np.zeros((3, 4), bool), "type bool"),
        (np.full((3, 4), 1.1), "floats outside 0 to 1"),
        (np.full((3, 4), np.nan), "floats outside 0 to 1"),
        (3, "a int; give an array"),
        (b"no image", "cannot be decoded"),
        ("missing.png", "missing.png: no such file"),
        ("./missing.png", "^missing.png: no such file"),
        ("", "^image: '' is no path"),
    ],
)
def test_what_is_no_image_is_refused(model: Model, array: object, said: str) -> None:
    with pytest.raises(TextsrError, match=said):
        model.upscale(array)  # type: ignore[call-overload]
    with pytest.raises(TextsrError, match="channels GBR: use BGR or RGB"):
        model.upscale(np.zeros((3, 4, 3), np.uint8), channels="GBR")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("L", "L"), ("RGB", "RGB"), ("RGBA", "RGBA"), ("LA", "LA"), ("I;16", "I;16"), ("1", "L"),
     ("CMYK", "RGB")],
)  # fmt: skip
def test_pillow_images_keep_their_mode_and_profile(model: Model, mode: str, expected: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(some_array(12, 40, dtype=np.uint16))
    else:
        image = Image.fromarray(some_array(12, 40, 3)).convert(mode)
    colour_space = b"GRAY" if expected in ("L", "LA", "I;16") else b"RGB "
    image.info["icc_profile"] = b"\0" * 16 + colour_space + b"\0" * 108
    result = model.upscale(image)
    assert result.mode == expected
    assert result.size == (160, 48)
    assert result.info["icc_profile"] == image.info["icc_profile"]
    shrunk = np.asarray(result.resize((40, 12), Image.Resampling.BOX).convert("RGB"), float)
    if mode not in ("I;16", "1"):  # Pillow shows the first otherwise; the other is dithered
        assert np.abs(shrunk - np.asarray(image.convert("RGB"), float)).mean() < 12


def test_files_bytes_and_arrays_give_the_same_picture(model: Model, tmp_path: Path) -> None:
    array = some_array(12, 40, 3)
    path = tmp_path / "small.png"
    cv2.imwrite(str(path), array)
    results = [model.upscale(given) for given in (path, str(path), path.read_bytes())]
    for result in results:
        assert isinstance(result, LoadedImage)
        assert np.array_equal(result.pixels, model.upscale(array))
    results[0].save(tmp_path / "big.png")
    assert np.array_equal(cv2.imread(str(tmp_path / "big.png")), results[0].pixels)
    assert np.array_equal(np.asarray(results[0].to_pillow())[..., ::-1], results[0].pixels)
    assert np.array_equal(model.upscale(results[0]).pixels, model.upscale(results[0].pixels))
    with pytest.raises(TextsrError, match=r"small\.png: has more than 0\.0001 megapixels"):
        model.upscale(path, max_pixels=100)


def test_the_packages_function_keeps_one_model(monkeypatch: pytest.MonkeyPatch) -> None:
    array = some_array(12, 40)
    first = upscale(array)
    monkeypatch.setattr(textsr.api, "load_model", lambda: pytest.fail("loaded twice"))
    assert np.array_equal(upscale(array), first)
    assert np.array_equal(first, load_model().upscale(array))


def mixed_images(tmp_path: Path) -> Iterator[object]:
    for number in range(150):
        yield some_array(5 + number % 7, 9 + number % 11)
    yield some_array(24, 56, 4, dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "page.png"), np.full((200, 300, 3), 120, np.uint8))
    yield tmp_path / "page.png"
    buffer = io.BytesIO()
    Image.fromarray(some_array(9, 9)).save(buffer, "PNG")
    yield buffer.getvalue()
    yield Image.fromarray(some_array(8, 8, 3))


def test_many_come_in_order_as_alone(model: Model, tmp_path: Path) -> None:
    images = list(mixed_images(tmp_path))
    results = list(model.upscale_many(images))
    assert len(results) == len(images)
    for image, result in zip(images, results, strict=True):
        alone = model.upscale(image)  # type: ignore[call-overload]
        assert type(result) is type(alone)
        pixels = [np.asarray(getattr(one, "pixels", one), float) for one in (result, alone)]
        most = 257 if getattr(result, "dtype", None) == np.uint16 else 1
        assert np.abs(pixels[0] - pixels[1]).max() <= most


def test_many_are_read_as_they_are_asked_for(model: Model) -> None:
    read = 0

    def endless() -> Iterator[np.ndarray]:
        nonlocal read
        while True:
            read += 1
            yield np.zeros((4, 4 + read % 3), np.uint8)

    results = model.upscale_many(endless())
    shapes = [next(results).shape[1] // 4 for _ in range(200)]  # type: ignore[union-attr]
    assert shapes == [4 + number % 3 for number in range(1, 201)]
    ahead = 64 * (model.backend.workers + 2)
    assert read <= 200 + ahead
    results.close()  # type: ignore[attr-defined]
    assert not [t for t in threading.enumerate() if t.name.startswith("ThreadPoolExecutor")]


def test_of_many_the_one_that_cannot_be_upscaled_is_named_at_its_turn(model: Model) -> None:
    good = some_array(6, 9)
    results = model.upscale_many([good, good, np.zeros((3, 4), int), good])
    assert [next(results).shape for _ in range(2)] == [(24, 36)] * 2  # type: ignore[union-attr]
    with pytest.raises(TextsrError, match=r"^image 3: an array of the type int64"):
        next(results)


def test_an_image_that_breaks_the_network_is_named_and_those_beside_it_are_not() -> None:
    class Fragile(BicubicBackend):
        def run(self, images: FloatImage, threads: int | None = None) -> FloatImage:
            if (images.min((1, 2, 3)) == 1).any():
                raise TextsrError("too bright")
            return super().run(images)

    info = load_model().info
    model = Model(Fragile(2), info)
    grey, white = np.full((6, 8), 99, np.uint8), np.full((6, 8), 255, np.uint8)
    results = model.upscale_many([grey, white, grey])
    assert np.array_equal(next(results), model.upscale(grey))
    with pytest.raises(TextsrError, match=r"^image 2: too bright"):
        next(results)


def test_arrays_of_the_other_byte_order_are_taken_and_given_back(model: Model) -> None:
    for dtype in (np.uint16, np.float32):
        array = some_array(12, 40, 3, dtype=dtype)
        swapped = array.astype(array.dtype.newbyteorder())
        result = model.upscale(swapped)
        assert result.dtype == swapped.dtype
        assert np.array_equal(result, model.upscale(array))


def test_what_a_decoder_or_backend_raises_is_told_with_the_images_name() -> None:
    class Broken(BicubicBackend):
        def run(self, images: FloatImage, threads: int | None = None) -> FloatImage:
            raise ZeroDivisionError("by nothing")

    model = Model(Broken(2), load_model().info)
    with pytest.raises(TextsrError, match=r"^image: ZeroDivisionError: by nothing"):
        model.upscale(np.zeros((3, 4), np.uint8))


class Waiting(BicubicBackend):
    """Waits in the network until it is let go; counts how often it was asked to upscale."""

    def __init__(self) -> None:
        super().__init__(2, threads=1, workers=1)
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.runs = 0

    def run(self, images: FloatImage, threads: int | None = None) -> FloatImage:
        self.runs += 1
        if self.runs > 1:
            self.begun.set()
            assert self.go_on.wait(timeout=60)
        return super().run(images)


@pytest.mark.parametrize(
    "rest",
    [[(2000, 2100)], [(4, width) for width in range(1, 40)]],
    ids=["of several tiles", "of a batch for each size"],
)
def test_many_that_are_left_early_end_after_the_batch_in_work(
    monkeypatch: pytest.MonkeyPatch, rest: list[tuple[int, int]]
) -> None:
    backend = Waiting()

    class LettingGo(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            backend.go_on.set()
            super().shutdown(wait, cancel_futures=cancel_futures)

    monkeypatch.setattr(stream, "ThreadPoolExecutor", LettingGo)
    model = Model(backend, replace(load_model().info, text_height_px=None))
    shapes = [(200, 200), *rest]
    results = model.upscale_many([np.zeros(shape, np.uint8) for shape in shapes])
    next(results)
    assert backend.begun.wait(timeout=60)
    results.close()  # type: ignore[attr-defined]
    assert backend.runs == 2  # the first image's, and the one in work


def test_files_of_few_bytes_and_many_pixels_are_not_taken_together(tmp_path: Path) -> None:
    path = tmp_path / "blank.png"
    Image.new("L", (1000, 1000)).save(path)
    assert path.stat().st_size < 8000
    jpeg = io.BytesIO()
    Image.new("L", (700, 700)).save(jpeg, "JPEG")
    line = io.BytesIO()
    Image.new("L", (60, 20)).save(line, "JPEG")
    (tmp_path / "line.jpg").write_bytes(line.getvalue())
    for given in (path, str(path), path.read_bytes(), jpeg.getvalue(), b"none", "missing.png"):
        assert not textsr.api._is_small(given)
    for given in (line.getvalue(), tmp_path / "line.jpg"):
        assert textsr.api._is_small(given)


def test_results_before_a_failure_of_the_source_are_given(model: Model) -> None:
    def failing() -> Iterator[np.ndarray]:
        yield some_array(6, 9)
        yield some_array(24, 56)
        yield some_array(7, 9)
        raise OSError("the camera is gone")

    results = model.upscale_many(failing())
    assert [next(results).shape for _ in range(3)] == [(24, 36), (96, 224), (28, 36)]  # type: ignore[union-attr]
    with pytest.raises(OSError, match="the camera is gone"):
        next(results)


@pytest.mark.parametrize(
    "images",
    ["abc", b"abc", Path("a.png"), Image.new("L", (3, 3)), np.zeros((3, 4), np.uint8),
     LoadedImage(np.zeros((3, 4), np.uint8)), 3, None],
)  # fmt: skip
def test_what_are_not_many_images_is_refused_at_once(model: Model, images: object) -> None:
    with pytest.raises(TextsrError, match=r"^images: a \w+; give a list"):
        model.upscale_many(images)  # type: ignore[call-overload]


def test_a_wrong_order_of_many_images_colours_is_refused_at_once(model: Model) -> None:
    with pytest.raises(TextsrError, match="channels GBR: use BGR or RGB"):
        model.upscale_many([], channels="GBR")  # type: ignore[call-overload]


def test_a_clear_colour_of_a_pillow_image_becomes_alpha(model: Model) -> None:
    grey = Image.fromarray(some_array(12, 40))
    deep = Image.fromarray(some_array(12, 40, dtype=np.uint16))
    for image, mode in ((grey.convert("RGB"), "RGBA"), (grey, "LA"), (deep, "LA")):
        clear = image.getpixel((3, 3))
        image.info["transparency"] = clear
        assert model.upscale(image).mode == mode


def test_threads_may_share_a_model(model: Model) -> None:
    arrays = [some_array(10, 20 + number) for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(model.upscale, arrays))
    for array, result in zip(arrays, results, strict=True):
        assert np.array_equal(result, model.upscale(array))


def test_what_is_known_of_the_pretrained_weights() -> None:
    info = load_model(backend="onnx").info
    assert (info.name, info.version, info.scale, info.backend) == ("pretrained", "v4", 4, "onnx")
    assert info.text_height_px == (7, 24)
    assert "synthetic" in (info.trained_on or "")
    assert load_model(pretrained.FOLDER).info.version == "v4"
    by_torch = load_model(backend="torch", device="cpu")
    assert by_torch.info == info.__class__(**{**vars(info), "backend": "torch"})


def test_8_bits_are_taken_with_the_packages_file_at_the_blend_that_they_were_judged_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "has_vnni", lambda: True)
    monkeypatch.setattr(choice, "may_have_gpu", lambda: False)
    own = read_spec(pretrained.FOLDER).blend
    assert own == choice.JUDGED_BLEND
    assert load_model(reader="any").info.backend == "onnx-int8"
    for blend in (0, own / 2, own):
        assert load_model(blend=blend).info.backend == "onnx-int8"
    for blend in (own + 0.01, 1):
        assert load_model(blend=blend).info.backend == "onnx"
    assert load_model(backend="onnx").info.backend == "onnx"
    shutil.copytree(pretrained.FOLDER, tmp_path / "copy")
    assert load_model(tmp_path / "copy").info.backend == "onnx"  # its files may be others
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "copy")
    assert load_model(reader="any").info.backend == "onnx-int8"
    monkeypatch.setattr(choice, "has_vnni", lambda: False)
    assert load_model(reader="any").info.backend == "onnx"


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((12, 40), np.uint16), ((24, 56, 4), np.float32), ((150, 150), np.uint16)],
)
def test_deep_images_are_computed_in_floats_where_8_bits_are_the_default(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], dtype: type
) -> None:
    monkeypatch.setattr(choice, "has_vnni", lambda: True)
    monkeypatch.setattr(choice, "may_have_gpu", lambda: False)
    usual, model, named = (
        load_model(backend=backend, reader="any") for backend in ("auto", "onnx", "onnx-int8")
    )
    assert usual.info.backend == named.info.backend == "onnx-int8"
    shallow, deep = (
        (RNG.random(shape) * most).astype(kind)
        for kind, most in ((np.uint8, 255), (dtype, 65535 if dtype == np.uint16 else 1))
    )
    by_floats, by_eight = model.upscale(deep), named.upscale(shallow)
    assert not np.array_equal(by_floats, named.upscale(deep))
    assert not np.array_equal(by_eight, model.upscale(shallow))
    assert np.array_equal(usual.upscale(shallow), by_eight)
    assert np.array_equal(usual.upscale(deep), by_floats)
    together = list(usual.upscale_many(iter([deep, shallow, shallow, deep])))
    expected = [*model.upscale_many([deep] * 2), *named.upscale_many([shallow] * 2)]
    for found, image in zip(together, (expected[i] for i in (0, 2, 3, 1)), strict=True):
        assert np.array_equal(found, image)


def test_the_floats_are_opened_once_and_not_before_a_deep_image_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "has_vnni", lambda: True)
    monkeypatch.setattr(choice, "may_have_gpu", lambda: False)
    opened: list[str] = []
    true_backend = onnx_backend.OnnxBackend

    def noted(path: Path, threads: int | None, *, name: str) -> onnx_backend.OnnxBackend:
        opened.append(name)
        return true_backend(path, threads, name=name)

    monkeypatch.setattr(onnx_backend, "OnnxBackend", noted)
    usual = load_model(reader="any")
    usual.upscale(some_array(12, 40))
    assert opened == ["onnx-int8"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(usual.upscale, [some_array(12, 40, dtype=np.uint16)] * 8))
    assert opened == ["onnx-int8", "onnx"]


def test_other_weights_than_those_that_were_judged_are_computed_in_floats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "has_vnni", lambda: True)
    monkeypatch.setattr(choice, "may_have_gpu", lambda: False)
    shutil.copytree(pretrained.FOLDER, tmp_path / "new")
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "new")
    assert load_model(reader="any").info.backend == "onnx-int8"
    eight_bits = tmp_path / "new" / INT8
    with eight_bits.open("ab") as file:
        file.write(b"\x32\x01x")  # the same network, of another description
    assert load_model(reader="any").info.backend == "onnx"
    assert load_model(backend="onnx-int8").info.backend == "onnx-int8"
    digest = hashlib.sha256(eight_bits.read_bytes()).hexdigest()
    monkeypatch.setattr(choice, "JUDGED_SHA256", digest)
    assert load_model(reader="any").info.backend == "onnx-int8"
    monkeypatch.setattr(choice, "JUDGED_BLEND", 0.3)
    assert load_model(reader="any").info.backend == "onnx"
    assert load_model(blend=0.3).info.backend == "onnx-int8"


def test_the_file_in_8_bits_that_comes_along_is_the_one_that_was_judged() -> None:
    digest = hashlib.sha256((pretrained.FOLDER / INT8).read_bytes()).hexdigest()
    assert digest == choice.JUDGED_SHA256, (
        f"{INT8} is new, so that `auto` computes in floats; run `python -m benchmarks.quantization`"
        ", which says what to put into textsr/inference/choice.py"
    )


def test_the_blend_is_the_models_own_unless_told() -> None:
    array = some_array(12, 40)
    own, bicubic, network = (
        load_model(backend="onnx", blend=blend).upscale(array).astype(float)
        for blend in (None, 0, 1)
    )
    expected = cv2.resize(array, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    assert np.abs(bicubic - expected).max() <= 1
    spec = read_spec(pretrained.FOLDER)
    weight = spec.blend_for(spec.usual_reader)
    inside = (network % 255 > 0) & (bicubic % 255 > 0)
    between = bicubic + weight * (network - bicubic)
    assert np.abs(own - between)[inside].max() <= 1.5
    for wrong in (-0.1, 1.1, float("nan"), "0.5"):
        with pytest.raises(TextsrError, match=r"blend .*: must be from 0 to 1"):
            load_model(blend=wrong)  # type: ignore[arg-type]


def test_who_reads_chooses_the_blend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = read_spec(pretrained.FOLDER).model_copy(
        update={"blend": 0.4, "blends": {"people": 0.8, "tesseract": 1.0}}
    )
    (tmp_path / "model.json").write_text(spec.model_dump_json())
    loaded = []

    def open_folder(folder: Path, spec: ModelSpec, **_: object) -> BicubicBackend:
        loaded.append(spec.blend)
        return BicubicBackend(4)

    monkeypatch.setattr("textsr.api.open_folder", open_folder)
    for asked, reader, blend in (
        ({}, "people", 0.8),
        ({"reader": "any"}, "any", 0.4),
        ({"reader": "tesseract"}, "tesseract", 1),
        ({"blend": 0.2}, None, 0.2),
    ):
        info = load_model(tmp_path, **asked).info  # type: ignore[arg-type]
        assert (info.reader, info.blend, loaded[-1]) == (reader, blend, blend)
    with pytest.raises(TextsrError, match="no weight for 'easyocr'; it has been judged for: any"):
        load_model(tmp_path, reader="easyocr")
    with pytest.raises(TextsrError, match=r"reader 'any' and blend 0\.5: give one of them"):
        load_model(tmp_path, reader="any", blend=0.5)
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    upscale(some_array(12, 40), reader="tesseract")
    assert loaded[-1] == 1


def test_sharp_large_text_is_left_to_bicubic_and_told_of(model: Model) -> None:
    line = np.full((60, 320), 230, np.uint8)
    cv2.putText(line, "Amount due", (4, 44), 0, 1.5, 20, 3, cv2.LINE_AA)
    with pytest.warns(UserWarning, match=r"^image: text of .* that is sharp already"):
        kept = model.upscale(line)
    bicubic = cv2.resize(line, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    assert np.abs(kept.astype(int) - bicubic).max() <= 1
    with pytest.warns(UserWarning, match="outside 7 to 24 px"):
        told = load_model(backend="onnx", blend=0.9).upscale(line)
    assert np.abs(told.astype(int) - bicubic).max() > 2


def test_warnings_point_at_the_callers_line(model: Model) -> None:
    line = np.full((60, 320), 230, np.uint8)
    cv2.putText(line, "Amount due", (4, 44), 0, 1.5, 20, 3, cv2.LINE_AA)
    calls = (
        lambda: model.upscale(line),
        lambda: upscale(line),
        lambda: list(model.upscale_many([line])),
        lambda: next(model.upscale_many([line])),
    )
    for call in calls:
        with pytest.warns(UserWarning, match="that is sharp already") as told:
            call()
        assert [warning.filename for warning in told] == [__file__]
    unknown = Model(model.backend, replace(model.info, text_height_px=None))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unknown.upscale(line)


def test_an_onnx_file_is_a_model(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    path.write_bytes((pretrained.FOLDER / "model.onnx").read_bytes())
    array = some_array(12, 40)
    mine = load_model(path)
    assert (mine.info.name, mine.info.scale, mine.info.backend) == ("mine", 4, "onnx")
    assert np.array_equal(mine.upscale(array), load_model(backend="onnx", blend=1).upscale(array))
    for settings, said in (
        ({"blend": 0.5}, "has its blend in it"),
        ({"reader": "people"}, "has its blend in it"),
        ({"backend": "torch"}, "PyTorch does not compute ONNX files"),
        ({"backend": "onnx-int8"}, "use the backend onnx"),
        ({"backend": "tpu"}, "backend tpu: unknown"),
        ({"device": "cuda"}, "PyTorch does not compute ONNX files"),
    ):
        with pytest.raises(TextsrError, match=said):
            load_model(path, **settings)  # type: ignore[arg-type]
    with pytest.raises(TextsrError, match="is a part of a model's folder; name the folder"):
        load_model(pretrained.FOLDER / "model.onnx")


def test_what_is_no_model_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TextsrError, match=r"nothing/model\.json: no such file"):
        load_model(tmp_path / "nothing")
    for threads, said in ((0, "threads 0"), ("2", "threads '2': must be a whole number")):
        with pytest.raises(TextsrError, match=said):
            load_model(threads=threads)  # type: ignore[arg-type]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TextsrError, match=r"not inside a textsr project"):
        load_model("models:/textsr@champion")


def test_a_registered_model_without_mlflow_names_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fetch(uri: str) -> Path:
        raise ModuleNotFoundError("No module named 'mlflow'", name="mlflow")

    monkeypatch.setattr("textsr.registry.resolve.registered_version", fetch)
    with pytest.raises(TextsrError, match=r"champion: getting it needs mlflow.*textsr\[pipeline\]"):
        load_model("models:/textsr@champion")


def test_the_package_names_what_is_public() -> None:
    for name in textsr.__all__:
        assert getattr(textsr, name) is not None
    assert set(textsr.__all__) <= set(dir(textsr))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = textsr.nothing


@pytest.mark.filterwarnings("ignore:text outside")
def test_a_file_of_pages_comes_out_with_all_its_pages(model: Model, tmp_path: Path) -> None:
    pages = [Image.fromarray(some_array(12, 40)), Image.fromarray(some_array(10, 50))]
    pages[0].save(tmp_path / "scans.tif", save_all=True, append_images=pages[1:])
    model.upscale_file(tmp_path / "scans.tif", tmp_path / "out" / "scans.tif")
    with Image.open(tmp_path / "out" / "scans.tif") as result:
        assert result.n_frames == 2
        for number, page in enumerate(pages):
            result.seek(number)
            expected = model.upscale(np.asarray(page)).astype(int)
            # Small images are padded otherwise at their borders than pages are.
            assert np.abs(np.asarray(result) - expected).mean() < 1


def test_a_file_becomes_another_or_is_refused(model: Model, tmp_path: Path) -> None:
    Image.fromarray(some_array(12, 40)).save(tmp_path / "small.png", dpi=(75, 75))
    model.upscale_file(str(tmp_path / "small.png"), str(tmp_path / "big.jpg"))
    with Image.open(tmp_path / "big.jpg") as result:
        assert (result.size, result.info["dpi"]) == ((160, 48), (300, 300))
    with pytest.raises(TextsrError, match=r"big\.xyz: cannot write \.xyz"):
        model.upscale_file(tmp_path / "small.png", tmp_path / "big.xyz")
    with pytest.raises(TextsrError, match=r"small\.png: has more than"):
        model.upscale_file(tmp_path / "small.png", tmp_path / "big.png", max_pixels=100)
    before = (tmp_path / "small.png").read_bytes()
    with pytest.raises(TextsrError, match=r"small\.png: its result would overwrite the input"):
        model.upscale_file(tmp_path / "small.png", tmp_path / "small.png")
    assert (tmp_path / "small.png").read_bytes() == before
