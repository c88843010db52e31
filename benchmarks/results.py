"""What OCR engines read by bicubic interpolation, peers, the package's weights and true images.

Of fresh lines in the fonts of `val`, and of folders of labelled images. The numbers go into
docs/results.json, and the table of them into README.md and docs/reference/results.md.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmarks import peers
from benchmarks.fresh import draw_lines
from benchmarks.kept_scores import judges_version, keep, lines_version
from benchmarks.peers_quality import (
    ModelFolder,
    list_methods,
    parse_labelled,
    refuse_twice,
    score_methods,
)
from benchmarks.results_table import (
    FILE,
    HR,
    MODEL,
    Judge,
    Kind,
    Results,
    ScoredSet,
    collect,
    read_results,
    write_pages,
)
from textsr import pretrained
from textsr.cli.progress import progress
from textsr.compute import use_threads
from textsr.config import project
from textsr.config.params import Params, load_params
from textsr.errors import TextsrError
from textsr.evaluation.run import bootstrap_of
from textsr.evaluation.score import network_upscale, score_set
from textsr.evaluation.sets import EvaluationLine, load_real_set
from textsr.files import write_json
from textsr.models.package import BlendedModel, load_model
from textsr.ocr.engine import OCREngine
from textsr.ocr.engines import available_engines
from textsr.progress import Progress
from textsr.synthesis.sample import load_source

FIRST_SEED = 4_000_000
"""Of the fresh lines; far from any dataset's."""

FRESH = "fresh_lines"


def main() -> None:
    """Measure, keep the numbers and write the pages."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results", description=__doc__)
    parser.add_argument(
        "folders",
        nargs="*",
        metavar="NAME=FOLDER:KIND",
        help="labelled images; KIND lr: small as they are, hr: to be degraded",
    )
    parser.add_argument("--fresh", type=int, default=800, help="so many fresh lines")
    parser.add_argument(
        "--without-peers", action="store_true", help="takes minutes, not half an hour"
    )
    parser.add_argument("--data", type=Path, default=project.DATA)
    parser.add_argument(
        "--render", action="store_true", help="measure nothing: write the pages of what is kept"
    )
    arguments = parser.parse_args()
    try:
        if not arguments.render:
            write_json(FILE, measure(load_params(), arguments).model_dump())
        write_pages(read_results(FILE), Path())
    except TextsrError as error:
        sys.exit(f"results: {error}")


def measure(params: Params, arguments: argparse.Namespace) -> Results:
    """Read all sets by all methods."""
    folders = [parse_labelled(argument) for argument in arguments.folders]
    refuse_twice("set", [FRESH, *(folder.name for folder in folders)])
    kinds: dict[str, Kind] = {FRESH: "fresh"}
    if arguments.fresh < 1:
        raise TextsrError(f"--fresh {arguments.fresh}: must be 1 or more")
    source = load_source(params, "val", arguments.data)
    sets = {FRESH: draw_lines(source, FIRST_SEED, arguments.fresh)}
    for name, path, kind in folders:
        kinds[name], sets[name] = kind, load_real_set(name, path, kind, params)
    use_threads(params.compute.threads)
    engines = available_engines(params.compute.threads)
    model = load_model(pretrained.FOLDER)
    judges = {
        engine.name: Judge(engine.title, model.spec.blends.get(engine.name, model.spec.blend))
        for engine in engines
    }
    upscalers = [] if arguments.without_peers else list(peers.UPSCALERS)
    methods = list_methods(params, upscalers, [ModelFolder(MODEL, pretrained.FOLDER)])
    kept = peers.FOLDER / "scores"
    with progress() as start:
        tables, left_out = score_methods(methods, sets, engines, kept, start)
        own = {
            name: _score_own(model, name, of, engines, judges, start) for name, of in sets.items()
        }
        for name, lines in sets.items():
            if all(line.hr is not None for line in lines):
                tables[name][HR] = _score_truth(name, lines, engines, kept, start)
    if left_out:
        raise TextsrError(
            f"{', '.join(left_out)}: could not be run; mend that, or leave the peers out with "
            "--without-peers"
        )
    bootstrap = bootstrap_of(params)
    return Results(
        model=pretrained.VERSION,
        blend=model.spec.blend,
        engines={engine.title: engine.version for engine in engines},
        peers=upscalers,
        confidence=bootstrap.confidence,
        sets=[
            collect(ScoredSet(name, kinds[name], of, own[name]), judges, bootstrap)
            for name, of in tables.items()
        ],
    )


def _score_own(
    model: BlendedModel,
    name: str,
    lines: Sequence[EvaluationLine],
    engines: Sequence[OCREngine],
    judges: Mapping[str, Judge],
    progress: Progress,
) -> dict[str, pd.DataFrame]:
    """Have each OCR engine read the model's output at its own weight, where that is another."""
    tables = {}
    for engine in engines:
        blend = judges[engine.name].blend
        if blend == model.spec.blend:
            continue
        spec = model.spec.model_copy(update={"blend": blend})
        upscale = network_upscale(BlendedModel(spec, model.network).eval())
        tick = progress(f"{MODEL} for {engine.title} on {name}", len(lines))
        images = [upscale(line.lr) for line in lines]
        tables[engine.name] = score_set(MODEL, name, lines, images, [engine], tick)
    return tables


def _score_truth(
    name: str,
    lines: Sequence[EvaluationLine],
    engines: Sequence[OCREngine],
    folder: Path,
    progress: Progress,
) -> pd.DataFrame:
    """Score the true images; kept until they, the OCR engines or the measures change."""

    def score() -> pd.DataFrame:
        images = [line.hr for line in lines if line.hr is not None]
        tick = progress(f"{HR} of {name}", len(lines) * len(engines))
        return score_set(HR, name, lines, images, engines, tick)

    key = f"{judges_version(engines)}-{lines_version(lines)}"
    return keep(folder / HR / f"{name}-{key}.parquet", score)


if __name__ == "__main__":
    main()
