"""The section `models` of params.yaml: one place that knows which networks there are."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from textsr.config.params import FRESH, PRETRAINED, SSL_METHODS, Params, parse_params
from textsr.errors import TextsrError
from textsr.training.run import plan_training

SIMCLR = "artifacts/encoders/simclr/encoder"
UPSAMPLER = {"start": FRESH, "architecture": "upsampler"}


def with_model(raw: dict[str, Any], name: str, model: dict[str, Any]) -> dict[str, Any]:
    return raw | {"models": raw["models"] | {name: model}}


def test_another_entry_is_another_model(
    raw_params: dict[str, Any], tiny_params: Params, dataset: Path, tmp_path: Path
) -> None:
    raw = yaml.safe_load(tiny_params.model_dump_json())
    params = parse_params(with_model(raw, "width96", UPSAMPLER | {"width": 96}))
    assert [*params.models][-1] == "width96"
    run = plan_training("width96", params, dataset, None, tmp_path)
    assert (run.spec.name, run.spec.width, run.encoder) == ("width96", 96, None)
    scratch = plan_training("scratch", params, dataset, None, tmp_path)
    assert scratch.spec.width == params.training.width
    assert scratch.checkpoints.parent != run.checkpoints.parent


@pytest.mark.parametrize("method", SSL_METHODS)
def test_a_model_starts_from_a_methods_encoder_whatever_its_name(
    tiny_params: Params, dataset: Path, tmp_path: Path, method: str
) -> None:
    raw = yaml.safe_load(tiny_params.model_dump_json())
    start = f"artifacts/encoders/{method}/encoder"
    params = parse_params(with_model(raw, "mine", {"start": start, "architecture": "upsampler"}))
    (tmp_path / method / "encoder").mkdir(parents=True)
    run = plan_training("mine", params, dataset, None, tmp_path)
    assert run.encoder == tmp_path / method / "encoder"


@pytest.mark.parametrize(
    ("name", "model", "said"),
    [
        ("a", {"architecture": "upsampler"}, "models.a.start: missing"),
        ("a", UPSAMPLER | {"start": "scratch"}, "models.a.start: Input should be 'artifacts/"),
        ("a", UPSAMPLER | {"architecture": "gan"}, "models.a.architecture: "),
        ("a", UPSAMPLER | {"widht": 96}, "models.a.widht: unknown key"),
        ("a", UPSAMPLER | {"width": 95}, "models.a.width: "),
        ("a", UPSAMPLER | {"coarse_blocks": 999}, "models.a.coarse_blocks: "),
        ("a", UPSAMPLER | {"steps": 0}, f"models.a: steps: 0 is for start: {PRETRAINED} alone"),
        ("a", UPSAMPLER | {"start": SIMCLR, "width": 96}, f"width: is settled by start: {SIMCLR}"),
        ("a", UPSAMPLER | {"distillation_weight": 1}, "distillation_weight: is settled by ups"),
        ("a", {"start": FRESH, "architecture": "srcnn_transposed", "width": 96}, "width: is set"),
        ("a", {"start": SIMCLR, "architecture": "srcnn_transposed"}, "starts from fresh weights"),
        ("A b", UPSAMPLER, "models.A b: "),
        ("bicubic", UPSAMPLER, "models: bicubic: is what else is compared with"),
    ],
)
def test_an_impossible_model_is_refused_by_its_key(
    raw_params: dict[str, Any], name: str, model: dict[str, Any], said: str
) -> None:
    with pytest.raises(TextsrError, match=r"params\.yaml: models") as caught:
        parse_params(with_model(raw_params, name, model))
    assert said in str(caught.value)


@pytest.mark.parametrize("key", ["coarse_blocks", "sequence_blocks"])
def test_blocks_of_the_text_encoder_are_refused_with_another(
    raw_params: dict[str, Any], key: str
) -> None:
    raw = with_model(raw_params, "a", UPSAMPLER | {key: 3})
    assert getattr(parse_params(raw).models["a"], key) == 3
    raw["pretraining"] = raw["pretraining"] | {"encoder": "resnet18"}
    with pytest.raises(TextsrError, match=rf"models\.a\.{key}: resnet18 has .* remove it, or set"):
        parse_params(raw)
    # The pretrained weights have a text encoder, whatever is pretrained here.
    grown = {"start": PRETRAINED, "architecture": "upsampler", key: 20}
    parse_params(with_model(raw, "a", grown))


def test_there_is_a_model(raw_params: dict[str, Any]) -> None:
    with pytest.raises(TextsrError, match=r"params\.yaml: models: "):
        parse_params(raw_params | {"models": {}})
