"""`params.yaml` as typed, validated models, a section a stage."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from textsr.errors import TextsrError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
"""The dataset's splits, in the order in which they are made."""

KINDS = ("words", "name", "amount", "date", "address", "code", "email", "url", "custom")
"""Kinds of text; `custom` is the user's own lines, absent when there are none."""

SSL_METHODS = ("simclr", "byol")
INITIALISATIONS = ("scratch", "simclr", "byol")
MODELS = ("seed", *INITIALISATIONS)
"""What `train` trains and `evaluate` evaluates: the article's network and three starts of ours."""


def _ordered(interval: tuple[float, float]) -> tuple[float, float]:
    low, high = interval
    if low > high:
        raise ValueError(f"the lower end {low:g} is above the upper end {high:g}")
    return interval


def _not_negative(interval: tuple[float, float]) -> tuple[float, float]:
    if interval[0] < 0:
        raise ValueError(f"the lower end {interval[0]:g} is below zero")
    return interval


Interval = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""A closed interval to draw from, `[low, high]`."""
PositiveInterval = Annotated[Interval, AfterValidator(_not_negative)]
Probability = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    # NaN would pass every threshold, and infinite shares have no proportions.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Compute(_Section):
    """Threads and processes; 0 means one a core."""

    threads: NonNegativeInt
    processes: NonNegativeInt


class Samples(_Section):
    """Lines in each split."""

    train: PositiveInt
    val: PositiveInt
    test: PositiveInt


class FontSplits(_Section):
    """Families held out for validation and test; all others are for training."""

    val_families: list[str] = Field(min_length=1)
    test_families: list[str] = Field(min_length=1)

    @model_validator(mode="after")
    def _disjoint(self) -> "FontSplits":
        both = sorted(set(self.val_families) & set(self.test_families))
        if both:
            raise ValueError(f"{', '.join(both)} named in val_families and in test_families")
        return self


class Text(_Section):
    """What the lines say."""

    kinds: dict[Literal[KINDS], Annotated[float, Field(ge=0)]]  # type: ignore[valid-type]
    max_characters: Annotated[int, Field(ge=4, le=200)]
    uppercase: Probability

    @model_validator(mode="after")
    def _some_kind(self) -> "Text":
        if not any(share > 0 for kind, share in self.kinds.items() if kind != "custom"):
            raise ValueError("kinds: at least one kind besides custom needs a share above 0")
        return self


class Render(_Section):
    """How HR lines look. Lengths are HR pixels at scale 4 and shrink with the scale."""

    font_height_px: PositiveInterval
    contrast: Annotated[PositiveInterval, Field()]
    inverted: Probability
    ground_gradient: PositiveInterval
    ground_texture: PositiveInterval
    rotation_degrees: Interval
    perspective: PositiveInterval
    margin_px: PositiveInterval

    @model_validator(mode="after")
    def _possible(self) -> "Render":
        if self.font_height_px[0] < 8:
            raise ValueError("font_height_px: text below 8 HR pixels cannot be drawn legibly")
        if self.contrast[1] > 255 or self.contrast[0] < 1:
            raise ValueError("contrast: must lie within 1 to 255 grey levels")
        if self.perspective[1] > 0.4:
            raise ValueError("perspective: above 0.4 line heights the corners cross")
        return self


class Degradation(_Section):
    """Second-order degradation after Real-ESRGAN (Wang et al. 2021, section 3.2)."""

    blur_probability: Probability
    blur_sigma_px: PositiveInterval
    motion_probability: Probability
    motion_length_px: PositiveInterval
    first_resize: PositiveInterval
    noise_probability: Probability
    noise_sigma: PositiveInterval
    jpeg_probability: Probability
    jpeg_quality: PositiveInterval

    @model_validator(mode="after")
    def _possible(self) -> "Degradation":
        if not (self.jpeg_quality[0] >= 1 and self.jpeg_quality[1] <= 100):
            raise ValueError("jpeg_quality: must lie within 1 to 100")
        if not (self.first_resize[0] >= 0.1 and self.first_resize[1] <= 2):
            raise ValueError("first_resize: must lie within 0.1 to 2")
        return self


class Synthesis(_Section):
    """The dataset."""

    seed: NonNegativeInt
    scale: Literal[2, 4]
    lr_height: Annotated[int, Field(ge=8, le=64, multiple_of=4)]
    max_lr_width: Annotated[int, Field(ge=32, le=1024, multiple_of=4)]
    samples: Samples
    shard_rows: PositiveInt
    fonts: FontSplits
    text: Text
    render: Render
    degradation: Degradation


class Validation(_Section):
    """Thresholds of the Great Expectations suite."""

    legibility_samples: PositiveInt
    min_legibility: Probability
    min_kind_share: Probability


class SimCLRParams(_Section):
    """SimCLR's own knobs."""

    temperature: PositiveFloat


class BYOLParams(_Section):
    """BYOL's own knobs."""

    base_momentum: Probability


class Pretraining(_Section):
    """Self-supervised pretraining of the encoder."""

    encoder: Literal["text", "resnet18"]
    steps: PositiveInt
    batch_size: Annotated[int, Field(ge=2)]
    crop_width: Annotated[int, Field(ge=32, multiple_of=4)]
    learning_rate: PositiveFloat
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_fraction: Probability
    checkpoint_every_steps: PositiveInt
    projection_dim: PositiveInt
    simclr: SimCLRParams
    byol: BYOLParams


class SeedNet(_Section):
    """Training of the article's network."""

    steps: PositiveInt
    learning_rate: PositiveFloat


class Training(_Section):
    """Training of the super-resolution network."""

    steps: PositiveInt
    batch_size: PositiveInt
    crop_width: Annotated[int, Field(ge=16, multiple_of=4)]
    learning_rate: PositiveFloat
    weight_decay: Annotated[float, Field(ge=0)]
    warmup_fraction: Probability
    ema_decay: Annotated[float, Field(ge=0, lt=1)]
    checkpoint_every_steps: PositiveInt
    width: Annotated[int, Field(ge=8, multiple_of=8)]
    seed_net: SeedNet


class RealSet(_Section):
    """A folder of real crops with `labels.tsv`; `hr` ones are degraded first, `lr` only read."""

    path: Path
    kind: Literal["lr", "hr"]


class Evaluation(_Section):
    """Metrics, intervals, panels."""

    blend_weights: list[Annotated[float, Field(gt=0, le=1)]] = Field(min_length=1)
    bootstrap_resamples: Annotated[int, Field(ge=100)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    panel_lines: PositiveInt
    real_sets: dict[str, RealSet]


class Gate(_Section):
    """What a challenger must show to become champion."""

    min_psnr_gain_db: float
    min_ssim_gain: float
    max_ms_per_line: PositiveFloat
    min_readers_better: PositiveInt


class Registration(_Section):
    """The model registry."""

    model_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]
    gate: Gate


class Tracking(_Section):
    """MLflow."""

    experiment: Annotated[str, Field(min_length=1)]


class Params(_Section):
    """The whole of `params.yaml`."""

    seed: NonNegativeInt
    compute: Compute
    synthesis: Synthesis
    validation: Validation
    pretraining: Pretraining
    training: Training
    evaluation: Evaluation
    registration: Registration
    tracking: Tracking


def load_params(path: Path = Path("params.yaml")) -> Params:
    """Read and validate `params.yaml`.

    Raises:
        TextsrError: if the file is missing, is not UTF-8 or YAML, has an unknown key, lacks a key
            or holds an impossible value. The message lists each offending key by its dotted name.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise TextsrError(f"{path}: no such file; run from the project's root") from error
    except UnicodeDecodeError as error:
        raise TextsrError(f"{path}: not UTF-8 ({error}); save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise TextsrError(f"{path}: not valid YAML: {error}") from error
    return parse_params(raw, source=str(path))


def parse_params(raw: Any, source: str = "params.yaml") -> Params:
    """Validate already parsed YAML; see `load_params`."""
    if not isinstance(raw, dict):
        raise TextsrError(f"{source}: expected a mapping of sections, found {type(raw).__name__}")
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        raise TextsrError("\n".join(_explain(error, source))) from error


def _explain(error: ValidationError, source: str) -> Iterable[str]:
    for problem in error.errors():
        # pydantic adds "[key]" to the location of a bad mapping key.
        key = ".".join(str(part) for part in problem["loc"] if part != "[key]")
        if problem["type"] == "extra_forbidden":
            yield f"{source}: {key}: unknown key; remove it or correct its spelling"
        elif problem["type"] == "missing":
            yield f"{source}: {key}: missing; take it from the committed params.yaml"
        else:
            message = problem["msg"].removeprefix("Value error, ")
            yield f"{source}: {key}: {message} (found {problem['input']!r})"
