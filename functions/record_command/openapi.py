"""Builds the OpenAPI 3.1 document from the route table, on request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from msgspec import Struct
from msgspec.json import schema_components

from functions.event_view import FAMILIES
from functions.file_view import M3u8
from functions.record_command.answers import DocumentView
from functions.record_command.routes import Route
from functions.record_command.tokens import TOKEN_NAME
from shared.inbound.function_compute import Problem
from shared.inbound.request_fields import NAME, Field
from shared.outbox.event import EventType
from shared.protocol.durations import rfc3339
from shared.schedule.schedule import ID_PATTERN

Json = dict[str, Any]


class PlatformError(Struct, frozen=True, rename="camel"):
    """An error with which Function Compute answers before the request reaches live-record, such as
    for a path and query longer than 4 KB."""

    error_code: str
    error_message: str


VERSION = "1"
_PROBLEMS: Mapping[int, str] = {
    400: "A field is wrong or missing, or Live rejected the command; `errors` names every field",
    401: "The token is missing, or the stage does not know it",
    403: "The token does not allow this request",
    404: "The stage does not know the domain, or something else that the path names",
    409: "Not possible in the present state, or Live answered `StreamNotFound`",
    413: "The body is larger than 16 KiB",
    415: "The body is not JSON",
    422: "The `Idempotency-Key` was used with another request",
    500: "live-record failed",
    502: "Live refuses live-record's own credentials: an operator must fix that",
    503: "The store does not answer, or the stage's settings are wrong",
}
_TOO_MANY = "Function Compute itself answers this: no instance is free, and it may start no more"
_UNCHANGED = "Nothing has changed since the version of `If-None-Match`"
_MEANINGS: Mapping[int, str] = {
    200: "Done, or nothing had to be done",
    202: "The intent is stored and the command follows",
    307: "Repeat the request at `Location`, with the same token",
    503: "Not ready, and why",
}
_TEXTS: Mapping[type, str] = {str: "text/plain", M3u8: M3u8.MEDIA_TYPE}
"""The media types of answers that are not JSON."""
_HEADERS: Mapping[int, Mapping[str, str]] = {
    202: {"Retry-After": "seconds until the command is tried again"},
    307: {"Location": "a path of the same stage"},
    401: {"WWW-Authenticate": "`Bearer`"},
    503: {"Retry-After": "seconds"},
}
_NAMES = {
    "domain": "the main streaming domain, or an ingest or sub-streaming domain that leads to it",
    "app": "the application",
    "stream": "the stream, without a wildcard",
    "name": "the name of the token",
    "receiver": "the name of the webhook in the policy",
    "id": "the id of the delivery, as `GET /v1/deliveries` lists it",
    "schedule": "the id of the schedule: 1 to 63 of a-z, 0-9, dot, dash and underscore",
}
_EXAMPLES = {
    "domain": "live.example.com",
    "app": "app",
    "stream": "room1",
    "name": "brand-a",
    "receiver": "crm",
    "id": "c26b46b68ffc68ff99b453c1",
    "schedule": "tuesdays",
}
_OF_NAMES: Mapping[str, Json] = {
    "name": TOKEN_NAME,
    "schedule": {"type": "string", "pattern": f"^{ID_PATTERN}$"},
}
_IN_PATH = re.compile(r"{(\w+)}")


HOUR_MS = 3_600_000


def document(routes: Sequence[Route], now: int) -> DocumentView:
    """Return the OpenAPI document for these routes. The times in its examples are later than `now`,
    in ms."""
    ahead = rfc3339((now // HOUR_MS + 4) * HOUR_MS)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, ahead)
    return DocumentView(
        openapi="3.1.0",
        info={
            "title": "live-record",
            "version": VERSION,
            "description": "Start a stream once, and it is recorded until it is stopped. Any other"
            " path is answered 404, any other method 405 with `Allow`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        servers=[{"url": "/"}],
        paths=paths,
        webhooks=_webhooks(),
        components={
            "schemas": _schemas(routes),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    )


def _schemas(routes: Sequence[Route]) -> Json:
    """Return the schema of every answer type, without docstrings: those are for readers of the
    code, and the deployed bytecode has none."""
    answers = {answer: None for route in routes for answer in route.answers.values()}
    types = [*(answer for answer in answers if answer not in _TEXTS), Problem, PlatformError]
    types += FAMILIES.values()
    # index.py imports msgspec with a stub in place of msgspec.inspect. The stub stays until the
    # real module is imported by name.
    import_module("msgspec.inspect")
    _, found = schema_components(types, ref_template=_ref("{name}"))
    return {
        name: {key: value for key, value in schema.items() if key not in ("title", "description")}
        for name, schema in found.items()
    }


_DELIVERY = (
    "The headers are those of the Standard Webhooks specification: `webhook-id`,"
    " `webhook-timestamp` and `webhook-signature`. Answer 2xx within 5 s; 410 ends the deliveries."
)


def _webhooks() -> Json:
    """Return the events that webhook receivers get, by type."""
    found: Json = {}
    for kind in EventType:
        family = FAMILIES[kind.value.partition(".")[0]]
        found[kind.value] = {
            "post": {
                "operationId": kind.value.replace(".", "_"),
                "summary": f"A receiver of the policy gets {kind.value}",
                "description": _DELIVERY,
                "requestBody": {"required": True, "content": _content("application/json", family)},
                "responses": {
                    "2XX": {"description": "Accepted"},
                    "410": {"description": "Send no more"},
                },
                "security": [],
            }
        }
    return found


def _ref(name: str) -> str:
    return f"#/components/schemas/{name}"


def _operation(route: Route, ahead: str) -> Json:
    operation: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": _responses(route),
        "security": [{"token": []}] if route.scope else [],
    }
    if route.scope:
        operation["description"] = f"The token needs the scope `{route.scope}`."
    if route.body:
        operation["requestBody"] = _body(route, ahead)
    return operation


def _parameters(route: Route) -> list[Json]:
    found = [_of_path(name) for name in _IN_PATH.findall(route.path)]
    found += [_parameter("query", one) for one in route.query]
    found += [_parameter("header", one) for one in route.headers]
    if route.scope:
        found.append(_LANGUAGE)
    return found


def _of_path(name: str) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": _NAMES[name],
        "schema": _OF_NAMES.get(name, NAME),
        "example": _EXAMPLES[name],
    }


def _parameter(where: str, one: Field) -> Json:
    return {
        "name": one.name,
        "in": where,
        "description": one.doc,
        "schema": dict(one.schema),
        "example": one.example,
    }


_LANGUAGE: Json = {
    "name": "Accept-Language",
    "in": "header",
    "description": "`zh`: texts in Chinese, else in English; codes stay the same",
    "schema": {"type": "string"},
    "example": "zh-CN",
}


def _body(route: Route, ahead: str) -> Json:
    schema: Json = {
        "type": "object",
        "properties": {one.name: _property(one, ahead) for one in route.body},
        "required": [one.name for one in route.body if one.is_required],
        "additionalProperties": False,
        **(route.one_of.schema if route.one_of else {}),
    }
    is_required = bool(schema["required"]) or (
        route.one_of is not None and route.one_of.is_required
    )
    return {"required": is_required, "content": {"application/json": {"schema": schema}}}


def _property(one: Field, ahead: str) -> Json:
    example = ahead if one.example is None else one.example
    return {**one.schema, "description": one.doc, "examples": [example]}


def _responses(route: Route) -> Json:
    responses: dict[str, Json] = {}
    for status, answer in route.answers.items():
        kind = _TEXTS.get(answer, "application/json")
        responses[str(status)] = _response(_MEANINGS[status], kind, answer, status)
    for status in route.refusals:
        problem = _response(_PROBLEMS[status], "application/problem+json", Problem, status)
        before = responses.setdefault(str(status), problem)
        before["content"] = {**before["content"], **problem["content"]}
    platform = _content("application/json", PlatformError)
    responses["400"]["content"] = {**responses["400"]["content"], **platform}
    responses["429"] = {"description": _TOO_MANY, "content": platform}
    if route.reads("If-None-Match"):
        tag = {"ETag": _header("the version of the answer, for `If-None-Match`")}
        responses["200"]["headers"] = tag
        responses["304"] = {"description": _UNCHANGED, "headers": tag}
    if route.reads("Prefer"):
        for status in route.answers:
            applied = _header("the preference that was applied")
            responses[str(status)].setdefault("headers", {})["Preference-Applied"] = applied
    if route.method == "HEAD":
        for response in responses.values():
            del response["content"]
    return dict(sorted(responses.items()))


def _response(meaning: str, kind: str, answer: type, status: int) -> Json:
    response: Json = {"description": meaning, "content": _content(kind, answer)}
    if status in _HEADERS:
        response["headers"] = {name: _header(doc) for name, doc in _HEADERS[status].items()}
    return response


def _content(kind: str, answer: type) -> Json:
    if answer in _TEXTS:
        return {kind: {"schema": {"type": "string"}}}
    return {kind: {"schema": {"$ref": _ref(answer.__name__)}}}


def _header(doc: str) -> Json:
    return {"description": doc, "schema": {"type": "string"}}
