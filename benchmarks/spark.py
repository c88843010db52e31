"""Upscaling a folder of images on Spark's local workers beside `textsr upscale`, a core each.

Both compute the pretrained weights in float32 by ONNX Runtime, and take turns, so that a machine
whose speed drifts slows both. The command's time is from its start; Spark's is that of a job in a
session that runs already, the loading of the model by each worker included.
"""

import importlib.util
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import mlflow
import pandas as pd

from textsr.inference.cores import granted_cores
from textsr.pretrained import FOLDER
from textsr.registry.packaging import log_model
from textsr.tracking import Tracker

ROUNDS = 5
IMAGES = 240
SIDES = (100, 200)  # rows and columns
BATCH = 32  # rows that a worker holds at once


def bench_spark(images: int = IMAGES, rounds: int = ROUNDS) -> list[str]:
    """Upscale a folder of images by both; return a sentence.

    Args:
        images: how many.
        rounds: in how many turns, after one that warms up.
    """
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        return ["Spark: left out: needs Java and `pip install pyspark`"]
    cores = granted_cores()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        _write_images(root, images)
        tracker = Tracker(root)
        uri = log_model(tracker, tracker.start("bench", "bench", {}, {}).run_id, FOLDER)
        session = _start_spark(cores)
        try:
            seconds = _time_in_turns(
                lambda: _by_spark(session, uri, root, cores), lambda: _by_command(root), rounds
            )
        finally:
            session.stop()
    speeds = [images * SIDES[0] * SIDES[1] / 1000 / cores / statistics.median(s) for s in seconds]
    ratio = statistics.median(command / spark for spark, command in zip(*seconds, strict=True))
    return [
        f"{images} images of {SIDES[1]} x {SIDES[0]}, {cores} cores: Spark {speeds[0]:.0f} LR "
        f"kilopixels a second a core, textsr upscale {speeds[1]:.0f}; Spark's is {ratio:.2f} times "
        f"as fast, the median of {rounds} rounds' ratios"
    ]


def _write_images(root: Path, count: int) -> None:
    """Write the images as files, and as a table in Parquet."""
    sample = cv2.imread("docs/images/sample.png")
    assert sample is not None
    rows, columns = SIDES
    (root / "images").mkdir()
    files = {}
    for number in range(count):
        top, left = number % (sample.shape[0] - rows), number % (sample.shape[1] - columns)
        path = root / "images" / f"{number}.png"
        cv2.imwrite(str(path), sample[top : top + rows, left : left + columns])
        files[path.name] = path.read_bytes()
    pd.DataFrame({"name": files.keys(), "content": files.values()}).to_parquet(root / "in.parquet")


def _start_spark(cores: int) -> Any:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    return (
        SparkSession.builder.master(f"local[{cores}]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(BATCH))
        .getOrCreate()
    )


def _by_spark(session: Any, uri: str, root: Path, cores: int) -> None:
    upscale = mlflow.pyfunc.spark_udf(session, uri)
    rows = session.read.parquet(str(root / "in.parquet")).repartition(cores)
    upscaled = rows.select("name", upscale("content").alias("image"))
    upscaled.write.mode("overwrite").parquet(str(root / "by_spark"))


def _by_command(root: Path) -> None:
    output = root / "by_command"
    shutil.rmtree(output, ignore_errors=True)
    command = ["textsr", "upscale", str(root / "images"), "-o", str(output)]
    options = ["--model", str(FOLDER), "--backend", "onnx"]
    subprocess.run([*command, *options], check=True, capture_output=True)


def _time_in_turns(
    spark: Callable[[], None], command: Callable[[], None], rounds: int
) -> tuple[list[float], list[float]]:
    seconds: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for kept, work in zip(seconds, (spark, command), strict=True):
            start = time.perf_counter()
            work()
            if turn:  # the first warms up
                kept.append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    print("\n".join(bench_spark()))
