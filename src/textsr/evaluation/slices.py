"""Where a method reads better than bicubic, and where worse: slices of the test split."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from textsr.datasets.shards import read_table
from textsr.evaluation.score import engine_names
from textsr.evaluation.statistics import Bootstrap
from textsr.evaluation.summary import aligned

Slice = dict[str, Any]
"""An entry of what `score_slices` returns."""

_COLUMNS = ["sample_id", "text", "kind", "font_family", "font_size_px", "inverted", "scale"]


def slice_split(folder: Path, bicubic_ssim: Mapping[str, float]) -> pd.DataFrame:
    """Tell which slices each line of a synthetic split is in.

    Args:
        folder: the split.
        bicubic_ssim: SSIM against HR of bicubic's image, of each line by its id. It says how much
            the degradation took, whatever its effects were.

    Returns:
        A row a line, by its id, and for each property a column with the name of the line's slice.
        Numbers are divided into thirds.
    """
    lines = read_table(folder, _COLUMNS).to_pandas().set_index("sample_id")
    severity = lines.index.map(bicubic_ssim).to_series(lines.index)
    return pd.DataFrame(
        {
            "severity (bicubic's SSIM)": thirds(severity, digits=2),
            "height (font size, LR px)": thirds(lines["font_size_px"] / lines["scale"], digits=1),
            "length (characters)": thirds(lines["text"].str.len(), digits=0),
            "polarity": lines["inverted"].map({False: "dark on light", True: "light on dark"}),
            "kind of text": lines["kind"],
            "font family": lines["font_family"],
        }
    )


def thirds(values: "pd.Series[Any]", digits: int) -> "pd.Series[Any]":
    """Divide lines by a number into three about equal groups, in order.

    Args:
        values: a number a line.
        digits: decimals of the bounds, which are rounded to so many.

    Returns:
        The name of its group for each line. Equal numbers are in one group; a group without lines
        is no category.
    """
    low, high = (f"{bound:.{digits}f}" for bound in np.quantile(values, (1 / 3, 2 / 3)))
    names = [f"up to {low}", f"over {low} to {high}", f"above {high}"]
    numbers = (values > float(low)).astype(int) + (values > float(high)).astype(int)
    groups = pd.Categorical([names[number] for number in numbers], names, ordered=True)
    return pd.Series(groups.remove_unused_categories(), values.index)


def score_slices(
    model: pd.DataFrame, bicubic: pd.DataFrame, slices: pd.DataFrame, bootstrap: Bootstrap
) -> list[Slice]:
    """Compare a model's readings with bicubic's on each slice.

    Args:
        model: scores of the split's lines, as `score_set` returns them.
        bicubic: the same of bicubic.
        slices: as `slice_split` returns them.
        bootstrap: of the intervals.

    Returns:
        For each slice `by` (the property), `slice` (its name), `lines` (how many), and `engines`:
        for each OCR engine `gain` in accuracy over bicubic, `gain_ci`; how many lines it reads
        from the model's image alone, `better`, and from bicubic's alone, `worse`; and `p_worse`,
        the probability of so many of those among both where neither image reads better (sign test,
        McNemar 1947, exact).

    Raises:
        TextsrError: if the two tables are not of the same lines.
    """
    model, bicubic = aligned(model, bicubic)
    placed = slices.loc[model["line_id"]].reset_index(drop=True)
    engines = [name for name in engine_names(model) if name in engine_names(bicubic)]
    scored = []
    for by, names in placed.items():
        for name, rows in names.groupby(names, observed=True).groups.items():
            of_engines = {}
            for engine in engines:
                ours, theirs = (
                    table.loc[rows, f"{engine}_exact"].to_numpy(bool) for table in (model, bicubic)
                )
                of_engines[engine] = _compare(ours, theirs, bootstrap)
            scored.append(
                {"by": str(by), "slice": str(name), "lines": len(rows), "engines": of_engines}
            )
    return scored


def _compare(ours: Any, theirs: Any, bootstrap: Bootstrap) -> dict[str, Any]:
    gain = bootstrap.difference(ours.tolist(), theirs.tolist())
    better, worse = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    one_sided = binomtest(worse, better + worse, alternative="greater") if better + worse else None
    return {
        "gain": gain.value,
        "gain_ci": gain.interval,
        "better": better,
        "worse": worse,
        "p_worse": float(one_sided.pvalue) if one_sided else 1.0,
    }
