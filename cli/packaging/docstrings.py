"""Removes the docstrings from source code that is deployed, because no instance reads them."""

from __future__ import annotations

import ast


def without_docstrings(source: bytes) -> bytes:
    """Return the Python source with blank lines in place of its docstrings, so that tracebacks name
    the same lines. A docstring that is the whole body of a function or class stays."""
    module, lines = ast.parse(source), source.split(b"\n")
    bodies = [getattr(node, "body", None) for node in ast.walk(module)]
    for body in bodies:
        if isinstance(body, list) and (body is module.body or not all(map(_is_text, body))):
            for text in filter(_is_text, body):
                first, after = text.lineno - 1, text.end_lineno or text.lineno
                lines[first:after] = [b""] * (after - first)
    return b"\n".join(lines)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
