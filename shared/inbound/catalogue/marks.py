"""Finds the parts of a text that stand in backticks: commands, options, fields and values.

The code that writes for places without Markdown, such as chats and pages, uses this module. Answers
and logs keep the backticks.
"""

from __future__ import annotations

import re

MARK = re.compile(r"(?<![\w/])`([^`]+)`(?![\w/])", re.ASCII)
"""A mark. A backtick inside a name or a path belongs to the name."""
_CHINESE_SPACE = re.compile(r"(?<=[^\x00-\x7f]) (?=`)|(?<=`) (?=[^\x00-\x7f])")
"""The space between a Chinese character and a mark. No space stands at a Chinese quotation mark."""


def quoted(text: str) -> str:
    """Return the text with curly quotation marks (“…”) in place of the backticks. They are the same
    in English and in Chinese. Straight ones would be confused with those in quoted code."""
    return MARK.sub(r"“\1”", _CHINESE_SPACE.sub("", text))
