"""Making a trained and evaluated model, or a recognizer, the one that comes with the package."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textsr.errors import TextsrError
from textsr.evaluation.results import Metrics
from textsr.files import read_json, replace_folder, write_text
from textsr.models.package import WEIGHTS, load_model, save_model
from textsr.models.recognizer import load_recognizer, save_recognizer
from textsr.ocr.engines import ENGINES
from textsr.pretrained import NAME
from textsr.tracking import RunRecord

MAX_BYTES = 4_000_000
"""Of the weights: they travel with every installation and every clone."""

_LINEAGE = {
    "git_commit": "git commit",
    "git_changes": "changed beside it",
    "data_hash": "`data.dvc`",
    "dvc_lock_hash": "`dvc.lock`",
    "initial_weights": "started from weights (BLAKE2b)",
    "seed": "seed",
    "hardware": "hardware",
}


def publish_pretrained(trained: Path, evaluation: Path, params: Path, target: Path) -> Path:
    """Write the folder of pretrained weights `target`, whole or not at all.

    Args:
        trained: the training's folder, with `run.json`.
        evaluation: its evaluation's folder, with `model/` (which carries the blend) and
            `metrics.json`.
        params: the params.yaml that made them.
        target: the folder to replace.

    Raises:
        TextsrError: if the weights in 8 bits are larger than `MAX_BYTES`.
    """
    record = RunRecord.read(trained / "run.json")
    metrics = read_json(evaluation / "metrics.json", Metrics)
    model = load_model(evaluation / "model")
    with replace_folder(target) as folder:
        spec = model.spec.model_copy(update={"name": NAME})
        save_model(folder / "model", spec, model.network, quantized=True)
        for path in sorted((folder / "model").iterdir()):
            path.chmod(0o644)  # it is installed for all users
            path.rename(folder / path.name)
        (folder / "model").rmdir()
        size = (folder / WEIGHTS).stat().st_size
        if size > MAX_BYTES:
            raise TextsrError(
                f"{evaluation / 'model'}: {size / 1e6:.1f} MB in 8 bits, more than the "
                f"{MAX_BYTES / 1e6:g} MB of pretrained weights; lower the width or "
                f"the sequence_blocks of models.{record.name}, and train anew"
            )
        shutil.copyfile(params, folder / "params.yaml")
        write_text(folder / "README.md", render_card(record, metrics, model.spec.blend, size))
    return target


def publish_recognizer(
    made: Path, params: Path, target: Path, *, from_pretrained: bool, lineage: Mapping[str, str]
) -> Path:
    """Write the recognizer's folder `target`, whole or not at all, at half precision.

    Args:
        made: the stage's folder, with `recognizer/` and `metrics.json`.
        params: the params.yaml that made it.
        target: the folder to replace.
        from_pretrained: whether its training began with the pretrained recognizer.
        lineage: where it is published, as `tracking.lineage_tags` returns it.

    Raises:
        TextsrError: if there is no recognizer, or it has seen no training.
    """
    recognizer = load_recognizer(made / "recognizer")
    metrics = read_json(made / "metrics.json", dict[str, Any])
    if not metrics["step"]:
        raise TextsrError(f"{made}: not trained here; set recognizer.steps and make it anew")
    if "train_lines" not in metrics:
        raise TextsrError(
            f"{made / 'metrics.json'}: does not say what it learned from; make it anew with "
            "`dvc repro recognizer`"
        )
    with replace_folder(target) as folder:
        save_recognizer(folder / "made", recognizer.half())
        for path in sorted((folder / "made").iterdir()):
            path.chmod(0o644)
            path.rename(folder / path.name)
        (folder / "made").rmdir()
        shutil.copyfile(params, folder / "params.yaml")
        write_text(folder / "README.md", render_recognizer_card(metrics, from_pretrained, lineage))
    return target


def render_recognizer_card(
    metrics: Mapping[str, Any], from_pretrained: bool, lineage: Mapping[str, str]
) -> str:
    """Render the recognizer's model card as Markdown."""
    steps = f"{metrics['step']:.0f} steps"
    if from_pretrained:
        steps += ", on from the pretrained recognizer of then"
    lines, families = (f"{metrics[f'train_{name}']:,.0f}" for name in ("lines", "families"))
    hr, bicubic = (f"{metrics[f'val_{name}']:.1%}" for name in ("hr", "bicubic"))
    return f"""\
# Our own recognizer

A small CRNN without recurrent layers (`textsr.models.recognizer`) that reads grey lines of Latin
text. It teaches super-resolution networks (`training.recognition_loss.weight`), which must make
lines that it can read, and judges none of them; it is not meant for reading.

`textsr recognizer` with the `params.yaml` beside this file made it in {steps}, out of synthetic
lines alone: {lines}, in {families} families of fonts. Of the validation split, whose fonts and
texts it has not seen, it reads {hr} of the HR lines and {bicubic} of bicubic's exactly.

Published with

| | |
| --- | --- |
{_lineage_rows(lineage)}
"""


def _lineage_rows(tags: Mapping[str, str]) -> str:
    return "\n".join(f"| {title} | {tags[tag]} |" for tag, title in _LINEAGE.items() if tag in tags)


def render_card(record: RunRecord, metrics: Mapping[str, Any], blend: float, size: int) -> str:
    """Render the model card (Mitchell et al. 2019) as Markdown."""
    rows = "\n".join(_result(name, row) for name, row in metrics["sets"].items())
    titles = " | ".join(entry.title for entry in ENGINES.values())
    return f"""\
# Reference weights

A network of the architecture `upsampler` with the encoder `text`, {size / 1e6:.1f} MB in 8 bits,
and the weight of its output against bicubic's: {blend:g}, chosen on the validation split. It
upscales grey lines of text four times; `textsr upscale` uses it where no champion is registered.

## How it was made

`textsr train {record.name}` with the `params.yaml` beside this file.

| | |
| --- | --- |
{_lineage_rows(record.tags)}

Trained on synthetic lines alone: fonts and word lists out of pinned packages, degraded by
simulated cameras, scanners and files (`reports/data_card.md`). No OCR engine that judges it took
part in its training.

## What it does

Difference to bicubic, in points of accuracy (exact match of lower-cased letters and digits), with
95% bootstrap intervals over lines; measured before the weights were rounded.

| set | lines | PSNR dB | SSIM | {titles} |
| --- | --- | --- | --- |{" --- |" * len(ENGINES)}
{rows}

## What it is for, and what not

Lines of Latin text 10 to 24 pixels high, printed or on screen, photographed or scanned too small.
It was not trained on handwriting, other scripts or much larger text. Where strokes
are gone it guesses: what it draws is not evidence of what was written.
"""


def _result(name: str, row: Mapping[str, Any]) -> str:
    cells = [name, str(row["samples"])]
    for metric in ("psnr_db", "ssim"):
        gain, interval = row.get(f"{metric}_gain"), row.get(f"{metric}_gain_ci")
        digits = 2 if metric == "psnr_db" else 3
        cells.append("" if gain is None else _with_interval(gain, interval, digits))
    for engine in ENGINES:
        score = row.get(engine)
        cells.append(
            _with_interval(100 * score["gain"], [100 * side for side in score["gain_ci"]], 1)
            if score
            else ""
        )
    return f"| {' | '.join(cells)} |"


def _with_interval(value: float, interval: Any, digits: int) -> str:
    low, high = interval
    return f"{value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
