"""What judging takes of params.yaml, in a project or outside of one."""

from pathlib import Path
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from textsr.config.params import Compute, Evaluation, Synthesis
from textsr.config.yaml_files import read_yaml


class JudgingParams(Protocol):
    """The sections of params.yaml that judging a folder of images takes."""

    @property
    def seed(self) -> int:
        """See `textsr.config.params.Params`."""

    @property
    def compute(self) -> Compute:
        """Likewise."""

    @property
    def synthesis(self) -> Synthesis:
        """Likewise."""

    @property
    def evaluation(self) -> Evaluation:
        """Likewise."""


class _Sections(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    seed: int
    compute: Compute
    synthesis: Synthesis
    evaluation: Evaluation


def load_judging_params(path: Path) -> JudgingParams:
    """Read these sections alone, of a model's own params.yaml, with a thread for each core.

    The others may be of an earlier version.

    Raises:
        TextsrError: if the file cannot be read.
        ValidationError: of pydantic, if one of the sections is not as today's are.
    """
    sections = _Sections.model_validate(read_yaml(path))
    compute = sections.compute.model_copy(update={"threads": 0})
    return sections.model_copy(update={"compute": compute})
