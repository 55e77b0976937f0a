"""Rooms and arrows: which folder of a tree imports which, read from the import statements.

`python -m tests.repository.rooms` prints them for `shared` and `shared/protocol`; the tests hold
that no arrow points up and that none goes in a circle.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TREES = ("shared", "shared.protocol")

Arrows = dict[str, set[str]]


@cache
def parsed(file: Path) -> ast.Module:
    """Return the syntax tree of a file of the repository. Many tests read the same files."""
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def nodes(file: Path) -> Sequence[ast.AST]:
    """Return the nodes of a file's tree, each before those within it."""
    return tuple(ast.walk(parsed(file)))


def arrows_of(package: str) -> Arrows:
    """Return, for each room or module directly inside `package`, the ones that it imports."""
    folder = ROOT / package.replace(".", "/")
    arrows: Arrows = {}
    for file in sorted(folder.rglob("*.py")):
        room = file.relative_to(folder).parts[0].removesuffix(".py")
        if room != "__init__":
            targets = {_room_of(name, package) for name in _imported(file)} - {"", room}
            arrows.setdefault(room, set()).update(targets)
    return arrows


def is_room(package: str, name: str) -> bool:
    """Return True for a folder, False for a module that stands alone."""
    return (ROOT / package.replace(".", "/") / name).is_dir()


def circle_in(arrows: Arrows) -> list[str]:
    """Return one circle of arrows, or nothing where there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _imported(file: Path) -> Iterator[str]:
    for node in nodes(file):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _room_of(name: str, package: str) -> str:
    """Return the room of `package` that the dotted `name` lies in; "" where it lies outside."""
    if not name.startswith(f"{package}."):
        return ""
    room = name.removeprefix(f"{package}.").partition(".")[0]
    folder = ROOT / package.replace(".", "/")
    return room if (folder / room).is_dir() or (folder / f"{room}.py").is_file() else ""


def _print(package: str) -> None:
    arrows = arrows_of(package)
    rooms = [name for name in arrows if is_room(package, name)]
    between = sum(target in rooms for room in rooms for target in arrows[room])
    total = sum(map(len, arrows.values()))
    print(f"{package}: {len(rooms)} rooms, {len(arrows) - len(rooms)} modules")
    print(f"  {total} arrows, {between} of them between rooms")
    for name, targets in arrows.items():
        print(f"  {name} -> {', '.join(sorted(targets)) or '(nothing)'}")


if __name__ == "__main__":
    for each in TREES:
        _print(each)
