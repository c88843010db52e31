"""From rows of scores to the numbers that reports and gates use."""

from typing import Any

import pandas as pd

from textsr.errors import TextsrError
from textsr.evaluation.judges import judges_of, require_same_versions
from textsr.evaluation.score import engine_names
from textsr.evaluation.statistics import Bootstrap, Estimate


def summarise(samples: pd.DataFrame, bootstrap: Bootstrap) -> dict[str, Any]:
    """Summarise one method on one set: a row of the leaderboard.

    Returns:
        `samples`, `psnr_db`, `psnr_db_ci`, `ssim`, `ssim_ci` (None where there is no HR), and for
        each OCR engine `accuracy`, `accuracy_ci`, `cer`, `cer_ci` and `version`.
    """
    row: dict[str, Any] = {"samples": len(samples)}
    for metric in ("psnr_db", "ssim"):
        known = samples[metric].dropna()
        estimate = bootstrap.mean(known.tolist()) if len(known) else None
        row[metric] = estimate and estimate.value
        row[f"{metric}_ci"] = estimate and estimate.interval
    for engine, version in judges_of(samples).items():
        accuracy = bootstrap.mean(samples[f"{engine}_exact"].astype(float).tolist())
        cer = bootstrap.rate(
            samples[f"{engine}_edits"].tolist(), samples[f"{engine}_length"].tolist()
        )
        row[engine] = {
            "accuracy": accuracy.value,
            "accuracy_ci": accuracy.interval,
            "cer": cer.value,
            "cer_ci": cer.interval,
            "version": version,
        }
    return row


def compare_methods(
    model: pd.DataFrame, other: pd.DataFrame, bootstrap: Bootstrap
) -> dict[str, Estimate]:
    """Estimate model - other, line by line: `psnr_db`, `ssim`, and `ENGINE` accuracies.

    Raises:
        TextsrError: if the two tables are not of the same lines, or an OCR engine has read them in
            two versions.
    """
    model, other = aligned(model, other)
    require_same_versions(model, other)
    differences = {}
    for metric in ("psnr_db", "ssim"):
        if model[metric].notna().all() and other[metric].notna().all() and len(model):
            differences[metric] = bootstrap.difference(
                model[metric].tolist(), other[metric].tolist()
            )
    for engine in sorted(set(engine_names(model)) & set(engine_names(other))):
        differences[engine] = bootstrap.difference(
            model[f"{engine}_exact"].astype(float).tolist(),
            other[f"{engine}_exact"].astype(float).tolist(),
        )
    return differences


def gaps_closed(
    model: pd.DataFrame, bicubic: pd.DataFrame, hr: pd.DataFrame, bootstrap: Bootstrap
) -> dict[str, Estimate | None]:
    """Estimate for each OCR engine what share of the way from bicubic to HR the model goes."""
    model, bicubic = aligned(model, bicubic)
    model, hr = aligned(model, hr)
    return {
        engine: bootstrap.gap_closed(
            *(table[f"{engine}_exact"].astype(float).tolist() for table in (model, bicubic, hr))
        )
        for engine in engine_names(model)
        if f"{engine}_exact" in bicubic and f"{engine}_exact" in hr
    }


def aligned(first: pd.DataFrame, second: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sort two tables by line and check that they hold the same lines.

    Raises:
        TextsrError: if they do not.
    """
    first, second = (table.sort_values("line_id", ignore_index=True) for table in (first, second))
    if first["line_id"].tolist() != second["line_id"].tolist():
        raise TextsrError(
            "the methods were scored on different lines; score them anew with "
            "`dvc repro -f baselines evaluate`"
        )
    return first, second
