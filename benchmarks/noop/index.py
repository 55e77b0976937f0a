"""A handler that does nothing: what a callback costs before live-record is reached."""

from __future__ import annotations


def handler(_event: bytes, _context: object) -> dict[str, object]:
    headers = {"Content-Type": "application/json"}
    return {"statusCode": 200, "headers": headers, "isBase64Encoded": False, "body": "{}"}
