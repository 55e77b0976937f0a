"""What schemathesis may find against the API, each with its reason: no schema can say these.

tests/functions/test_openapi.py has schemathesis load this module, whose hook drops a failure only
if every fault of the answer is excused by its words. The same status for another reason fails.
"""

from __future__ import annotations

import itertools
import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import RejectedPositiveData, UnsupportedMethodResponse

from functions.record_command.ask_results import PREFER
from functions.record_command.commands import HEADERS, ONCE


class Excuse(NamedTuple):
    """`words` match the beginning of `code: field: detail` of a fault."""

    kind: type[Failure]
    status: int
    words: str
    reason: str
    also: Callable[[Any], bool] = lambda _: True


def holds_unassigned(case: Any) -> bool:  # noqa: ANN401 - schemathesis' own Case
    sent = [case.path_parameters, case.query, dict(case.headers or {}), case.body]
    text = unquote(json.dumps(sent, ensure_ascii=False, default=str))
    return any(unicodedata.category(character) == "Cn" for character in text)


REJECTED, METHOD = RejectedPositiveData, UnsupportedMethodResponse
ACCEPTED = AcceptedNegativeData
EXCUSES = (
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: until: is (past|longer than a recording of this)",
        "which times lie ahead is known when the request comes",
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: (until|from|to): write (the|a) time",
        "the format date-time has leap seconds and the year 0, which no clock of ours has",
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: (max_duration: is longer than a recording|hold: is longer than)",
        "the ceiling is a setting of the stage",
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: (max_duration|hold|for|from|lasts|by|pre_roll|post_roll|overrun"
        r"|rehearsed_within|late_after): (is longer than|a playback URL is valid"
        r'|write a duration like "2h", `7d` at most)',
        "a pattern does not add up the days, hours, minutes and seconds of a text",
    ),
    Excuse(
        REJECTED,
        400,
        r"MissingParam: from: is missing: `to` needs it",
        "a schema describes each parameter of a query by itself",
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: occurrence: sets the period already: leave",
        "as above: that two parameters exclude each other is said in words",
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: from: is not before the end",
        "no schema compares two fields, or one with the time of the request",
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: (lasts|by|end): (is more than|an occurrence lasts|has to be after)",
        "no schema subtracts one time from another, or knows the ceiling of the stage",
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: (start|end|exdates): write a time that",
        "a pattern does not know how long a month is",
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: (rrule|timezone|streams): ",
        "rules, time zones and streams are texts with rules that are said in words",
    ),
    Excuse(
        REJECTED,
        413,
        r"TooLarge: ",
        "a schema counts the entries of a list, not the bytes of a body",
    ),
    Excuse(
        ACCEPTED,
        413,
        r"TooLarge: ",
        "it is refused for its size before anything in it is read; schemathesis takes no 413 for a"
        " refusal",
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: cursor: ",
        "a cursor is opaque: only what `next` said is one",
    ),
    Excuse(
        REJECTED,
        400,
        r"(MalformedParam|MissingParam): policy: ",
        "the rules of a policy are those of policy.toml (docs/policy.md), which the stage checks",
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: streams: (write times|\S+: no stage exports such a state)",
        "how the fields of an intent go together, and with its session, is not in a schema",
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: (domain|app|stream): is not a name: a name has at most",
        "a schema counts characters, not bytes",
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: (note|Idempotency-Key): write a text",
        "schemathesis reads \\p{M} and its like as ranges with characters that are not assigned",
        holds_unassigned,
    ),
    Excuse(
        REJECTED,
        400,
        r"MalformedParam: scopes: a token with the scope",
        "which scopes a bound token may have is said in words",
    ),
    Excuse(
        REJECTED,
        400,
        r"CodeConfigNotFound: ",
        "Live's own answer about an application that has no recording configuration",
    ),
    Excuse(
        REJECTED,
        422,
        r"IdempotencyKeyReused: ",
        "schemathesis sends a key that it has sent with another request",
    ),
    Excuse(
        METHOD,
        404,
        r"RouteNotFound: ",
        "Function Compute's own: its custom domains take no TRACE",
    ),
)


def faults(body: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    code = body.get("code") or body.get("errorCode")
    for fault in body.get("errors", []):
        yield f"{fault['code']}: {fault['field']}: {fault['detail']}"
    if not body.get("errors"):
        yield f"{code}: "


def is_excused(failure: Failure, case: Any, status: int, fault: str) -> bool:  # noqa: ANN401 - Case
    return any(
        isinstance(failure, excuse.kind)
        and status == excuse.status
        and re.match(excuse.words, fault) is not None
        and excuse.also(case)
        for excuse in EXCUSES
    )


EXAMPLES = {header.name: header.example for header in HEADERS}
numbers = itertools.count(1)


@schemathesis.hook
def before_call(
    context: Any,  # noqa: ANN401 - its name is schemathesis'
    case: Any,  # noqa: ANN401 - Case
    kwargs: Any,  # noqa: ANN401 - its name is schemathesis'
) -> None:
    """Give each request with the example's idempotency key a key of its own, since a repeated key
    is a 422; and let no request wait as long as the example."""
    headers = case.headers or {}
    if "Accept-Language" in headers:
        headers["Accept-Language"] = "en"  # the words of the excuses are English
    if headers.get(ONCE) == EXAMPLES[ONCE]:
        headers[ONCE] = f"{EXAMPLES[ONCE]}-{next(numbers)}"
    if headers.get(PREFER) == EXAMPLES[PREFER]:
        headers[PREFER] = "wait=0"


@schemathesis.hook
def filter_failure(
    context: Any,  # noqa: ANN401 - its name is schemathesis'
    failure: Failure,
    case: Any,  # noqa: ANN401 - Case
    response: Any,  # noqa: ANN401 - Response
) -> bool:
    """Return False to drop a failure each of whose faults is excused."""
    try:
        found = list(faults(json.loads(response.content)))
    except (ValueError, AttributeError):
        return True
    return not all(is_excused(failure, case, response.status_code, fault) for fault in found)
