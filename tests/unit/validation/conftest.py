"""Fixtures over the drawn dataset."""

from pathlib import Path

import pytest
from drawn_dataset import FAMILIES, KINDS, SAMPLES, Bench, Rows, clean_rows, possible

from textsr.config.params import SPLITS, Params, load_params, parse_params


@pytest.fixture
def rows() -> Rows:
    """Return rows that meet every expectation, by split, to be changed at will."""
    return clean_rows()


@pytest.fixture(scope="session")
def params() -> Params:
    """Return the committed params.yaml with few samples, and what the drawn rows were made by."""
    raw = load_params(Path(__file__).parents[3] / "params.yaml").model_dump()
    raw["seed"] = 1
    raw["synthesis"] |= {"seed": 1, "samples": SAMPLES}
    raw["synthesis"]["fonts"] |= {
        f"{split}_families": [FAMILIES[split]] for split in SPLITS if split != "train"
    }
    raw["synthesis"]["text"] |= {"max_characters": 26, "kinds": dict.fromkeys(KINDS, 1)}
    raw["synthesis"]["render"] |= {"contrast_levels": [40, 230], "margin_px": [2, 18]}
    for section in ("render", "degradation"):
        raw["synthesis"][section] = possible(raw["synthesis"][section])
    raw["validation"] |= {
        "max_rows": 0,
        "legibility_samples": 30,
        "min_legibility": 0.75,
        "min_kind_share": 0.01,
    }
    return parse_params(raw)


@pytest.fixture
def bench(tmp_path: Path, params: Params) -> Bench:
    """Return an empty place for a dataset and its validation."""
    return Bench(tmp_path, params)
