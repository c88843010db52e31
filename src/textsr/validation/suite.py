"""The Great Expectations suite that a dataset is held against."""

from great_expectations import ExpectationSuite

from textsr.params import Params
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


def build_suite(params: Params) -> ExpectationSuite:
    """Return the suite over the table of `tables.read_samples` and `legibility.add_readings`."""
    return ExpectationSuite(
        name="dataset",
        expectations=[
            *table_expectations(params),
            *image_expectations(params.synthesis),
            *text_expectations(params),
            *range_expectations(params.synthesis),
        ],
        notes=_NOTES,
    )
