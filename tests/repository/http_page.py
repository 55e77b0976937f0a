"""Writes docs/http-api.md: every route of the API, from its table, and one real exchange for each.

`python -m tests.repository.http_page` starts the local stack, makes the requests and writes the
page. test_http_page.py compares all but the examples with the code, and each example with its
schema.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests

from cli.local.stack import TOKEN, Stack, running
from cli.paths import ROOT
from functions.record_command.all_routes import ROUTES
from functions.record_command.openapi import document
from shared.config.tokens import digest_of
from shared.protocol import Phase
from shared.retry import Deadline

PAGE = ROOT / "docs" / "http-api.md"
STREAM = "/v1/recordings/live.example.com/app/room1"
_NOW_MS = 1_800_000_000_000
"""The moment from which the examples of times lie ahead: in January 2027."""
_ROWS_SHOWN = 2
_TOKEN = {
    "name": "brand-a",
    "digest": digest_of("made by whoever adds it").hex(),
    "scopes": ["read", "control"],
    "streams": ["live.example.com/brand-a/*"],
}
_SCHEDULE = {
    "title": "Tuesday show",
    "streams": ["live.example.com/app/room1"],
    "start": "2030-01-01T19:00:00",
    "end": "2030-01-01T21:00:00",
    "timezone": "Asia/Shanghai",
    "rrule": "FREQ=WEEKLY;BYDAY=TU",
    "pre_roll": "1m",
}
_FILE_AFTER_S = 30
"""A file that the emulator has not reported after this time will not come."""
Json = dict[str, Any]
Exchange = tuple[str, Json]
"""A request as its lines, and the JSON of its answer."""

PHASES = {
    Phase.IDLE: "the stream is not set to record, and nothing is recorded or under way",
    Phase.WAITING: "the stream is set to record, but it is not known to be live, or its recording"
    " may be paused, or the stage only observes",
    Phase.QUEUED: "a start waits for the rate limit or for `max_concurrent`",
    Phase.STARTING: "a start is under way or is retried; or Live accepted the start, but has not"
    " shown yet that it records",
    Phase.RECORDING: "since the last publish, a report or an answer of Live has shown that Live"
    " records; nothing has contradicted that since",
    Phase.STOPPING: "a stop or `cancel_delay` is under way or is retried",
    Phase.FAILED: "the stream is set to record, but Live refused for good; `reason` says why",
    Phase.UNMANAGED: "Live records the stream, but live-record was not asked to",
}
OUTCOMES = {
    "accepted": ("200", "Live carried out the command"),
    "already_recording": (
        "200",
        "Live or the stage knew that the stream was recorded already",
    ),
    "already_stopped": ("200", "nothing was being recorded"),
    "never_known": (
        "200",
        "nothing was being recorded; neither Live nor the stage knows the stream: check its name",
    ),
    "queued": (
        "202",
        "the command is under way, or waits for the rate limit or for `max_concurrent`",
    ),
    "waiting": (
        "202",
        "the command is sent later, mostly because the stream is not live",
    ),
    "unknown": (
        "202",
        "the answer was lost; live-record checks the result, and repeats all commands but restart",
    ),
}

_INTRODUCTION = """\
This page lists every request of a stage's API. `python -m tests.repository.http_page` writes the
page from the table of routes. The examples are real exchanges with the local stack. A stage itself
returns the OpenAPI 3.1 document at `GET /v1/openapi.json`.

- **Token.** Send `Authorization: Bearer TOKEN`. A [token](settings.md#tokens) has scopes; each
  request names the scope that it needs.
- **Language.** Reasons, histories, problems and errors are in English, or in Chinese with
  `Accept-Language: zh`. Codes and names are the same in both. In a text, commands, fields and
  values stand between backticks, as in Markdown.
- **Errors** are `application/problem+json` and name every wrong field at once;
  [errors.md](errors.md) lists them.
- **Repeating.** Send an `Idempotency-Key` with a command. After a network failure, repeat the
  command with the same key.
- **Words.** The [glossary](protocol.md#glossary) explains intent, session, hold, merge delay and
  others."""


def described() -> Json:
    """Return the OpenAPI document, as plain JSON."""
    found: Json = json.loads(json.dumps(document(ROUTES, _NOW_MS), default=_plain))
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever msgspec turns into JSON
    import msgspec

    return msgspec.to_builtins(value)


def page(examples: Mapping[str, Exchange]) -> str:
    """Return the page; a route without an example gets none."""
    return "\n".join([*_introduction(), *_words(), *_routes(examples)])


def _introduction() -> Iterator[str]:
    yield from ("# HTTP API", "", *_INTRODUCTION.splitlines(), "")


def _words() -> Iterator[str]:
    yield from ("## Phases", "", "| `phase` | means |", "|---|---|")
    yield from (f"| `{phase.value}` | {PHASES[phase]} |" for phase in Phase)
    yield from (
        "",
        "## Outcomes of a request",
        "",
        "| `outcome` | status | means |",
        "|---|---|---|",
    )
    yield from (f"| `{name}` | {status} | {text} |" for name, (status, text) in OUTCOMES.items())
    yield ""


def _routes(examples: Mapping[str, Exchange]) -> Iterator[str]:
    for path, operations in described()["paths"].items():
        for method, operation in operations.items():
            if method != "head":
                yield from _route(method.upper(), path, operation)
                yield from _example(examples.get(operation["operationId"]))


def _route(method: str, path: str, operation: Json) -> Iterator[str]:
    yield from (f"## {method} {path}", "", f"{operation['summary']}.", "")
    if "description" in operation:
        yield from (operation["description"], "")
    fields = [*_parameters(operation), *_body(operation)]
    if fields:
        yield from ("| field | in | meaning | example |", "|---|---|---|---|", *fields, "")


def _parameters(operation: Json) -> Iterator[str]:
    for one in operation["parameters"]:
        if one["in"] != "path" and one["name"] != "Accept-Language":
            yield _row(one["name"], one["in"], one["description"], one["example"])


def _body(operation: Json) -> Iterator[str]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {})
    for name, one in schema.get("properties", {}).items():
        needed = "body, required" if name in schema["required"] else "body"
        yield _row(name, needed, one["description"], one["examples"][0])


def _row(name: str, where: str, text: str, example: object) -> str:
    shown = example if isinstance(example, str) else json.dumps(example)
    return f"| `{name}` | {where} | {text} | `{shown}` |".replace("\n", " ")


def _example(exchange: Exchange | None) -> Iterator[str]:
    if exchange is not None:
        request, answer = exchange
        body = json.dumps(answer, indent=2, ensure_ascii=False)
        yield from ("```http", request, "```", "", "```json", body, "```", "")


def exchanges(stack: Stack) -> dict[str, Exchange]:
    """Make one request of each route in an order in which each has something to show."""
    caller = _Caller(stack.fc)
    stack.control("publish", domain="push.example.com", app="app", stream="room1", wait=True)
    made = {
        "start": caller.asks("POST", f"{STREAM}/start", max_duration="4h", note="evening show"),
        "extend": caller.asks("POST", f"{STREAM}/extend", max_duration="6h"),
        "restart": caller.asks("POST", f"{STREAM}/restart"),
        "status": caller.asks("GET", STREAM),
        "list": caller.asks("GET", "/v1/recordings", phase="recording"),
        "overview": caller.asks("GET", "/v1/overview"),
        "stop": caller.asks("POST", f"{STREAM}/stop", hold="session"),
        "cancel_delay": caller.asks("POST", f"{STREAM}/cancel_delay"),
        "history": caller.asks("GET", f"{STREAM}/history", limit=_ROWS_SHOWN),
        "policy": caller.asks("GET", "/v1/policy"),
        "add_token": caller.asks("POST", "/v1/tokens", **_TOKEN),
        "tokens": caller.asks("GET", "/v1/tokens"),
        "revoke_token": caller.asks("DELETE", f"/v1/tokens/{_TOKEN['name']}"),
        "health": caller.asks("GET", "/v1/health"),
        **_of_schedules(caller),
    }
    caller.wait_for_a_file()
    stack.fire_timer("notify")
    made["alerts"] = caller.asks("GET", "/v1/alerts")
    made["webhooks"] = caller.asks("GET", "/v1/webhooks")
    made["deliveries"] = caller.asks("GET", "/v1/deliveries", state="open")
    requests.post(f"{stack.fc}/_fc/timer/files", json={"wait": True}, timeout=100)
    made["store_rehearsal"] = caller.asks("PUT", f"{STREAM}/rehearsal", verdict="go")
    made["rehearsal"] = caller.asks("GET", f"{STREAM}/rehearsal")
    made["coverage"] = caller.asks("GET", f"{STREAM}/coverage", **{"from": "1h"})
    made["report"] = caller.asks("GET", "/v1/report", **{"from": "24h", "app": "app"})
    return {**made, "files": caller.asks("GET", f"{STREAM}/files", limit=1)}


def _of_schedules(caller: _Caller) -> dict[str, Exchange]:
    at = "/v1/schedules/tuesdays"
    return {
        "put_schedule": caller.asks("PUT", at, **_SCHEDULE),
        "schedules": caller.asks("GET", "/v1/schedules"),
        "next_occurrences": caller.asks("GET", f"{at}/next", n=_ROWS_SHOWN),
        "trigger_schedule": caller.asks("POST", f"{at}/trigger", lasts="1h"),
        "extend_schedule": caller.asks("POST", f"{at}/extend", by="30m"),
        "skip_schedule": caller.asks("POST", f"{at}/skip"),
        "pause_schedule": caller.asks("POST", f"{at}/pause"),
        "resume_schedule": caller.asks("POST", f"{at}/resume"),
        "schedule": caller.asks("GET", at),
        "delete_schedule": caller.asks("DELETE", at),
    }


class _Caller:
    """A program that calls the stage, and writes down what it sent and what came back."""

    def __init__(self, url: str) -> None:
        self._url = url

    def wait_for_a_file(self) -> None:
        """Return once the stream has left a file; raise AssertionError if it leaves none."""
        deadline = Deadline.after(_FILE_AFTER_S, clock=time.monotonic)
        while not self.asks("GET", f"{STREAM}/files")[1]["files"]:
            assert not deadline.passed(), "the stream left no file"
            time.sleep(0.1)

    def asks(self, method: str, path: str, **fields: Any) -> Exchange:  # noqa: ANN401 - JSON
        is_body = method in ("POST", "PUT")
        answer = requests.request(
            method,
            self._url + path,
            headers={"Authorization": f"Bearer {TOKEN}"},
            params=None if is_body else fields,
            json=fields if is_body else None,
            timeout=60,
        )
        answer.raise_for_status()
        query = f"?{urlencode(fields)}" if fields and not is_body else ""
        lines = [f"{method} {path}{query}"]
        if fields and is_body:
            lines += ["Content-Type: application/json", "", json.dumps(fields)]
        return "\n".join(lines), answer.json()


_EXAMPLE = re.compile(r"```http\n(.*?)\n```\n\n```json\n(.*?)\n```\n\n?", re.DOTALL)


def examples_of(text: str) -> list[tuple[str, Json]]:
    """Return the examples of a page: the first line of each request, and its answer."""
    return [(found[0].splitlines()[0], json.loads(found[1])) for found in _EXAMPLE.findall(text)]


def without_examples(text: str) -> str:
    return _EXAMPLE.sub("", text)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as stack:
        PAGE.write_text(page(exchanges(stack)), encoding="utf-8")
