"""How much of bicubic to keep: a weight chosen by the readers on the validation split."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from textsr.datasets.pairs import to_tensor
from textsr.datasets.shards import Image
from textsr.evaluation.ocr import Reader, read_lines, score_readings
from textsr.evaluation.score import to_image
from textsr.evaluation.sets import EvaluationLine
from textsr.models.bicubic import bicubic

Candidate = dict[str, Any]
"""`weight`, and for each reader `accuracy`, `gain` (over bicubic) and `cer`."""


def score_blends(
    network: torch.nn.Module,
    scale: int,
    lines: Sequence[EvaluationLine],
    readers: Sequence[Reader],
    bicubic_accuracy: dict[str, float],
    weights: Sequence[float],
    tick: Callable[[], None] = lambda: None,
) -> list[Candidate]:
    """Read the validation lines at each weight of the network's output against bicubic's."""
    planes = []
    with torch.inference_mode():
        for line in lines:
            lr = to_tensor([line.lr])
            planes.append((bicubic(lr, scale)[0, 0], network(lr)[0, 0]))
    texts = [line.text for line in lines]
    candidates = []
    for weight in weights:
        images: list[Image] = [to_image(torch.lerp(low, high, weight)) for low, high in planes]
        candidate: Candidate = {"weight": weight, "readers": {}}
        for reader in readers:
            exact, edits, lengths = score_readings(texts, read_lines(reader, images, tick))
            accuracy = sum(exact) / len(exact)
            candidate["readers"][reader.name] = {
                "accuracy": accuracy,
                "gain": accuracy - bicubic_accuracy[reader.name],
                "cer": sum(edits) / sum(lengths),
            }
        candidates.append(candidate)
    return candidates


def preference(candidate: Candidate) -> tuple[float, float, float]:
    """Return what makes a candidate better, as a key to maximise.

    First the gain over bicubic of the reader that gains least, since the gate lets no reader lose;
    then the mean gain; then the mean character error rate, negated.
    """
    scores = list(candidate["readers"].values())
    gains = [score["gain"] for score in scores]
    return (
        round(min(gains), 6),
        round(sum(gains) / len(gains), 6),
        -sum(score["cer"] for score in scores) / len(scores),
    )
