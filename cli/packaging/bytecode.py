"""Bytecode as it is deployed. A program of its own, run by the very Python that will load it.

`python bytecode.py FOLDER CODE`, and on its input the path of each file in the folder. CODE is what
a traceback will name. It is unchecked: a time stamp dies with the unpacking, and costs the cold
start with it (facts/sdk.md A3). It is without docstrings, which nothing reads.
"""

from __future__ import annotations

import ast
import marshal
import sys
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

UNCHECKED = (1).to_bytes(4, "little")
"""By the hash of its source, which is never looked at (PEP 552)."""
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def write(folder: Path, path: str, code: str) -> None:
    source = (folder / path).read_bytes()
    tree = ast.parse(source)
    strip(tree)
    compiled = compile(tree, f"{code}/{path}", "exec", dont_inherit=True)
    cache = folder / cache_from_source(path)
    cache.parent.mkdir(exist_ok=True)
    cache.write_bytes(MAGIC_NUMBER + UNCHECKED + source_hash(source) + marshal.dumps(compiled))


def strip(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.copy_location(ast.Pass(), node.body[0])]


def main(folder: Path, code: str) -> None:
    for line in sys.stdin:
        write(folder, line.rstrip("\n"), code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
