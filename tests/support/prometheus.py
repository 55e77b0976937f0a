"""A small judge of alert rules: what Prometheus would say of scrapes that a test has made.

It knows the part of PromQL that deploy/prometheus uses, and raises for all else: selectors,
`increase` over a range, `sum by`, `-` and `/` between vectors of one set of labels, and a
comparison with a number. Unlike Prometheus it does not extrapolate an increase to the ends of its
range, and it evaluates the rules at each scrape: the thresholds there are not so narrow.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]
Vector = Mapping[Labels, float]
Sample = tuple[str, Labels, float]
TOKEN = re.compile(
    r'\s*("[^"]*"|[a-zA-Z_:][\w:]*|\d+(?:\.\d+)?|=~|!~|!=|==|>=|<=|[-/(){}\[\],=<>])'
)
UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000}
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    "==": lambda a, b: a == b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}


@dataclass
class Scrapes:
    """What was scraped, oldest first, and the same by name. One that failed has `up` 0 and nothing
    else."""

    about: Mapping[str, str]
    made: list[tuple[int, list[Sample]]] = field(default_factory=list)
    series: dict[str, list[tuple[int, Labels, float]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, at: int, text: str | None) -> None:
        families = [] if text is None else text_string_to_metric_families(text)
        samples = [sample for family in families for sample in family.samples]
        found = [(s.name, self._with(s.labels), float(s.value)) for s in samples]
        up = ("up", self._with({}), 0.0 if text is None else 1.0)
        self.made.append((at, [*found, up]))
        for name, with_labels, value in (*found, up):
            self.series[name].append((at, with_labels, value))

    def _with(self, labels: Mapping[str, str]) -> Labels:
        return frozenset({**labels, **self.about}.items())


@dataclass
class Query:
    """One expression, evaluated at one moment over the scrapes until then."""

    scrapes: Scrapes
    at: int
    tokens: list[str]

    @classmethod
    def vector(cls, text: str, scrapes: Scrapes, at: int) -> Vector:
        query = cls(scrapes, at, tokens_of(text))
        found = query._comparison()
        if query.tokens:
            raise ValueError(f"not understood: {query.tokens}")
        return found

    def _take(self, wanted: str = "") -> str:
        token = self.tokens.pop(0)
        if wanted and token != wanted:
            raise ValueError(f"{token} in place of {wanted}")
        return token

    def _next(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def _comparison(self) -> Vector:
        left = self._difference()
        if self._next() not in COMPARISONS:
            return left
        holds, number = COMPARISONS[self._take()], float(self._take())
        return {labels: value for labels, value in left.items() if holds(value, number)}

    def _difference(self) -> Vector:
        left = self._operand()
        while self._next() in ("-", "/"):
            operator, right = self._take(), self._operand()
            pairs = {
                labels: (value, right[labels]) for labels, value in left.items() if labels in right
            }
            left = {labels: a - b if operator == "-" else a / b for labels, (a, b) in pairs.items()}
        return left

    def _operand(self) -> Vector:
        if self._next() == "sum":
            return self._sum()
        if self._next() == "increase":
            return self._increase()
        name, fits = self._selector()
        made = [samples for at, samples in self.scrapes.made if at <= self.at]
        latest = made[-1] if made else []
        return {labels: value for one, labels, value in latest if one == name and fits(labels)}

    def _sum(self) -> Vector:
        self._take("sum")
        self._take("by")
        by = self._names()
        self._take("(")
        inner = self._difference()
        self._take(")")
        totals: Counter[Labels] = Counter()
        for labels, value in inner.items():
            totals[frozenset(pair for pair in labels if pair[0] in by)] += value  # type: ignore[assignment]
        return totals

    def _names(self) -> list[str]:
        self._take("(")
        names = [self._take()]
        while self._next() == ",":
            self._take()
            names.append(self._take())
        self._take(")")
        return names

    def _increase(self) -> Vector:
        self._take("increase")
        self._take("(")
        name, fits = self._selector()
        self._take("[")
        length, unit = float(self._take()), self._take()
        self._take("]")
        self._take(")")
        since = self.at - length * UNITS_MS[unit]
        series: dict[Labels, list[float]] = {}
        for at, labels, value in self.scrapes.series[name]:
            if since < at <= self.at and fits(labels):
                series.setdefault(labels, []).append(value)
        return {labels: _risen(values) for labels, values in series.items() if len(values) > 1}

    def _selector(self) -> tuple[str, Callable[[Labels], bool]]:
        name, matchers = self._take(), list[tuple[str, str, str]]()
        if self._next() == "{":
            while self._take() != "}":
                if self._next() == "}":
                    continue
                matchers.append((self._take(), self._take(), self._take().strip('"')))
        return name, cache(
            lambda labels: all(_fits(dict(labels), *matcher) for matcher in matchers)
        )


def tokens_of(text: str) -> list[str]:
    found, end = list[str](), 0
    while end < len(text.rstrip()):
        match = TOKEN.match(text, end)
        if match is None:
            raise ValueError(f"not understood: {text[end:]}")
        found.append(match[1])
        end = match.end()
    return found


def _fits(labels: Mapping[str, str], name: str, operator: str, wanted: str) -> bool:
    value = labels.get(name, "")
    if operator in ("=~", "!~"):
        return (re.fullmatch(wanted, value) is not None) is (operator == "=~")
    return (value == wanted) is (operator == "=")


def _risen(values: Sequence[float]) -> float:
    """Return by how much a counter has risen; one that fell began anew at 0."""
    steps = pairwise(values)
    return sum(after - before if after >= before else after for before, after in steps)


@dataclass
class Alert:
    """One rule, and since when each of its series has been true."""

    rule: Mapping[str, Any]
    since: dict[Labels, int] = field(default_factory=dict)

    def fires(self, scrapes: Scrapes, at: int) -> bool:
        """Evaluate it now; return whether it fires."""
        true = Query.vector(self.rule["expr"], scrapes, at)
        self.since = {labels: self.since.get(labels, at) for labels in true}
        length, unit = re.fullmatch(r"(\d+)([smh])", self.rule.get("for", "0s")).groups()  # type: ignore[union-attr]
        return any(at - since >= int(length) * UNITS_MS[unit] for since in self.since.values())
