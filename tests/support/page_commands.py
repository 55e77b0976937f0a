"""The commands of a page of docs, as its reader types them, so that a test can type them too."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

from cli.paths import ROOT

_FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a language, in order; `page` is a path from the root."""
    text = Path(ROOT, page).read_text(encoding="utf-8")
    return [textwrap.dedent(body) for kind, body in _FENCE.findall(text) if kind == language]


def lines(page: str) -> Iterator[str]:
    """Yield each command, which begins with `$ `; lines that end in a backslash go on."""
    for block in blocks(page, "console"):
        joined = block.replace("\\\n", " ")
        for line in joined.splitlines():
            if line.startswith("$ "):
                yield line.removeprefix("$ ")


def commands(page: str) -> Iterator[list[str]]:
    """Yield the words of each command; what follows a # is a remark."""
    for line in lines(page):
        yield shlex.split(line, comments=True)
