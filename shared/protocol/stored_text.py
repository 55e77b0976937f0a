"""Cleans text from outside, so that every store can take the text. Nothing else cleans it.

Code that reads a callback, an undelivered callback or an answer of Live uses this module.
"""

from __future__ import annotations

import re

_UNSTORABLE = "[\0\ud800-\udfff]"
REPLACEMENT = "\ufffd"


def storable(text: str) -> str:
    """Return the text with a replacement character for each NUL and each lone surrogate. JSON can
    contain both, but encodings or store indexes cannot."""
    if text.isascii() and "\0" not in text:
        return text
    return re.sub(_UNSTORABLE, REPLACEMENT, text)
