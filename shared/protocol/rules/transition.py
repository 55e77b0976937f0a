"""One event being decided: the record as it changes, and the lines of history about it."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from shared.protocol.continuity import UNBROKEN, Continuity
from shared.protocol.events import StreamSettings
from shared.protocol.reason import HistoryEntry, Reason
from shared.protocol.state.command import Doubt, PendingCommand
from shared.protocol.state.confirmation import StopCheck
from shared.protocol.state.intent import Intent
from shared.protocol.state.recording import StreamRecord
from shared.protocol.stream import STARTS, Command

_ASKED = (Reason.ASKED_START, Reason.ASKED_AGAIN)


def noted(note: str) -> dict[str, str]:
    """Return a person's note as the details of a history entry; empty if there is no note."""
    return {"note": note} if note else {}


class Transition:
    """One event while it is decided: the record so far, the new history entries, and the changes
    that a rule can make."""

    def __init__(
        self,
        record: StreamRecord,
        now: int,
        settings: StreamSettings,
        continuity: Continuity = UNBROKEN,
    ) -> None:
        self.record = record
        self.now = now
        self.settings = settings
        self.continuity = continuity
        self.entries: list[HistoryEntry] = []
        self.query_online = False
        self.refused: Reason | None = None

    def add_entry(self, code: Reason, /, **about: str | int) -> None:
        self.entries.append(HistoryEntry(code, about))

    def change(self, **fields: Any) -> None:  # noqa: ANN401 - as in msgspec's replace
        self.record = replace(self.record, **fields)

    def change_session(self, **fields: Any) -> None:  # noqa: ANN401 - as change
        if self.record.session is not None:
            self.change(session=replace(self.record.session, **fields))

    def change_intent(self, **fields: Any) -> None:  # noqa: ANN401 - as change
        self.change(intent=replace(self.record.intent, **fields))

    def new_intent(self, **fields: Any) -> None:  # noqa: ANN401 - as change
        """Replace the intent by one of the next generation. Drop the pending command, the
        confirmation and the failure, which belong to the old intent. If the new intent wants a
        recording to end, await the recording's end."""
        intent = Intent(generation=self.record.intent.generation + 1, made_at=self.now, **fields)
        if intent.wanted:
            self.change(stop_check=None)
        elif self.record.may_be_recorded:
            self.await_end()
        self.change(intent=intent, pending=None, confirmation=None, failure=None)

    def await_end(self) -> None:
        """Expect something to show the end of a recording that a stop may have to end."""
        check = self.record.stop_check or StopCheck()
        reported = check.reported or self.record.has_report_of_recording
        self.change(stop_check=replace(check, reported=reported))

    def enqueue(  # noqa: PLR0913 - all that a pending command consists of
        self,
        command: Command,
        reason: Reason,
        *,
        after: int = 0,
        attempts: int = 0,
        since: int | None = None,
        who: str = "",
    ) -> None:
        """Make the command pending, due in `after` ms, in place of any pending one. It is sent once
        the command in flight is settled. `since`: when the command was first asked for; None means
        now. If the stage only observes, note the command in the history instead. A start is left
        out if its session has ended and no person has asked for it since, or if a restart is
        pending."""
        asked = self.now if since is None else since
        if self._withheld(command, reason, asked):
            return
        if self.settings.observe:
            self.observe(command, reason)
            return
        generation, not_before = self.record.intent.generation, self.now + after
        pending = PendingCommand(command, reason, generation, asked, not_before, attempts, who=who)
        self.change(pending=pending)

    def observe(self, command: Command, reason: Reason) -> None:
        """Record in the history a command that is not sent because the stage only observes. Also
        remember a stop, or a start after the session's first, so that it is sent when the stage
        acts again. The first start needs no such note, because it follows from the record."""
        self.add_entry(Reason.OBSERVED, command=command.value, reason=reason.value)
        confirmation, wanted = self.record.confirmation, self.record.intent.wanted
        if command is Command.STOP and not wanted:
            self.change_intent(unsent_stop=True)
        elif confirmation and wanted and command in STARTS and reason is not Reason.ASKED_RESTART:
            self.change(confirmation=replace(confirmation, unsent=reason))

    def enqueue_if_idle(self, command: Command, reason: Reason) -> None:
        if self.record.pending is None:
            self.enqueue(command, reason)

    def _withheld(self, command: Command, reason: Reason, asked: int) -> bool:
        """Return True if a start must not be queued: its session has ended and no person has asked
        since, or a pending restart will begin a recording as well. The history notes the first
        case."""
        pending, session = self.record.pending, self.record.session
        if command is not Command.START:
            return False
        if session and self.record.is_off and not (reason in _ASKED and asked >= session.off_since):
            self.add_entry(Reason.WITHHELD)
            return True
        return pending is not None and pending.command is Command.RESTART

    def is_unmanaged(self, doubt: Doubt) -> bool:
        """Return True if the command in doubt is a restart that a person requested for an unmanaged
        recording."""
        intent = self.record.intent
        return (
            doubt.command is Command.RESTART
            and not intent.wanted
            and doubt.generation == intent.generation
        )

    def may_still_land(self, *commands: Command, at: int | None = None) -> bool:
        """Return True if one of these commands is in doubt, so that it may still take effect. With
        `at`, return True only if it may have caused what Live reports for the time `at`."""
        doubts = [doubt for doubt in self.record.doubts if doubt.command in commands]
        return any(doubt.may_explain(at) for doubt in doubts)
