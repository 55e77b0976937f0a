"""Finds the line of a policy file (TOML or JSON) on which each table and each key begins.

`policy_file` calls this module for the messages about mistakes. It checks nothing itself.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping

Path = tuple[str | int, ...]
"""The names that lead to a part; after the name of a list comes the entry's number, from 1."""

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"))*)\s*=(.*)""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_QUOTED = re.compile(r'''"""|\'\'\'|"(?:[^"\\]|\\.)*"|'[^']*'|#.*''')
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')


def line_of(path: Path, lines: Mapping[Path, int]) -> int:
    """Return the line of the table or key at `path`. If `lines` does not have it, return the line
    of the nearest table around it; 0 if `lines` has none of these."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 0


def toml_lines(text: str) -> dict[Path, int]:
    """Return the line of each table and each key of a TOML text, by its path. Keys of an inline
    table have no entry."""
    found: dict[Path, int] = {}
    counted: Counter[str] = Counter()
    here: Path = ()
    for number, line in _statements(text):
        header = _HEADER.fullmatch(line)
        key = _KEY.match(line)
        if header:
            here = _opened(header[2], counted, is_list=header[1] == "[[")
            found.setdefault(here, number)
        elif key:
            found.setdefault((*here, *_parts(key[1])), number)
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that begin a header or a key, and leave out those that continue a value."""
    depth, quote = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if depth == 0 and not quote:
            yield number, line
            if _HEADER.fullmatch(line):
                continue
        bare, quote = _unquoted(line, quote)
        depth = max(0, depth + sum(bare.count(c) for c in "[{") - sum(bare.count(c) for c in "]}"))


def _unquoted(line: str, quote: str) -> tuple[str, str]:
    """Return the line without strings and comments, and the delimiter of a multi-line string that
    is still open at its end, or "". `quote` is that delimiter from the line before."""
    if quote:
        _, closed, line = line.partition(quote)
        if not closed:
            return "", quote
    bare = ""
    while (mark := _QUOTED.search(line)) is not None:
        bare, line, token = bare + line[: mark.start()], line[mark.end() :], mark[0]
        if token in ('"""', "'''"):
            _, closed, line = line.partition(token)
            if not closed:
                return bare, token
    return bare + line, ""


def _opened(name: str, counted: Counter[str], *, is_list: bool) -> Path:
    first, *rest = _parts(name)
    if is_list and not rest:
        counted[first] += 1
    return (first, counted[first], *rest) if counted[first] else (first, *rest)


def _parts(name: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(name)]


def json_lines(text: str) -> dict[Path, int]:
    """Return the line of each value of a JSON text, by its path. The text must be valid JSON."""
    found: dict[Path, int] = {}
    path: list[str | int | None] = []
    for token in _TOKEN.finditer(text):
        part, number = token[0], text.count("\n", 0, token.start()) + 1
        if part in "}]":
            path.pop()
        elif part == ",":
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None
        elif part != ":":
            if path and path[-1] is None:
                path[-1] = json.loads(part)
            found.setdefault(tuple(part for part in path if part is not None), number)
            if part in "{[":
                path.append(None if part == "{" else 1)
    return found
