"""ONNX Runtime and PyTorch give the same picture, of the pretrained weights and of any network.

At most 1 grey level of 255 anywhere after rounding, in float32, where a value lies between two
levels. The mean difference, measured over the sizes and kinds here, is 0.0001 grey levels or less:
0.00001 of the pretrained weights as they are, 0.00003 of the fresh network, 0.00008 of the
pretrained network alone.

In 8 bits, at the pretrained weights' blend, it is another picture: 0.4 to 0.5 grey levels away on
average, and at most 7, over the same sizes from 3x50 and kinds.
"""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from textsr import pretrained
from textsr.errors import TextsrError
from textsr.images.image import LoadedImage
from textsr.inference.backend import Backend
from textsr.inference.choice import open_folder
from textsr.inference.export import export_onnx
from textsr.inference.interpolation import BlendedBackend, bicubic
from textsr.inference.onnx_backend import FLOAT32, OnnxBackend
from textsr.inference.torch_backend import TorchBackend
from textsr.inference.upscale import upscale_image, upscale_images
from textsr.models.bicubic import bicubic as torch_bicubic
from textsr.models.package import BlendedModel, ModelSpec, build_network, load_model, save_model
from textsr.models.spec import read_spec

pytestmark = pytest.mark.slow

RNG = np.random.default_rng(5)
Pair = tuple[Backend, Backend]


def fresh_network() -> BlendedModel:
    """A network whose correction is not zero, as it would be untrained."""
    torch.manual_seed(3)
    spec = ModelSpec(
        name="fresh", architecture="upsampler", scale=2, encoder="text", width=8, blend=0.7
    )
    network = build_network(spec)
    for parameter in network.to_hr.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    return BlendedModel(spec, network).eval()


@pytest.fixture(scope="module", params=["pretrained", "fresh"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    if request.param == "pretrained":
        model = load_model(pretrained.FOLDER)
        network = OnnxBackend(pretrained.FOLDER / FLOAT32)
    else:
        pytest.importorskip("onnxscript")
        model = fresh_network()
        path = tmp_path_factory.mktemp("fresh") / FLOAT32
        raw = BlendedModel(model.spec.model_copy(update={"blend": 1.0}), model.network)
        export_onnx(raw, path)
        network = OnnxBackend(path)
    return BlendedBackend(network, model.spec.blend), TorchBackend(model)


def text_image(height: int, width: int, colour: bool, alpha: bool, dtype: type) -> LoadedImage:
    page = np.full((height, width, 3), (225, 230, 235), np.uint8)
    for row in range(14, height + 14, 18):
        text = "".join(RNG.choice(list("abcdefgKLMR 0123.,"), width // 6))
        cv2.putText(page, text, (-3, row), 0, 0.42, (40, 30, 120), 1, cv2.LINE_AA)
    noisy = np.clip(page + RNG.normal(0, 6, page.shape), 0, 255) / 255
    values = np.rint(noisy * np.iinfo(dtype).max).astype(dtype)
    return LoadedImage(
        values if colour else np.ascontiguousarray(values[..., 1]),
        np.ascontiguousarray(values[..., 2]) if alpha else None,
    )


def differences(first: LoadedImage, second: LoadedImage) -> np.ndarray:
    step = np.iinfo(first.pixels.dtype).max / 255
    parts = [(first.pixels, second.pixels)]
    if first.alpha is not None and second.alpha is not None:
        parts.append((first.alpha, second.alpha))
    return np.concatenate([np.abs(a.astype(float) - b).ravel() / step for a, b in parts])


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (16, 96), (61, 133), (180, 210)])
@pytest.mark.parametrize(
    ("colour", "alpha", "dtype"),
    [(False, False, np.uint8), (True, True, np.uint8), (True, False, np.uint16)],
)
def test_both_give_the_same_picture(
    pair: Pair, size: tuple[int, int], colour: bool, alpha: bool, dtype: type
) -> None:
    image = text_image(*size, colour, alpha, dtype)
    onnx, torch_ = (upscale_image(backend, image) for backend in pair)
    found = differences(onnx, torch_)
    assert found.max() <= 1
    assert found.mean() < 0.001


def test_both_give_the_same_pictures_of_images_that_go_together_and_in_tiles(pair: Pair) -> None:
    images = [text_image(16, 40 + 11 * n, n % 2 == 0, n % 3 == 0, np.uint8) for n in range(7)]
    for onnx, torch_ in zip(*(upscale_images(backend, images) for backend in pair), strict=True):
        assert differences(onnx, torch_).max() <= 1
    page = text_image(150, 190, True, False, np.uint8)
    onnx, torch_ = (upscale_image(backend, page, tile=64) for backend in pair)
    assert differences(onnx, torch_).max() <= 1


@pytest.mark.parametrize("size", [(3, 50), (16, 96), (180, 210)])
@pytest.mark.parametrize(
    ("colour", "alpha", "dtype"), [(False, False, np.uint8), (True, True, np.uint16)]
)
def test_8_bits_are_half_a_grey_level_away(
    size: tuple[int, int], colour: bool, alpha: bool, dtype: type
) -> None:
    spec = read_spec(pretrained.FOLDER)
    image = text_image(*size, colour, alpha, dtype)
    floats, eight = (
        upscale_image(open_folder(pretrained.FOLDER, spec, backend=name), image)
        for name in ("onnx", "onnx-int8")
    )
    found = differences(floats, eight)
    assert 0 < found.mean() < 0.7
    assert found.max() <= 10


def test_threads_change_nothing(pair: Pair) -> None:
    image = text_image(40, 120, False, False, np.uint8)
    for backend in pair:
        one, two = (upscale_image(backend, image, threads=threads) for threads in (1, 2))
        assert differences(one, two).max() <= 1


@settings(deadline=None, max_examples=60)
@given(
    images=npst.arrays(
        np.float32,
        st.tuples(st.integers(1, 3), st.just(1), st.integers(1, 40), st.integers(1, 90)),
        elements=st.floats(0, 1, width=32),
    ),
    scale=st.sampled_from([2, 4]),
)
def test_bicubic_is_pytorchs(images: np.ndarray, scale: int) -> None:
    expected = torch_bicubic(torch.from_numpy(images), scale).numpy()
    found = bicubic(images, scale)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5


@pytest.mark.parametrize("weight", [0.0, 0.25, 1.0])
def test_the_blend_is_pytorchs(weight: float) -> None:
    images = RNG.random((2, 1, 20, 37)).astype(np.float32)
    model = load_model(pretrained.FOLDER)
    spec = model.spec.model_copy(update={"blend": weight})
    expected = TorchBackend(BlendedModel(spec, model.network)).run(images)
    found = open_folder(pretrained.FOLDER, spec, backend="onnx").run(images)
    assert np.abs(found - expected).max() < 1e-5


def test_an_output_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    spec = ModelSpec(name="x", architecture="srcnn_transposed", scale=2)
    network = build_network(spec)
    for parameter in network.parameters():
        torch.nn.init.constant_(parameter, 3e38)  # finite, and more than can be added up
    export_onnx(BlendedModel(spec, network), tmp_path / "m.onnx")
    backend = OnnxBackend(tmp_path / "m.onnx")
    with pytest.raises(TextsrError, match="not finite"):
        backend.run(np.ones((1, 1, 8, 8), np.float32))


def test_a_folder_whose_onnx_file_is_of_another_scale_is_refused(tmp_path: Path) -> None:
    model = fresh_network()
    save_model(tmp_path / "m", model.spec, model.network)
    (tmp_path / "m" / FLOAT32).write_bytes((pretrained.FOLDER / FLOAT32).read_bytes())
    with pytest.raises(TextsrError, match=r"model\.onnx: upscales 4 times, and model\.json says 2"):
        open_folder(tmp_path / "m", model.spec, backend="onnx")


@pytest.mark.parametrize("content", [b"", b"no model", None])
def test_a_file_that_is_no_model_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "m.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TextsrError, match=rf"^{path}: (not an ONNX model|no such file)"):
        OnnxBackend(path)
