"""Parses MPEG-TS: packets of 188 bytes, the tables of the program, the times of the frames.

playlist.py calls it with the head of the first segment and the tail of the last one. This module
requests nothing itself.
"""

from __future__ import annotations

PACKET_BYTES = 188
_SYNC = b"G"
_PAT_PID_NUMBER = 0
"""The packet id of the table of programs (PAT)."""
_WRAP_TICKS = 1 << 33
TICKS_PER_MS = 90
MAX_STEP_MS = 1_000
"""The last frame counts as long as the one before it, but no longer than this."""


class Packets:
    """What the packets in a piece of a segment show: where they break off (`broken_at`), whether
    there are program tables, and the times of the frames. The piece must begin with a packet."""

    def __init__(self, data: bytes) -> None:
        self.broken_at: int | None = None
        self.has_tables = False
        self.times: dict[int, list[int]] = {}
        self._table_pids: set[int] = set()
        for at in range(0, len(data) - PACKET_BYTES + 1, PACKET_BYTES):
            packet = data[at : at + PACKET_BYTES]
            if packet[:1] != _SYNC:
                self.broken_at = at
                return
            self._take(packet)

    def _take(self, packet: bytes) -> None:
        pid, is_first = (packet[1] & 0x1F) << 8 | packet[2], bool(packet[1] & 0x40)
        payload = _payload(packet)
        if not is_first or not payload:
            return
        if pid == _PAT_PID_NUMBER:
            self._table_pids |= _table_pids(_section(payload))
        elif pid in self._table_pids:
            self.has_tables = True
        elif (time := _time(payload)) is not None:
            self.times.setdefault(pid, []).append(time)


def _payload(packet: bytes) -> bytes:
    if not packet[3] & 0x10:
        return b""
    return packet[5 + packet[4] :] if packet[3] & 0x20 else packet[4:]


def _section(payload: bytes) -> bytes:
    return payload[1 + payload[0] :]


def _table_pids(section: bytes) -> set[int]:
    """Return the packet ids of the program tables (PMT) that a PAT names."""
    length = int.from_bytes(section[1:3], "big") & 0x0FFF
    rows = section[8 : max(3 + length - 4, 8)]
    programs = [rows[at : at + 4] for at in range(0, len(rows) - 3, 4)]
    return {int.from_bytes(row[2:], "big") & 0x1FFF for row in programs if row[:2] != b"\0\0"}


def _time(payload: bytes) -> int | None:
    """Return the time of the frame that begins here, in ticks of 1/90 ms; None without one."""
    if payload[:3] != b"\0\0\1" or len(payload) < 14 or not payload[7] & 0x80:  # noqa: PLR2004 - of the PES header
        return None
    first, second, third = payload[9], payload[10:12], payload[12:14]
    high, middle = first >> 1 & 7, int.from_bytes(second, "big") >> 1
    return high << 30 | middle << 15 | int.from_bytes(third, "big") >> 1


def span_ms(head: Packets, tail: Packets) -> int | None:
    """Return the time from the first frame of the head to the end of the tail's last frame; None if
    either has no frame. The frames' clock may wrap once in between."""
    begun = [time for times in head.times.values() for time in times]
    if not begun or not tail.times:
        return None
    origin = begun[0]
    first = min(_since(origin, time) for time in begun)
    end = max(_end([_since(origin, time) for time in times]) for times in tail.times.values())
    return max(end - first, 0) // TICKS_PER_MS


def _since(origin: int, time: int) -> int:
    """Return the ticks from `origin` to `time`, negative for up to half the wrap before it."""
    return (time - origin + _WRAP_TICKS // 2) % _WRAP_TICKS - _WRAP_TICKS // 2


def _end(times: list[int]) -> int:
    times = sorted(times)
    step = times[-1] - times[-2] if len(times) > 1 else 0
    return times[-1] + min(step, MAX_STEP_MS * TICKS_PER_MS)
