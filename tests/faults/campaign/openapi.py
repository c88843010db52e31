"""What schemathesis asks by the server's OpenAPI document, and how it checks the answers."""

from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase
from schemathesis.generation import GenerationMode

from tests.faults.campaign.server import check_answer

# A byte string that is drawn is seldom an image, and a name that is drawn seldom a reader's.
_REFUSED_AS_DOCUMENTED = [
    "2xx", "400", "403", "406", "413", "415", "422", "501", "503",
]  # fmt: skip


def document(url: str) -> Any:
    """Return the server's OpenAPI document."""
    # `not_a_server_error` is left out: 501, 503 and 507 are documented; others do not conform.
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    checks = schema.config.checks
    checks.update(
        included_check_names=[
            "status_code_conformance",
            "content_type_conformance",
            "response_headers_conformance",
            "response_schema_conformance",
            "negative_data_rejection",
            "positive_data_acceptance",
            "unsupported_method",
        ]
    )
    checks.positive_data_acceptance.expected_statuses = _REFUSED_AS_DOCUMENTED
    return schema


def operations(schema: Any) -> Iterator[tuple[str, Any]]:
    """Yield the operations of a document, by their names."""
    for result in schema.get_all_operations():
        operation = result.ok()
        yield operation.label, operation


def ask(
    operation: Any, mode: GenerationMode, examples: int, seed: int | None
) -> Callable[[], None]:
    """Return what asks an operation so many times, and raises where a check fails.

    Args:
        operation: of a document.
        mode: whether what the document allows is asked, or what it does not.
        examples: how many requests.
        seed: of what is drawn; None: each time the same.
    """

    @hypothesis.settings(
        max_examples=examples,
        derandomize=seed is None,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def asked(case: Any) -> None:
        answer = case.call_and_validate()
        headers = {name.lower(): values[0] for name, values in answer.headers.items()}
        check_answer(answer.status_code, headers, _content(answer))

    return asked if seed is None else hypothesis.seed(seed)(asked)


def _content(answer: Any) -> Any:
    return answer.json() if answer.status_code >= 400 else None
