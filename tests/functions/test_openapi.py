"""The description of the API is true: tests/support/scripted_stage.py holds every answer against it
besides."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any
from unicodedata import ucd_3_2_0

import jsonschema_rs
import pytest
import requests
from hypothesis import example, given
from hypothesis import strategies as st

from cli.local.stack import TOKEN, Stack, running
from functions.record_command.all_routes import ROUTES
from functions.record_command.openapi import HOUR_MS
from functions.record_command.routes import Route
from shared.inbound import request_fields
from shared.inbound.authorization import stream_of
from shared.inbound.function_compute.response import ANSWERS
from shared.inbound.request_errors import BadRequest
from shared.inbound.request_fields import NAME, Field, read
from shared.protocol.durations import DURATION_PATTERN, MAX_DURATION_MS, instant, rfc3339
from shared.protocol.policy import Domain, Policy
from shared.protocol.stream import MAX_NAME_BYTES
from tests.conftest import EXHAUSTIVE_S, NOON, Clock
from tests.support.node_packages import install, run_node
from tests.support.scripted_stage import ROOT, Stage, described

EVERY = [pytest.param(route, id=f"{route.method} {route.path}") for route in ROUTES]
REDOCLY = Path(__file__).with_name("redocly")
AHEAD = rfc3339(NOON + 4 * HOUR_MS)
POLICY = Policy((Domain("live.example.com"),))


@pytest.fixture
def stage(tmp_path: Path, clock: Clock) -> Iterator[Stage]:
    stage = Stage(tmp_path, clock)
    yield stage
    stage.store.close()


DESCRIBES_ITSELF = """
from types import SimpleNamespace
import index
index.initialize(SimpleNamespace(function=SimpleNamespace(handler="index.record_command")))
from functions.record_command.all_routes import ROUTES
from functions.record_command.openapi import document
import msgspec
print(len(msgspec.json.encode(document(ROUTES, 0))))
"""


def test_an_instance_that_started_without_the_schemas_describes_the_api(tmp_path: Path) -> None:
    """Once the stub of a module stayed in another one, and the description was 500."""
    environment = {
        **os.environ,
        "FC_EMULATOR": "1",
        "LIVE_RECORD_STORE": f"sqlite:///{tmp_path}/records.db",
        "LIVE_RECORD_POLICY": str(ROOT / "policy.toml"),
        "LIVE_RECORD_API_TOKENS": "ops:read+control:ops-token",
        "LIVE_RECORD_LIVE_ENDPOINT": "http://127.0.0.1:1",
    }
    ran = subprocess.run(
        [sys.executable, "-c", DESCRIBES_ITSELF],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) > 50_000


def operation(route: Route) -> dict[str, Any]:
    answer: dict[str, Any] = described()["paths"][route.path][route.method.lower()]
    return answer


def body_of(route: Route) -> dict[str, Any]:
    content: dict[str, Any] = operation(route)["requestBody"]["content"]
    schema: dict[str, Any] = content["application/json"]["schema"]
    return schema


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
def test_every_example_is_read_and_is_as_its_schema_says(route: Route) -> None:
    for field in chain(route.query, route.headers):
        field.read(str(field.example))
        valid(field.schema).validate(field.example)
    for field in route.body:
        described = body_of(route)["properties"][field.name]
        (example,) = described["examples"]
        field.read(example)
        valid(described).validate(example)


def test_the_example_of_a_time_lies_ahead() -> None:
    (example,) = body_of(ROUTES[0])["properties"]["until"]["examples"]

    assert 3 * HOUR_MS < instant(example) - NOON <= 4 * HOUR_MS


@pytest.mark.parametrize(
    ("what", "body", "is_right"),
    [
        ("start", {}, True),
        ("start", {"until": AHEAD}, True),
        ("start", {"until": AHEAD, "max_duration": "4h"}, False),
        ("extend", {}, False),
        ("extend", {"until": AHEAD}, True),
        ("extend", {"max_duration": 3600}, False),
        ("extend", {"until": AHEAD, "max_duration": "4h"}, False),
        ("apply", {"policy": {}}, False),
        ("apply", {"replaces": 0}, False),
        ("apply", {"policy": {}, "replaces": 0}, True),
    ],
)
def test_a_body_is_right_by_the_description_where_it_is_read(
    what: str, body: dict[str, Any], is_right: bool
) -> None:
    (route,) = (route for route in ROUTES if route.name == what)

    assert valid(body_of(route)).is_valid(body) is is_right
    assert is_read(route, body) is is_right


def is_read(route: Route, body: dict[str, Any]) -> bool:
    try:
        read(route.body, body, where="body", one_of=route.one_of)
    except BadRequest:
        return False
    return True


@pytest.mark.parametrize("name", ["start", "extend", "apply"])
def test_what_must_have_a_body_says_so(name: str) -> None:
    (route,) = (route for route in ROUTES if route.name == name)

    assert operation(route)["requestBody"]["required"] is not is_read(route, {})


ASSIGNED = st.characters(exclude_categories=["Cn", "Cs"]).filter(
    lambda character: ucd_3_2_0.category(character) != "Cn"
)
"""What every version of Unicode knows: they differ in what they have assigned since."""


@given(st.text(ASSIGNED, max_size=300))
@example("a" * 512)
@example("a" * 513)
@example("教室 1")
@example("room\ufffd")
@example("room\0")
@example("..")
@example("..\n")
def test_a_name_is_one_by_the_description_where_the_code_takes_it(name: str) -> None:
    is_short = len(name.encode()) <= MAX_NAME_BYTES  # a schema counts characters

    assert (valid(NAME).is_valid(name) and is_short) is is_name(name)


def is_name(name: str) -> bool:
    try:
        stream_of(POLICY, ["live.example.com", "app", name])
    except BadRequest:
        return False
    return True


@given(st.text(ASSIGNED, max_size=210))
def test_a_text_is_one_by_the_description_where_the_code_takes_it(value: str) -> None:
    note = request_fields.text("note", "", example="")

    assert valid(note.schema).is_valid(value) is is_taken(note, value)


DURATIONS = st.one_of(
    st.text("0123456789dhms", max_size=12),
    st.from_regex(DURATION_PATTERN),
    st.integers(-2, 3),
)


@given(DURATIONS)
@example("")
@example("0h0m")
@example("12h30m")
@example("30m12h")
@example("3600")
@example(3600)
@example("3651d")
def test_a_duration_is_one_by_the_description_where_the_code_takes_it(value: str | int) -> None:
    """A text longer than ten years is none, which no pattern says."""
    field = request_fields.span("hold", "", example="1h")

    is_one = valid(field.schema).is_valid(value)
    assert is_one is is_taken(field, value) or (is_one and is_too_long(str(value)))


def is_too_long(value: str) -> bool:
    units = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
    parts = re.findall(r"([0-9]+)([dhms])", value)
    return sum(int(count) * units[unit] for count, unit in parts) > MAX_DURATION_MS // 1000


def is_taken(field: Field, value: object) -> bool:
    try:
        field.read(value)
    except ValueError:
        return False
    return True


def valid(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    return _validator(json.dumps(schema))


@cache
def _validator(schema: str) -> jsonschema_rs.Validator:
    """Return what checks by this schema. It is made once, however many examples it checks."""
    whole = {**json.loads(schema), "components": described()["components"]}
    return jsonschema_rs.validator_for(whole, validate_formats=True)


def test_head_answers_as_get_does_without_a_body(stage: Stage) -> None:
    got, bare = stage.ask("GET", "/v1/health"), stage.ask("HEAD", "/v1/health", token="")

    assert (got.status, got.headers) == (bare.status, bare.headers)
    assert (got.json["ready"], bare.json) == (True, {})


def test_head_of_anything_else_is_refused_without_a_body(stage: Stage) -> None:
    got = stage.ask("HEAD", "/v1/policy")

    assert (got.status, got.headers["Allow"], got.json) == (405, "GET", {})


def test_every_status_of_an_error_that_leaves_a_route_is_described() -> None:
    statuses = {row.status for row in ANSWERS.values()} - {0, 429}  # 429: never of a person's ask
    answer = {int(status) for route in ROUTES for status in operation(route)["responses"]}

    assert statuses <= answer


def test_every_token_that_a_route_needs_is_described() -> None:
    assert {route.name for route in ROUTES if not operation(route)["security"]} == {
        "health",
        "head_health",
        "openapi",
    }


def test_a_command_loads_nothing_for_other_requests() -> None:
    program = (
        "import sys; from functions import record_command as package;"
        "names = [name.removeprefix(package.__name__ + '.') for name in sys.modules"
        " if name.startswith(package.__name__ + '.')];"
        "print(*sorted(names))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ran.stdout == "ask_results command_answers commands representations routes\n"


def test_the_description_costs_nothing_until_it_is_asked_for() -> None:
    program = (
        "import sys; from functions.record_command import all_routes;"
        "print([name for name in sys.modules if name.endswith('.openapi')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "[]"


@pytest.mark.slow
def test_redocly_recommends_nothing_else(stage: Stage, tmp_path: Path) -> None:
    install(REDOCLY)
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(stage.ask("GET", "/v1/openapi.json").json))
    lint = ["node_modules/@redocly/cli/bin/cli.js", "lint", str(file)]
    options = ["--extends", "recommended", "--format", "json"]
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    ran = run_node(REDOCLY, "node", *lint, *options, **quiet)

    assert (ran.returncode, json.loads(ran.stdout)["problems"]) == (0, []), ran.stderr


def test_the_lock_of_redocly_names_no_registry() -> None:
    assert "resolved" not in (REDOCLY / "package-lock.json").read_text()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(EXHAUSTIVE_S)
def test_schemathesis_finds_nothing_that_is_not_excused(tmp_path: Path) -> None:
    """Every check of it, in every phase, over Function Compute: tests/support says what of it is
    excused, and why."""
    with running(tmp_path / "stack") as stack:
        ran = schemathesis_of(stack, tmp_path)

    report = json.loads((tmp_path / "report.json").read_text())
    assert ran.returncode == 0, ran.stdout
    assert report["operations"]["tested"] == len(ROUTES)


def schemathesis_of(stack: Stack, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run schemathesis with the document as a file, so that its own operation is tested too."""
    document = requests.get(f"{stack.fc}/v1/openapi.json", timeout=120)
    (folder / "openapi.json").write_bytes(document.content)
    (folder / "schemathesis.toml").write_text(f'[auth.openapi.token]\nbearer = "{TOKEN}"\n')
    options = {
        "--url": stack.fc,
        "--checks": "all",
        "--phases": "examples,coverage,fuzzing,stateful",
        "--max-examples": "30",
        "--seed": "1",
        "--generation-database": "none",
        "--report": "json",
        "--report-json-path": "report.json",
    }
    program = [sys.executable, "-m", "schemathesis.cli", "run", "openapi.json"]
    return subprocess.run(
        [*program, "--continue-on-failure", "--no-color", *chain.from_iterable(options.items())],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_excuses",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=EXHAUSTIVE_S,  # it takes one minute of a processor that it has to itself
    )
