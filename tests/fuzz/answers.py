"""What every answer of a function has to be, whatever was sent."""

from __future__ import annotations

import json
from typing import Any

MAX_ANSWER_BYTES = 64 * 1024
SERVER_ERRORS = {502, 503, 504}
"""Statuses that say whose fault it is: Live's, the store's, or that there was no time."""


def check_answer(
    answer: dict[str, Any], lines: list[str], *, longest: int = MAX_ANSWER_BYTES
) -> int:
    """Hold an answer against what is promised of all; return its status."""
    status, body = answer["statusCode"], answer["body"]
    assert isinstance(status, int)
    assert status < 500 or status in SERVER_ERRORS, (status, body)
    assert len(body.encode()) <= longest, len(body)
    assert "Traceback" not in body
    crashed = [line for line in lines if '"request.crashed"' in line or "stream.crashed" in line]
    assert not crashed, crashed[0]
    if status >= 400 and body:  # HEAD has none
        _check_problem(json.loads(body))
    return status


def _check_problem(problem: dict[str, Any]) -> None:
    """One clear answer: what was wrong in words, by a code, each fault with its field."""
    assert problem["detail"], problem
    assert problem["code"], problem
    for fault in problem.get("errors", ()):
        assert fault["field"], problem
        assert fault["detail"], problem
