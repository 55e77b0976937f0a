"""Faults planted in whole recordings, drawn by a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import NamedTuple

from tests.verification.samples import large_samples, samples

Objects = dict[str, bytes]
Damage = Callable[[bytes, Random], bytes]
FLV_HEADER_BYTES = 13


class Planted(NamedTuple):
    """A file with one fault, and the duration that Live would have reported of it."""

    name: str
    fault: str
    objects: Objects
    reported_ms: int

    @property
    def container(self) -> str:
        return self.name.rpartition(".")[2]


def plant(seed: int, count: int) -> Iterator[Planted]:
    """Yield files with a fault each. Every fault of every sample comes in turn."""
    random = Random(seed)  # noqa: S311 - draws faults, not keys
    kinds = [
        (sample, fault)
        for sample in (*samples(), *large_samples())
        for fault in (*COMMON, *BY_CONTAINER[sample.rpartition(".")[2]])
    ]
    random.shuffle(kinds)
    for n in range(count):
        yield _planted(*kinds[n % len(kinds)], random)


def _planted(name: str, fault: str, random: Random) -> Planted:
    whole, reported_ms = {**samples(), **large_samples()}[name]
    objects = dict(whole)
    if fault == "reported longer":
        reported_ms += random.randrange(4_000, 60_000)
    elif fault == "object missing":
        del objects[name]
    elif fault.startswith("segment"):
        _damage_segment(objects, fault, random)
    else:
        damage = {**COMMON, **BY_CONTAINER[name.rpartition(".")[2]]}[fault]
        objects[name] = damage(objects[name], random)
    return Planted(name, fault, objects, reported_ms)


def _damage_segment(objects: Objects, fault: str, random: Random) -> None:
    segment = random.choice([name for name in objects if name.endswith(".ts")])
    if fault == "segment missing":
        del objects[segment]
    else:
        damage = {"segment empty": _empty, "segment cut": _cut, "segment overwritten": _overwrite}
        objects[segment] = damage[fault](objects[segment], random)


def _whole(data: bytes, _random: Random) -> bytes:
    return data


def _empty(_data: bytes, _random: Random) -> bytes:
    return b""


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(1, len(data))]


def _cut_last_bytes(data: bytes, random: Random) -> bytes:
    return data[: -random.randrange(5, 200)]


def _append(data: bytes, random: Random) -> bytes:
    return data + random.randbytes(random.randrange(20, 400))


def _overwrite(data: bytes, random: Random) -> bytes:
    """Overwrite a run of bytes anywhere but at the beginning."""
    at = random.randrange(min(2_000, len(data) // 2), len(data))
    length = min(random.randrange(500, 3_000), len(data) - at)
    return data[:at] + random.randbytes(length) + data[at + length :]


def _overwrite_beginning(data: bytes, random: Random) -> bytes:
    return random.randbytes(64) + data[64:]


def _zero_end(data: bytes, random: Random) -> bytes:
    length = min(random.randrange(500, 9_000), len(data) // 2)
    return data[:-length] + bytes(length)


def flv_tags(data: bytes) -> list[bytes]:
    """Return the tags of an FLV file, each with the size that follows it."""
    tags, at = [], FLV_HEADER_BYTES
    while at < len(data):
        end = at + 15 + int.from_bytes(data[at + 1 : at + 4], "big")
        tags.append(data[at:end])
        at = end
    return tags


def _drop_last_tags(data: bytes, random: Random) -> bytes:
    """Leave out more than the tolerance: the rest is a whole, shorter file."""
    tags = flv_tags(data)
    kept = random.randrange(len(tags) // 8, len(tags) * 3 // 8)
    return data[:FLV_HEADER_BYTES] + b"".join(tags[:kept])


def _drop_config(data: bytes, _random: Random) -> bytes:
    tags = [tag for tag in flv_tags(data) if tag[11:13] != b"\x17\0"]
    return data[:FLV_HEADER_BYTES] + b"".join(tags)


def _drop_key_frames(data: bytes, _random: Random) -> bytes:
    tags = [tag for tag in flv_tags(data) if tag[11:13] != b"\x17\1"]
    return data[:FLV_HEADER_BYTES] + b"".join(tags)


def _later(data: bytes, random: Random) -> bytes:
    """Let the clock begin anywhere, as it does where a recorder does not rebase it."""
    shift, tags = random.randrange(1, 1 << 28), []
    for tag in flv_tags(data):
        clock = int.from_bytes(tag[7:8] + tag[4:7], "big") + shift
        tags.append(
            tag[:4] + (clock & 0xFFFFFF).to_bytes(3, "big") + bytes([clock >> 24]) + tag[8:]
        )
    return data[:FLV_HEADER_BYTES] + b"".join(tags)


def _rename_box(kind: bytes) -> Damage:
    return lambda data, _random: data.replace(kind, b"zzzz")


def _no_sample_times(data: bytes, _random: Random) -> bytes:
    """Let every table of times have no entry."""
    parts = data.split(b"stts")
    return b"stts".join([parts[0], *(part[:4] + bytes(4) + part[8:] for part in parts[1:])])


def _unended(data: bytes, _random: Random) -> bytes:
    return data.replace(b"#EXT-X-ENDLIST", b"")


def _promise_more(data: bytes, _random: Random) -> bytes:
    return data.replace(b"#EXTINF:", b"#EXTINF:1", 3)


COMMON: Mapping[str, Damage] = {
    "none": _whole,
    "object missing": _whole,
    "object empty": _empty,
    "reported longer": _whole,
    "cut": _cut,
    "cut in its last bytes": _cut_last_bytes,
    "bytes appended": _append,
    "beginning overwritten": _overwrite_beginning,
}
MEDIA: Mapping[str, Damage] = {"overwritten": _overwrite, "end zeroed": _zero_end}
BY_CONTAINER: Mapping[str, Mapping[str, Damage]] = {
    "flv": {
        **MEDIA,
        "last tags dropped": _drop_last_tags,
        "config dropped": _drop_config,
        "key frames dropped": _drop_key_frames,
        "clock begins later": _later,
    },
    "mp4": {
        **MEDIA,
        "no index": _rename_box(b"moov"),
        "no table of times": _rename_box(b"stts"),
        "no sample times": _no_sample_times,
        "config dropped": _rename_box(b"avcC"),
        "no chunks": _rename_box(b"stco"),
    },
    "m3u8": {
        "no end list": _unended,
        "promises more": _promise_more,
        "segment missing": _whole,
        "segment empty": _whole,
        "segment cut": _whole,
        "segment overwritten": _whole,
    },
}
