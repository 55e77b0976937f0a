"""Mistakes that somebody could make in the code, each as a patch: the simulation has to find every
one. A patch takes the place of the real rule and leaves it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from unittest import mock

from msgspec.structs import replace

from functions import on_demand, record_events
from functions.record_command import commands, schedules
from shared.engine import recorder, resync
from shared.engine.dispatcher import Dispatcher
from shared.engine.effect_handler import EffectHandler
from shared.engine.effects import Load, OnlineSnapshot, Steps, T, do
from shared.engine.recorder import Recorder
from shared.engine.schedule_planner import SchedulePlanner
from shared.engine.worker_lease import WorkerLease
from shared.inbound import function_compute, live_callbacks, live_events
from shared.inbound.request_errors import NotFound
from shared.invocation.invocation import Invocation
from shared.ledger import edges
from shared.ledger.edges import Edge, EdgeKind
from shared.outbound.wake import Wake
from shared.protocol import (
    Command,
    CommandSettled,
    Flight,
    Polled,
    Reason,
    StopAsked,
    StreamKey,
    StreamRecord,
)
from shared.protocol.command_errors import InDoubt, NeverSent
from shared.protocol.continuity import Continuity
from shared.protocol.events import OccurrencesPlanned, Published, Remarked, Unpublished
from shared.protocol.rules import command_result, command_retry, reassert, recording_status
from shared.protocol.rules import intent as intent_rules
from shared.protocol.rules import schedule as schedule_rules
from shared.protocol.rules import session as session_rules
from shared.protocol.rules.transition import Transition
from shared.protocol.state.command import IN_DOUBT_MS, Doubt
from shared.protocol.state.confirmation import Confirmation, StartSource
from shared.protocol.state.session import SessionState
from shared.schedule.schedule import StoredSchedule
from shared.store.contract import Conflict, Loaded, Save, Stored
from shared.store.store_errors import StoreUnavailable, Unreadable
from tests.simulation import fleet, memory
from tests.simulation.memory import MemoryStore, Row

decide = import_module(
    "shared.protocol.rules.decide"
)  # imported by name, since the package exports a function of this name
Patch = tuple[object, str, object]


@dataclass(frozen=True, slots=True)
class Bug:
    name: str
    patches: Callable[[], tuple[Patch, ...]]

    @contextmanager
    def put_in(self) -> Iterator[None]:
        with ExitStack() as stack:
            for where, what, instead in self.patches():
                stack.enter_context(mock.patch.object(where, what, instead))
            yield


# --- store and wire -----------------------------------------------------------------------------


def _send_before_save() -> tuple[Patch, ...]:
    real = EffectHandler._save

    def hasty(self: EffectHandler, save: Save) -> object:
        flight = save.if_slot.flight if save.if_slot else None
        if flight is not None:
            self._live.send(flight.command, save.key)
        return real(self, save)

    return ((EffectHandler, "_save", hasty),)


def _no_conflicts() -> tuple[Patch, ...]:
    real = MemoryStore.save_or_claim

    def overwrite(self: MemoryStore, save: Save) -> object:
        row = self.shared.rows.get(save.key)
        return real(self, replace(save, version=row.version if row else 0))

    return ((MemoryStore, "save_or_claim", overwrite),)


def _conflict_taken_for_saved() -> tuple[Patch, ...]:
    """Patch saves so that whoever saves second believes that its save was stored."""

    def after(step: Any, save: Save, saved: Any) -> object:  # noqa: ANN401 - as the real one
        return real(step, save, Stored(save.version) if isinstance(saved, Conflict) else saved)

    real = recorder._after
    return ((recorder, "Stored", Stored | Conflict), (recorder, "_after", after))


def _no_pace() -> tuple[Patch, ...]:
    def take(_self: MemoryStore, _name: str, _interval: float, *, now: int, wait: float) -> Any:  # noqa: ANN401 - as the real one
        return float(now), wait >= 0

    return ((MemoryStore, "_take_slot", take),)


def _nothing_due() -> tuple[Patch, ...]:
    return ((Row, "order", _newest_first), (MemoryStore, "take_due", lambda *_: ()))


def _newest_first(row: Row) -> tuple[int, int, int, Any]:
    return (row.command_priority, -row.priority, -row.since, row.record.key)


# --- flight, answers, doubt ---------------------------------------------------------------------


def _lease_ignored() -> tuple[Patch, ...]:
    real = decide._pass_time

    def hasty(transition: Transition) -> None:
        if transition.record.flight is not None:
            command_result.lapse(transition, transition.record.flight)
        real(transition)

    return ((decide, "_pass_time", hasty),)


def _doubt_dropped() -> tuple[Patch, ...]:
    return ((command_result, "doubt", lambda *_: None),)


def _doubt_too_short() -> tuple[Patch, ...]:
    real = command_result.doubt

    def short(transition: Transition, flight: Flight) -> None:
        real(transition, flight)
        early = tuple(
            Doubt(d.command, d.until - IN_DOUBT_MS * 9 // 10) for d in transition.record.doubts[-1:]
        )
        transition.change(doubts=(*transition.record.doubts[:-1], *early))

    return ((command_result, "doubt", short),)


def _anybodys_answer() -> tuple[Patch, ...]:
    real = command_result.settle

    def settle(transition: Transition, sent: CommandSettled) -> None:
        flight = transition.record.flight
        real(transition, replace(sent, flight=flight.id) if flight else sent)

    return ((command_result, "settle", settle),)


def _no_reassertion_of_a_stop() -> tuple[Patch, ...]:
    return ((reassert, "STARTS", ()), (recording_status, "_runs", _runs_without_echo))


def _runs_without_echo(transition: Transition, what: str, time: int | None) -> None:
    if transition.record.intent.wanted:
        recording_status._confirm(transition, what, time)


def _restart_again() -> tuple[Patch, ...]:
    real = command_result._restart

    def restart(transition: Transition, flight: Flight, answer: Any) -> None:  # noqa: ANN401 - as the real one
        real(transition, flight, answer)
        if isinstance(answer, InDoubt):
            command_retry.enqueue_retry(transition, flight, after=500)

    return ((command_result, "_MEANING", {**command_result._MEANING, Command.RESTART: restart}),)


def _adopted_unproved() -> tuple[Patch, ...]:
    return ((command_result, "_may_be_paused", lambda *_: False),)


def _full_engine_refuses_stops() -> tuple[Patch, ...]:
    return ((recorder, "ends_recording", lambda *_: False),)


def _wanted_is_forgotten() -> tuple[Patch, ...]:
    def is_at_rest(record: StreamRecord) -> bool:
        return record.pending is None and record.flight is None and not record.doubts

    return ((StreamRecord, "is_at_rest", property(is_at_rest)),)


# --- intents and sessions ------------------------------------------------------------------------


def _stop_not_sticky() -> tuple[Patch, ...]:
    return ((StreamRecord, "held_at", lambda *_: False),)


def _until_ignored() -> tuple[Patch, ...]:
    return ((intent_rules, "end_by_time", lambda *_: None),)


def _until_minutes_late() -> tuple[Patch, ...]:
    real = intent_rules.end_by_time

    def late(transition: Transition) -> None:
        until = transition.record.intent.until
        if until is not None and transition.now >= until + 120_000:
            real(transition)

    return ((intent_rules, "end_by_time", late),)


def _intent_outlives() -> tuple[Patch, ...]:
    return ((intent_rules, "end_with_session", lambda *_: None),)


def _ends_in_silence() -> tuple[Patch, ...]:
    real = intent_rules._end

    def end(transition: Transition, why: Reason, **fields: Any) -> None:  # noqa: ANN401 - as the real one
        real(transition, why, **(fields | {"send": False}))

    return ((intent_rules, "_end", end),)


def _late_publish_done() -> tuple[Patch, ...]:
    def unpublished(transition: Transition, _happening: Unpublished) -> None:
        session = transition.record.session
        if session is not None and session.state is SessionState.LIVE:
            session_rules._mark_ending(transition, Reason.UNPUBLISHED)

    return ((session_rules, "unpublished", unpublished),)


def _publish_done_believed() -> tuple[Patch, ...]:
    """Patch the end of a session so that a publish_done counts without a poll."""
    real = session_rules.unpublished

    def unpublished(transition: Transition, event: Unpublished) -> None:
        real(transition, event)
        session = transition.record.session
        if session is not None and session.state is SessionState.ENDING:
            session_rules._end(transition)

    return ((session_rules, "unpublished", unpublished),)


def _publish_twice() -> tuple[Patch, ...]:
    real = session_rules.published

    def published(transition: Transition, event: Published) -> None:
        session = transition.record.session
        if session is not None and session.time == event.time:
            session_rules._open(transition, Reason.PUBLISHED, time=event.time)
        else:
            real(transition, event)

    return ((session_rules, "published", published),)


def _refusals_never_healed() -> tuple[Patch, ...]:
    """Patch resync to find no differences, so that nothing replaces a callback that was refused
    with 429."""
    return ((resync, "_differences", lambda _snapshot: ()),)


def _unmanaged_stopped() -> tuple[Patch, ...]:
    real = recording_status._runs

    def runs(transition: Transition, what: str, time: int | None) -> None:
        real(transition, what, time)
        if not transition.record.intent.wanted:
            transition.enqueue_if_idle(Command.STOP, Reason.UNMANAGED)

    return ((recording_status, "_runs", runs),)


def _older_commands_kept() -> tuple[Patch, ...]:
    """Patch new intents to keep the pending command of an older one; only the claim refuses it."""
    real = Transition.new_intent

    def new_intent(self: Transition, **fields: Any) -> None:  # noqa: ANN401 - as the real one
        before = self.record.pending
        real(self, **fields)
        self.change(pending=before)

    return ((Transition, "new_intent", new_intent),)


# --- the inbound edge ---------------------------------------------------------------------------


def _unproved_believed() -> tuple[Patch, ...]:
    return ((live_callbacks, "verify", lambda *_, **__: None),)


def _stack_trace() -> tuple[Patch, ...]:
    def of_record(payload: Any, _streaming: Any) -> object:  # noqa: ANN401 - as the real one
        return {"record_started": None}[payload.state.value]

    return ((live_events, "of_record", of_record),)


def _paths_unchecked() -> tuple[Patch, ...]:
    return ((live_callbacks, "verify_path_token", lambda *_: None),)


def _recordings_unproved() -> tuple[Patch, ...]:
    parse = live_callbacks.parse_record_event
    return ((record_events, "prove", lambda _invocation, request: parse(request.body)),)


# --- functions and engine -----------------------------------------------------------------------


def _asks_unanswered() -> tuple[Patch, ...]:
    """Patch on_demand to answer 404 for an unknown stream. Live takes any answer but 200 as: do not
    record."""

    def respond(invocation: Invocation, request: function_compute.Request) -> object:
        ask = live_callbacks.parse_on_demand(request.query)
        loaded = invocation.app.store.load(StreamKey(ask.domain, ask.app, ask.stream))
        if loaded.version == 0:
            raise NotFound("a stream that nobody has heard of")
        return real(invocation, request)

    real = on_demand.respond
    return ((fleet, "_FUNCTIONS", {**fleet._FUNCTIONS, "on_demand": (respond, *_REST)}),)


_REST = fleet._FUNCTIONS["on_demand"][1:]


def _ask_withholds_the_start() -> tuple[Patch, ...]:
    """Patch on_demand so that an ask counts as a start of the session to come, as in release
    0.2."""

    def answered(invocation: Invocation, key: StreamKey, before: Any) -> object:  # noqa: ANN401 - as the real one
        answer = real_decide(invocation, key, before)
        if answer.need_record:
            asked = Remarked(is_exception=False, what="asked")
            invocation.handle(key, asked, recorder.HandlingOptions(may_send=lambda: False))
        return answer

    def remarked(transition: Transition, event: Remarked) -> None:
        number, source = transition.record.session_number + 1, StartSource.ON_DEMAND
        if event.what == "asked":
            transition.change(confirmation=Confirmation(number, transition.now, source))
        else:
            real_remarked(transition, event)

    real_decide, real_remarked = on_demand._decide, recording_status.remarked
    return ((on_demand, "_decide", answered), (recording_status, "remarked", remarked))


def _pauses_overlooked() -> tuple[Patch, ...]:
    """Patch the record to call a stream recorded whatever Live has reported since it was shown to
    be."""

    def goes_on(record: StreamRecord) -> bool:
        return record.is_started and record.is_live

    return ((StreamRecord, "_goes_on", property(goes_on)),)


def _hold_lost() -> tuple[Patch, ...]:
    return ((commands, "StopAsked", lambda who, **body: StopAsked(who, **(body | {"hold": 1}))),)


def _timer_only_drains() -> tuple[Patch, ...]:
    nothing = lambda *_, **__: 0  # noqa: E731 - twice below
    return ((Invocation, "resync", nothing), (Invocation, "replay_undelivered", nothing))


def _left_to_the_timer() -> tuple[Patch, ...]:
    def handle(self: Invocation, *about: Any) -> object:  # noqa: ANN401 - as the real one
        return self._run(self.app.recorder.handle(*about))

    return ((Invocation, "handle", handle),)


def _checks_left_to_the_timer() -> tuple[Patch, ...]:
    """Patch wake-up calls so that only a pending command, and no due check, wakes a reconcile."""

    def waits(self: recorder.HandleResult) -> bool:
        pending = self.record.pending
        return pending is not None and pending.not_before - self.now <= recorder.SOON_MS

    return ((recorder.HandleResult, "waits", property(waits)),)


def _nobody_woken() -> tuple[Patch, ...]:
    return ((WorkerLease, "may_wake_one", lambda *_: False),)


def _wakes_nobody() -> tuple[Patch, ...]:
    return ((Wake, "__call__", lambda _self: None),)


def _drains_nothing() -> tuple[Patch, ...]:
    return ((Dispatcher, "_drain_while_due", lambda _self: 0),)


def _doubt_taken_for_unsent() -> tuple[Patch, ...]:
    real = EffectHandler._sent_in

    def sent(self: EffectHandler, *about: Any) -> object:  # noqa: ANN401 - as the real one
        answer = real(self, *about)
        return NeverSent() if isinstance(answer, InDoubt) else answer

    return ((EffectHandler, "_sent_in", sent),)


def _failed_query_is_absence() -> tuple[Patch, ...]:
    """Patch queries so that a failed one counts as "no such stream is online"."""
    real_look, real_list = EffectHandler._query_online, EffectHandler._list

    def looked(self: EffectHandler, key: StreamKey, asked_at: int) -> object:
        return real_look(self, key, asked_at) or Polled(None, asked_at)

    def listed(self: EffectHandler, domain: str) -> object:
        watched, asked_at = self._store.watched(domain), self._store.now()
        return real_list(self, domain) or OnlineSnapshot(asked_at, {}, watched)

    return ((EffectHandler, "_query_online", looked), (EffectHandler, "_list", listed))


# --- what cannot be read, and what cannot be stored -----------------------------------------------


def _one_stops_all() -> tuple[Patch, ...]:
    def alone(_self: Recorder, _key: StreamKey, steps: Steps[T], *, is_due: bool) -> Steps[T]:
        return (yield from steps)

    return ((Recorder, "_alone", alone),)


def _unreadable_unstoppable() -> tuple[Patch, ...]:
    def load(_self: Recorder, key: StreamKey, _event: object) -> Steps[Loaded]:
        loaded = yield from do(Load(key))
        if isinstance(loaded, Unreadable):
            raise loaded
        return loaded

    return ((Recorder, "_load", load),)


def _unreadable_started_anew() -> tuple[Patch, ...]:
    """Patch loading so that a record that cannot be read counts as that of an unknown stream."""

    def load(_self: Recorder, key: StreamKey, _event: object) -> Steps[Loaded]:
        loaded = yield from do(Load(key))
        if isinstance(loaded, Unreadable):
            return Loaded(StreamRecord(key), loaded.version, loaded.now)
        return loaded

    return ((Recorder, "_load", load),)


def _text_as_it_came() -> tuple[Patch, ...]:
    return ((live_callbacks, "storable", lambda text: text),)


# --- a store that moves in time, forgets or refuses ---------------------------------------------


def _slots_of_the_time_that_was() -> tuple[Patch, ...]:
    return ((memory, "furthest_slot_ms", lambda _interval: float("inf")),)


def _times_left_ahead() -> tuple[Patch, ...]:
    same = lambda record, _now, _settings: record  # noqa: E731 - twice below
    return ((decide, "within_reach", same), (recorder, "within_reach", same))


def _emptied_taken_for_new() -> tuple[Patch, ...]:
    return ((Continuity, "may_miss_records", lambda _self, _began: False),)


def _refused_taken_for_stored() -> tuple[Patch, ...]:
    real = EffectHandler._save

    def saved(self: EffectHandler, save: Save) -> object:
        try:
            return real(self, save)
        except StoreUnavailable:
            return Stored(save.version + 1)

    return ((EffectHandler, "_save", saved),)


# --- schedules ------------------------------------------------------------------------------------


def _begun_is_forgotten() -> tuple[Patch, ...]:
    """Patch plans so that what has begun is planned again."""
    real = schedule_rules.plan

    def plan(transition: Transition, event: OccurrencesPlanned) -> None:
        ours = [one for one in transition.record.begun if one.schedule != event.schedule]
        transition.change(begun=tuple(ours))
        real(transition, event)

    return ((schedule_rules, "plan", plan),)


def _deleted_is_not_taken_out() -> tuple[Patch, ...]:
    real = SchedulePlanner._plan_streams

    def plan(self: SchedulePlanner, stored: StoredSchedule, *about: Any) -> bool:  # noqa: ANN401 - as the real one
        return stored.is_deleted or real(self, stored, *about)

    return ((SchedulePlanner, "_plan_streams", plan),)


def _skip_is_not_stored() -> tuple[Patch, ...]:
    answers = schedules._Answers(1, 1)
    return (
        (schedules, "_changed", lambda *_, **__: None),
        (schedules, "_tell", lambda *_: answers),
    )


def _takes_part_in_no_pattern() -> tuple[Patch, ...]:
    return ((schedule_rules, "follow", lambda _transition: None),)


def _planned_by_the_api_alone() -> tuple[Patch, ...]:
    """Patch the timer's run so that it leaves what a killed request has not planned."""
    return ((Invocation, "tend_schedules", lambda _self: 0),)


# --- a stage that observed ------------------------------------------------------------------------


def _observed_stop_forgotten() -> tuple[Patch, ...]:
    return ((decide, "_send_observed_stop", lambda _transition: None),)


# --- an account that is kept badly ----------------------------------------------------------------


def _no_edges_of(kind: EdgeKind) -> Callable[[], tuple[Patch, ...]]:
    real = edges.edges_between

    def found(*about: Any) -> tuple[Edge, ...]:  # noqa: ANN401 - as the real one
        return tuple(edge for edge in real(*about) if edge.kind is not kind)

    return lambda: ((recorder, "edges_between", found),)


def _wanted_taken_for_recorded() -> tuple[Patch, ...]:
    return ((edges, "is_taken_as_recorded", lambda record, _now: record.intent.wanted),)


BUGS: Mapping[str, Bug] = {
    bug.name: bug
    for bug in (
        Bug("a command is sent before it is saved", _send_before_save),
        Bug("the lease of a command is ignored", _lease_ignored),
        Bug("the publish_done of an earlier session ends the present one", _late_publish_done),
        Bug("a command in doubt is forgotten", _doubt_dropped),
        Bug("an answer counts for whichever command is in flight", _anybodys_answer),
        Bug("policy starts a stream in spite of a stop", _stop_not_sticky),
        Bug("a restart in doubt is sent again", _restart_again),
        Bug("the online list is not compared with the records", _refusals_never_healed),
        Bug("no second stop follows a start in doubt", _no_reassertion_of_a_stop),
        Bug("a recording that may be paused is never checked", _adopted_unproved),
        Bug("the end that a request gave is ignored", _until_ignored),
        Bug("the end that a request gave comes two minutes late", _until_minutes_late),
        Bug("a repeated publish opens a session", _publish_twice),
        Bug("a save replaces a newer record", _no_conflicts),
        Bug("a save that met a newer record counts as done", _conflict_taken_for_saved),
        Bug("a publish_done ends the session without a poll", _publish_done_believed),
        Bug("an intent does not end with its session", _intent_outlives),
        Bug("the end of an intent sends no stop", _ends_in_silence),
        Bug("the rate limit is ignored", _no_pace),
        Bug("due records are never handled", _nothing_due),
        Bug("an unmanaged recording is stopped", _unmanaged_stopped),
        Bug("a pending command of an older intent stays", _older_commands_kept),
        Bug("callbacks are not verified", _unproved_believed),
        Bug("an unexpected status callback crashes the function", _stack_trace),
        Bug("a doubt ends after a tenth of its time", _doubt_too_short),
        Bug("path tokens are not verified", _paths_unchecked),
        Bug("recording callbacks are not verified", _recordings_unproved),
        Bug("the on-demand callback of an unknown stream is answered 404", _asks_unanswered),
        Bug("an unsigned on-demand callback prevents the start", _ask_withholds_the_start),
        Bug("a reported pause is ignored", _pauses_overlooked),
        Bug("a stop holds policy back for 1 ms only", _hold_lost),
        Bug("the timer only sends due commands", _timer_only_drains),
        Bug("due records wait for the timer", _left_to_the_timer),
        Bug("due checks wait for the timer", _checks_left_to_the_timer),
        Bug("no function may send a wake-up call", _nobody_woken),
        Bug("wake-up calls are not sent", _wakes_nobody),
        Bug("reconcile handles no due record", _drains_nothing),
        Bug("a command without an answer counts as never sent", _doubt_taken_for_unsent),
        Bug("a failed poll counts as a stream that is offline", _failed_query_is_absence),
        Bug("one record that cannot be handled stops the run", _one_stops_all),
        Bug("a stream whose record cannot be read cannot be stopped", _unreadable_unstoppable),
        Bug("a record that cannot be read counts as no record", _unreadable_started_anew),
        Bug("invalid text of a callback is stored unchanged", _text_as_it_came),
        Bug(
            "after the clock is set back, slots wait for the earlier time",
            _slots_of_the_time_that_was,
        ),
        Bug("after the clock is set back, stored times stay in the future", _times_left_ahead),
        Bug("an emptied store counts as a new one", _emptied_taken_for_new),
        Bug("a write that the store refused counts as stored", _refused_taken_for_stored),
        Bug("a full store refuses stops", _full_engine_refuses_stops),
        Bug("the record of a wanted stream is deleted", _wanted_is_forgotten),
        Bug("a stop that was withheld while observing is never sent", _observed_stop_forgotten),
        Bug("the coverage has no pauses", _no_edges_of(EdgeKind.NOT_RECORDED)),
        Bug("the coverage has no causes of gaps", _no_edges_of(EdgeKind.CAUSE)),
        Bug("the coverage has no ends of sessions", _no_edges_of(EdgeKind.OFF)),
        Bug("the coverage counts wanted time as recorded", _wanted_taken_for_recorded),
        Bug("an occurrence that has begun is planned again", _begun_is_forgotten),
        Bug("a deleted schedule still plans occurrences", _deleted_is_not_taken_out),
        Bug("a skip is not stored", _skip_is_not_stored),
        Bug("the timer plans no occurrences", _planned_by_the_api_alone),
    )
}
OF_PATTERNS = Bug("no stream takes part in a pattern", _takes_part_in_no_pattern)
"""Only a run with `--patterns` can show it."""
