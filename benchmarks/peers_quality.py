"""Our upscaling beside general super-resolution networks, judged by OCR engines, PSNR and SSIM.

What is made by peers is read once and kept in out/peers; models are read anew each time.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, cast

import pandas as pd
from joblib import cpu_count
from rich.console import Console

from benchmarks import peers
from benchmarks.kept_scores import judges_version, keep, lines_version
from benchmarks.quality_report import build_report, render_report
from textsr.cli.progress import progress
from textsr.compute import use_threads
from textsr.config import project
from textsr.config.params import Params, load_params
from textsr.errors import TextsrError
from textsr.evaluation.run import bootstrap_of, load_sets
from textsr.evaluation.score import Upscale, bicubic_upscale, network_upscale, score_set
from textsr.evaluation.sets import EvaluationLine, load_real_set
from textsr.files import fingerprint, write_json, write_text
from textsr.models.package import load_model
from textsr.ocr.engine import OCREngine
from textsr.ocr.engines import available_engines
from textsr.progress import Progress

BICUBIC = "bicubic"

Sets = Mapping[str, Sequence[EvaluationLine]]


class ModelFolder(NamedTuple):
    """A model, as the command line names it."""

    name: str
    path: Path


class LabelledFolder(NamedTuple):
    """A folder of labelled images, as the command line names it."""

    name: str
    path: Path
    kind: Literal["lr", "hr"]


@dataclass(frozen=True)
class Method:
    """A way to upscale.

    Attributes:
        name: how tables call it.
        version: what changes whenever its images may; None where its scores are not kept.
        start: makes ready what upscales one image, for as long as it is needed.
    """

    name: str
    version: str | None
    start: Callable[[], AbstractContextManager[Upscale]]


def main() -> None:
    """Score all methods on all sets; print tables, and write them and a JSON file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folders",
        nargs="*",
        metavar="NAME=FOLDER:KIND",
        help="labelled images to judge on besides; KIND lr: small as they are, hr: to be degraded",
    )
    parser.add_argument("--model", action="append", default=[], metavar="NAME=FOLDER")
    parser.add_argument(
        "--peer",
        action="append",
        choices=list(peers.UPSCALERS),
        help="of the peers, only this one (can be repeated); realesrgan-x4plus takes longest",
    )
    parser.add_argument("--lines", type=int, help="of each set, the first; all of them if not said")
    parser.add_argument("--dataset", type=Path, default=project.DATASET)
    parser.add_argument("--data", type=Path, default=project.DATA)
    parser.add_argument(
        "--output",
        type=Path,
        default=peers.FOLDER / "quality",
        help="where to write to, without suffix: .md and .json are added",
    )
    arguments = parser.parse_args()
    try:
        _run(load_params(), arguments)
    except TextsrError as error:
        sys.exit(f"peers_quality: {error}")


def _run(params: Params, arguments: argparse.Namespace) -> None:
    models = [parse_model(argument) for argument in arguments.model]
    folders = [parse_labelled(argument) for argument in arguments.folders]
    methods = list_methods(params, arguments.peer or list(peers.UPSCALERS), models)
    sets = _sets(params, arguments.dataset, arguments.data, folders)
    sets = {name: lines[: arguments.lines] for name, lines in sets.items()}
    use_threads(params.compute.threads)
    engines = available_engines(params.compute.threads)
    with progress() as start:
        tables, left_out = score_methods(methods, sets, engines, peers.FOLDER / "scores", start)
    report = build_report(tables, [model.name for model in models], bootstrap_of(params))
    report["left_out"] = left_out
    markdown = render_report(report)
    write_text(arguments.output.with_name(f"{arguments.output.name}.md"), markdown)
    write_json(arguments.output.with_name(f"{arguments.output.name}.json"), report)
    print(markdown)


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def parse_model(argument: str) -> ModelFolder:
    """Parse `NAME=FOLDER`.

    Raises:
        TextsrError: if it is not of this form.
    """
    name, _, folder = argument.partition("=")
    if not (_NAME.fullmatch(name) and folder):
        raise TextsrError(
            f"--model {argument}: write NAME=FOLDER, the name in letters, digits, '.', '_' and '-'"
        )
    return ModelFolder(name, Path(folder))


def parse_labelled(argument: str) -> LabelledFolder:
    """Parse `NAME=FOLDER:KIND`; the folder's own name may hold `=` and `:`.

    Raises:
        TextsrError: if it is not of this form, or of another kind than lr and hr.
    """
    named, _, kind = argument.rpartition(":")
    name, _, folder = named.partition("=")
    if not (_NAME.fullmatch(name) and folder and kind in ("lr", "hr")):
        raise TextsrError(
            f"{argument}: write NAME=FOLDER:KIND, the name in letters, digits, '.', '_' and '-', "
            "the kind lr or hr"
        )
    return LabelledFolder(name, Path(folder), cast(Literal["lr", "hr"], kind))


def list_methods(
    params: Params, upscalers: Sequence[str], models: Sequence[ModelFolder]
) -> list[Method]:
    """Return bicubic interpolation, peers and models as methods.

    Raises:
        TextsrError: if a model cannot be loaded, upscales by another factor than the peers, or two
            methods are of one name.
    """
    if params.synthesis.scale != peers.SCALE:
        raise TextsrError(
            f"synthesis.scale: {params.synthesis.scale}: the peers upscale {peers.SCALE} times; "
            f"set it to {peers.SCALE}"
        )
    bicubic = bicubic_upscale(peers.SCALE)
    threads = params.compute.threads or cpu_count()
    methods = [Method(BICUBIC, BICUBIC, partial(_ready, bicubic))]
    for name in upscalers:
        version = peers.upscaler_version(name)
        methods.append(Method(name, version, partial(_start_peer, name, threads)))
    for name, folder in models:
        model = load_model(folder)
        if model.scale != peers.SCALE:
            raise TextsrError(f"--model {name}: upscales {model.scale} times, not {peers.SCALE}")
        methods.append(Method(name, None, partial(_ready, network_upscale(model))))
    refuse_twice("--model", [method.name for method in methods])
    return methods


@contextmanager
def _ready(upscale: Upscale) -> Iterator[Upscale]:
    yield upscale


@contextmanager
def _start_peer(name: str, threads: int) -> Iterator[Upscale]:
    padding = peers.UPSCALERS[name].padding
    with peers.start_upscaler(name, threads) as running:
        yield partial(running.upscale, padding=padding)


def _sets(params: Params, dataset: Path, data: Path, folders: Sequence[LabelledFolder]) -> Sets:
    sets = load_sets(params, dataset, data)
    refuse_twice("set", [*sets, *(folder.name for folder in folders)])
    for name, path, kind in folders:
        sets[name] = load_real_set(name, path, kind, params)
    return sets


def refuse_twice(what: str, names: Sequence[str]) -> None:
    """Refuse names of which two are the same.

    Raises:
        TextsrError: if there are such.
    """
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TextsrError(f"{what} {twice}: there is another of this name; choose a new one")


def score_methods(
    methods: Sequence[Method],
    sets: Sets,
    engines: Sequence[OCREngine],
    folder: Path,
    progress: Progress,
) -> tuple[dict[str, dict[str, pd.DataFrame]], dict[str, str]]:
    """Score methods on sets.

    Args:
        methods: how to upscale.
        sets: lines by the name of their set.
        engines: who reads.
        folder: where scores are kept of methods that have a version; each until the method, the
            lines, the OCR engines or the measures change.
        progress: starts a progress bar.

    Returns:
        Rows of scores (`score.score_set`) by set and method, and why methods were left out, of
        the sets from the first on which they failed.
    """
    tables: dict[str, dict[str, pd.DataFrame]] = {name: {} for name in sets}
    left_out = {}
    judges = judges_version(engines)
    hashes = {name: lines_version(lines) for name, lines in sets.items()}
    for method in methods:
        try:
            for name, lines in sets.items():
                make = partial(_score, method, name, lines, engines, progress)
                if method.version is None:
                    tables[name][method.name] = make()
                    continue
                key = fingerprint(f"{method.version} {judges} {name} {hashes[name]}", [])
                path = folder / method.name / f"{name}-{key}.parquet"
                tables[name][method.name] = keep(path, make)
        except peers.PeerError as error:
            left_out[method.name] = str(error)
            Console(stderr=True).print(f"{method.name}: left out: {error}")
    return tables, left_out


def _score(
    method: Method,
    name: str,
    lines: Sequence[EvaluationLine],
    engines: Sequence[OCREngine],
    progress: Progress,
) -> pd.DataFrame:
    tick = progress(f"{method.name} on {name}", len(lines) * (1 + len(engines)))
    images = []
    with method.start() as upscale:
        for line in lines:
            images.append(upscale(line.lr))
            tick()
    return score_set(method.name, name, lines, images, engines, tick)


if __name__ == "__main__":
    main()
