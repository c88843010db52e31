"""From rows of scores to the numbers that reports and gates use."""

from typing import Any

import pandas as pd

from textsr.errors import TextsrError
from textsr.evaluation.score import reader_names
from textsr.evaluation.statistics import Estimate, Resampling


def summarise(samples: pd.DataFrame, resampling: Resampling) -> dict[str, Any]:
    """Summarise one method on one set: a row of the leaderboard.

    Returns:
        `samples`, `psnr_db`, `psnr_db_ci`, `ssim`, `ssim_ci` (None where there is no HR), and for
        each reader `accuracy`, `accuracy_ci`, `cer`, `cer_ci`.
    """
    row: dict[str, Any] = {"samples": len(samples)}
    for metric in ("psnr_db", "ssim"):
        known = samples[metric].dropna()
        estimate = resampling.mean(known.tolist()) if len(known) else None
        row[metric] = estimate and estimate.value
        row[f"{metric}_ci"] = estimate and estimate.interval
    for reader in reader_names(samples):
        accuracy = resampling.mean(samples[f"{reader}_exact"].astype(float).tolist())
        cer = resampling.rate(
            samples[f"{reader}_edits"].tolist(), samples[f"{reader}_length"].tolist()
        )
        row[reader] = {
            "accuracy": accuracy.value,
            "accuracy_ci": accuracy.interval,
            "cer": cer.value,
            "cer_ci": cer.interval,
        }
    return row


def compare_methods(
    model: pd.DataFrame, other: pd.DataFrame, resampling: Resampling
) -> dict[str, Estimate]:
    """Estimate model - other, line by line: `psnr_db`, `ssim`, and `READER` accuracies.

    Raises:
        TextsrError: if the two tables are not of the same lines.
    """
    model, other = aligned(model, other)
    differences = {}
    for metric in ("psnr_db", "ssim"):
        if model[metric].notna().all() and other[metric].notna().all() and len(model):
            differences[metric] = resampling.difference(
                model[metric].tolist(), other[metric].tolist()
            )
    for reader in sorted(set(reader_names(model)) & set(reader_names(other))):
        differences[reader] = resampling.difference(
            model[f"{reader}_exact"].astype(float).tolist(),
            other[f"{reader}_exact"].astype(float).tolist(),
        )
    return differences


def gaps_closed(
    model: pd.DataFrame, bicubic: pd.DataFrame, hr: pd.DataFrame, resampling: Resampling
) -> dict[str, Estimate | None]:
    """Estimate for each reader what share of the way from bicubic to HR the model goes."""
    model, bicubic = aligned(model, bicubic)
    model, hr = aligned(model, hr)
    return {
        reader: resampling.gap_closed(
            *(table[f"{reader}_exact"].astype(float).tolist() for table in (model, bicubic, hr))
        )
        for reader in reader_names(model)
        if f"{reader}_exact" in bicubic and f"{reader}_exact" in hr
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
