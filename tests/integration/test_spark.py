"""`mlflow.pyfunc.spark_udf` upscales a folder of images in Parquet on two local workers."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import mlflow
import numpy as np
import pandas as pd
import pytest

from textsr.pretrained import FOLDER
from textsr.registry.packaging import log_model
from textsr.registry.pyfunc import RegisteredModel
from textsr.tracking import Tracker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("java") is None, reason="no Java (default-jre-headless)"),
]

SAMPLE = Path(__file__).parents[2] / "docs" / "images" / "sample.png"
WORKERS = 2


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Parquet files; one of six images is damaged."""
    folder = tmp_path_factory.mktemp("spark") / "images"
    folder.mkdir()
    page = cv2.imread(str(SAMPLE))
    lines = [cv2.imencode(".png", page[top : top + 30])[1].tobytes() for top in range(0, 120, 20)]
    lines[4] = lines[4][:200]
    for number in range(WORKERS):
        rows = {"name": [f"{i}.png" for i in range(6)][number::WORKERS]}
        rows["content"] = lines[number::WORKERS]
        pd.DataFrame(rows).to_parquet(folder / f"{number}.parquet")
    return folder


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The logged model: its files, as Spark's workers get them."""
    root = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        tracker = Tracker(root)
    uri = log_model(tracker, tracker.start("r", "e", {}, {}).run_id, FOLDER)
    return str(mlflow.artifacts.download_artifacts(uri))


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    # Asked here, not as the file is imported: a file that is skipped whole counts as one test.
    sql = pytest.importorskip("pyspark.sql", reason="no Spark (pip install pyspark)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        session = (
            sql.SparkSession.builder.master(f"local[{WORKERS}]")
            .config("spark.ui.enabled", "false")
            # As many rows as a worker holds at once, with their results.
            .config("spark.sql.execution.arrow.maxRecordsPerBatch", "2")
            .getOrCreate()
        )
        yield session
        session.stop()


def test_two_workers_upscale_as_one_process_does(spark: Any, images: Path, package: str) -> None:
    upscale = mlflow.pyfunc.spark_udf(
        spark, package, params={"for": "rapidocr", "on_error": "null"}
    )
    rows = spark.read.parquet(str(images)).repartition(WORKERS)
    assert rows.rdd.getNumPartitions() == WORKERS
    upscaled = rows.select("name", upscale("content").alias("image"))
    assert upscaled.schema["image"].dataType.typeName() == "binary"
    upscaled.write.parquet(str(images.with_name("upscaled")))

    made = pd.read_parquet(images.with_name("upscaled")).set_index("name").sort_index()["image"]
    given = pd.read_parquet(images).set_index("name").sort_index()[["content"]]
    expected = RegisteredModel(FOLDER).predict(given, {"for": "rapidocr", "on_error": "null"})
    assert made.index.tolist() == [f"{i}.png" for i in range(6)]
    assert made["4.png"] is None
    for name in made.index.drop("4.png"):
        pixels, alone = (
            cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
            for file in (made[name], expected["image"][name])
        )
        assert pixels.shape == (120, 960, 3)
        assert abs(pixels.astype(int) - alone).max() <= 1


def test_a_damaged_image_ends_the_job_with_its_name(spark: Any, images: Path, package: str) -> None:
    upscale = mlflow.pyfunc.spark_udf(spark, package)
    with pytest.raises(Exception, match=r"row \d: cannot be decoded"):
        spark.read.parquet(str(images)).select(upscale("content")).collect()
