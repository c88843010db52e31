"""The section `page` of an extra dataset: whole pages, degraded as one and cut into samples."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from textsr.config.sections import Frequency, Probability, Section

ELEMENTS = ("paragraph", "heading", "table", "picture", "rule", "space")
"""What a column of a page is filled with, from top to bottom."""

CROPS = ("line", "text", "picture", "paper")
"""Kinds of crops: around one whole line of text; with other text, such as parts of lines or
several; mostly of a picture; without either."""

_LRPixels = Annotated[int, Field(ge=64, le=1024, multiple_of=4)]


class Page(Section):
    """What a page looks like and how it is cut; `{}` is all of it as is usual.

    Type, ink, paper, light and cameras are those of `render` and `degradation`, drawn once a page.
    """

    lr_height: _LRPixels = Field(288, description="of a page, LR pixels")
    lr_width: _LRPixels = Field(384, description="of a page, LR pixels")
    crops: Annotated[int, Field(ge=1, le=10_000)] = Field(48, description="samples of a page")
    min_crop_lr_width: Annotated[int, Field(ge=16, le=1024, multiple_of=4)] = Field(
        64, description="LR pixels; the widest are `max_lr_width`, and all are `lr_height` high"
    )
    around_line: Probability = Field(
        0.4, description="of a crop to be laid around a line of text that fits into it"
    )
    on_paper: Probability = Field(0.1, description="of a crop to be laid where there is no text")
    empty: Probability = Field(0.05, description="of a page to have nothing on it")
    max_columns: Annotated[int, Field(ge=1, le=8)] = Field(3, description="of a page")
    elements: dict[Literal[ELEMENTS], Frequency] = Field(  # type: ignore[valid-type]
        {"paragraph": 5, "heading": 4, "table": 2, "picture": 1.5, "rule": 1, "space": 1},
        description="what a column is filled with, from top to bottom",
    )
    framed: Probability = Field(0.12, description="of an element to have a border")
    panel: Probability = Field(0.15, description="of an element to lie on a ground of its own")

    @model_validator(mode="after")
    def _possible(self) -> "Page":
        if not any(self.elements.values()):
            raise ValueError("elements: at least one needs a share above 0")
        if self.around_line + self.on_paper > 1:
            raise ValueError("around_line and on_paper: are more than 1 together")
        return self
