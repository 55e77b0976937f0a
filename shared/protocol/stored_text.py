"""Text that comes from elsewhere, as every store takes it: the one place that cleans it.

Whatever reads a callback, an undelivered callback or an answer of Live uses it.
"""

from __future__ import annotations

import re

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
REPLACEMENT = "\ufffd"


def storable(text: str) -> str:
    """Return the text with a replacement character for each NUL and each lone surrogate: JSON can
    hold both, and no encoding of text, or no index of a store, takes them."""
    return _UNSTORABLE.sub(REPLACEMENT, text)
