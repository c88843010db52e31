"""Making a trained and evaluated model, or a recognizer, the one that comes with the package."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from textsr.config.params import Params
from textsr.datasets.shards import decode_grey
from textsr.errors import TextsrError
from textsr.evaluation.results import Metrics
from textsr.files import read_json, replace_folder, write_text
from textsr.images.grey import Image
from textsr.models.package import WEIGHTS, BlendedModel, count_parameters, load_model, save_model
from textsr.models.recognizer import load_recognizer, save_recognizer
from textsr.models.spec import ANY, write_spec
from textsr.pages import render_page
from textsr.pretrained import NAME
from textsr.pretrained.onnx_files import write_onnx_files
from textsr.registry.card import Card, render_card
from textsr.registry.origin import titled
from textsr.synthesis.sample import load_source, make_sample
from textsr.tracking import RunRecord

MAX_BYTES = 4_000_000
"""Of the weights: they travel with every installation and every clone."""

CALIBRATION_SEED = 2_000_000
"""Of the lines that the ranges of 8-bit values are measured on; far from any dataset's."""

CALIBRATION_LINES = 200


def draw_calibration_lines(params: Params, data: Path) -> list[Image]:
    """Draw LR lines as the training split's are, with a seed of their own."""
    synthesis = params.synthesis.model_copy(update={"seed": CALIBRATION_SEED})
    source = load_source(params.model_copy(update={"synthesis": synthesis}), "train", data)
    rows = (make_sample(source, index) for index in range(CALIBRATION_LINES))
    return [decode_grey(row["lr"]["bytes"], row["sample_id"]) for row in rows]


def publish_pretrained(
    trained: Path, evaluation: Path, params: Path, target: Path, lines: Sequence[Image]
) -> Path:
    """Write the folder of pretrained weights `target`, whole or not at all.

    Args:
        trained: the training's folder, with `run.json`.
        evaluation: its evaluation's folder, with `model/` (which carries the blend) and
            `metrics.json`.
        params: the params.yaml that made them.
        target: the folder to replace.
        lines: LR lines to calibrate the 8-bit ONNX file with.

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
        write_onnx_files(folder, lines)
        shutil.copyfile(params, folder / "params.yaml")
        write_text(folder / "README.md", render_pretrained_card(record, metrics, model, size))
    return target


def publish_blends(evaluation: Path, target: Path) -> dict[str, float]:
    """Take the weights that val chose for each reader into the folder of the pretrained weights.

    For weights that were published before readers had weights of their own, or by fewer OCR
    engines. Their `blend` stays, which is what their card tells about, and is the weight for any
    reader.

    Args:
        evaluation: the evaluation's folder, with `model/` and `metrics.json`.
        target: the folder of pretrained weights.

    Returns:
        The weights by reader.

    Raises:
        TextsrError: if the evaluation is of another network.
    """
    judged, published = load_model(evaluation / "model"), load_model(target)
    ours, theirs = (model.network.state_dict() for model in (published, judged))
    if ours.keys() != theirs.keys() or not all(torch.equal(ours[key], theirs[key]) for key in ours):
        raise TextsrError(
            f"{evaluation / 'model'}: not the network of {target}; set models.{NAME}.steps to 0, "
            f"and judge it by `dvc repro evaluate@{NAME}`"
        )
    metrics = read_json(evaluation / "metrics.json", Metrics)
    # Evaluations of before had chosen the model's own blends on val.
    chosen: dict[str, float] = metrics["validation"].get("blends_on_val", judged.spec.blends)
    blends = chosen | {ANY: published.spec.blend}
    spec = published.spec.model_copy(update={"blends": blends})
    write_spec(target, spec)
    return blends


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
    return render_page(
        "textsr.registry",
        "recognizer_card.md.j2",
        metrics=metrics,
        from_pretrained=from_pretrained,
        lineage=titled(lineage),
    )


def render_pretrained_card(
    record: RunRecord, metrics: Mapping[str, Any], model: BlendedModel, size: int
) -> str:
    """Render the model card of pretrained weights as Markdown."""
    return render_card(
        Card(
            title="Pretrained weights",
            model=record.name,
            spec=model.spec,
            parameters=count_parameters(model),
            size=size,
            bits=8,
            lineage=titled(record.tags),
            sets=metrics["sets"],
            slices=metrics.get("slices", []),
        )
    )
