"""One stream inside Live: who publishes it, what the recorder knows of it, and its task."""

from __future__ import annotations

from dataclasses import dataclass

from .agenda import Agenda
from .switches import Switches, WhenPaused
from .task import PENDING, State, Task, Witness
from .terms import Config, OnDemand, Stream

STARTED = "TaskAlreadyStarted"
NOT_FOUND = "StreamNotFound"
NO_CONFIG = "CodeConfigNotFound"


@dataclass(slots=True, eq=False)
class Session:
    """One connection of an encoder. The configuration and the callback keys are those of the
    push: changes take effect only after re-push (live.md §3, §6)."""

    start: int
    config: Config | None
    stream_key: str
    record_key: str
    end: int | None = None
    announced: bool = False
    dying: bool = False
    on_demand: bool | None = None


class Channel:
    """A stream's sessions and its recording task; every command returns an error code, "" for
    200."""

    __slots__ = (
        "_switches",
        "broken",
        "latest",
        "seen",
        "sessions",
        "shown",
        "stopped",
        "stream",
        "task",
        "witness",
    )

    def __init__(
        self, stream: Stream, agenda: Agenda, switches: Switches, witness: Witness
    ) -> None:
        self.stream = stream
        self.task = Task(stream, agenda, witness)
        self.witness = witness
        self.sessions: list[Session] = []
        self.shown: list[Session] = []
        self.latest: Session | None = None
        self.seen: Session | None = None
        self.stopped = False
        self.broken = ""
        self._switches = switches

    # --- what the recorder sees of the ingest

    def appeared(self, at: int, session: Session) -> None:
        """Let the recorder notice an ingest: an automatic recording begins or goes on.

        A manual one does not restart (live.md §6), unless `resumes_after_interruption` is set.
        """
        if session.end is not None or self.seen is not None:
            return
        self.seen = session
        if self.task.state is State.INTERRUPTED and self._switches.resumes_after_interruption:
            self._resume(at, is_asked=False)
        else:
            self._record_by_itself(at, session)

    def vanished(self, at: int) -> None:
        """End the ingest: a running recording stops and its merge delay begins (live.md §6)."""
        self.seen = None
        if self.task.state is State.RECORDING:
            reports = self._switches.interruption_reports_pause
            self.task.pause(at, State.INTERRUPTED, reports=reports)

    def asked(self, at: int, session: Session, need_record: bool | None) -> None:
        """Apply the answer to the on-demand callback; None means failed or late.

        The effect of a failure is UNCONFIRMED (live.md §5).
        """
        failed = self._switches.on_demand_failure_records
        session.on_demand = failed if need_record is None else need_record
        if self.seen is session:
            self._record_by_itself(at, session)

    def _record_by_itself(self, at: int, session: Session) -> None:
        if not self._is_automatic(session):
            return
        if self.task.state is State.INTERRUPTED:
            self._resume(at)
        elif self.task.state is State.NONE:
            self._begin(at, session.config, automatic=True)

    def _is_automatic(self, session: Session) -> bool:
        config = session.config
        if config is None or (self.stopped and not self._switches.automatic_returns):
            return False
        return config.mode is OnDemand.AUTOMATIC or session.on_demand is True

    # --- the four commands, live.md §1.2

    def start(self, at: int, config: Config | None) -> str:
        """Start a recording; return the code of a 409 if it records already or the recorder does
        not know the stream, of a 400 without an effective configuration."""
        if self.seen is None:
            return NOT_FOUND
        if not self._commandable(config):
            return NO_CONFIG
        state = self.task.state
        if state is State.RECORDING:
            return STARTED
        if state in PENDING:
            return self._start_again(at, config, state)
        self._begin(at, config, automatic=False)
        return ""

    def stop(self, at: int, config: Config | None) -> str:
        """Pause the recording, an automatic one too, and return the error code; the file comes
        later."""
        refused = self._refused(config)
        if refused:
            return refused
        if self.task.state is State.INTERRUPTED:
            self.task.state = State.PAUSED  # its delay goes on
            self.stopped = True
            return ""
        if self.task.state is not State.RECORDING:
            return self._switches.out_of_order
        self.stopped = True
        self.task.pause(at, State.PAUSED)
        return ""

    def cancel_delay(self, at: int, config: Config | None) -> str:
        """End the merge delay after a stop: write the file and end the recording. Return the error
        code."""
        refused = self._refused(config)
        if refused:
            return refused
        if self.task.state not in PENDING:
            return self._switches.out_of_order
        self.task.close(at)
        return ""

    def restart(self, at: int, config: Config | None) -> str:
        """Begin a new recording and return the error code; a running one's file is written at
        once."""
        if self.seen is None:
            return NOT_FOUND
        if self._switches.config_guards_all and not self._commandable(config):
            return NO_CONFIG
        state = self.task.state
        if state is State.NONE and not self._switches.restart_before_start:
            return self._switches.out_of_order or "TaskNotStarted"
        if state is not State.NONE:
            dropped = state in PENDING and self._switches.restart_drops_paused_part
            self.task.close(at, leaves_file=not dropped)
        self._begin(at, config, automatic=False, reports=self._switches.restart_reports_start)
        return ""

    def _commandable(self, config: Config | None) -> bool:
        if config is None:
            return False
        return config.mode is not OnDemand.CALLBACK or self._switches.on_demand_commands

    def _refused(self, config: Config | None) -> str:
        if self.seen is None and self._switches.offline_is_not_found:
            return NOT_FOUND
        guarded = self.seen is not None and self._switches.config_guards_all
        return NO_CONFIG if guarded and not self._commandable(config) else ""

    def _start_again(self, at: int, config: Config | None, state: State) -> str:
        """Start within the merge delay. Which of three things happens is UNCONFIRMED (live.md §1.2,
        §6)."""
        stopped = state is State.PAUSED
        switches = self._switches
        how = switches.start_while_paused if stopped else switches.start_after_interruption
        if how is WhenPaused.ALREADY_STARTED:
            return STARTED
        if how is WhenPaused.RESUMES:
            self._resume(at)
            return ""
        self.task.close(at)
        self._begin(at, config, automatic=False)
        return ""

    def _begin(
        self, at: int, config: Config | None, *, automatic: bool, reports: bool = True
    ) -> None:
        self.stopped = False
        if self._works(at):
            self.task.begin(at, config or Config(), automatic=automatic, reports=reports)

    def _resume(self, at: int, *, is_asked: bool = True) -> None:
        self.stopped = False
        if self._works(at):
            as_start = self._switches.resume_reports_start
            told_as = "record_started" if as_start else "record_resumed"
            self.task.resume(at, told_as, is_asked=is_asked)

    def _works(self, at: int) -> bool:
        """Return False if an accepted start fails: with record_error, or silently (live.md §4)."""
        if self.broken and not self._switches.failed_start_is_silent:
            self.witness.event(at, self.stream, "record_error")
        return not self.broken
