"""HTTP responses made from what functions and the platform return.

server.py and control.py call it for every request (docs/platform/function-compute.md §2.2, §2.3).
It does no I/O and knows no request.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

_MAX_HEADER_BYTES = 8 * 1024
_MAX_BODY_BYTES = 32 * 1024 * 1024
_STATUSES = range(200, 600)
_UNSETTABLE = frozenset(("connection", "content-length", "date", "keep-alive", "server"))
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[^\x00\r\n]*")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


class BadResponse(Exception):
    """A function returned something that cannot become an HTTP response."""


def json_answer(status: int, content: object, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps(content).encode()
    return Answer(status, {"Content-Type": "application/json", **(headers or {})}, body)


def platform_error(status: HTTPStatus, code: str, message: str) -> Answer:
    """Return an error of the platform (docs/platform/function-compute.md §2.3), in the format that
    Alibaba Cloud's page `error-codes` shows."""
    content = {"errorCode": code, "errorMessage": message}
    return json_answer(status, content, {"X-Fc-Error-Type": "FcCommonError"})


def to_http(returned: bytes) -> Answer:
    """Return the response that a function's result describes.

    A result without `statusCode` is the body of a response with status 200.
    """
    try:
        content = json.loads(returned)
    except ValueError:
        content = None
    if not isinstance(content, dict) or "statusCode" not in content:
        return Answer(HTTPStatus.OK, {"Content-Type": "application/json"}, returned)
    return Answer(_status(content), _headers(content), _body(content))


def _status(content: Mapping[str, Any]) -> int:
    status = content["statusCode"]
    if not isinstance(status, int) or isinstance(status, bool) or status not in _STATUSES:
        raise BadResponse(f"statusCode is not a status: {status!r}")
    return status


def _headers(content: Mapping[str, Any]) -> Mapping[str, str]:
    headers = content.get("headers") or {}
    if not isinstance(headers, dict) or any(not isinstance(v, str) for v in headers.values()):
        raise BadResponse("headers are not a map of strings to strings")
    if sum(len(name) + len(value) for name, value in headers.items()) > _MAX_HEADER_BYTES:
        raise BadResponse(f"headers exceed {_MAX_HEADER_BYTES} bytes")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise BadResponse(f"header {name!r} cannot be sent")
    kept = {name: value for name, value in headers.items() if _is_settable(name.lower(), value)}
    if not any(name.lower() == "content-type" for name in kept):
        kept["Content-Type"] = "application/json"
    return kept


def _is_settable(name: str, value: str) -> bool:
    attachment = name == "content-disposition" and value.lower().startswith("attachment")
    return name not in _UNSETTABLE and not name.startswith("x-fc-") and not attachment


def _body(content: Mapping[str, Any]) -> bytes:
    text = content.get("body") or ""
    if not isinstance(text, str):
        raise BadResponse("body is not a string")
    try:
        encoded = content.get("isBase64Encoded") is True
        body = base64.b64decode(text, validate=True) if encoded else text.encode()
    except (binascii.Error, ValueError) as error:
        raise BadResponse(f"body cannot be decoded: {error}") from error
    if len(body) > _MAX_BODY_BYTES:
        raise BadResponse(f"body exceeds {_MAX_BODY_BYTES} bytes")
    return body
