"""One happening being decided: the record as it becomes, and what there is to say about it."""

from __future__ import annotations

from typing import Any

from shared.protocol.events import Terms
from shared.protocol.reason import Code, Note
from shared.protocol.state.command import Doubt, Owed
from shared.protocol.state.confirmation import How, Started
from shared.protocol.state.intent import Wish
from shared.protocol.state.recording import Recording
from shared.protocol.stream import Command
from shared.quick import replace

_ASKED = (Code.ASKED_START, Code.ASKED_AGAIN)


class Turn:
    """The few moves that every rule of the protocol is made of."""

    def __init__(self, record: Recording, now: int, terms: Terms) -> None:
        self.record = record
        self.now = now
        self.terms = terms
        self.notes: list[Note] = []
        self.look = False
        self.refused: Code | None = None

    def note(self, code: Code, /, **about: str | int) -> None:
        self.notes.append(Note(code, about))

    def change(self, **fields: Any) -> None:  # noqa: ANN401 - dataclasses.replace, in short
        self.record = replace(self.record, **fields)

    def change_session(self, **fields: Any) -> None:  # noqa: ANN401 - as change
        if self.record.session is not None:
            self.change(session=replace(self.record.session, **fields))

    def change_wish(self, **fields: Any) -> None:  # noqa: ANN401 - as change
        self.change(wish=replace(self.record.wish, **fields))

    def new_wish(self, **fields: Any) -> None:  # noqa: ANN401 - as change
        """Raise the generation. Whatever of the old wish was never claimed is cancelled with it."""
        wish = Wish(gen=self.record.wish.gen + 1, made_at=self.now, **fields)
        self.change(wish=wish, owed=None, started=None, failed=None)

    def owe(
        self,
        command: Command,
        why: Code,
        *,
        after: int = 0,
        attempts: int = 0,
        since: int | None = None,
    ) -> None:
        """The command is to go out, in `after` ms; who holds the flight goes first."""
        asked = self.now if since is None else since
        if self._withheld(command, why, asked):
            return
        if self.terms.observe:
            self.note(Code.OBSERVED, command=command.value, why=why.value)
            return
        gen, not_before = self.record.wish.gen, self.now + after
        self.change(owed=Owed(command, why, gen, asked, not_before, attempts))

    def owe_unless_owed(self, command: Command, why: Code) -> None:
        if self.record.owed is None:
            self.owe(command, why)

    def _withheld(self, command: Command, why: Code, asked: int) -> bool:
        """No start for a session that has ended, unless a person asked since."""
        owed, session = self.record.owed, self.record.session
        if command is not Command.START:
            return False
        if session and self.record.is_off and not (why in _ASKED and asked >= session.off_since):
            self.note(Code.WITHHELD)
            return True
        return owed is not None and owed.command is Command.RESTART  # it starts anew anyway

    def owe_wish(self, why: Code) -> None:
        """Send what the wish wants once more."""
        self.owe(Command.START if self.record.wish.wanted else Command.STOP, why)

    def confirm(self, started: Started, time: int | None) -> None:
        """Live says that it records, since `time` where it says so too. Where it does not, a late
        report of before a pause reads the same: one start tells, once no pause can last."""
        if started.how is How.ADOPTED and time is None:
            proof = replace(started, confirmed=True, check_at=self.pause_over_at, repeated=True)
        else:
            proof = replace(started, confirmed=True, check_at=None)
        self.change(started=proof)

    @property
    def pause_over_at(self) -> int:
        """When whatever may be paused now is written and over."""
        return self.record.paused_since + self.terms.merge_delay

    def is_unmanaged(self, doubt: Doubt) -> bool:
        """A restart that a person asked of a recording that is not ours to stop."""
        wish = self.record.wish
        return doubt.command is Command.RESTART and not wish.wanted and doubt.gen == wish.gen

    def may_still_land(self, *commands: Command, at: int | None = None) -> bool:
        """Or may have landed already: what Live says was so `at` that time may be its doing."""
        doubts = [doubt for doubt in self.record.doubts if doubt.command in commands]
        return any(doubt.may_explain(at) for doubt in doubts)
