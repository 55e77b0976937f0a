"""The quick dataclass is what the standard one is, in all that is compared here."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
from dataclasses import field, fields, replace
from typing import Any, cast

import pytest

from shared import quick


@quick.dataclass(slots=True)
class Mutable:
    a: int


@quick.dataclass(frozen=True, slots=True)
class Quick:
    a: int
    b: str = "b"
    c: tuple[int, ...] = field(default_factory=tuple)
    secret: str = field(default="", repr=False)
    aside: int = field(default=0, compare=False)


@dataclasses.dataclass(frozen=True, slots=True)
class Plain:
    a: int
    b: str = "b"
    c: tuple[int, ...] = field(default_factory=tuple)
    secret: str = field(default="", repr=False)
    aside: int = field(default=0, compare=False)


@quick.dataclass(frozen=True, slots=True)
class Nothing: ...


@quick.dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    a: int
    twice: int = field(init=False)
    often: list[int] = field(init=False, default_factory=list)
    zero: int = field(init=False, default=0)
    b: str = "b"

    def __post_init__(self) -> None:
        object.__setattr__(self, "twice", self.a * 2)


def made(kind: Any, *values: object, **named: object) -> object:  # noqa: ANN401 - either kind
    """What it holds; or what is wrong, but for the name of the class."""
    try:
        return dataclasses.astuple(kind(*values, **named))
    except TypeError as error:
        return str(error).partition(".")[2] or str(error)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ((1,), {}),
        ((1, "x", (2,)), {"aside": 3}),
        ((), {"a": 1, "c": ()}),
        ((), {}),
        ((1,), {"a": 1}),
        ((1,), {"unknown": 1}),
        ((1, 2, 3, 4, 5, 6), {}),
    ],
)
def test_it_is_made_of_the_same_as_the_standard_one(
    values: tuple[object, ...], named: dict[str, object]
) -> None:
    assert made(Quick, *values, **named) == made(Plain, *values, **named)


def test_what_is_made_has_its_own_of_what_may_change() -> None:
    assert Quick(1).c == ()
    one, other = Named(a=1), Named(a=1)
    one.often.append(1)
    assert (one.often, other.often) == ([1], [])


def test_what_is_not_asked_for_is_set_all_the_same() -> None:
    assert (Named(a=2).twice, Named(a=2).zero, Named(a=2, b="x").b) == (4, 0, "x")
    with pytest.raises(TypeError):
        Named(2)  # type: ignore[call-arg] # on purpose


@quick.dataclass(slots=True)
class Below(Mutable):
    b: int = 2


def test_a_class_below_is_made_with_what_is_above() -> None:
    assert Below(1) == Below(1, 2)
    assert Mutable(3).a == Below(3).a


def test_no_class_of_ours_has_its_signature_looked_up() -> None:
    """Which takes `inspect` and, for a hundred classes, an eighth of a cold start. From Python 3.12
    on, the standard dataclasses import it themselves."""
    program = "import index, shared.invocation.composition, sys; print('inspect' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ended.stdout.strip() == str(sys.version_info >= (3, 12)).encode()


def test_it_is_written_out_as_the_standard_one_is() -> None:
    made = (1, "x", (2,), "hidden", 3)
    assert repr(Quick(*made)) == repr(Plain(*made)).replace("Plain", "Quick")


@pytest.mark.parametrize(
    ("change", "same"),
    [({}, True), ({"aside": 9}, True), ({"a": 2}, False), ({"secret": "s"}, False)],
)
def test_it_is_equal_and_hashed_as_the_standard_one_is(change: dict[str, Any], same: bool) -> None:
    for kind in (Quick, Plain):
        one, other = kind(1), replace(kind(1), **change)
        assert (one == other, hash(one) == hash(other)) == (same, same)


def test_it_is_equal_to_nothing_of_another_class() -> None:
    assert Quick(1) != cast("object", Plain(1))
    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(Nothing())


def test_its_fields_copies_and_slots_are_the_standard_ones() -> None:
    one = Quick(1, c=(3,))
    assert [each.name for each in fields(Quick)] == [each.name for each in fields(Plain)]
    assert copy.deepcopy(one) == pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - our own
    assert not hasattr(one, "__dict__")
    assert Quick.__match_args__ == Plain.__match_args__


def test_what_may_change_has_no_hash() -> None:
    with pytest.raises(TypeError, match="unhashable"):
        hash(Mutable(1))


def test_it_is_changed_as_the_standard_one_is() -> None:
    one = Quick(1, c=(3,))
    assert quick.replace(one, b="x", aside=4) == replace(one, b="x", aside=4)
    assert quick.replace(Mutable(1), a=2) == Mutable(2)
    assert quick.replace(Plain(1), a=2) == Plain(2)
    with pytest.raises(TypeError, match="unknown"):
        quick.replace(one, unknown=1)  # type: ignore[call-arg] # on purpose
