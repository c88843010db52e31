"""How often the drift monitor raises an alarm over images of the very kind that it trained on.

Each draw is a set of fresh lines, made as the training split is, with another seed; any alarm is
false. Reading is slow, so there are more draws without it than with it; the monitor is the same,
but judges two properties less.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator

import cv2
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from benchmarks.fresh import draw_rows
from textsr import pretrained
from textsr.cli.progress import progress
from textsr.compute import use_threads
from textsr.config import project
from textsr.config.params import load_params
from textsr.datasets.shards import decode_grey
from textsr.images.grey import Image
from textsr.inference.torch_backend import TorchBackend
from textsr.models.package import load_model
from textsr.monitoring.drift import Finding, compare, judge
from textsr.monitoring.measure import measure_images
from textsr.monitoring.profile import measure_profile
from textsr.ocr.engines import first_engine
from textsr.synthesis.sample import Source, load_source

_FIRST_SEED = 1_000_000  # far from any dataset's


def main() -> None:
    """Draw sets with and without reading, and print the alarms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200, help="of each size, without reading")
    parser.add_argument("--images", type=int, nargs="+", default=[50, 200], help="of a draw")
    parser.add_argument("--read-draws", type=int, default=40, help="with reading")
    parser.add_argument("--read-images", type=int, default=60, help="of such a draw")
    arguments = parser.parse_args()
    params = load_params()
    use_threads(params.compute.threads)
    cv2.setNumThreads(1)
    model = TorchBackend(load_model(pretrained.FOLDER))
    engine = first_engine(params.compute.threads)
    source = load_source(params, "train", project.DATA)
    table = Table(title="false alarms over in-distribution draws")
    for heading in ("images", "read", "draws", "alarms", "rate, 95% interval"):
        table.add_column(heading, justify="right")
    closest: dict[str, list[Finding]] = defaultdict(list)
    plans = [(size, 0, arguments.draws) for size in arguments.images]
    plans.append((arguments.read_images, arguments.read_images, arguments.read_draws))
    seed = _FIRST_SEED
    with progress() as start:
        profile = measure_profile(
            params, project.DATASET, project.IMPORTED, pretrained.FOLDER, model, engine, start
        )
        for size, read, draws in plans:
            tick = start(f"{draws} draws of {size} images, {read} read", draws)
            alarms = 0
            for _ in range(draws):
                lines = list(draw_lines(source, seed, size))
                seed += 1
                measured = measure_images(lines, read, model, engine, lambda: None)
                findings = compare(profile.values, measured, params.monitoring)
                alarms += judge(findings) == "drift"
                for finding in findings:
                    closest[finding.name].append(finding)
                tick()
            table.add_row(str(size), str(read), str(draws), str(alarms), rate(alarms, draws))
    Console().print(table)
    Console().print(_closest(closest))


def draw_lines(source: Source, seed: int, count: int) -> Iterator[Image]:
    """Yield fresh LR lines of the source's split."""
    for row in draw_rows(source, seed, count):
        yield decode_grey(row["lr"]["bytes"], row["sample_id"])


def rate(alarms: int, draws: int) -> str:
    """Return a rate with its exact binomial interval (Clopper and Pearson)."""
    interval = binomtest(alarms, draws).proportion_ci(0.95)
    return f"{alarms / draws:.2%} [{interval.low:.2%}, {interval.high:.2%}]"


def _closest(findings: dict[str, list[Finding]]) -> Table:
    table = Table(title="how near they came: an alarm needs both")
    for heading in ("property", "furthest moved / tolerated", "least p"):
        table.add_column(heading, justify="right")
    for name, found in findings.items():
        furthest = max(finding.distance / finding.tolerance for finding in found)
        table.add_row(name, f"{furthest:.2f}", f"{min(one.p_value for one in found):.2g}")
    return table


if __name__ == "__main__":
    main()
