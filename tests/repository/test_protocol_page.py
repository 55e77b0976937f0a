"""The pages of the protocol are what the code does: their tables, and each name they link to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from shared.protocol import Event
from tests.repository.protocol_page import (
    MEANINGS,
    PAGES,
    PROTOCOL,
    TABLES,
    constants,
    handlers,
    page,
    protocol_files,
    tree,
)

_NAMED = re.compile(r"\[`([\w.]+)`\]\(\.\./([\w./]+\.py)\)")
TEXT = "".join(path.read_text(encoding="utf-8") for path in PAGES)
NAMED = sorted(set(_NAMED.findall(TEXT)))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_the_tables_are_what_the_code_says(path: Path) -> None:
    written = path.read_text(encoding="utf-8")

    assert page(path) == written, "run python -m tests.repository.protocol_page"


@pytest.mark.parametrize(("name", "file"), NAMED, ids=lambda part: part.replace("/", "."))
def test_every_name_is_defined_in_the_file_it_links_to(name: str, file: str) -> None:
    assert name in set(defined(tree(file).body))


def defined(body: list[ast.stmt], within: str = "") -> Iterator[str]:
    """Yield the functions, classes and constants of a module, and the parts of its classes."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name):
                yield within + name
            case ast.ClassDef(name=name):
                yield within + name
                yield from defined(node.body, f"{name}.")
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                yield within + name
            case _:
                pass


def test_every_part_of_a_record_is_in_the_glossary() -> None:
    recording = f"{PROTOCOL}/state/recording.py"
    record = next(node for node in tree(recording).body if isinstance(node, ast.ClassDef))
    fields = [node.target for node in record.body if isinstance(node, ast.AnnAssign)]
    names = {f"StreamRecord.{field.id}" for field in fields if isinstance(field, ast.Name)}

    assert names - {name for name, _ in NAMED} == set()
    assert len(names) > 15


def test_every_event_has_a_meaning_and_a_rule() -> None:
    events = {event.__name__ for event in get_args(Event)}

    assert set(MEANINGS) == set(handlers()) == events


def test_every_time_says_what_it_is() -> None:
    times = [(name, meaning) for file in protocol_files() for name, meaning in constants(file)]

    assert [name for name, meaning in times if not meaning.endswith(".")] == []
    assert len(times) > 10
