"""Expectations on what the lines say, on leakage between splits, and on legibility."""

import math

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column

from textsr.params import SPLITS, FontSplits, Params, Text
from textsr.validation.rules import CRITICAL, GENERATOR, WARNING, expect

_LEAK = "The test could be passed by remembering; mend how src/textsr/synthesis splits."
# In a smaller split chance alone can leave out a rare kind.
_ROWS_FOR_BALANCE = 100
_MIN_UNIQUE_TEXTS = 0.5


def text_expectations(params: Params) -> list[Expectation]:
    """Return the expectations on texts, their kinds, leakage and legibility."""
    return [
        *_texts(params.synthesis.text),
        *_kind_balance(params),
        *_no_leakage(),
        *_font_splits(params.synthesis.fonts),
        _legible(params.validation.min_legibility),
    ]


def _texts(text: Text) -> list[Expectation]:
    kinds = [kind for kind, share in text.kinds.items() if share > 0]
    return [
        expect(
            gxe.ExpectColumnValuesToMatchRegex,
            "text_not_empty",
            "Every text has a character that can be seen.",
            GENERATOR,
            column="text",
            regex=r"\S",
        ),
        expect(
            gxe.ExpectColumnValueLengthsToBeBetween,
            "text_length",
            f"Texts have at most {text.max_characters} characters (synthesis.text.max_characters).",
            GENERATOR,
            column="text",
            max_value=text.max_characters,
        ),
        expect(
            gxe.ExpectColumnValuesToBeInSet,
            "kind_known",
            f"`kind` is one of {', '.join(kinds)} (synthesis.text.kinds).",
            GENERATOR,
            column="kind",
            value_set=kinds,
        ),
        expect(
            gxe.ExpectColumnValuesToBeInSet,
            "text_copies",
            f"At least {_MIN_UNIQUE_TEXTS:.0%} of the rows have a text of their own in their "
            "split, white space and case aside.",
            "A net that sees few texts learns them by heart; add word lists or own text.",
            WARNING,
            column="text_copies",
            value_set=[1],
            mostly=_MIN_UNIQUE_TEXTS,
        ),
    ]


def _kind_balance(params: Params) -> list[Expectation]:
    """Expect each kind in each split; not `custom`, which is absent without text of the user's."""
    share = params.validation.min_kind_share
    kinds = [
        kind
        for kind, weight in params.synthesis.text.kinds.items()
        if weight > 0 and kind != "custom"
    ]
    expectations: list[Expectation] = []
    for split in SPLITS:
        rows = getattr(params.synthesis.samples, split)
        least = math.ceil(share * rows)
        expectations += [
            expect(
                gxe.ExpectTableRowCountToBeBetween,
                f"{split}_{kind}_share",
                f"The {split} split has {least} or more rows of kind `{kind}` "
                f"(validation.min_kind_share, {share:.1%}).",
                "Raise its share in synthesis.text.kinds, or lower validation.min_kind_share.",
                WARNING if rows < _ROWS_FOR_BALANCE else CRITICAL,
                min_value=least,
                row_condition=(Column("folder") == split) & (Column("kind") == kind),
            )
            for kind in kinds
        ]
    return expectations


def _no_leakage() -> list[Expectation]:
    things = {
        "text": "text, white space and case aside,",
        "font_family": "font family",
        "hr": "HR image",
    }
    return [
        expect(
            gxe.ExpectColumnValuesToBeInSet,
            f"{name}_leak",
            f"No {thing} occurs in two splits.",
            _LEAK,
            column=f"{name}_splits",
            value_set=list(SPLITS),
        )
        for name, thing in things.items()
    ]


def _font_splits(fonts: FontSplits) -> list[Expectation]:
    named = {"val": fonts.val_families, "test": fonts.test_families}
    return [
        *(
            expect(
                gxe.ExpectColumnValuesToBeInSet,
                f"{split}_fonts",
                f"The {split} split uses the families {', '.join(families)} only "
                f"(synthesis.fonts.{split}_families).",
                _LEAK,
                column="font_family",
                value_set=families,
                row_condition=Column("folder") == split,
            )
            for split, families in named.items()
        ),
        expect(
            gxe.ExpectColumnValuesToNotBeInSet,
            "train_fonts",
            "The train split uses no family that synthesis.fonts holds out for val or test.",
            _LEAK,
            column="font_family",
            value_set=fonts.val_families + fonts.test_families,
            row_condition=Column("folder") == "train",
        ),
    ]


def _legible(share: float) -> Expectation:
    return expect(
        gxe.ExpectColumnPairValuesToBeEqual,
        "hr_legible",
        f"An OCR engine reads {share:.0%} or more of a sample of HR lines exactly, letters and "
        "digits only (validation.min_legibility).",
        "Look at these lines; make synthesis.render milder, or remove unreadable fonts.",
        column_A="text_normalised",
        column_B="reading_normalised",
        ignore_row_if="either_value_is_missing",
        mostly=share,
    )
