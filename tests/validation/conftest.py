"""Fixtures over the drawn dataset."""

from pathlib import Path

import pytest
from drawn_dataset import FAMILIES, SAMPLES, Bench, Rows, clean_rows

from textsr.params import SPLITS, Params, load_params, parse_params


@pytest.fixture
def rows() -> Rows:
    """Return rows that meet every expectation, by split, to be changed at will."""
    return clean_rows()


@pytest.fixture(scope="module")
def params() -> Params:
    """Return the committed params.yaml with few samples, known families and known ranges."""
    raw = load_params(Path(__file__).parents[2] / "params.yaml").model_dump()
    raw["seed"] = 1
    raw["synthesis"]["samples"] = SAMPLES
    raw["synthesis"]["fonts"] = {
        f"{split}_families": [FAMILIES[split]] for split in SPLITS if split != "train"
    }
    raw["synthesis"]["text"]["max_characters"] = 26
    raw["synthesis"]["render"] |= {"contrast": [40, 230], "margin_px": [2, 18]}
    raw["synthesis"]["degradation"] |= {
        "blur_sigma_px": [0.4, 1.8],
        "motion_length_px": [2, 7],
        "first_resize": [0.45, 1.0],
        "noise_sigma": [0.5, 5.0],
        "jpeg_quality": [35, 95],
    }
    raw["validation"] = {
        "legibility_samples": 30,
        "min_legibility": 0.75,
        "min_kind_share": 0.01,
    }
    return parse_params(raw)


@pytest.fixture
def bench(tmp_path: Path, params: Params) -> Bench:
    """Return an empty place for a dataset and its validation."""
    return Bench(tmp_path, params)
