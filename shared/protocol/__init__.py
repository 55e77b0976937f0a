"""The protocol of one stream: its record (the state), its events, and the rules by which an event
changes the record.

The engine, the store and the functions use this module. It is pure: no clock, no I/O, no logging.
"""

from __future__ import annotations

from shared.protocol.derived.due_times import command_priority, due_at
from shared.protocol.derived.phase import Phase, phase
from shared.protocol.events import (
    Accepted,
    Asked,
    CancelDelayAsked,
    CommandSettled,
    Event,
    ExtendAsked,
    FileFailed,
    FileLeft,
    OccurrencePut,
    OccurrenceSkipped,
    OccurrencesPlanned,
    Polled,
    Published,
    RecordFailed,
    Remarked,
    Reported,
    RestartAsked,
    SettingsChanged,
    StartAsked,
    StateImported,
    StopAsked,
    StreamSettings,
    TimePassed,
    Unpublished,
)
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.rules.claim import claim
from shared.protocol.rules.decide import Decision, decide
from shared.protocol.state.command import Flight
from shared.protocol.state.intent import IfNotLive
from shared.protocol.state.occurrence import Occurrence
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import Command, StreamKey

__all__ = [
    "Accepted",
    "Asked",
    "CancelDelayAsked",
    "Command",
    "CommandSettled",
    "Decision",
    "Event",
    "ExtendAsked",
    "FileFailed",
    "FileLeft",
    "Flight",
    "HistoryEntry",
    "IfNotLive",
    "Occurrence",
    "OccurrencePut",
    "OccurrenceSkipped",
    "OccurrencesPlanned",
    "Phase",
    "Polled",
    "Published",
    "Reason",
    "RecordFailed",
    "Remarked",
    "Reported",
    "RestartAsked",
    "SettingsChanged",
    "StartAsked",
    "StateImported",
    "StopAsked",
    "StreamKey",
    "StreamRecord",
    "StreamSettings",
    "TimePassed",
    "Unpublished",
    "claim",
    "command_priority",
    "decide",
    "due_at",
    "phase",
]
