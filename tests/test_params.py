"""params.yaml: what is valid, and what is refused by name."""

import copy
from pathlib import Path
from typing import Any

import pytest

from textsr.errors import TextsrError
from textsr.params import load_params, parse_params
from textsr.presets import apply_preset

ROOT = Path(__file__).parents[1]
PRESETS = sorted(path.stem for path in (ROOT / "presets").glob("*.yaml"))


def with_value(raw: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(raw)
    *sections, last = key.split(".")
    target = changed
    for section in sections:
        target = target[section]
    target[last] = value
    return changed


def test_committed_params_are_valid() -> None:
    assert load_params(ROOT / "params.yaml").synthesis.scale == 4


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", -1),
        ("synthesis.scale", 3),
        ("synthesis.samples.train", 0),
        ("synthesis.lr_height", 15),
        ("synthesis.fonts.test_families", ["manrope"]),
        ("synthesis.fonts.val_families", []),
        ("synthesis.text.kinds", {"poem": 1}),
        ("synthesis.text.kinds", {"custom": 1}),
        ("synthesis.render.contrast", [40, 300]),
        ("synthesis.render.inverted", 1.5),
        ("synthesis.degradation.blur_sigma_px", [2.0, 1.0]),
        ("synthesis.degradation.noise_sigma", [-1.0, 1.0]),
        ("synthesis.degradation.noise_sigma", [0.0, float("inf")]),
        ("synthesis.degradation.jpeg_quality", [0, 95]),
        ("synthesis.degradation.first_resize", [0.01, 1.0]),
        ("pretraining.encoder", "vit"),
        ("pretraining.batch_size", 1),
        ("training.learning_rate", 0),
        ("training.ema_decay", 1.0),
        ("training.crop_width", 30),
        ("evaluation.blend_weights", []),
        ("evaluation.blend_weights", [1.2]),
        ("evaluation.real_sets", {"x": {"path": "p", "kind": "mr"}}),
        ("registration.model_name", "a/b"),
        ("registration.gate.min_readers_better", 0),
    ],
)
def test_impossible_value_is_refused_by_its_key(
    raw_params: dict[str, Any], key: str, value: Any
) -> None:
    section = ".".join(key.split(".")[:2])
    with pytest.raises(TextsrError, match=rf"params\.yaml: {section}"):
        parse_params(with_value(raw_params, key, value))


def test_unknown_key_is_refused_by_name(raw_params: dict[str, Any]) -> None:
    with pytest.raises(TextsrError, match=r"training\.momentum: unknown key"):
        parse_params(with_value(raw_params, "training.momentum", 0.9))


def test_missing_key_is_named(raw_params: dict[str, Any]) -> None:
    changed = copy.deepcopy(raw_params)
    del changed["synthesis"]["degradation"]["noise_sigma"]
    with pytest.raises(TextsrError, match=r"synthesis\.degradation\.noise_sigma: missing"):
        parse_params(changed)


def test_every_problem_is_listed_at_once(raw_params: dict[str, Any]) -> None:
    changed = with_value(with_value(raw_params, "seed", -1), "training.steps", 0)
    with pytest.raises(TextsrError) as caught:
        parse_params(changed)
    assert "seed" in str(caught.value)
    assert "training.steps" in str(caught.value)


@pytest.mark.parametrize("text", ["- a\n- b\n", "", "a: [1\n"])
def test_file_that_is_no_mapping_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(TextsrError, match=r"params\.yaml"):
        load_params(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match="no such file"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("name", PRESETS)
def test_preset_applies_and_keeps_the_comments(tmp_path: Path, name: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    before = load_params(path)
    apply_preset(name, ROOT / "presets", path)
    assert load_params(path) != before
    assert "# HR pixels an LR pixel, 2 or 4" in path.read_text()


def test_preset_with_a_misspelt_key_leaves_params_alone(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "bad.yaml").write_text("training: { stps: 3 }\n")
    before = path.read_bytes()
    with pytest.raises(TextsrError, match="stps: no such key"):
        apply_preset("bad", tmp_path, path)
    assert path.read_bytes() == before


def test_unknown_preset_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(TextsrError, match="tiny"):
        apply_preset("huge", ROOT / "presets", tmp_path / "params.yaml")
