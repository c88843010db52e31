"""The rules that a dataset is held against: what must hold, how grave a breach is, what to do.

They are Great Expectations' own expectations, with names and limits of ours.
"""

import html
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import great_expectations.expectations as gxe
from great_expectations import ExpectationSuite
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity
from great_expectations.expectations.row_conditions import Column, Condition

from textsr.config.effects import CameraPass, Render
from textsr.config.pages import CROPS, Page
from textsr.config.params import SPLITS, Params, Synthesis
from textsr.config.sections import Section, effect_fields, interval_columns
from textsr.validation.census import MOJIBAKE
from textsr.validation.measure import GREY_PNG
from textsr.validation.shards import NULLABLE_COLUMNS, RECORDED_COLUMNS

CRITICAL = FailureSeverity.CRITICAL
WARNING = FailureSeverity.WARNING

# Remedies that many rules share.
_REMAKE = (
    "Remake it with `dvc repro -f synthesize`, or `-f extra_datasets` where it is an extra dataset."
)
_GENERATOR = "The generator and params.yaml disagree; mend src/textsr/synthesis or the range."
_LEAK = "The test could be passed by remembering; mend how src/textsr/synthesis splits."
_PAIRING = (
    "LR and HR are swapped or of different samples, or too degraded to learn from: "
    "remake the dataset or soften synthesis.degradation."
)
_TRANSCRIPTS = "The rows' texts are not those of their images; remake the dataset."

_NOTES = (
    "Column names and types were compared with the shards' schema on reading. "
    "A dataset that breaks a critical expectation is refused: nothing is trained on it. One that "
    "breaks one marked `Warning only` is used, and the breach is reported. Columns named "
    "`*_decoded`, `*_mean`, `*_std` and `lr_hr_*` are measured on the images; `*_splits` names "
    "the splits in which a text, font family or image occurs."
)
_COUNT_NOTES = "Over all rows of the dataset, also where the other suite sees a sample of them."

# Of 2,000 pairs of the default synthesis, 99% correlate by 0.79 or more and 99.8% by 0.5; of LR and
# HR of different lines, 99% by 0.61 at most, half by 0.09. The few pairs below are lines of so low
# a contrast that two grey levels are all that is left of them.
_USUAL_CORRELATION = 0.6
_USUAL_SHARE = 0.97
# All but 1 of 2,000 LR images are most like their own HR image; of LR images paired with another
# line, half are.
_OWN_SHARE = 0.95
# Blur and resizing keep the mean grey level; clipping and compression move it by up to 4 levels,
# and clipped noise by less than its standard deviation. A picture of two levels is brighter or
# darker by as much as its threshold errs: by up to 32 levels in 3,000 rows.
_BRIGHTNESS_SHIFT = 8.0
_LARGEST_SHIFT = 64.0

_MIN_UNIQUE_TEXTS = 0.5
# Of crops of a page, two around the same line may lie at the same place.
_UNLIKE_CROPS = 0.9
# Of 490 lines that PP-OCR read 4 or more letters and digits of, 1 in 100 was read nearer to another
# of 60 lines than to its own; all were dot matrix print. With texts permuted, 98 in 100 are.
_READ_AS_OWN = 0.9
# Letters as narrow as amatic-sc's took 0.23 em each, a line of capitals in DejaVu 0.75.
_EM_ADVANCE = (0.1, 1.3)

# Ranges are compared with a slack for rounding in floating point.
_SLACK = 1e-6
# Sizes are whole pixels, so a ratio of sizes misses the drawn one by up to half a pixel.
_SIZE_SLACK = 0.05
_PARAMS_SCALE = 4  # the scale at which params.yaml states lengths
# The share of rows that an effect was applied to misses its probability by chance, and because
# lines that come out too wide are drawn anew: wide letters are more often among those.
_SHARE_DEVIATIONS = 5
_SHARE_BIAS = 0.3
_FEW_ROWS = 20

# In a small split chance alone can leave out a rare kind of text, and kinds miss their share where
# long texts are drawn anew.
_KIND_DEVIATIONS = 4
_KIND_BIAS = 0.4

AnyExpectation = TypeVar("AnyExpectation", bound=Expectation)


def build_suite(params: Params) -> ExpectationSuite:
    """Return the suite over the table of `measure.read_samples` and `legibility.add_readings`.

    Of crops of pages, those that show text must be like their HR images, and those of the kind
    `line` must have a text, and all others none.
    """
    samples = params.synthesis.samples
    rows = samples.train + samples.val + samples.test
    draws = rows // params.synthesis.page.crops if params.synthesis.page else rows
    if params.validation.max_rows:
        draws = min(draws, params.validation.max_rows)
    expectations = [
        *_table(params.synthesis),
        *_images(params.synthesis),
        *_texts(params.synthesis),
        *_readings(params.synthesis.render, params.validation.min_legibility),
        *_effects(),
        *_ranges(params.synthesis, draws),
    ]
    return ExpectationSuite(name="samples", expectations=expectations, notes=_NOTES)


def build_count_suite(params: Params) -> ExpectationSuite:
    """Return the suite over the table of `census.count_rows`."""
    expectations = [*_split_sizes(params), *_kinds(params)]
    return ExpectationSuite(name="counts", expectations=expectations, notes=_COUNT_NOTES)


def expect(
    kind: type[AnyExpectation],
    name: str,
    description: str,
    remedy: str,
    severity: FailureSeverity = CRITICAL,
    **arguments: Any,
) -> AnyExpectation:
    """Make an expectation of class `kind`.

    Args:
        kind: a Great Expectations class.
        name: unique within the suite; how messages and `result.json` call it.
        description: the sentence that Data Docs and messages state as what must hold.
        remedy: what to do about a breach.
        severity: a breach of a critical expectation fails the stage, of a warning is reported.
        arguments: the class's own.
    """
    if severity is not CRITICAL:
        description = f"Warning only: {description}"
    return kind(
        # Data Docs take descriptions for HTML.
        description=html.escape(description, quote=False),
        notes=remedy,
        severity=severity,
        meta={"name": name, "description": description},
        **arguments,
    )


def _in_set(
    name: str, values: list[Any], told: str, remedy: str, column: str = "", **more: Any
) -> Expectation:
    """Expect values of a column, the rule's namesake if not named, to be among some."""
    kind = gxe.ExpectColumnValuesToBeInSet
    return expect(kind, name, told, remedy, column=column or name, value_set=values, **more)


def _between(
    name: str, low: float | None, high: float | None, told: str, remedy: str, **more: Any
) -> Expectation:
    more |= {"min_value": low, "max_value": high}
    return expect(gxe.ExpectColumnValuesToBeBetween, name, told, remedy, **more)


def _pair(
    kind: type[Expectation], name: str, columns: str, told: str, remedy: str, **more: Any
) -> Expectation:
    """Relate two columns, named with a space between, where neither is missing."""
    more |= dict(zip(("column_A", "column_B"), columns.split(), strict=True))
    return expect(kind, name, told, remedy, ignore_row_if="either_value_is_missing", **more)


def _equal(name: str, columns: str, told: str, remedy: str = _REMAKE, **more: Any) -> Expectation:
    return _pair(gxe.ExpectColumnPairValuesToBeEqual, name, columns, told, remedy, **more)


def _no_less(
    name: str, columns: str, told: str, remedy: str, mostly: float, **more: Any
) -> Expectation:
    kind = gxe.ExpectColumnPairValuesAToBeGreaterThanB
    return _pair(kind, name, columns, told, remedy, or_equal=True, mostly=mostly, **more)


def _table(synthesis: Synthesis) -> Iterator[Expectation]:
    """Expect the dataset to be complete, and to be the one that `params.yaml` describes."""
    for split in SPLITS:
        count = getattr(synthesis.samples, split)
        told = (
            f"`index` of the {split} split lies within 0 to {count - 1}; being unique and "
            f"{count} in number, none is left out."
        )
        where = Column("folder") == split
        yield _between(
            f"{split}_index", 0, count - 1, told, _REMAKE, column="index", row_condition=where
        )
    yield expect(
        gxe.ExpectColumnValuesToBeUnique,
        "sample_id_unique",
        "No two samples share a `sample_id`.",
        _REMAKE,
        column="sample_id",
    )
    yield expect(
        gxe.ExpectCompoundColumnsToBeUnique,
        "index_unique",
        "No two samples of a split share an `index`.",
        _REMAKE,
        column_list=["folder", "index"],
    )
    for name, columns, told in (
        (
            "sample_id_agrees",
            "sample_id expected_id",
            "`sample_id` is made of the split and the `index`.",
        ),
        (
            "index_in_order",
            "index position",
            "Rows stand in the order of `index`, from 0, through the shards of a split.",
        ),
        (
            "split_is_folder",
            "split folder",
            "`split` names the split in whose folder the sample lies.",
        ),
    ):
        yield _equal(name, columns, told)
    for name in ("seed", "scale", "lr_height"):
        value = getattr(synthesis, name)
        told = f"`{name}` is {value} in every row, as in params.yaml (synthesis.{name})."
        yield _in_set(name, [value], told, _REMAKE)
    for name in RECORDED_COLUMNS:
        if name not in NULLABLE_COLUMNS:
            kind, told = gxe.ExpectColumnValuesToNotBeNull, f"`{name}` is never missing."
            yield expect(kind, f"{name}_present", told, _REMAKE, column=name)


def _images(synthesis: Synthesis) -> Iterator[Expectation]:
    """Expect images to decode, to have their sizes and content, and LR and HR to be one line."""
    for name in ("hr", "lr"):
        told = f"Every {name.upper()} image decodes: it is whole and its checksums agree."
        yield _in_set(f"{name}_decodes", [True], told, _REMAKE)
    for name in ("hr", "lr"):
        told = f"Every {name.upper()} image is a PNG file of 8-bit grey levels."
        yield _in_set(f"{name}_format", [GREY_PNG], told, _REMAKE)
    for first, second, told in (
        ("hr_size", "hr_size_decoded", "HR images have the size that is recorded for them."),
        ("lr_size", "lr_size_decoded", "LR images have the size that is recorded for them."),
        ("hr_size", "hr_size_from_lr", "HR's recorded size is `scale` times LR's."),
    ):
        yield _equal(f"{second}_agrees", f"{first} {second}", told)
    most = synthesis.max_lr_width
    told = f"`lr_width` is at most {most} pixels (synthesis.max_lr_width)."
    yield _between("lr_width_range", 1, most, told, _GENERATOR, column="lr_width")

    # Of crops of pages, some show no text, and little of it is seen of others.
    lines, texts, whose = None, None, ""
    if synthesis.page is not None:
        lines, texts = Column("kind") == "line", Column("kind").is_in(["line", "text"])
        whose = " (of a kind with text)"
    # Thin ink on a twentieth of the line still leaves a fifth of the contrast as deviation.
    floor = min(2.0, 0.05 * synthesis.render.contrast_levels[0])
    for name, level in (("hr", floor), ("lr", floor / 2)):
        told = (
            f"No {name.upper()} image of a line is blank: grey levels deviate by {level:g} or more."
        )
        blank = {"column": f"{name}_std", "row_condition": lines}
        yield _between(f"{name}_not_blank", level, None, told, _REMAKE, **blank)
    yield _in_set(
        "hr_copies",
        [1],
        "No two HR images of a split are the same, pixel for pixel"
        + (f", of {_UNLIKE_CROPS:.0%} of the crops of lines." if synthesis.page else "."),
        "Samples drawn twice add nothing; look at the seeds in src/textsr/synthesis.",
        severity=WARNING,
        mostly=_UNLIKE_CROPS if synthesis.page else 1,
    )

    told = (
        f"LR correlates with HR, shrunk to its size, by {_USUAL_CORRELATION} or more in "
        f"{_USUAL_SHARE:.0%} of samples{whose}."
    )
    column = "lr_hr_correlation"
    usual = {"column": column, "mostly": _USUAL_SHARE, "row_condition": texts}
    yield _between("lr_resembles_hr", _USUAL_CORRELATION, None, told, _PAIRING, **usual)
    told = "LR correlates with HR, shrunk to its size, positively in all samples of a line."
    every = {"column": column, "row_condition": lines}
    yield _between("lr_not_unlike_hr", 0, None, told, _PAIRING, **every)
    yield _no_less(
        "lr_nearer_own_hr",
        "lr_hr_correlation lr_neighbour_correlation",
        "LR correlates with its own HR no less than with that of the rows before and after, in "
        f"{_OWN_SHARE:.0%} of samples{whose}.",
        _PAIRING,
        _OWN_SHARE,
        row_condition=texts,
    )
    noises = (synthesis.degradation.first.noise, synthesis.degradation.second.noise)
    # The largest standard deviation of noise that a pass can add, grey levels.
    most_noise = max(noise.read_levels[1] + noise.shot_levels[1] for noise in noises)
    for name, limit, share in (
        ("lr_as_bright_as_hr", _BRIGHTNESS_SHIFT + most_noise, _USUAL_SHARE),
        ("lr_nearly_as_bright_as_hr", _LARGEST_SHIFT, 1),
    ):
        told = (
            f"LR and HR are equally bright on average, to {limit:g} grey levels, in "
            f"{share:.0%} of samples."
        )
        shift = {"column": "lr_hr_brightness_shift", "mostly": share}
        yield _between(name, -limit, limit, told, _PAIRING, **shift)


def _texts(synthesis: Synthesis) -> Iterator[Expectation]:
    """Expect texts to be whole, and nothing of a split to be in another."""
    text, fonts = synthesis.text, synthesis.fonts
    kinds = [kind for kind, share in text.kinds.items() if share > 0]
    named, lines = "synthesis.text.kinds", None
    if synthesis.page is not None:
        kinds, named, lines = list(CROPS), "of crops of pages", Column("kind") == "line"
        yield expect(
            gxe.ExpectColumnValueLengthsToBeBetween,
            "text_of_lines_alone",
            "No crop but of the kind `line` has a text: a recognizer would be taught to read it "
            "off parts of it, or off others.",
            _GENERATOR,
            column="text",
            max_value=0,
            row_condition=Column("kind") != "line",
        )
    yield expect(
        gxe.ExpectColumnValuesToMatchRegex,
        "text_not_empty",
        "Every text of a line has a character that can be seen.",
        _GENERATOR,
        column="text",
        regex=r"\S",
        row_condition=lines,
    )
    yield expect(
        gxe.ExpectColumnValuesToNotMatchRegex,
        "text_encoding",
        "No text was read in another encoding than it was written in.",
        "Save the word lists and your own text as UTF-8; remake the dataset.",
        column="text",
        regex=MOJIBAKE,
    )
    yield expect(
        gxe.ExpectColumnValueLengthsToBeBetween,
        "text_length",
        f"Texts have at most {text.max_characters} characters (synthesis.text.max_characters).",
        _GENERATOR,
        column="text",
        max_value=text.max_characters,
    )
    told = f"`kind` is one of {', '.join(kinds)} ({named})."
    yield _in_set("kind_known", kinds, told, _GENERATOR, column="kind")
    # Lines of a page are shown by a few of its crops.
    copies, owners = ([1, 2], "one other row at most") if synthesis.page else ([1], "no other row")
    yield _in_set(
        "text_copies",
        copies,
        f"At least {_MIN_UNIQUE_TEXTS:.0%} of the texts are shared with {owners} of their split, "
        "white space and case aside.",
        "A net that sees few texts learns them by heart; add word lists or own text.",
        severity=WARNING,
        mostly=_MIN_UNIQUE_TEXTS,
    )
    for name, thing in (
        ("text", "text, white space and case aside,"),
        ("font_family", "font family"),
        ("hr", "HR image"),
    ):
        told = f"No {thing} occurs in two splits."
        yield _in_set(f"{name}_leak", list(SPLITS), told, _LEAK, column=f"{name}_splits")
    for split, families in (("val", fonts.val_families), ("test", fonts.test_families)):
        told = (
            f"The {split} split uses the families {', '.join(families)} only "
            f"(synthesis.fonts.{split}_families)."
        )
        where = Column("folder") == split
        yield _in_set(f"{split}_fonts", families, told, _LEAK, "font_family", row_condition=where)
    yield expect(
        gxe.ExpectColumnValuesToNotBeInSet,
        "train_fonts",
        "The train split uses no family that synthesis.fonts holds out for val or test.",
        _LEAK,
        column="font_family",
        value_set=fonts.val_families + fonts.test_families,
        row_condition=Column("folder") == "train",
    )


def _readings(render: Render, legible: float) -> Iterator[Expectation]:
    """Expect lines to be legible, and to say what their rows say."""
    yield _equal(
        "hr_legible",
        "text_normalised reading_normalised",
        f"An OCR engine reads {legible:.0%} or more of a sample of HR lines exactly, letters and "
        "digits only (validation.min_legibility).",
        "Look at these lines; make synthesis.render milder, or remove unreadable fonts.",
        mostly=legible,
    )
    yield _no_less(
        "transcript_of_own_line",
        "reading_similarity reading_other_similarity",
        "What an OCR engine reads is nearer to the line's own text than to others', for "
        f"{_READ_AS_OWN:.0%} or more of the lines read.",
        _TRANSCRIPTS,
        _READ_AS_OWN,
    )
    told = "No line is read as what another row says, and as unlike what its own row says."
    another = "transcript_of_another_line"
    yield _in_set(another, [False], told, _TRANSCRIPTS, column="reads_as_another")
    low, high = _EM_ADVANCE
    high += max(render.tracking.em[1], 0)
    told = f"Lines of two letters or more take {low:g} to {high:g} em a character of their text."
    yield _between("transcript_fits_width", low, high, told, _TRANSCRIPTS, column="em_advance")


def _effects() -> Iterator[Expectation]:
    """Expect the columns of effects to be null where an effect was not applied, and only there."""
    for name, column, told in (
        (
            "not_nan",
            "nan_columns",
            "No number is NaN; null says that an effect was not applied.",
        ),
        (
            "effects_whole",
            "partial_effects",
            "The parameters of an effect are recorded all or not at all.",
        ),
    ):
        yield _in_set(name, ["none"], told, _REMAKE, column=column)


@dataclass(frozen=True)
class _Source:
    """A section of params.yaml, the suffix of its columns, how many rows it made and which, and a
    prefix that tells its expectations from those of another section on the same columns."""

    key: str
    rows: int
    suffix: str = ""
    made: Condition | None = None
    prefix: str = ""


def _ranges(synthesis: Synthesis, rows: int) -> Iterator[Expectation]:
    """Expect every recorded parameter to lie within its range; `rows` draws will be seen."""
    render, degradation = synthesis.render, synthesis.degradation
    # The least share of rows that are scanned: dark ink on paper exposed to white, of which
    # shadows, stains and the like leave some grey.
    white = render.clipping.probability * (1 - render.inverted)
    scans = int(rows * (degradation.scanned * white / 2))
    of_scans, of_others = (Column("scanned") == scanned for scanned in (True, False))
    yield from _line(synthesis, synthesis.scale / _PARAMS_SCALE)
    yield from _section(_Source("synthesis.render", rows), render)
    for source, camera in (
        (_Source("synthesis.degradation.first", rows, "_1", of_others), degradation.first),
        (_Source("synthesis.degradation.scan", scans, "_1", of_scans, "scan_"), degradation.scan),
        (_Source("synthesis.degradation.second", rows, "_2"), degradation.second),
    ):
        yield from _section(source, camera)
        yield _kernels(source, camera)
    # The first pass never goes below the size of LR.
    low, high = (max(end, 1 / synthesis.scale) for end in degradation.first_size)
    told = "synthesis.degradation.first_size to the nearest pixel, and no smaller than LR"
    yield _within("first_size", (low - _SIZE_SLACK, high + _SIZE_SLACK), told)


def _line(synthesis: Synthesis, unit: float) -> Iterator[Expectation]:
    render = synthesis.render
    # Margins and font sizes are whole pixels, rounded down.
    margin = (int(render.margin_px[0] * unit), render.margin_px[1] * unit)
    # `font_height_px` is ascent plus descent, which is 0.7 to 2 times the em in known fonts, and
    # long or tall text is drawn smaller.
    font = (render.font_height_px[0] * unit / 4, render.font_height_px[1] * unit * 1.5)
    margin_told = f"synthesis.render.margin_px times {unit:g}"
    if synthesis.page is not None:  # a line may stand anywhere in its crop
        margin = (0, synthesis.max_lr_width * synthesis.scale)
        margin_told = "synthesis.max_lr_width times the scale"
    for column, interval, told in (
        ("contrast", render.contrast_levels, "synthesis.render.contrast_levels"),
        ("ink", (0, 255), "grey levels"),
        ("ground", (0, 255), "grey levels"),
        ("margin_left_px", margin, margin_told),
        ("margin_right_px", margin, margin_told),
        ("font_size_px", font, "loosely, synthesis.render.font_height_px"),
    ):
        yield _within(column, interval, told)
    told = "A line is marked `inverted` exactly where its ink is lighter than its ground."
    yield _equal("inverted", "inverted light_ink", told, _GENERATOR)


def _section(source: _Source, section: Section) -> Iterator[Expectation]:
    for name, kind in effect_fields(type(section)):
        effect = getattr(section, name)
        for column, interval in interval_columns(kind, name, source.suffix).items():
            key = f"{source.key}.{name}"
            yield _within(column, getattr(effect, interval), f"{key}.{interval}", source)
            # Of few rows, chance alone may leave any share.
            if source.rows >= _FEW_ROWS:
                yield _applied(column, effect.probability, f"{key}.probability", source)


def _within(
    column: str, interval: tuple[float, float], told: str, source: _Source | None = None
) -> Expectation:
    low, high = interval
    where = f"is {low:g}" if low == high else f"lies within {low:g} to {high:g}"
    return _between(
        f"{source.prefix if source else ''}{column}_range",
        low - _SLACK,
        high + _SLACK,
        f"`{column}` {where} ({told}).",
        _GENERATOR,
        column=column,
        row_condition=source.made if source else None,
    )


def _applied(column: str, probability: float, key: str, source: _Source) -> Expectation:
    deviation = (probability * (1 - probability) / source.rows) ** 0.5
    slack = _SHARE_DEVIATIONS * deviation + _SHARE_BIAS * min(probability, 1 - probability)
    low, high = max(probability - slack, 0.0), min(probability + slack, 1.0)
    return expect(
        gxe.ExpectColumnProportionOfNonNullValuesToBeBetween,
        f"{source.prefix}{column}_applied",
        f"`{column}` is recorded for a share of rows within {low:.3f} to {high:.3f}, around "
        f"{probability:g} ({key}).",
        _GENERATOR,
        column=column,
        min_value=low,
        max_value=high,
        row_condition=source.made,
    )


def _kernels(source: _Source, camera: CameraPass) -> Expectation:
    used = sorted(name for name, share in camera.kernels.items() if share > 0)
    column = f"kernel{source.suffix}"
    told = f"`{column}` is one with a share in {source.key}.kernels: {', '.join(used)}."
    name = f"{source.prefix}{column}_known"
    return _in_set(name, used, told, _GENERATOR, column, row_condition=source.made)


def _split_sizes(params: Params) -> Iterator[Expectation]:
    for split in SPLITS:
        count = getattr(params.synthesis.samples, split)
        told = f"The {split} split has {count} rows (synthesis.samples.{split})."
        yield _sum(f"{split}_rows", count, count, told, _REMAKE, Column("folder") == split)


def _kinds(params: Params) -> Iterator[Expectation]:
    """Expect each kind in each split as far as chance allows.

    Not `custom`, which is absent without text of the user's; the others are then drawn more often.
    Of crops of pages, lines alone: many pages have no picture.
    """
    if params.synthesis.page is not None:
        yield from _lines_of_pages(params, params.synthesis.page)
        return
    weights = params.synthesis.text.kinds
    total = sum(weights.values())
    others = total - weights.get("custom", 0)
    for split in SPLITS:
        rows = getattr(params.synthesis.samples, split)
        for kind, weight in weights.items():
            if weight == 0 or kind == "custom":
                continue
            seldom, often = weight / total, weight / others
            least = math.ceil(params.validation.min_kind_share * rows)
            if rows * seldom - _deviations(rows, seldom) < least:
                least = 0
            most = math.ceil((1 + _KIND_BIAS) * rows * often + _deviations(rows, often))
            yield _sum(
                f"{split}_{kind}_share",
                least,
                most,
                f"The {split} split has {least} to {most} rows of kind `{kind}` "
                "(synthesis.text.kinds, validation.min_kind_share).",
                "Change its share in synthesis.text.kinds, or lower validation.min_kind_share.",
                (Column("folder") == split) & (Column("kind") == kind),
            )


def _lines_of_pages(params: Params, page: Page) -> Iterator[Expectation]:
    for split in SPLITS:
        rows = getattr(params.synthesis.samples, split)
        pages = rows // page.crops
        # Of few pages, all may be empty.
        least = math.ceil(params.validation.min_kind_share * rows) if pages >= _FEW_ROWS else 0
        if page.around_line == 0:
            least = 0
        yield _sum(
            f"{split}_line_share",
            least,
            rows,
            f"The {split} split has {least} or more crops of a whole line (page.around_line, "
            "validation.min_kind_share).",
            "Raise page.around_line, or allow smaller text (render.font_height_px): a line must "
            "fit into its crop.",
            (Column("folder") == split) & (Column("kind") == "line"),
        )


def _deviations(rows: int, probability: float) -> float:
    return _KIND_DEVIATIONS * math.sqrt(rows * probability * (1 - probability))


def _sum(
    name: str, low: int, high: int, told: str, remedy: str, condition: Condition
) -> Expectation:
    more: dict[str, Any] = {"min_value": low, "max_value": high, "row_condition": condition}
    return expect(gxe.ExpectColumnSumToBeBetween, name, told, remedy, column="rows", **more)
