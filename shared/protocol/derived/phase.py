"""Computes the phase of a stream, such as `waiting` or `recording`, from its record alone. The API
shows people the phase."""

from __future__ import annotations

from enum import Enum

from shared.protocol.state.command import IN_DOUBT_MS
from shared.protocol.state.recording import StreamRecord
from shared.protocol.state.session import TOGETHER_MS
from shared.protocol.stream import ENDS


class Phase(str, Enum):
    IDLE = "idle"
    WAITING = "waiting"
    QUEUED = "queued"
    STARTING = "starting"
    RECORDING = "recording"
    STOPPING = "stopping"
    FAILED = "failed"
    UNMANAGED = "unmanaged"


def phase(record: StreamRecord) -> Phase:
    if record.intent.wanted:
        return _phase_wanted(record)
    if _is_being_ended(record) or record.is_stop_in_vain:
        return Phase.STOPPING
    if is_unmanaged(record) and not record.may_have_ended:
        return Phase.UNMANAGED
    return Phase.STOPPING if record.flight else Phase.IDLE


def is_unmanaged(record: StreamRecord) -> bool:
    """Return True if Live records the stream, and nobody has asked live-record to manage the
    recording. This lasts until the session has ended. While the session is ending, the phase no
    longer shows the recording, but this function still returns True."""
    if record.intent.wanted:
        return False
    return _runs_without_us(record) and not _is_being_ended(record)


def _is_being_ended(record: StreamRecord) -> bool:
    busy = (record.flight, record.pending)
    return any(one is not None and one.command in ENDS for one in busy)


def _phase_wanted(record: StreamRecord) -> Phase:
    if record.is_recorded:
        return Phase.RECORDING
    if record.flight:
        return Phase.STARTING
    if record.has_failed and not record.pending:
        return Phase.FAILED
    if record.pending:
        again = record.pending.attempts and not record.pending.over_quota
        return Phase.STARTING if again else Phase.QUEUED
    return Phase.STARTING if record.awaits_proof else Phase.WAITING


def _runs_without_us(record: StreamRecord) -> bool:
    """Return True if Live reports a recording, and the report is not a late one about a stopped
    recording or an earlier session."""
    last_report, session = record.last_report, record.session
    if last_report is None or not last_report.recording or record.is_off:
        return False
    if session and not session.is_undated and last_report.when < session.began - TOGETHER_MS:
        return False
    return record.stopped_at is None or last_report.when > record.stopped_at + IN_DOUBT_MS
