"""The model folder: the same bits back, what is wrong with it by name, and the blend."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from grey import upscale_grey
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from textsr.errors import TextsrError
from textsr.inference.torch_backend import TorchBackend
from textsr.models.bicubic import bicubic
from textsr.models.package import (
    BlendedModel,
    ModelSpec,
    build_network,
    load_model,
    read_spec,
    save_model,
)

UPSAMPLER = {"name": "x", "architecture": "upsampler", "scale": 4, "encoder": "text", "width": 8}
SEED = {"name": "x", "architecture": "srcnn_transposed", "scale": 4}
SPECS = [
    ModelSpec.model_validate({**spec, "scale": scale})
    for spec in (UPSAMPLER, UPSAMPLER | {"encoder": "resnet18"}, SEED)
    for scale in (2, 4)
]


def trained(spec: ModelSpec) -> nn.Module:
    """A network none of whose numbers is what building it makes: running statistics, too."""
    network = build_network(spec)
    generator = torch.Generator().manual_seed(0)
    for value in network.state_dict().values():
        if value.is_floating_point():
            # As large as the numbers themselves at most: deep networks would overflow.
            deviation = max(float(value.std(correction=0)) / 2, 0.01)
            value.add_(deviation * torch.randn(value.shape, generator=generator))
        else:
            value.add_(3)
    return network.eval()


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_weights_come_back_bit_by_bit(spec: ModelSpec, tmp_path: Path) -> None:
    network = trained(spec).to(memory_format=torch.channels_last)  # as training leaves it
    save_model(tmp_path / "m", spec, network)
    loaded = load_model(tmp_path / "m")
    assert not loaded.training
    state = loaded.network.state_dict()
    assert list(state) == list(network.state_dict())
    for name, value in network.state_dict().items():
        assert torch.equal(state[name], value), name


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_in_eight_bits_it_takes_less_room_and_does_the_same(
    spec: ModelSpec, tmp_path: Path
) -> None:
    network = trained(spec)
    save_model(tmp_path / "m", spec, network)
    save_model(tmp_path / "small", spec, network, quantized=True)
    sizes = [(tmp_path / name / "weights.safetensors").stat().st_size for name in ("small", "m")]
    assert sizes[0] < 0.4 * sizes[1]
    images = torch.rand(1, 1, 16, 40)
    with torch.inference_mode():
        exact, rounded = (load_model(tmp_path / name)(images) for name in ("m", "small"))
    assert not torch.equal(exact, rounded)
    change = exact - bicubic(images, spec.scale)
    assert (rounded - exact).square().mean() < 0.01 * change.square().mean()


def test_blocks_of_the_encoder_are_part_of_the_model(tmp_path: Path) -> None:
    spec = ModelSpec.model_validate(UPSAMPLER | {"coarse_blocks": 3, "sequence_blocks": 5})
    save_model(tmp_path / "m", spec, trained(spec))
    loaded = load_model(tmp_path / "m")
    assert loaded.spec == spec
    assert len(loaded.network.encoder.stages[-1]) == 3
    assert len(loaded.network.encoder.sequence) == 5
    # A model that does not say it has as many as always, and nothing of it in its file.
    usual = ModelSpec.model_validate(UPSAMPLER)
    save_model(tmp_path / "usual", usual, trained(usual))
    record = json.loads((tmp_path / "usual" / "model.json").read_text(encoding="utf-8"))
    assert set(record) == {*UPSAMPLER, "blend"}
    encoder = load_model(tmp_path / "usual").network.encoder
    assert (len(encoder.stages[-1]), len(encoder.sequence)) == (2, 3)
    (tmp_path / "m" / "model.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(TextsrError, match="not the weights of upsampler"):
        load_model(tmp_path / "m")


def test_a_model_carries_its_blends_and_one_without_is_as_ever(tmp_path: Path) -> None:
    blends = {"people": 1.0, "any": 0.4, "tesseract": 0.6}
    spec = ModelSpec.model_validate(UPSAMPLER | {"blend": 0.4, "blends": blends})
    save_model(tmp_path / "m", spec, trained(spec))
    loaded = read_spec(tmp_path / "m")
    assert loaded == spec
    assert {reader: loaded.blend_for(reader) for reader in blends} == blends
    with pytest.raises(TextsrError, match=r"no weight for 'easyocr'; .*: any, people, tesseract"):
        loaded.blend_for("easyocr")
    path = tmp_path / "m" / "model.json"
    path.write_text(json.dumps(UPSAMPLER), encoding="utf-8")  # of before
    old = read_spec(tmp_path / "m")
    assert (old.blend, old.blends) == (1, {})
    with pytest.raises(TextsrError, match="judged for: any"):
        old.blend_for("people")
    path.write_text(json.dumps(UPSAMPLER | {"blends": {"any": 1.1}}), encoding="utf-8")
    with pytest.raises(TextsrError, match=r"blends\.any"):
        read_spec(tmp_path / "m")


def test_a_saved_model_replaces_the_one_before(tmp_path: Path) -> None:
    for spec in (SPECS[0], SPECS[-1]):
        save_model(tmp_path / "m", spec, trained(spec))
    assert load_model(tmp_path / "m").spec == SPECS[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"name": "\xe9"}',
        json.dumps(SEED | {"scale": 3}).encode(),
        json.dumps(SEED | {"blend": 1.5}).encode(),
        json.dumps(SEED | {"colour": True}).encode(),
        json.dumps(UPSAMPLER | {"width": None}).encode(),
        json.dumps(UPSAMPLER | {"width": -8}).encode(),
        json.dumps(UPSAMPLER | {"width": 0}).encode(),
        json.dumps(UPSAMPLER | {"encoder": None}).encode(),
        json.dumps(UPSAMPLER | {"encoder": "vit"}).encode(),
        json.dumps({k: v for k, v in SEED.items() if k != "scale"}).encode(),
    ],
)
def test_malformed_specification_names_its_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.json").write_bytes(content)
    with pytest.raises(TextsrError) as caught:
        load_model(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/model.json: not a model specification")


def test_what_is_no_folder_of_a_model_is_named(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt"
    file.write_text("x")
    for folder in (tmp_path / "nothing", file):
        with pytest.raises(TextsrError, match=rf"{folder}/model\.json: no such file; name a model"):
            read_spec(folder)
    (tmp_path / "model.json").mkdir()
    with pytest.raises(TextsrError, match=r"model\.json: cannot be read"):
        read_spec(tmp_path)


def test_missing_damaged_and_foreign_weights_are_named(tmp_path: Path) -> None:
    spec = SPECS[0]
    save_model(tmp_path / "m", spec, trained(spec))
    weights = tmp_path / "m" / "weights.safetensors"
    good = weights.read_bytes()
    save_model(tmp_path / "wider", (wide := spec.model_copy(update={"width": 16})), trained(wide))
    damaged = {
        "cut off": good[:-1],
        "empty": b"",
        "a pickle": b"\x80\x04K\x01.",
        "of another width": (tmp_path / "wider" / "weights.safetensors").read_bytes(),
        "missing": None,
    }
    for what, content in damaged.items():
        weights.unlink()
        if content is not None:
            weights.write_bytes(content)
        with pytest.raises(TextsrError) as caught:
            load_model(tmp_path / "m")
        assert str(caught.value).startswith(f"{weights}: not the weights of upsampler"), what
        weights.touch()


@settings(max_examples=25, deadline=None)
@given(blend=st.floats(0, 1), spec=st.sampled_from(SPECS))
def test_blend_goes_from_bicubic_to_the_network(blend: float, spec: ModelSpec) -> None:
    network = trained(spec)
    images = torch.rand(2, 1, 8, 20, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        low, high = bicubic(images, spec.scale), network(images)
        blended = BlendedModel(spec.model_copy(update={"blend": blend}), network)(images)
    assert torch.allclose(blended, (1 - blend) * low + blend * high, atol=1e-5)
    if blend in (0, 1):
        assert torch.equal(blended, high if blend else low)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_channels_last_changes_the_layout_and_not_the_result(spec: ModelSpec) -> None:
    model = BlendedModel(spec.model_copy(update={"blend": 0.5}), trained(spec))
    images = torch.rand(1, 1, 16, 37, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = model(images)
        model.to(memory_format=torch.channels_last)
        out = model(images.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(out, expected, atol=1e-4)


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_tiles_of_every_network_give_what_the_whole_image_gives(spec: ModelSpec) -> None:
    model = BlendedModel(spec, trained(spec))
    tile, halo = 2 * 32, model.halo
    grey = np.random.default_rng(0).random((37, 2 * halo + 3 * tile)).astype(np.float32)
    tiled = upscale_grey(TorchBackend(model), grey, tile=tile, halo=halo)
    with torch.inference_mode():
        whole = model(torch.from_numpy(grey)[None, None])[0, 0].numpy()
    assert np.abs(tiled - whole).max() < 1 / 255
    tall = grey.T.copy()
    tiled = upscale_grey(TorchBackend(model), tall, tile=tile, halo=halo)
    with torch.inference_mode():
        whole = model(torch.from_numpy(tall)[None, None])[0, 0].numpy()
    assert np.abs(tiled - whole).max() < 1 / 255


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_nothing_beyond_the_halo_changes_a_result(spec: ModelSpec) -> None:
    """What tiling stands on: a pixel `halo` LR pixels away has no say, a nearer one has."""
    network = trained(spec)
    halo = BlendedModel(spec, network).halo
    width = 32 * (2 * halo // 32 + 3)
    images = torch.rand(1, 1, 8, width, generator=torch.Generator().manual_seed(1))
    changed = images.clone()
    changed[..., : width - halo - 32] = 0
    with torch.inference_mode():
        difference = (network(images) - network(changed)).abs().amax((0, 1, 2))
    assert difference[-32 * spec.scale :].max() < 1e-5
    assert difference[: (width - halo - 32) * spec.scale].max() > 1e-3
