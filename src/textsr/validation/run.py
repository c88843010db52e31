"""The `validate` stage: a dataset in, a verdict and Data Docs out."""

from pathlib import Path

from textsr.errors import TextsrError
from textsr.files import replace_folder, write_json
from textsr.params import SPLITS, Params
from textsr.validation.data_docs import add_summary, run_suite
from textsr.validation.legibility import ReadLines, add_readings
from textsr.validation.report import ValidationReport, build_report
from textsr.validation.suite import build_suite
from textsr.validation.tables import read_samples


def validate_dataset(
    dataset: Path, output: Path, params: Params, read_lines: ReadLines
) -> ValidationReport:
    """Hold a dataset against the suite; write `result.json` and `data_docs/` into `output`.

    Both are written whether or not the dataset passes.

    Args:
        dataset: folder of `train/`, `val/` and `test/`, each of Parquet shards.
        output: folder for the results.
        params: what the dataset should be like.
        read_lines: an OCR engine; gets grey HxW lines, returns their texts.

    Returns:
        The report; warnings among its findings are for the caller to show.

    Raises:
        TextsrError: if a critical expectation is not met, naming each with up to five offending
            samples; if a shard is missing, unreadable or not of the schema, naming it.
    """
    samples = read_samples(dataset)
    counts = {split: int((samples["folder"] == split).sum()) for split in SPLITS}
    samples = add_readings(
        samples, dataset, params.validation.legibility_samples, params.seed, read_lines
    )
    with replace_folder(output / "data_docs") as docs:
        result = run_suite(samples, build_suite(params), docs)
        report = build_report(result, counts, output / "data_docs")
        add_summary(docs, report)
    write_json(output / "result.json", report.to_json())
    if report.failures:
        raise TextsrError(report.failure_message(dataset))
    return report
