"""What a recording is, what can happen to it, and what follows: pure, no clock and no I/O."""

from __future__ import annotations

from shared.domain.because import Code, Note
from shared.domain.decide import Decision, claim, decide
from shared.domain.happenings import (
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
from shared.domain.record import Flight, IfNotLive, Phase, Recording, due_at, phase, rank
from shared.domain.stream import Command, StreamKey

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
