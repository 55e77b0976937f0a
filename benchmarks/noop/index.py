"""A handler that does nothing: the cost of a callback without live-record.

benchmarks.callback deploys it to the emulator of Function Compute. It must import nothing.
"""

from __future__ import annotations


def handler(_event: bytes, _context: object) -> dict[str, object]:
    headers = {"Content-Type": "application/json"}
    return {"statusCode": 200, "headers": headers, "isBase64Encoded": False, "body": "{}"}
