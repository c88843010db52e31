"""Memory and speed of synthesis, validation and training as the dataset grows.

Each step is a process of its own, and what is printed is the greatest memory of any of its
processes. At the largest size training is left out: it reads windows of as many rows as before.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from textsr.config.params import Params, load_params, parse_params
from textsr.synthesis.sources import fetch_sources

SIZES = (10_000, 100_000, 1_000_000)
STEPS = ("synthesize", "validate", "train")
_TRAINING_STEPS = 200
_LARGEST_TRAINED = 100_000


def main() -> None:
    """Run all steps at each size, or one step, as a child of the former."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=SIZES, help="rows of train")
    parser.add_argument("--folder", type=Path, help="where datasets go; 9 GB at 1,000,000 rows")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        _run(arguments.step, _params(arguments.sizes[0]), arguments.folder)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        fetch_sources(Path(folder) / "data")
        table = Table(title=f"peak memory of the largest process, {os.cpu_count()} cores")
        for heading in ("rows", "step", "seconds", "rows/s", "peak MB", "dataset MB"):
            table.add_column(heading, justify="right")
        try:
            _measure(arguments.sizes, Path(folder), table)
        finally:  # what was measured in an hour is not lost to a step that fails
            Console().print(table)


def _measure(sizes: list[int], folder: Path, table: Table) -> None:
    for rows in sizes:
        for step in STEPS:
            if step == "train" and rows > _LARGEST_TRAINED:
                continue
            Console(stderr=True).print(f"{rows} rows: {step} ...")
            seconds, peak = _in_child(step, rows, folder)
            size = sum(p.stat().st_size for p in (folder / "dataset").rglob("*.parquet")) / 1e6
            speed = "" if step == "train" else f"{rows / seconds:.0f}"
            table.add_row(f"{rows:,}", step, f"{seconds:.0f}", speed, f"{peak:.0f}", f"{size:.0f}")
        shutil.rmtree(folder / "dataset")


def _in_child(step: str, rows: int, folder: Path) -> tuple[float, float]:
    """Return the seconds that a step takes, and the megabytes of its largest process."""
    command = [sys.executable, "-m", "benchmarks.scale", str(rows)]
    start = time.perf_counter()
    # A child of a child: the greatest memory of children is kept for the life of a process.
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=2); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command, "--folder", str(folder), "--step", step],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return time.perf_counter() - start, int(done.stdout) / 1024


def _params(rows: int) -> Params:
    raw = load_params().model_dump()
    raw["synthesis"] |= {"samples": {"train": rows, "val": 200, "test": 400}, "shard_rows": 2000}
    raw["training"]["steps"] = _TRAINING_STEPS
    return parse_params(raw)


def _run(step: str, params: Params, folder: Path) -> None:
    from textsr.cli.progress import progress
    from textsr.ocr.engine import read_lines
    from textsr.ocr.engines import first_engine
    from textsr.synthesis.shards import write_dataset
    from textsr.training.run import plan_training, run_training
    from textsr.validation.run import validate_dataset

    os.chdir(folder)  # checkpoints are kept in the working folder
    dataset = Path("dataset")
    with progress() as start:
        if step == "synthesize":
            rows = sum(params.synthesis.samples.model_dump().values())
            write_dataset(params, Path("data"), dataset, start("lines", rows))
        elif step == "validate":
            engine = first_engine(params.compute.threads)
            validate_dataset(
                dataset, Path("out"), params, lambda lines: read_lines(engine, lines), start
            )
        else:
            run = plan_training("scratch", params, dataset, None, Path("encoders"))
            run_training(run, Path("model"), lambda metrics, step: None)


if __name__ == "__main__":
    main()
