"""Whether a rebuilt model passes for the registered one."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from textsr.errors import TextsrError
from textsr.reproduction.verdict import (
    Measure,
    Reproduction,
    compare_engines,
    compare_metrics,
    compare_weights,
    render_reproduction,
    reproduction_as_json,
)

THEN = {
    "test": {
        "samples": 400,
        "psnr_db": 22.5,
        "ssim": 0.8,
        "rapidocr": {"accuracy": 0.5, "cer": 0.2, "version": "r 1"},
    },
    "photos": {"samples": 9, "psnr_db": None, "ssim": None},
}


def model(folder: Path, weights: dict[str, torch.Tensor], blend: float = 0.4) -> Path:
    folder.mkdir()
    save_file(weights, folder / "weights.safetensors")
    (folder / "model.json").write_text(json.dumps({"blend": blend}))
    return folder


def reproduction(**changes: object) -> Reproduction:
    values = {
        "model": "textsr",
        "version": "3",
        "method": "byol",
        "commit": "0123456789abcdef",
        "is_trained": True,
        "differences": [],
        "bits_expected": True,
        "weights_identical": True,
        "largest_difference": 0.0,
        "metrics_identical": True,
        "measures": compare_metrics(THEN, THEN),
    }
    return Reproduction.model_validate(values | changes)


def test_equal_models_are_identical(tmp_path: Path) -> None:
    weights = {"a": torch.rand(3, 2), "b": torch.tensor(1)}
    folders = (model(tmp_path / name, weights) for name in "xy")
    assert compare_weights(*folders) == (True, 0.0)


def test_the_smallest_change_of_a_weight_is_seen_and_measured(tmp_path: Path) -> None:
    weights = {"a": torch.zeros(3), "b": torch.zeros(2, dtype=torch.bfloat16)}
    first = model(tmp_path / "first", weights)
    weights["a"] = torch.tensor([0.0, -(2.0**-20), 0.0])
    identical, largest = compare_weights(first, model(tmp_path / "second", weights))
    assert not identical
    assert largest == 2.0**-20


def test_another_blend_is_not_identical(tmp_path: Path) -> None:
    weights = {"a": torch.zeros(3)}
    folders = (model(tmp_path / str(blend), weights, blend) for blend in (0.2, 0.4))
    assert compare_weights(*folders) == (False, 0.0)


def test_weights_of_another_network_have_no_distance(tmp_path: Path) -> None:
    first = model(tmp_path / "first", {"a": torch.zeros(3)})
    second = model(tmp_path / "second", {"a": torch.zeros(4)})
    assert compare_weights(first, second) == (False, None)


def test_missing_and_damaged_weights_are_named(tmp_path: Path) -> None:
    whole = model(tmp_path / "whole", {"a": torch.zeros(3)})
    with pytest.raises(TextsrError, match=r"gone.*cannot be compared.*restore"):
        compare_weights(tmp_path / "gone", whole)
    (whole / "weights.safetensors").write_bytes(b"no weights")
    with pytest.raises(TextsrError, match=r"whole.*cannot be compared.*restore"):
        compare_weights(whole, whole)


def test_what_was_measured_is_compared_set_by_set() -> None:
    now = json.loads(json.dumps(THEN))
    now["test"]["psnr_db"] = 22.53
    now["test"]["rapidocr"]["accuracy"] = 0.47
    measures = {each.what: each for each in compare_metrics(THEN, now)}
    assert list(measures) == ["test: PSNR, dB", "test: SSIM", "test: rapidocr accuracy"]
    assert measures["test: PSNR, dB"].is_within
    assert measures["test: SSIM"].is_within
    assert not measures["test: rapidocr accuracy"].is_within


def test_a_set_or_engine_that_is_gone_is_beyond_any_tolerance() -> None:
    now = {"test": {key: THEN["test"][key] for key in ("samples", "psnr_db", "ssim")}}
    measures = {each.what: each for each in compare_metrics(THEN, now)}
    assert measures["test: rapidocr accuracy"].now is None
    assert not measures["test: rapidocr accuracy"].is_within
    assert not all(each.is_within for each in compare_metrics(THEN, {}))


def test_engines_in_another_version_are_named() -> None:
    said = compare_engines({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"})
    assert said == [
        "OCR engine: b 1; here 2",
        "OCR engine: c 1; here not there",
        "OCR engine: d not there; here 1",
    ]


def test_verdicts() -> None:
    near = {"weights_identical": False, "largest_difference": 1e-6, "metrics_identical": False}
    far = [Measure(what="test: PSNR, dB", then=22.5, now=22.0, tolerance=0.1)]
    other = {"bits_expected": False, "differences": ["CPU: a; here b"]}
    for expected, changes in (
        ("identical", {}),
        ("identical", other),
        ("different", near),  # nothing differs, so the bits should not
        ("within tolerance", near | other),
        ("different", near | other | {"measures": far}),
    ):
        found = reproduction(**changes)
        assert found.verdict == expected, changes
        assert json.loads(reproduction_as_json(found))["verdict"] == expected
        assert f"**{expected.capitalize()}**" in render_reproduction(found)


def test_the_report_names_what_differs_and_what_is_too_far() -> None:
    far = [Measure(what="test: PSNR, dB", then=22.5, now=None, tolerance=0.1)]
    told = render_reproduction(
        reproduction(
            is_trained=False,
            weights_identical=False,
            largest_difference=0.00123456,
            measures=far,
            differences=["package: numpy 2.1; here 2.2"],
        )
    )
    assert "| weights, largest difference | | 0.00123 | |" in told
    assert "| test: PSNR, dB | 22.5000 |  | 0.1 **exceeded** |" in told
    assert "- package: numpy 2.1; here 2.2" in told
    assert "its evaluation was made again" in told
