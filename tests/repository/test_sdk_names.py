"""No private name of the official SDK is called: a new release may change it without a word."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SDK = ("alibabacloud", "darabonba", "Tea")
DEPLOYED_OR_INSTALLED = ("shared", "functions", "cli", "benchmarks")


def names_the_sdk(tree: ast.Module) -> bool:
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    return any(module.startswith(SDK) for module in modules)


def private_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            owner = ast.unparse(node.value)
            if owner not in ("self", "cls"):
                yield f"line {node.lineno}: {owner}.{node.attr}"
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(SDK):
            yield from (alias.name for alias in node.names if is_private(alias.name))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def files() -> list[Path]:
    """Return the files that import the SDK. The rest is not parsed: each process that collects the
    tests asks."""
    found = [file for folder in DEPLOYED_OR_INSTALLED for file in (ROOT / folder).rglob("*.py")]
    texts = [(file, file.read_text(encoding="utf-8")) for file in found]
    named = [(file, text) for file, text in texts if any(name in text for name in SDK)]
    return [file for file, text in named if names_the_sdk(ast.parse(text))]


def test_the_files_that_name_the_sdk_are_found() -> None:
    names = {file.name for file in files()}
    assert {"sdk_import.py", "account.py", "oss.py"} <= names


@pytest.mark.parametrize("file", files(), ids=lambda file: str(file.relative_to(ROOT)))
def test_no_private_name_of_the_sdk_is_used(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    assert list(private_names(tree)) == []
