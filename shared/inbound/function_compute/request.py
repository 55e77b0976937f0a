"""Parses Function Compute's event bytes into a Request, a timer event or an API invocation.

The handler calls `parse`. docs/platform/function-compute.md §2.1 and 3 describe the shapes.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NoReturn
from urllib.parse import quote, unquote

from msgspec import Struct, field

from shared.errors import Fault
from shared.inbound.request_errors import BadRequest, TooLarge, UnsupportedMediaType

MAX_BODY_BYTES: Final = 16 * 1024
_MAX_WHOLE_NUMBER = 2**53


class Headers(Mapping[str, str]):
    """The headers of a request, looked up without regard to upper and lower case, because Function
    Compute changes the case (docs/platform/function-compute.md §2.1)."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = {name.lower(): value for name, value in values.items()}

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class Request(Struct, frozen=True):
    """An HTTP request. `path` is percent-decoded, `raw_path` is not. `request_id` is Function
    Compute's id of the request. `host` is the host that was called, without a port; the headers do
    not have it."""

    method: str
    path: str
    raw_path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Headers = field(default_factory=lambda: Headers({}))
    body: bytes = b""
    source_ip: str = ""
    request_id: str = ""
    host: str = ""

    @property
    def segments(self) -> Sequence[str]:
        """Return the parts of the path between slashes, each percent-decoded. So a part may contain
        a slash."""
        return [unquote(part) for part in self.raw_path.rstrip("/").split("/")]


class TimerEvent(Struct, frozen=True):
    name: str
    time: str
    payload: str


class Invoked(Struct, frozen=True):
    """A call through Function Compute's API. The payload is whatever the caller sent."""

    payload: bytes


TriggerEvent = Request | TimerEvent | Invoked


def body_of(trigger: TriggerEvent) -> bytes:
    """Return the body that was sent with an asynchronous HTTP call. UNCONFIRMED: whether such a
    call arrives as a request or as the body alone (docs/platform/function-compute.md §3.2)."""
    if isinstance(trigger, Request):
        return trigger.body
    return trigger.payload if isinstance(trigger, Invoked) else b""


def parse(event: bytes | str) -> TriggerEvent:
    """Return what the event is: an HTTP request, a timer's event, or a call through Function
    Compute's API. Raise BadRequest or TooLarge for a request whose body cannot be accepted, and no
    other error."""
    payload = event.encode("utf-8", "surrogatepass") if isinstance(event, str) else event
    document = _document(payload)
    if document is None:
        return Invoked(payload)
    if isinstance(_inner(document, "requestContext").get("http"), dict):
        return _request(document)
    if "triggerName" in document and "triggerTime" in document:
        names = ("triggerName", "triggerTime", "payload")
        return TimerEvent(*(text_of(document.get(name)) for name in names))
    return Invoked(payload)


def headers_of(event: bytes | str) -> Headers:
    """Return the headers even of a request that `parse` refuses, so that it is refused in the
    language it asks for."""
    payload = event.encode("utf-8", "surrogatepass") if isinstance(event, str) else event
    return Headers(_texts(_document(payload) or {}, "headers"))


def _document(payload: bytes) -> Mapping[str, object] | None:
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _request(document: Mapping[str, object]) -> Request:
    context = _inner(document, "requestContext")
    http = _inner(context, "http")
    raw = document.get("rawPath")
    if not isinstance(raw, str):
        raw = quote(text_of(http.get("path")), errors="replace")
    return Request(
        method=text_of(http.get("method")).upper(),
        path=unquote(raw),
        raw_path=raw,
        query=_texts(document, "queryParameters"),
        headers=Headers(_texts(document, "headers")),
        body=_body(document),
        source_ip=text_of(http.get("sourceIp")),
        request_id=text_of(context.get("requestId")),
        host=text_of(context.get("domainName")).partition(":")[0].lower(),
    )


def _body(document: Mapping[str, object]) -> bytes:
    body = text_of(document.get("body")).encode("utf-8", "surrogatepass")
    if document.get("isBase64Encoded") is True:
        try:
            body = base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise BadRequest([Fault("body", "is not valid base64")]) from error
    if len(body) > MAX_BODY_BYTES:
        raise TooLarge(
            f"a body may have at most {MAX_BODY_BYTES} bytes",
            hint="send less at once, in several requests",
        )
    return body


def _inner(document: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def _texts(document: Mapping[str, object], name: str) -> dict[str, str]:
    return {key: text_of(value) for key, value in _inner(document, name).items()}


def text_of(value: object) -> str:
    """Return a text or number as text; "" for anything else."""
    return str(value) if isinstance(value, str | int | float) else ""


def json_body(request: Request) -> dict[str, object]:
    """Return the fields of the body; {} without a body. Raise UnsupportedMediaType if the body is
    not declared as JSON, and BadRequest if it cannot be read as a JSON object."""
    if not request.body.strip():
        return {}
    _require_json(request.headers.get("content-type", ""))
    try:
        fields = json.loads(
            request.body.decode(),
            object_pairs_hook=_unique,
            parse_constant=_no_number,
            parse_float=_number,
        )
    except json.JSONDecodeError as error:
        raise _bad_body(
            f"is not JSON: line {error.lineno} column {error.colno} is wrong"
        ) from error
    except UnicodeDecodeError as error:
        raise _bad_body("is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise _bad_body(
            "is JSON that cannot be read: a number is too big, or the nesting is too deep"
        ) from error
    if not isinstance(fields, dict):
        raise _bad_body("has to be a JSON object")
    return fields


def _require_json(content_type: str) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise UnsupportedMediaType(
            f"the content type of the body is {kind}",
            hint="send the body with `Content-Type: application/json`",
        )


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
        raise BadRequest([Fault(name, "occurs more than once") for name in twice])
    return fields


def _number(text: str) -> int | float:
    """Return an integer for a whole number such as 3600.0, because JSON does not distinguish it
    from 3600."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= _MAX_WHOLE_NUMBER else value


def _no_number(name: str) -> NoReturn:
    raise _bad_body(f"contains {name}, which JSON does not allow")


def _bad_body(detail: str) -> BadRequest:
    return BadRequest([Fault("body", detail)])
