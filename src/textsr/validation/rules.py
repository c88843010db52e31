"""How the suite words an expectation: what holds, how grave a breach is, what to do then."""

import html
from typing import Any, TypeVar

from great_expectations.expectations.expectation import Expectation
from great_expectations.expectations.metadata_types import FailureSeverity

CRITICAL = FailureSeverity.CRITICAL
WARNING = FailureSeverity.WARNING

REMAKE = (
    "Remake it with `dvc repro -f synthesize`, or `-f extra_datasets` where it is an extra dataset."
)
GENERATOR = "The generator and params.yaml disagree; mend src/textsr/synthesis or the range."
"""Remedies that many expectations share."""

AnyExpectation = TypeVar("AnyExpectation", bound=Expectation)


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
