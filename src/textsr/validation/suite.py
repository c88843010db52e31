"""The Great Expectations suites that a dataset is held against."""

from great_expectations import ExpectationSuite

from textsr.config.params import Params
from textsr.validation.count_rules import count_expectations
from textsr.validation.effect_rules import effect_expectations
from textsr.validation.image_rules import image_expectations
from textsr.validation.range_rules import range_expectations
from textsr.validation.table_rules import table_expectations
from textsr.validation.text_rules import text_expectations

_NOTES = (
    "Column names and types were compared with the shards' schema on reading. "
    "A dataset that breaks a critical expectation is refused: nothing is trained on it. One that "
    "breaks one marked `Warning only` is used, and the breach is reported. Columns named "
    "`*_decoded`, `*_mean`, `*_std` and `lr_hr_*` are measured on the images; `*_splits` names "
    "the splits in which a text, font family or image occurs."
)
_COUNT_NOTES = "Over all rows of the dataset, also where the other suite sees a sample of them."


def build_suite(params: Params) -> ExpectationSuite:
    """Return the suite over the table of `tables.read_samples` and `legibility.add_readings`."""
    samples = params.synthesis.samples
    rows = samples.train + samples.val + samples.test
    if params.validation.max_rows:
        rows = min(rows, params.validation.max_rows)
    return ExpectationSuite(
        name="samples",
        expectations=[
            *table_expectations(params),
            *image_expectations(params.synthesis),
            *text_expectations(params),
            *effect_expectations(),
            *range_expectations(params.synthesis, rows),
        ],
        notes=_NOTES,
    )


def build_count_suite(params: Params) -> ExpectationSuite:
    """Return the suite over the table of `count_rules.count_rows`."""
    return ExpectationSuite(
        name="counts", expectations=count_expectations(params), notes=_COUNT_NOTES
    )
