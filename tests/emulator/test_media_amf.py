"""AMF0: what is written is read again, and whatever bytes raise one exception alone."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emulator.media import amf
from emulator.media.malformed import Malformed

plain = st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20)
values = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(min_size=1, max_size=8), inner)
    ),
    max_leaves=12,
)


@given(st.lists(values, max_size=4))
def test_what_is_written_is_read_again(sent: list[amf.Value]) -> None:
    assert amf.read(amf.write(*sent)) == sent


@given(st.binary(max_size=300))
def test_whatever_bytes_come_only_malformed_is_raised(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        amf.read(data)


@given(st.lists(values, min_size=1, max_size=2), st.data())
def test_what_is_cut_off_or_changed_only_raises_malformed(
    sent: list[amf.Value], data: st.DataObject
) -> None:
    whole = bytearray(amf.write(*sent))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(Malformed):
        amf.read(bytes(whole[: data.draw(st.integers(0, len(whole)))]))


@pytest.mark.parametrize(
    "data",
    [b"\x0a\xff\xff\xff\xff" + b"\x05" * 20_000, (b"\x0a\x00\x00\x00\x01" * 40) + b"\x05", b"\x11"],
    ids=["more values than patience", "deeper than sense", "another format"],
)
def test_what_costs_more_than_it_says_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        amf.read(data)


def test_metadata_is_a_named_array_and_dates_and_long_texts_are_read() -> None:
    array = amf.write_named_array({"width": 1.0})
    date = b"\x0b" + amf.write(5.0)[1:] + b"\0\0"
    assert amf.read(array + date) == [{"width": 1.0}, 5.0]
    assert amf.read(amf.write("x" * 70_000)) == ["x" * 70_000]
