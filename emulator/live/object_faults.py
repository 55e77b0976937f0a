"""Planned faults of recorded files: their objects are not as Live reports them.

The control plane adds them; recorded_files.py damages the files that it stores; object_server.py
hides objects. It must not know how a file is recorded.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from emulator.live.fields import Fields
from emulator.media.flv import Writer, read

MISSING, EMPTY, TRUNCATED, SHORTER = "missing", "empty", "truncated", "shorter"
LATE, DENIED = "late", "denied"
KINDS = (MISSING, EMPTY, TRUNCATED, SHORTER, LATE, DENIED)
DAY_MS = 86_400_000

ObjectName = tuple[str, str]
"""A bucket and a key."""


@dataclass(slots=True)
class ObjectFault:
    """A planned fault of the next `times` stored files.

    A truncated object keeps `keep_bytes` (None: half), a shorter one keeps `keep_ms` of its media.
    A late object appears `delay_ms` later than reported.
    """

    do: str
    stream: str | None
    times: int
    keep_bytes: int | None
    keep_ms: int
    delay_ms: int

    def matches(self, stream: str) -> bool:
        return self.stream in (None, stream)


def read_object_fault(body: Fields) -> ObjectFault:
    fault = ObjectFault(
        do=body.word("do", KINDS),
        stream=body.maybe_text("stream"),
        times=body.number("times", 1, least=1),
        keep_bytes=body.maybe_number("keep_bytes"),
        keep_ms=body.number("keep_ms", 1_000),
        delay_ms=body.number("delay_ms", 0, most=DAY_MS),
    )
    if (fault.do == LATE) != (fault.delay_ms > 0):
        body.fault("delay_ms, above 0, goes with late and nothing else")
    body.raise_faults()
    return fault


class ObjectFaults:
    """Faults in the order they were added, and the objects that are not served, or not yet."""

    def __init__(self) -> None:
        self.planned: list[ObjectFault] = []
        self._visible_at: dict[ObjectName, int] = {}
        self._denied: set[ObjectName] = set()

    def next_for(self, stream: str) -> ObjectFault | None:
        fault = next((each for each in self.planned if each.matches(stream)), None)
        if fault is not None:
            fault.times -= 1
            self.planned = [each for each in self.planned if each.times]
        return fault

    def carry_out(
        self, fault: ObjectFault, bucket: str, keys: list[str], path: Path, now_ms: int
    ) -> None:
        """Damage or hide a stored file. `keys` are all of its objects; `path` is its media file, or
        its last segment."""
        names = {(bucket, key) for key in keys}
        if fault.do == MISSING:
            self._visible_at.update(dict.fromkeys(names, now_ms + 400 * DAY_MS))
        elif fault.do == LATE:
            self._visible_at.update(dict.fromkeys(names, now_ms + fault.delay_ms))
        elif fault.do == DENIED:
            self._denied |= names
        elif fault.do in (EMPTY, TRUNCATED):
            _truncate(path, 0 if fault.do == EMPTY else fault.keep_bytes)

    def is_hidden(self, bucket: str, key: str, now_ms: int) -> bool:
        return now_ms < self._visible_at.get((bucket, key), 0)

    def is_denied(self, bucket: str, key: str) -> bool:
        return (bucket, key) in self._denied

    def as_json(self) -> dict[str, object]:
        return {"faults": [asdict(fault) for fault in self.planned]}

    def clear(self) -> None:
        self.planned.clear()
        self._visible_at.clear()
        self._denied.clear()


def _truncate(path: Path, keep_bytes: int | None) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size // 2 if keep_bytes is None else min(keep_bytes, size))


def shorten(draft: Path, keep_ms: int) -> None:
    """Cut an FLV file after its first `keep_ms`; the result is a complete file."""
    short = draft.with_suffix(".short")
    with draft.open("rb") as file:
        tags = [tag for tag in read(file) if tag.timestamp < keep_ms]
    writer = Writer(short)
    writer.begin({})
    for tag in tags[1:]:
        writer.write(tag)
    writer.write_duration(keep_ms)
    writer.close()
    short.replace(draft)
