"""A program that compiles bytecode; it runs on the Python version that will load the bytecode.

cli.packaging.python starts it as `python bytecode.py FOLDER CODE` and writes the files' paths to
its input; CODE is the folder that tracebacks name. The bytecode has no docstrings, and Python loads
it without checking its source: a time stamp would not survive unpacking (docs/platform/sdk.md §A3).
Our own functions lose their annotations, which nothing reads at run time. This program must not
import our modules.
"""

from __future__ import annotations

import ast
import marshal
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

UNCHECKED = (1).to_bytes(4, "little")
"""Flags of hash-based bytecode whose source is never checked (PEP 552)."""
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_OURS = ("functions/", "shared/")


def write(folder: Path, path: str, code: str) -> None:
    source = (folder / path).read_bytes()
    tree = ast.parse(source)
    strip(tree)
    if path.startswith(_OURS):
        strip_annotations(tree)
    compiled = compile(tree, f"{code}/{path}", "exec", dont_inherit=True)
    cache = folder / cache_from_source(path)
    cache.parent.mkdir(exist_ok=True)
    cache.write_bytes(MAGIC_NUMBER + UNCHECKED + source_hash(source) + marshal.dumps(compiled))


def strip(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.copy_location(ast.Pass(), node.body[0])]


def strip_annotations(tree: ast.Module) -> None:
    """Remove the annotations of functions. Those of classes stay, because msgspec reads them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
        elif isinstance(node, ast.arg):
            node.annotation = None


def main(folder: Path, code: str) -> None:
    for line in sys.stdin:
        write(folder, line.rstrip("\n"), code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
