"""Finds what a text marks with backticks: commands, options, fields and values.

Places that do not read Markdown, such as chats and pages, use this module. Answers and logs keep
the backticks.
"""

from __future__ import annotations

import re

MARK = re.compile(r"(?<![\w/])`([^`]+)`(?![\w/])", re.ASCII)
"""A mark. A backtick inside a name or a path belongs to the name."""
_CHINESE_SPACE = re.compile(r"(?<=[^\x00-\x7f]) (?=`)|(?<=`) (?=[^\x00-\x7f])")
"""The space between a Chinese character and a mark. No space stands at a Chinese quotation mark."""


def quoted(text: str) -> str:
    """Return the text with quotation marks in place of the backticks, in English and in Chinese.
    They are not those of code, so that code with quotes of its own stays readable."""
    return MARK.sub(r"“\1”", _CHINESE_SPACE.sub("", text))
