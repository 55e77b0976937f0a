"""The texts of problem details and faults, read from the code, and their Chinese translations.

In the code they are written in English where something is refused; an expression within them is
`{0}`, `{1}` and so on here. `python -m tests.repository.detail_texts` adds new texts to the file of
translations, empty, and drops those that are gone; test_detail_texts.py holds the file to the code.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from cli.paths import ROOT
from shared.inbound.catalogue.details import FILE
from tests.repository.rooms import parsed

ROOMS = (
    *("shared/config", "shared/engine", "shared/inbound", "shared/outbound", "shared/outbox"),
    *("shared/protocol", "shared/schedule", "shared/store"),
    "functions",
)
REFUSING = {
    **dict.fromkeys(
        (
            *("Forbidden", "KeyReused", "MalformedCallback", "MethodNotAllowed", "NotFound"),
            *(
                "RequestError",
                "TooLarge",
                "TooManyRequests",
                "Unauthorized",
                "UnsupportedMediaType",
            ),
            *("UnusableName", "ValueError", "WrongState"),
        ),
        0,
    ),
    **dict.fromkeys(("Failed", "UnverifiedCallback", "__init__"), 0),
    **dict.fromkeys(("NotRead", "NotAllowed", "NotCopied", "NotJudged", "NotThere"), 0),
    **dict.fromkeys(("StoreRefuses", "Unanswered", "_dropped", "failed", "kind"), 0),
    "Fault": 1,
    "_fault": 1,
    "_Row": 2,
    "_bad_body": 0,
    "_each": 1,
    "_LeftOutError": 0,
    "_too_long": 0,
}
"""The calls that take a text for people, and which argument it is."""
RETURNING = {
    *(
        "did_you_mean",
        "name_fault",
        "_no_such",
        "_repeated",
        "_unknown",
        "_why_no_stream",
        "weaknesses",
        "_why",
        "_why_unsigned",
    ),
    *("_why_no_url", "_send"),
}
"""The functions whose answers are such texts."""
TABLES = {"INSECURE", "_FAULTS", "_INSTEAD", "MAKE_ONE", "_PHRASES", "_REDISS", "_UNVERIFIED"}
"""The constants that hold such texts."""
FAULTS = ("faults", "_faults")
"""The names of lists to which such texts are added."""
NAMED = ("hint", "detail", "missing", "otherwise", "text")
"""The keyword arguments that are such texts."""


def texts() -> set[str]:
    """Return every text, with its expressions numbered."""
    files = (file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")))
    return {text for file in files for text in _texts_of(file) if _has_words(text)}


def _has_words(text: str) -> bool:
    words = text.split()
    return any(word.isalpha() for word in words) and (len(words) > 1 or text.istitle())


def _texts_of(file: Path) -> Iterator[str]:
    tree = parsed(file)
    assigned = _assigned(tree)
    for table in (each for name in TABLES for each in assigned.get(name, ())):
        for node in ast.walk(table):
            if isinstance(node, ast.Constant):
                yield from _templates(node, assigned)
    for node in ast.walk(tree):
        for expression in _said(node):
            yield from _templates(expression, assigned)
        if isinstance(node, ast.FunctionDef) and node.name in RETURNING:
            for each in ast.walk(node):
                if isinstance(each, ast.Return | ast.Yield) and each.value is not None:
                    yield from _templates(each.value, assigned)


def _assigned(tree: ast.Module) -> Mapping[str, list[ast.expr]]:
    """Return what is assigned to each name, anywhere in the file."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        value = getattr(node, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and value is not None:
                found.setdefault(target.id, []).append(value)
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                for name, each in zip(target.elts, value.elts, strict=True):
                    if isinstance(name, ast.Name):
                        found.setdefault(name.id, []).append(each)
    return found


def _said(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the texts for people that a call takes, or that are added to a list of faults."""
    if isinstance(node, ast.AugAssign) and _name(node.target) in FAULTS:
        yield node.value
    if not isinstance(node, ast.Call):
        return
    name, args = _name(node.func), node.args
    if name in REFUSING and len(args) > REFUSING[name]:
        yield from args[REFUSING[name] : 4 if name == "_Row" else REFUSING[name] + 1]
    if name in ("append", "extend") and _name(getattr(node.func, "value", None)) in FAULTS:
        yield from args
    yield from (each.value for each in node.keywords if each.arg in NAMED)


def _name(node: ast.AST | None) -> str:
    """Return the last part of a name such as `self.faults`, "" of any other expression."""
    return str(getattr(node, "attr", getattr(node, "id", "")))


def _templates(expression: ast.expr, assigned: Mapping[str, list[ast.expr]]) -> Iterator[str]:
    """Yield the texts that an expression may be: a literal, or one of several."""
    if isinstance(expression, ast.Constant) and isinstance(expression.value, str):
        yield expression.value
    elif isinstance(expression, ast.JoinedStr):
        yield _numbered(expression)
    elif isinstance(expression, ast.Name):
        others = {name: each for name, each in assigned.items() if name != expression.id}
        for each in assigned.get(expression.id, ()):
            yield from _templates(each, others)
    else:
        for each in _branches(expression):
            yield from _templates(each, assigned)


def _branches(expression: ast.expr) -> Sequence[ast.expr]:
    """Return the expressions of which one is the value of this one."""
    if isinstance(expression, ast.IfExp):
        return (expression.body, expression.orelse)
    if isinstance(expression, ast.BoolOp):
        return expression.values
    if isinstance(expression, ast.ListComp | ast.GeneratorExp):
        return (expression.elt,)
    return expression.elts if isinstance(expression, ast.Tuple | ast.List) else ()


def _numbered(joined: ast.JoinedStr) -> str:
    numbers = count()
    parts = (
        str(part.value) if isinstance(part, ast.Constant) else f"{{{next(numbers)}}}"
        for part in joined.values
    )
    return "".join(parts)


def translations() -> dict[str, str]:
    stored: dict[str, str] = json.loads(FILE.read_text(encoding="utf-8"))
    return stored


def _write() -> None:
    stored = translations() if FILE.exists() else {}
    whole = {text: stored.get(text, "") for text in sorted(texts())}
    FILE.write_text(json.dumps(whole, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    missing = sum(1 for text in whole.values() if not text)
    sys.stdout.write(f"{len(whole)} texts, {missing} without a translation\n")


if __name__ == "__main__":
    _write()
