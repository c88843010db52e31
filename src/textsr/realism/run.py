"""Synthetic lines beside real images: how well a classifier tells them apart, and by what."""

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from joblib import cpu_count

from textsr.compute import use_threads
from textsr.config.params import Params
from textsr.config.sections import Effect, Section, effect_fields
from textsr.datasets.shards import decode_grey
from textsr.errors import TextsrError
from textsr.files import write_json
from textsr.images.folders import find_images, read_grey
from textsr.images.grey import Image
from textsr.processes import worker_pool
from textsr.progress import Progress
from textsr.realism.classifier import Verdict, tell_apart
from textsr.realism.picture import save_cases
from textsr.synthesis.sample import load_source, make_sample

_MIN_IMAGES = 20  # fewer leave four to a fold
# LR heights that synthesis can make; others are compared with the nearest.
_HEIGHTS = range(12, 65, 4)
_ALL = "all effects"


@dataclass(frozen=True)
class RealImages:
    """Real LR images and where each came from."""

    paths: list[Path]
    images: list[Image]


def read_real(folders: Sequence[Path]) -> RealImages:
    """Read all images of `folders` and below, grey, in the order of their names.

    Raises:
        TextsrError: if a folder is missing, an image cannot be decoded, or there are too few.
    """
    found: dict[Path, Path] = {}  # by where they lie, so that none is counted twice
    for folder in folders:
        images = find_images(folder)
        if not images:
            raise TextsrError(f"{folder}: no images in it; give folders of real LR images")
        found |= {path.resolve(): path for path in images}
    paths = list(found.values())
    if len(paths) < _MIN_IMAGES:
        names = ", ".join(str(folder) for folder in folders)
        raise TextsrError(f"{names}: {len(paths)} images; give at least {_MIN_IMAGES}")
    return RealImages(paths, [read_grey(path) for path in paths])


def draw_like(real: Sequence[Image], params: Params, data: Path) -> list[Image]:
    """Draw as many synthetic LR lines as there are real ones, each of its partner's height."""
    sources = {}
    drawn = []
    for index, image in enumerate(real):
        height = min(_HEIGHTS, key=lambda height: abs(height - image.shape[0]))
        if height not in sources:
            synthesis = params.synthesis.at_height(height)
            sources[height] = load_source(
                params.model_copy(update={"synthesis": synthesis}), "train", data
            )
        row = make_sample(sources[height], index)
        drawn.append(decode_grey(row["lr"]["bytes"], row["sample_id"]))
    return drawn


def without_effect(params: Params, key: str) -> Params:
    """Return `params` with one effect switched off; `key` is one of `effect_keys`."""
    synthesis = params.synthesis.model_copy(
        update=_switched_off(params.synthesis, key.removeprefix("synthesis.").split("."))
    )
    return params.model_copy(update={"synthesis": synthesis})


def _switched_off(section: Section, path: list[str]) -> dict[str, Section]:
    child = getattr(section, path[0])
    if isinstance(child, Effect):
        return {path[0]: child.model_copy(update={"probability": 0.0})}
    return {path[0]: child.model_copy(update=_switched_off(child, path[1:]))}


def effect_keys(params: Params) -> list[str]:
    """Return the keys of params.yaml of all effects that are switched on."""
    degradation = params.synthesis.degradation
    sections = {
        "synthesis.render": params.synthesis.render,
        "synthesis.degradation.first": degradation.first,
        "synthesis.degradation.scan": degradation.scan,
        "synthesis.degradation.second": degradation.second,
    }
    return [
        f"{prefix}.{name}"
        for prefix, section in sections.items()
        for name, _ in effect_fields(type(section))
        if getattr(section, name).probability > 0
    ]


def judge(real: Sequence[Image], params: Params, data: Path) -> tuple[Verdict, list[Image]]:
    """Tell `real` from synthetic lines drawn by `params`; return the verdict and those lines."""
    use_threads(1)  # networks as small as these are slower on two threads than on one
    cv2.setNumThreads(1)
    synthetic = draw_like(real, params, data)
    return tell_apart(real, synthetic, params.seed), synthetic


def _judge_each(
    real: Sequence[Image], variants: dict[str, Params], data: Path, processes: int
) -> Iterator[tuple[str, Verdict, list[Image]]]:
    """Judge variants of the data, as many at a time as there are `processes`; 0: one a core."""
    workers = min(processes or cpu_count(), len(variants))
    with worker_pool(workers) as pool:
        names = {pool.submit(judge, real, params, data): name for name, params in variants.items()}
        try:
            for future in as_completed(names):
                yield names[future], *future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def report_realism(
    folders: Sequence[Path],
    params: Params,
    data: Path,
    output: Path,
    ablate: bool,
    start: Progress,
) -> str:
    """Judge the synthetic data against folders of real LR images.

    Writes `realism.json` and `realism.png` into `output`.

    Args:
        folders: of real LR images, sub-folders included.
        params: what the synthetic lines are drawn by.
        data: folder of source material.
        output: folder for the results.
        ablate: also judge the data with each effect switched off.
        start: starts a progress bar with a name and a total; returns what advances it.

    Returns:
        A table in Markdown.

    Raises:
        TextsrError: as `read_real` does.
    """
    real = read_real(folders)
    variants = {_ALL: params}
    if ablate:
        variants |= {f"without {key}": without_effect(params, key) for key in effect_keys(params)}
    tick = start("realism", len(variants))
    found: dict[str, Verdict] = {}
    for name, one, lines in _judge_each(real.images, variants, data, params.compute.processes):
        found[name] = one
        if name == _ALL:
            synthetic = lines
        tick()
    verdict = found[_ALL]
    results = {name: found[name] for name in variants}
    recognised = {
        str(folder): float(
            np.mean(
                [
                    score <= 0
                    for path, score in zip(real.paths, verdict.scores, strict=False)
                    if path.is_relative_to(folder)
                ]
            )
        )
        for folder in folders
    }
    write_json(
        output / "realism.json",
        {
            "images": len(real.images),
            "recognised_as_real": recognised,
            "verdicts": {name: _as_json(one) for name, one in results.items()},
        },
    )
    save_cases(
        output / "realism.png",
        real.images,
        synthetic,
        verdict.scores,
        f"{len(real.images)} real and as many synthetic LR images, told apart in "
        f"{verdict.accuracy:.1%} of cases",
    )
    return _table(results, recognised)


def _as_json(verdict: Verdict) -> dict[str, float]:
    return {
        "accuracy": verdict.accuracy,
        "accuracy_low": verdict.low,
        "accuracy_high": verdict.high,
        "auc": verdict.auc,
    }


def _table(results: dict[str, Verdict], recognised: dict[str, float]) -> str:
    lines = ["| synthetic data | told apart | AUC |", "| --- | --- | --- |"]
    lines += [
        f"| {name} | {one.accuracy:.1%} [{one.low:.1%}, {one.high:.1%}] | {one.auc:.3f} |"
        for name, one in results.items()
    ]
    shares = "; ".join(f"{name} {share:.1%}" for name, share in recognised.items())
    return "\n".join([*lines, "", f"Real images recognised as real: {shares}. Chance is 50%."])
