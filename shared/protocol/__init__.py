"""What a recording is, what can happen to it, and what follows: pure, no clock and no I/O."""

from __future__ import annotations

from shared.protocol.derived.due_times import due_at, rank
from shared.protocol.derived.phase import Phase, phase
from shared.protocol.events import (
    Accepted,
    Asked,
    CancelDelayAsked,
    ExtendAsked,
    FileFailed,
    FileLeft,
    Happening,
    Looked,
    OnDemandAnswered,
    Published,
    RecordFailed,
    Remarked,
    Reported,
    RestartAsked,
    Sent,
    StartAsked,
    StopAsked,
    Terms,
    TimePassed,
    Unpublished,
)
from shared.protocol.reason import Code, Note
from shared.protocol.rules.claim import claim
from shared.protocol.rules.decide import Decision, decide
from shared.protocol.state.command import Flight
from shared.protocol.state.intent import IfNotLive
from shared.protocol.state.recording import Recording
from shared.protocol.stream import Command, StreamKey

__all__ = [
    "Accepted",
    "Asked",
    "CancelDelayAsked",
    "Code",
    "Command",
    "Decision",
    "ExtendAsked",
    "FileFailed",
    "FileLeft",
    "Flight",
    "Happening",
    "IfNotLive",
    "Looked",
    "Note",
    "OnDemandAnswered",
    "Phase",
    "Published",
    "RecordFailed",
    "Recording",
    "Remarked",
    "Reported",
    "RestartAsked",
    "Sent",
    "StartAsked",
    "StopAsked",
    "StreamKey",
    "Terms",
    "TimePassed",
    "Unpublished",
    "claim",
    "decide",
    "due_at",
    "phase",
    "rank",
]
