"""Names that a stranger can read: units on numbers, one name for one thing, no private words."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository.rooms import ROOT, TREES, arrows_of, circle_in, is_room, nodes, parsed

UNITS = frozenset(
    {
        *("MS", "S", "BYTES", "CHARS", "PER_S", "ADDRESSES", "CALLS", "FAULTS", "PERCENT"),
        *("PER_MS", "TICKS"),
        *("CONNECTIONS", "ENTRIES", "EVENTS", "KEYS", "LEVELS", "NUMBER", "PAGES", "PARTS"),
        *("POINTS", "RECONCILES", "ROWS", "SIZES", "STATUS", "STATUSES", "STREAMS", "WORKERS"),
        *("BOXES", "PACKETS", "REQUESTS", "SEGMENTS", "TRACKS"),
    }
)
DEPLOYED = ("shared", "functions")
PAIRED_FOLDERS = ("state", "rules")
PRIVATE_WORDS = frozenset(
    {
        *("told", "wish", "Wish", "gen", "owed", "Owed", "owe", "Turn", "Terms", "TermsOf"),
        *("Manner", "Hands", "Heard", "Handled", "Became", "Senders", "Shift", "Roster", "Diary"),
        *("Lookout", "summon", "takes_place", "spot", "Known", "OursToMend", "Unproved", "Kick"),
        *("kick", "Happening", "happening", "Surprise", "standing_in", "NotLives", "Refusals"),
        *("stop_missed_at", "refused_last", "told_time", "done_time", "catch_up", "ReadBack"),
        *("save_in_words", "first_that_works", "Missed", "Seen", "NotLive", "marked"),
    }
)
"""What plain names replaced; nobody may bring one of them back."""
ANY_PRIVATE = re.compile(rf"\b({'|'.join(PRIVATE_WORDS)})\b")
NAMES_OF_NOTHING = frozenset({"said", "given", "told", "how"})
"""Parsed data is named for what it is: payload, body, params, row, entry, document."""


def modules(*trees: str) -> Iterator[Path]:
    for tree in trees:
        yield from sorted((ROOT / tree).rglob("*.py"))


def is_number(node: ast.expr | None) -> bool:
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.BinOp(left=left, right=right):
            return is_number(left) or is_number(right)
        case ast.UnaryOp(operand=operand):
            return is_number(operand)
        case ast.Tuple(elts=elements):
            return bool(elements) and all(map(is_number, elements))
        case _:
            return False


def numeric_constants(file: Path) -> Iterator[str]:
    for node in parsed(file).body:
        if isinstance(node, ast.Assign) and is_number(node.value):
            targets = [name for target in node.targets for name in ast.walk(target)]
            yield from (name.id for name in targets if isinstance(name, ast.Name))
        elif isinstance(node, ast.AnnAssign) and is_number(node.value):
            assert isinstance(node.target, ast.Name)
            yield node.target.id


def test_every_numeric_constant_carries_its_unit() -> None:
    bare = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in modules(*DEPLOYED)
        for name in numeric_constants(file)
        if not any(name.endswith(f"_{unit}") for unit in UNITS)
    ]
    assert bare == []


def test_no_two_classes_of_what_is_deployed_have_one_name() -> None:
    homes: dict[str, list[str]] = defaultdict(list)
    for file in modules(*DEPLOYED):
        for node in nodes(file):
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


def test_no_two_modules_of_one_room_have_one_name() -> None:
    for room in (ROOT / "shared").iterdir():
        names = [
            file.name
            for file in room.rglob("*.py")
            if file.name != "__init__.py" and file.parent.name not in PAIRED_FOLDERS
        ]
        assert [name for name, count in Counter(names).items() if count > 1] == []


def test_no_two_modules_of_the_tests_have_one_name() -> None:
    names = Counter(file.name for file in modules("tests"))
    repeated = {name for name, count in names.items() if count > 1}
    assert repeated <= {"conftest.py", "__init__.py", "__main__.py"}


@pytest.mark.parametrize("tree", ["shared", "functions", "cli", "emulator", "benchmarks", "tests"])
def test_no_private_word_is_a_name_again(tree: str) -> None:
    """A word in a comment or a text is none: only a file that has the word at all is read again."""
    found = set()
    for file in modules(tree):
        text = file.read_text(encoding="utf-8")
        if not ANY_PRIVATE.search(text):
            continue
        names = {token.string for token in tokenize.generate_tokens(io.StringIO(text).readline)}
        found |= {f"{file.relative_to(ROOT)}: {name}" for name in names & PRIVATE_WORDS}
    assert sorted(found) == []


@pytest.mark.parametrize("tree", [*DEPLOYED, "cli"])
def test_parsed_data_is_named_for_what_it_is(tree: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}: {node.id}"
        for file in modules(tree)
        for node in nodes(file)
        if isinstance(node, ast.Name) and node.id in NAMES_OF_NOTHING
    ]
    assert found == []


@pytest.mark.parametrize("package", TREES)
def test_no_arrow_between_rooms_goes_in_a_circle(package: str) -> None:
    assert circle_in(arrows_of(package)) == []


def test_shared_has_twelve_rooms() -> None:
    rooms = {name for name in arrows_of("shared") if is_room("shared", name)}
    assert len(rooms) == 12, rooms
