"""The description of the API is true: tests/support/scripted_stage.py holds every answer against it
besides."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks

from cli.local.stack import TOKEN, Stack, running
from functions.record_command import ROUTES
from functions.record_command.routes import Route
from shared.inbound.function_compute.response import ANSWERS
from tests.conftest import Clock
from tests.support.scripted_stage import Stage, described

EVERY = [pytest.param(route, id=f"{route.method} {route.path}") for route in ROUTES]


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock)
    yield stage
    stage.store.close()


def operation(route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = described()["paths"][route.path][route.method.lower()]
    return answer


def test_it_is_served_without_a_token(stage: Stage) -> None:
    got = stage.ask("GET", "/v1/openapi.json", token="")

    assert (got.status, got.json["openapi"]) == (200, "3.1.0")


def test_it_describes_every_route_and_no_other() -> None:
    found = {(m.upper(), path) for path, one in described()["paths"].items() for m in one}

    assert found == {(route.method, route.path) for route in ROUTES}


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation(route)["operationId"] for route in ROUTES]

    assert sorted(names) == sorted(set(names))


def test_every_schema_is_one() -> None:
    for schema in described()["components"]["schemas"].values():
        assert jsonschema_rs.meta.is_valid(schema)


@pytest.mark.parametrize("route", EVERY)
def test_every_reference_leads_somewhere(route: Route) -> None:
    known = {f"#/components/schemas/{name}" for name in described()["components"]["schemas"]}
    text = json.dumps(operation(route))

    assert {part.partition('"')[0] for part in text.split('"$ref": "')[1:]} <= known


@pytest.mark.parametrize("route", EVERY)
def test_what_a_route_reads_is_what_it_says_that_it_reads(route: Route) -> None:
    answer = operation(route)
    body = answer.get("requestBody", {}).get("content", {}).get("application/json", {})
    declared = {one.name for one in chain(route.query, route.headers)}
    given = {one["name"] for one in answer["parameters"] if one["in"] != "path"}

    assert given - {"Accept-Language"} == declared
    assert set(body.get("schema", {}).get("properties", {})) == {one.name for one in route.body}


@pytest.mark.parametrize("route", EVERY)
def test_every_example_is_read(route: Route) -> None:
    for field in chain(route.body, route.query, route.headers):
        field.read(str(field.example) if field in route.query else field.example)
        jsonschema_rs.validate(dict(field.schema), field.example)


def test_every_status_of_an_error_that_leaves_a_route_is_described() -> None:
    statuses = {row.status for row in ANSWERS.values()} - {0, 429}  # 429: never of a person's ask
    answer = {int(status) for route in ROUTES for status in operation(route)["responses"]}

    assert statuses <= answer


def test_every_token_that_a_route_needs_is_described() -> None:
    assert {route.name for route in ROUTES if not operation(route)["security"]} == {
        "health",
        "openapi",
    }


def test_the_description_costs_nothing_until_it_is_asked_for() -> None:
    program = (
        "import sys; from functions import record_command;"
        "print([name for name in sys.modules if name.endswith(('.openapi', '.schemas'))])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "[]"


bounded = settings(
    max_examples=50,  # of each operation, each way: half a minute in all
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CONFORMANCE = (
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Any:  # noqa: ANN401 - a generator fixture
    with running(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_answer_over_function_compute_is_undocumented(
    stack: Stack, mode: GenerationMode
) -> None:
    load_all_checks()
    checks: Any = CHECKS.get_by_names(list(CONFORMANCE))
    schema = schemathesis.openapi.from_url(f"{stack.fc}/v1/openapi.json")
    operations: list[Any] = [one.ok() for one in schema.get_all_operations()]  # type: ignore[union-attr] # one that cannot be read fails
    for operation in operations:
        if mode is GenerationMode.POSITIVE or list(operation.iter_parameters()):

            @bounded
            @given(case=operation.as_strategy(generation_mode=mode))
            def every(case: schemathesis.Case[Any]) -> None:
                token = {"Authorization": f"Bearer {TOKEN}"}
                case.call_and_validate(headers=token, checks=checks, timeout=20)

            every()
