"""Makes foreign text safe for a terminal: escapes control characters, line breaks, and characters
that reverse the text.

cli.api passes the answers of a stage through this module, doctor and setup those of Live. Anybody
who publishes a stream or sends a callback chooses texts in these answers.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode's categories of characters that a terminal acts on instead of showing them."""


def printable(text: str) -> str:
    r"""Return the text with every invisible character escaped as in JSON, such as `\u001b`."""
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    return json.dumps(character)[1:-1] if unicodedata.category(character) in _UNSEEN else character


def printable_json(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the JSON value with all its texts made printable, also the names of fields."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [printable_json(each) for each in value]
    if isinstance(value, dict):
        return {printable(name): printable_json(each) for name, each in value.items()}
    return value
