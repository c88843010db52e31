"""The OpenAPI document says what is taken and answered: schemathesis asks by it, well and wrongly.

The attack `http-document` (`make faults`) goes on where this ends.
"""

import pytest
from schemathesis.generation import GenerationMode
from serving_server import Server

from tests.faults.campaign.openapi import ask, document, operations


@pytest.fixture
def schema(server: Server, monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(server.service.reader, "read", lambda *_: ("none", []))
    return document(f"http://127.0.0.1:{server.port}")


@pytest.mark.parametrize("name", ["POST /upscale", "POST /read"])
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_it_answers_as_it_says(schema: object, server: Server, name: str, mode: object) -> None:
    ask(dict(operations(schema))[name], mode, 20, None)()
    assert server.metric('textsr_requests_total{path="/upscale"') + server.metric(
        'textsr_requests_total{path="/read"'
    ) >= (20 if mode is GenerationMode.POSITIVE else 10)
    assert server.metric("textsr_in_flight") == 0


def test_what_has_no_parameters_answers_as_it_says(schema: object) -> None:
    asked = [operation for name, operation in operations(schema) if name.startswith("GET")]
    assert len(asked) == 4
    for operation in asked:
        ask(operation, GenerationMode.POSITIVE, 2, None)()


def test_no_path_address_or_command_can_be_given(schema: object) -> None:
    names = {each.name for _, operation in operations(schema) for each in operation.query}
    assert names == {"for", "format", "scale", "target_dpi", "dpi", "quality"}
    for _, operation in operations(schema):
        for parameters in (operation.path_parameters, operation.headers, operation.cookies):
            assert not list(parameters)
