"""What a study compares: a YAML file as typed models."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from textsr.config.yaml_files import read_yaml
from textsr.errors import TextsrError

SCRATCH = "scratch"
"""The arm that all others are held against."""

Transfer = Literal["encoder", "frozen_encoder", "network"]

_Name = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
_Steps = Annotated[int, Field(ge=1, le=10_000_000)]
_Count = Annotated[int, Field(ge=1, le=100_000_000)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Restoration(_Settings):
    """A line reduced and degraded further must come back as it was."""

    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    blur_px: Annotated[float, Field(ge=0, le=4)] = 0.0
    """Highest standard deviation of the further blur, pixels of the reduced line."""
    noise: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Highest standard deviation of the further noise, in [0, 1]."""
    masked: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the reduced line's columns that spans of grey hide."""


class Contrast(_Settings):
    """SimCLR or BYOL on the encoder's features."""

    weight: Annotated[float, Field(gt=0, le=1000)] = 1.0
    instance: Literal["line", "window", "frame"] = "window"
    """What has one embedding: a line, 16 pixels of it, or a frame of the encoder."""
    views: Literal["symmetric", "degraded"] = "symmetric"
    """`degraded`: one view is the line as it is, the other is degraded, masked, and not moved."""


class SimCLR(Contrast):
    """NT-Xent between two views."""

    temperature: Annotated[float, Field(gt=0, le=10)] = 0.2


class BYOL(Contrast):
    """Prediction of what a slow copy sees."""

    base_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99


class Pretext(_Settings):
    """What a network is pretrained for, on LR lines alone: the sum of its terms."""

    steps: _Steps
    restoration: Restoration | None = None
    simclr: SimCLR | None = None
    byol: BYOL | None = None

    @model_validator(mode="after")
    def _has_a_term(self) -> "Pretext":
        if not (self.restoration or self.simclr or self.byol):
            raise ValueError("no term; give it restoration, simclr or byol")
        return self


class Arm(_Settings):
    """One way to a super-resolution network."""

    pretext: _Name | None = None
    """None: fresh weights."""
    transfer: Transfer = "network"
    """What is taken over of the pretrained network; `frozen_encoder` is not trained further."""
    pairs: tuple[_Count, ...] | None = None
    """None: the study's."""


class Study(_Settings):
    """The whole of a study."""

    width: Annotated[int, Field(ge=1, le=4096)]
    """Of the network, channels."""
    crop_width: Annotated[int, Field(ge=16, le=4096)]
    """LR pixels."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    pairs: Annotated[tuple[_Count, ...], Field(min_length=1)]
    """HR lines that are known, of the training split; all LR lines are unlabelled."""
    pretext_batch: Annotated[int, Field(ge=2, le=65536)]
    pretext_learning_rate: Annotated[float, Field(gt=0, le=1)]
    batch: Annotated[int, Field(ge=1, le=65536)]
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    steps: _Steps
    """Most steps of super-resolution."""
    validate_every: _Steps
    patience: Annotated[int, Field(ge=1, le=1000)]
    """Validations without a better one, after which a training ends."""
    validation_lines: Annotated[int, Field(ge=1, le=100_000)]
    read_lines: Annotated[int, Field(ge=0, le=100_000)]
    """Lines of `test` that the OCR engines read of every network."""
    pretexts: dict[_Name, Pretext]
    arms: dict[_Name, Arm]

    @model_validator(mode="after")
    def _fits_together(self) -> "Study":
        if SCRATCH not in self.arms or self.arms[SCRATCH] != Arm():
            raise ValueError(f"arms: needs `{SCRATCH}: {{}}`, which all others are held against")
        for name, arm in self.arms.items():
            if arm.pretext is not None and arm.pretext not in self.pretexts:
                raise ValueError(f"arms.{name}.pretext: no such pretext: {arm.pretext}")
            if not set(arm.pairs or ()) <= set(self.pairs):
                raise ValueError(f"arms.{name}.pairs: choose of pairs: {list(self.pairs)}")
        return self


def read_study(path: Path) -> Study:
    """Read a study.

    Raises:
        TextsrError: if the file cannot be read or is no study; names the key.
    """
    try:
        return Study.model_validate(read_yaml(path))
    except ValidationError as error:
        said = "; ".join(
            ": ".join(filter(None, (".".join(map(str, e["loc"])), e["msg"])))
            for e in error.errors()
        )
        raise TextsrError(f"{path}: {said}; correct it") from error
