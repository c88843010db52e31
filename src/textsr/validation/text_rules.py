"""Expectations on what the lines say, on leakage between splits, and on legibility."""

import great_expectations.expectations as gxe
from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.row_conditions import Column

from textsr.config.effects import Render
from textsr.config.params import SPLITS, FontSplits, Params, Text
from textsr.validation.rules import GENERATOR, WARNING, expect

_LEAK = "The test could be passed by remembering; mend how src/textsr/synthesis splits."
_MIN_UNIQUE_TEXTS = 0.5
# UTF-8 taken for Latin-1 or Windows-1252: Ã or Â, then what stands for a continuation byte;
# control characters; and what decoders put for what they cannot decode.
MOJIBAKE = "[ÃÂ][\u0080-\u00bf\u20ac\u0192\u2020\u2021\u2030\u2122]|[\u0080-\u009f\ufffd]"

_TRANSCRIPTS = "The rows' texts are not those of their images; remake the dataset."
# Of 490 lines that PP-OCR read 4 or more letters and digits of, 1 in 100 was read nearer to another
# of 60 lines than to its own; all were dot matrix print. With texts permuted, 98 in 100 are.
_READ_AS_OWN = 0.9
# Letters as narrow as amatic-sc's took 0.23 em each, a line of capitals in DejaVu 0.75.
_EM_ADVANCE = (0.1, 1.3)


def text_expectations(params: Params) -> list[Expectation]:
    """Return the expectations on texts, leakage, legibility and transcripts."""
    return [
        *_texts(params.synthesis.text),
        *_no_leakage(),
        *_font_splits(params.synthesis.fonts),
        _legible(params.validation.min_legibility),
        *_transcripts(params.synthesis.render),
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
            gxe.ExpectColumnValuesToNotMatchRegex,
            "text_encoding",
            "No text was read in another encoding than it was written in.",
            "Save the word lists and your own text as UTF-8; remake the dataset.",
            column="text",
            regex=MOJIBAKE,
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


def _transcripts(render: Render) -> list[Expectation]:
    low, high = _EM_ADVANCE
    high += max(render.tracking.em[1], 0)
    return [
        expect(
            gxe.ExpectColumnPairValuesAToBeGreaterThanB,
            "transcript_of_own_line",
            "What an OCR engine reads is nearer to the line's own text than to others', for "
            f"{_READ_AS_OWN:.0%} or more of the lines read.",
            _TRANSCRIPTS,
            column_A="reading_similarity",
            column_B="reading_other_similarity",
            or_equal=True,
            ignore_row_if="either_value_is_missing",
            mostly=_READ_AS_OWN,
        ),
        expect(
            gxe.ExpectColumnValuesToBeInSet,
            "transcript_of_another_line",
            "No line is read as what another row says, and as unlike what its own row says.",
            _TRANSCRIPTS,
            column="reads_as_another",
            value_set=[False],
        ),
        expect(
            gxe.ExpectColumnValuesToBeBetween,
            "transcript_fits_width",
            f"Lines of two letters or more take {low:g} to {high:g} em a character of their text.",
            _TRANSCRIPTS,
            column="em_advance",
            min_value=low,
            max_value=high,
        ),
    ]
