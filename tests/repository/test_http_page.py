"""docs/http-api.md is what the table of routes says, and its examples are answers of that API."""

from __future__ import annotations

import re
from typing import Any

import jsonschema_rs
import pytest

from functions.record_command.command_answers import Outcome
from shared.protocol import Phase
from tests.repository.http_page import (
    OUTCOMES,
    PAGE,
    PHASES,
    described,
    examples_of,
    page,
    without_examples,
)

DOCUMENT = described()
TEXT = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
WITHOUT_EXAMPLE = {
    *("signed", "apply", "accept", "doctor", "openapi", "import", "state", "metrics"),
    *("suspend_policy", "resume_policy", "redrive", "playlist", "find_playlist", "ack"),
    *("test_sinks", "test_webhook"),
}
"""Routes whose answers are a signed address, nothing to see, pages long, this description, on a
page of its own (docs/metrics.md), about what failed for a day, or about robots."""


def test_the_page_is_what_the_routes_say() -> None:
    assert without_examples(TEXT) == without_examples(page({})), (
        "run python -m tests.repository.http_page"
    )


def test_every_phase_and_every_outcome_is_explained() -> None:
    assert set(PHASES) == set(Phase)
    assert set(OUTCOMES) == {outcome.value for outcome in Outcome}


def _operation(line: str) -> dict[str, Any]:
    """Return the operation that the first line of a request names."""
    method, path = line.partition("?")[0].split(" ")
    for template, operations in DOCUMENT["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and method.lower() in operations:
            found: dict[str, Any] = operations[method.lower()]
            return found
    raise AssertionError(line)


@pytest.mark.parametrize(("line", "answer"), examples_of(TEXT), ids=lambda value: str(value)[:60])
def test_an_example_is_an_answer_of_its_route(line: str, answer: dict[str, Any]) -> None:
    content = _operation(line)["responses"]["200"]["content"]["application/json"]
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    jsonschema_rs.validator_for(schema).validate(answer)


def test_every_route_has_an_example() -> None:
    shown = {_operation(line)["operationId"] for line, _ in examples_of(TEXT)}
    every = {
        operation["operationId"]
        for operations in DOCUMENT["paths"].values()
        for method, operation in operations.items()
        if method != "head"
    }
    assert every - shown == WITHOUT_EXAMPLE
