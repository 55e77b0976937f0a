"""Judges a run while it goes on: whether what must always hold (docs/protocol.md,
docs/reliability.md) holds for what was stored, claimed and sent, by the truth about Live."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from shared.engine import counters
from shared.engine.counters import CallbackResult
from shared.engine.tally import STORED_EVERY_MS
from shared.outbound.live import LEASE_MS
from shared.outbound.relay import Kind
from shared.protocol import (
    Accepted,
    Command,
    Flight,
    IfNotLive,
    Phase,
    Reason,
    StreamKey,
    StreamRecord,
    StreamSettings,
)
from shared.protocol.command_errors import AlreadyStarted, LiveError
from shared.protocol.derived.standing import standing
from shared.protocol.events import StartAsked, StopAsked
from shared.protocol.policy import Mode, OnInterruption
from shared.protocol.state.intent import Requester
from shared.protocol.state.invariants import broken
from shared.protocol.state.session import Session, SessionState
from shared.store.contract import Claimed, Save, Stored
from tests.simulation.replays import judge_replay
from tests.simulation.requests import REPLAYED
from tests.simulation.stream_watch import Broken, Watch
from tests.simulation.world import Answer, Callback, OnDemand, SecondPublisher, Stream

if TYPE_CHECKING:
    from tests.simulation.fleet import Process
    from tests.simulation.simulation import Simulation

RATE = 45.0
"""Commands a second that the rate limit allows."""
SLOT_WAIT_MS = 250
"""ms that a slot lies ahead at most. After a step of the clock, the slots of this time may be given
again."""
NEVER = -(1 << 62)
SOON = 2_000
LEARNT = 90_000
STOPPED = 75_000
CHECKED = 15_000
"""A check that is due in fewer ms must not wait for the timer."""
TOGETHER_MS = 5_000
MODE_KNOWN_MS = 45_000
"""ms after which every instance knows the mode: it reads the policy every 10 s, and a fault may
strike each time."""
OLDER_PAUSE_MS = 30_000
"""ms within which a stream dropped, came back and dropped again, for its pauses to be mixed up."""
REPORTED_LATE = 60_000
"""ms by which a report may be late when it is read."""
_COUNTED = {counters.callbacks(kind.value, result) for kind in Kind for result in CallbackResult}
_ASKED = (Reason.ASKED_STOP, Reason.ASKED_RESTART, Reason.ASKED_CANCEL_DELAY)
_LEARNT = (Reason.ASKED_START, Reason.RULE_RECORDS, Reason.PUBLISHED, Reason.SEEN_ONLINE)
_ASKED_START = (Reason.ASKED_START, Reason.ASKED_AGAIN)


class Judge:
    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.troubled_at = 0
        """When a fault last struck that may delay what is due."""
        self.claimed: set[str] = set()
        self.on_wire: set[str] = set()
        self._yes: dict[str, Process] = {}
        """By flight: the process that got Live's acceptance."""
        self._slot = 0.0
        self._stepped_at = self._jumped_at = NEVER
        self._leases: dict[str, float] = {}
        """By flight: the true time until which its holder may store the answer."""
        self._not_accepted = False
        self._sent_at: list[int] = []
        self._watches: dict[StreamKey, Watch] = {}
        self._lost_at: dict[StreamKey, int] = {}
        """By stream: when the store last lost a write."""
        self._observes, self._mode_changed_at = False, NEVER

    def watch(self, key: StreamKey) -> Watch:
        found = self._watches.get(key)
        if found is None:
            found = self._watches[key] = Watch(skewed=self.sim.clock.ahead != 0)
        return found

    # --- the store ------------------------------------------------------------------------------

    def before(self, key: StreamKey) -> StreamRecord:
        """Return the record that a save would replace, or a blank one if it cannot be read."""
        return StreamRecord(key) if key in self.sim.broken else self.sim.record(key)

    def replaced(self, process: Process, save: Save) -> None:
        """Raise Broken if anything but a person's stop replaced a record that cannot be read."""
        if not isinstance(process.request.asked, StopAsked) or not save.sets_aside:
            raise Broken("protocol", "an event other than a stop replaced an unreadable record")
        watch = self.watch(save.key)
        watch.published.clear()
        watch.accepted_live_since = None
        watch.troubled_at = self.sim.clock.now  # the next list shows the stream again

    def is_replaced(self, key: StreamKey, asked_at: int) -> None:
        """Raise Broken if a person could not stop a stream whose record cannot be read. A fail-over
        may lose the stop, and then that record is back."""
        is_lost = self._lost_at.get(key, NEVER) >= asked_at
        if key in self.sim.broken and self.troubled_at < asked_at - TOGETHER_MS and not is_lost:
            raise Broken("promise 4", "a stop was refused, as its record cannot be read")

    def _is_excused(self, key: StreamKey, since: int) -> bool:
        """Return True if what has been due for this stream since then may be late."""
        troubled_at = max(self.troubled_at, self.watch(key).troubled_at)
        return key in self.sim.broken or troubled_at >= since - TOGETHER_MS

    def saved(
        self, process: Process, before: StreamRecord, save: Save, saved: Claimed | Stored
    ) -> None:
        key = save.key
        after = self.sim.record(key)
        process.saves.append((before, after))
        self.sim.accounts.saved(before, after)
        self.sim.timetables.saved(before, after, save)
        if after.is_blank:
            self._forgotten(before)
            return
        self._judge_source(process, before, after)
        if after.intent.generation != before.intent.generation:
            self._new_intent(process, before, after)
        if after.intent.wanted and after.intent.until != before.intent.until and after.intent.until:
            at = max(after.intent.until, self.sim.clock.now) + STOPPED
            self.sim.clock.at(at, self._is_over, key, after.intent.until)
        asked_anew = any(entry.code is Reason.ASKED_AGAIN for entry in save.entries)
        known_live = before.session is not None and before.session.state is SessionState.LIVE
        here = before.session_number in (self.watch(key).accepted_in, before.intent.session)
        accepted_since = self.watch(key).accepted_live_since
        goes_on = self.sim.live.live_since(_stream(key)) == accepted_since
        if asked_anew and not (known_live and here) and not goes_on:
            self.watch(key).accepted_live_since = None
        self._bind(process, before, after)
        self._judge_late_news(process, before, after, save)
        flight = after.flight
        if isinstance(saved, Claimed) and flight is not None:
            self.claimed.add(flight.id)
            self._judge_slot(saved)
            self._judge_claim(process, before, after, flight)
        elif after.pending and after.pending is not before.pending:
            self._expect_claim(after)
        self._expect_check(before, after)
        if before.pending is not None and True in self._modes():
            self.watch(key).published.clear()  # what was withdrawn is sent once the stage acts
        not_held = [broken(after, observe=mode) for mode in self._modes()]
        if all(not_held):
            raise Broken("invariant", ", ".join(not_held[0]))
        self._judge_words(process, after)
        self.sim.story_of(process, before, after)

    def _modes(self) -> Collection[bool]:
        """Return for each mode that an instance may use now whether the stage only observes."""
        sim = self.sim
        if not sim.ever_observed:
            return (False,)
        copy = sim.store.get_policy()
        observes = copy is not None and _observes(copy.text)
        if observes != self._observes:
            self._observes, self._mode_changed_at = observes, sim.clock.now
        is_new = sim.clock.now < self._mode_changed_at + MODE_KNOWN_MS
        return (False, True) if is_new or sim.has_lost_writes else (observes,)

    def _judge_words(self, process: Process, record: StreamRecord) -> None:
        """Raise Broken if the record calls the stream recorded, and Live has not recorded it since
        that was last shown, or a report of a pause is overlooked."""
        said = standing(record, self.sim.clock(), StreamSettings())
        if said.phase is not Phase.RECORDING or said.shown_at is None:
            return
        stream, watch = _stream(record.key), self.watch(record.key)
        is_paused = _reports_pause(process, record.key) and not self.sim.live.is_recording(stream)
        if is_paused and not (watch.skewed or self._may_be_older_pause(stream)):
            raise Broken("protocol", "the stream counts as recorded, and Live reported a pause")
        shown_at = said.shown_at - self.sim.clock.ahead - REPORTED_LATE
        spans = [one for one in self.sim.live.intervals if one.stream == stream]
        believed = any(span.end is None or span.end >= shown_at for span in spans)
        if not (believed or watch.skewed or watch.misled or self._is_excused(record.key, shown_at)):
            raise Broken("protocol", "the stream counts as recorded, and lately it was not")

    def _may_be_older_pause(self, stream: Stream) -> bool:
        """Return True if Live's report of a pause may be about the interruption before the last:
        its reports have no time, and the stream had come back just before."""
        # interruption ── back, recorded ── the next interruption ── its pause is reported: now
        if self.sim.live.switches.status_time:
            return False
        of_stream = [one for one in self.sim.live.connections if one.stream == stream]
        changes = [at for one in of_stream for at in (one.start, one.end) if at is not None]
        return len([at for at in changes if at > self.sim.clock.now - OLDER_PAUSE_MS]) > 1

    def _forgotten(self, before: StreamRecord) -> None:
        """Raise Broken if the record was still needed; else forget what was remembered of it."""
        stream, live = _stream(before.key), self.sim.live
        if before.intent.wanted:
            raise Broken("promise 4", "a stream that is wanted was forgotten")
        watch = self.watch(before.key)
        if self._is_held(before.key, watch):
            raise Broken("promise 2", "a stop that holds was forgotten")
        if watch.ours and not watch.adrift and live.is_recording(stream):
            raise Broken("promise 2", "what is being recorded was forgotten")
        since = live.live_since(stream)
        if since is not None and since < self.sim.clock.now - LEARNT:
            raise Broken("protocol", "a live stream was forgotten")
        watch.accepted_live_since, watch.accepted_in = None, 0
        self.sim.lots.counts["stream forgotten"] += 1

    def refused_by_full_engine(self, process: Process, before: StreamRecord, save: Save) -> None:
        """Raise Broken if a full engine refuses a save that ends a recording."""
        flight = before.flight
        ends = flight is not None and flight.command in (Command.STOP, Command.CANCEL_DELAY)
        is_stop = isinstance(process.request.asked, StopAsked) and not process.saves
        if ends or is_stop:  # a later save may store the answer to a start
            raise Broken("promise 4", f"a full engine refused a stop of {save.key.stream}")

    def _bind(self, process: Process, before: StreamRecord, after: StreamRecord) -> None:
        """Note that the process that got Live's acceptance has stored it: from now on the intent
        belongs to the session that was live when the request arrived. An acceptance that no process
        got binds nothing, and neither does one whose lease another thread of the process found
        expired."""
        flight, watch, intent = before.flight, self.watch(after.key), before.intent
        settled = flight is not None and (after.flight is None or after.flight.id != flight.id)
        lapsed = bool(set(after.doubts) - set(before.doubts))
        if flight is None or not settled or lapsed or not self._heard_yes(process, flight):
            return
        resumes = intent.on_interruption is OnInterruption.RESUME
        first = watch.accepted_live_since is None or resumes
        if intent.generation == after.intent.generation and intent.wanted and first:
            watch.accepted_live_since = watch.live_since.get(flight.id)
            watch.accepted_in = after.session_number

    def _heard_yes(self, process: Process, flight: Flight) -> bool:
        told_again = process.request.sent
        if told_again is not None and told_again.flight == flight.id:
            return _is_yes(flight, told_again.answer)
        return self._yes.get(flight.id) is process

    def writes(self, process: Process, what: str) -> None:
        """Raise Broken if a request that proves nothing changes anything outside its process."""
        request = process.request
        if request.is_unproved:
            who = request.genuine or "on-demand callback"
            raise Broken("promise 6", f"a {who} changed something: {what}")

    def counts(self, process: Process, counts: Mapping[str, int]) -> None:
        """Raise Broken if callbacks, with or without proof, add a counter or make an instance write
        often. Anybody may send them, so they must neither fill a store nor keep it busy."""
        memory = process.assigned.instance.memory if process.assigned else {}
        if not counts.keys() <= _COUNTED:
            raise Broken("promise 6", f"a request named a counter: {sorted(counts)}")
        now, last = self.sim.clock.now, memory.get("counted", NEVER)
        if isinstance(last, int) and now - last < STORED_EVERY_MS:
            raise Broken("promise 6", "an instance counts more often than every 10 s")
        memory["counted"] = now

    def _judge_source(self, process: Process, before: StreamRecord, after: StreamRecord) -> None:
        self.writes(process, "save")
        if process.request.genuine == REPLAYED and len(process.saves) == 1:  # then it settles
            watch, runs = self.watch(after.key), self.sim.live.is_recording(_stream(after.key))
            watch.replayed = True
            judge_replay(before, after, self.sim.clock(), runs=runs, skewed=watch.skewed)

    def _new_intent(self, process: Process, before: StreamRecord, after: StreamRecord) -> None:
        intent, watch = after.intent, self.watch(after.key)
        if intent.generation < before.intent.generation:
            raise Broken("promise 4", "an intent was overwritten by an older one")
        if intent.reason is Reason.ASKED_STOP:
            asked = process.request.asked
            watch.held = True
            watch.held_until = None
            watch.held_live_since = None
            if isinstance(asked, StopAsked) and asked.hold_session:
                watch.held_live_since = self.sim.live.live_since(_stream(after.key))
            elif isinstance(asked, StopAsked):
                hold = 12 * 3_600_000 if asked.hold is None else asked.hold
                watch.held_until = intent.made_at + hold
        elif intent.reason is Reason.ASKED_START:
            watch.held = False
        elif intent.requester is Requester.POLICY and self._is_held(after.key, watch):
            raise Broken("promise 2", "policy made an intent while an explicit stop holds")
        elif intent.requester is Requester.POLICY and self._may_be_forgotten(after.key, watch):
            raise Broken("promise 2", "policy started a stream that may have been stopped before")
        elif intent.reason is Reason.SESSION_OVER:
            self._judge_end(process, before, after, watch)
        watch.accepted_live_since = None

    def _may_be_forgotten(self, key: StreamKey, watch: Watch) -> bool:
        since = watch.emptied_live_since
        if not self._not_accepted or since is None or watch.replayed or watch.skewed:
            return False
        beside = self.sim.live.switches.second_publisher is not SecondPublisher.REFUSED
        return not beside and self.sim.live.live_since(_stream(key)) == since

    def _is_held(self, key: StreamKey, watch: Watch) -> bool:
        if not watch.held:
            return False
        if watch.held_until is not None:
            watch.held = self.sim.clock() < watch.held_until  # a hold that is over stays over
            return watch.held
        if watch.replayed:  # the replay may have opened another session
            return False
        since = watch.held_live_since
        beside = self.sim.live.switches.second_publisher is not SecondPublisher.REFUSED
        return since is not None and not beside and self.sim.live.live_since(_stream(key)) == since

    def _judge_end(
        self, process: Process, before: StreamRecord, after: StreamRecord, watch: Watch
    ) -> None:
        """Raise Broken if an intent ended with a session that goes on or that it never belonged to.
        A scheduled show whose end has passed may end with any session."""
        since = watch.accepted_live_since
        beside = self.sim.live.switches.second_publisher is not SecondPublisher.REFUSED
        if beside or process.request.sent or watch.adrift or watch.skewed:
            return
        if since is None:
            if self.sim.plan.config.mode is OnDemand.CALLBACK:
                return  # Live recorded by our on-demand answer: no start was accepted
            if before.intent.requester is Requester.SCHEDULE:
                return
            raise Broken("protocol", "an intent ended with a session that it never belonged to")
        if self.sim.live.live_since(_stream(after.key)) == since:
            raise Broken("protocol", "an intent ended with a session that goes on")

    def _judge_late_news(
        self, process: Process, before: StreamRecord, after: StreamRecord, save: Save
    ) -> None:
        """Raise Broken if late news of a session that a later one has replaced was acted on."""
        request, session = process.request, before.session
        acted_on = any(entry.code is Reason.UNPUBLISHED for entry in save.entries)
        if request.function != "stream_events" or request.genuine or not acted_on:
            return
        if session is None or session.state is not SessionState.LIVE or after.session is None:
            return
        since = self.sim.live.live_since(_stream(after.key))
        time = int(str((request.fields or {}).get("time", 0))) * 1000
        known = since is not None and _is_of(session, since)
        # The latest connection may be seconds younger than the session, and not reported yet.
        late = since is not None and time < min(since, session.began) - TOGETHER_MS - 1_000
        if known and late and after.session.state is not SessionState.LIVE:
            raise Broken("protocol", "a publish_done of an older session was acted on")

    # --- claims ---------------------------------------------------------------------------------

    def _judge_slot(self, saved: Claimed) -> None:
        slot = self.sim.clock.now + saved.slot_in
        if slot < self._slot + 1000 / RATE - 1:
            raise Broken("promise 5", "two slots are nearer than the rate allows")
        self._slot = slot
        flight = saved.record.flight
        if flight is not None:
            self._leases[flight.id] = slot + flight.lease_until - flight.sent_at

    def _judge_claim(
        self, process: Process, before: StreamRecord, after: StreamRecord, flight: Flight
    ) -> None:
        command, watch = flight.command, self.watch(after.key)
        if False not in self._modes():
            raise Broken("protocol", f"a {command.value} was claimed while the stage observes")
        holder = before.flight
        if (
            holder
            and self.sim.clock.now < self._leases.get(holder.id, 0) - 1
            and not self._has_stepped_since(holder)
            and not self._settles(process, holder)
        ):
            raise Broken(
                "protocol", f"a {command.value} was claimed while another holds the flight"
            )
        if after.intent.generation == 0 and flight.reason not in _ASKED:
            raise Broken("promise 8", f"a {command.value} for an unmanaged recording")
        if command is Command.START:
            self._judge_start(after, flight, watch)
        elif command is Command.RESTART:
            self._judge_restart(after, flight)
        elif after.intent.wanted:
            raise Broken("promise 2", f"a {command.value} was claimed against the intent")
        elif command is Command.STOP:
            watch.stop_claimed_at = self.sim.clock.now

    def _has_stepped_since(self, holder: Flight) -> bool:
        """Return True if the store's clock has stepped since the flight got its lease, which ends
        by that clock."""
        return self._leases.get(holder.id, 0) - LEASE_MS <= self._stepped_at + SLOT_WAIT_MS

    @staticmethod
    def _settles(process: Process, holder: Flight) -> bool:
        heard = process.request.sent
        return holder.id in process.holds or (heard is not None and heard.flight == holder.id)

    def _judge_start(self, after: StreamRecord, flight: Flight, watch: Watch) -> None:
        if not after.intent.wanted:
            raise Broken("promise 2", "a start was claimed that nobody wants")
        session = after.session
        over = session is not None and session.state is SessionState.ENDED
        if over and flight.reason not in _ASKED_START:
            raise Broken("protocol", "a start was claimed for a session that is over")
        is_dated = session is not None and session.time is not None and not watch.skewed
        if flight.reason is Reason.PUBLISHED and is_dated:
            assert session is not None
            assert session.time is not None
            since = watch.published.setdefault(session.time, flight.since)
            if since != flight.since:
                raise Broken("protocol", "one publish, reported twice, was started twice")

    @staticmethod
    def _judge_restart(after: StreamRecord, flight: Flight) -> None:
        if flight.reason is not Reason.ASKED_RESTART and not after.intent.wanted:
            raise Broken("promise 2", "a restart of our own was claimed that nobody wants")

    def _expect_claim(self, after: StreamRecord) -> None:
        """Expect that a pending start is claimed within 2 s and its turn, unless a fault
        strikes."""
        pending, now = after.pending, self.sim.clock.now
        if (
            pending is None
            or pending.over_quota
            or pending.attempts
            or pending.reason not in _LEARNT
        ):
            return
        turn_ms = self._slot_ahead(after.key) + 1000 * len(self._watches) / RATE
        at = now + SOON + turn_ms
        due_by = self.sim.clock()
        self.sim.clock.at(at, self._is_claimed, after.key, pending.since, now, due_by)

    def _slot_ahead(self, key: StreamKey) -> float:
        """Return how far ahead (ms) the first slot lies after a step of the clock, however long ago
        the step was: slots that were given before a step back are not given again."""
        # a slot ── the clock is set back ── no command for minutes ── a start: now ── first slot
        return self.sim.store.rate_limit_use().ahead if self.watch(key).skewed else 0.0

    def _expect_check(self, before: StreamRecord, after: StreamRecord) -> None:
        """Expect that a start is checked when that is due, unless a fault strikes: whoever made the
        check due has woken a reconcile."""
        known, check_at = _check_at(before), _check_at(after)
        if check_at is None or check_at == known or check_at > self.sim.clock() + CHECKED:
            return
        late, now = max(check_at - self.sim.clock(), 0) + 2 * SOON, self.sim.clock.now
        self.sim.clock.at(now + late, self._is_checked, after.key, check_at, now)

    def _is_checked(self, key: StreamKey, check_at: int, made_at: int) -> None:
        record = self.sim.record(key)
        is_due = record.intent.wanted and record.is_started and not record.is_off
        if is_due and _check_at(record) == check_at and not self._is_excused(key, made_at):
            raise Broken("promise 1", "a start was not checked in time")

    def _is_claimed(self, key: StreamKey, since: int, asked_at: int, due_by: int) -> None:
        record = self.sim.record(key)
        pending = record.pending
        still = (
            pending is not None
            and pending.since == since
            and not pending.attempts
            and not pending.over_quota
        )
        late = still and record.flight is None and pending and pending.not_before <= due_by
        if late and not self._is_excused(key, asked_at):
            raise Broken("promise 1", "a pending start was not claimed in time")

    def _is_over(self, key: StreamKey, until: int) -> None:
        """Raise Broken if 75 s after `until` no stop has been decided, unless a fault has struck
        since `until`."""
        still_ms = until + STOPPED - self.sim.clock()
        if still_ms > 0:  # the store's clock was set back
            self.sim.clock.after(still_ms, self._is_over, key, until)
            return
        intent = self.sim.record(key).intent
        if intent.wanted and intent.until == until and not self._is_excused(key, until):
            raise Broken("promise 3", "75 s after `until`, no stop was claimed")

    # --- the wire -------------------------------------------------------------------------------

    def sent_unclaimed(self, command: Command) -> None:
        raise Broken("protocol", f"a {command.value} was sent before it was saved")

    def sent(self, flight: Flight) -> None:
        if flight.id not in self.claimed:
            raise Broken("protocol", f"a {flight.command.value} was sent before it was saved")
        if flight.id in self.on_wire:
            raise Broken("protocol", f"one claim, and its {flight.command.value} was sent twice")
        self.on_wire.add(flight.id)
        self.sim.commands += 1
        self._judge_rate()

    def _judge_rate(self) -> None:
        """Raise Broken if more commands were sent in a second than Live takes: 45 slots, each up to
        100 ms late, are never more than 50."""
        now = self.sim.clock.now
        self._sent_at = [at for at in self._sent_at if at > now - 1000] + [now]
        is_after_a_jump = now - self._jumped_at < 1000 + SLOT_WAIT_MS
        again = RATE * SLOT_WAIT_MS / 1000 + 1 if is_after_a_jump else 0
        if len(self._sent_at) > 51 + again:
            raise Broken("promise 5", "more commands in one second than Live takes")

    def arrived(self, key: StreamKey, flight: Flight, answer: Answer | None) -> None:
        """Note whose the recording is from now on."""
        watch, acted = self.watch(key), self.sim.live.arrived[-1].acted
        if acted and flight.command is Command.RESTART:
            self._restarted(watch, flight)
        said = answer.code if answer else ""
        if flight.command is Command.STOP:
            watch.adrift = not acted and (watch.adrift or said == "CodeConfigNotFound")
        yes = answer is not None and said in ("", "TaskAlreadyStarted")
        if flight.command is Command.START and (acted or yes):
            watch.ours = True
        if acted and flight.command in (Command.START, Command.RESTART):
            watch.misled = not self.sim.live.is_recording(_stream(key))  # accepted, but not done
        if yes and flight.command in (Command.START, Command.RESTART):
            watch.live_since[flight.id] = self.sim.live.live_since(_stream(key))

    def heard(self, process: Process, flight: Flight, answer: Accepted | LiveError) -> None:
        if _is_yes(flight, answer):
            self._yes[flight.id] = process

    def _restarted(self, watch: Watch, flight: Flight) -> None:
        """Raise Broken if more restarts were done than asked for. One restart counts once, however
        often its request arrives."""
        if flight.reason is not Reason.ASKED_RESTART or flight.id in watch.restarted:
            return
        watch.restarted.add(flight.id)
        if len(watch.restarted) > watch.restarts:
            raise Broken("promise 4", "a restart was done more often than it was asked for")

    def refused(self, key: StreamKey, flight: Flight) -> None:
        """Note that Live refused a command with an unknown code: a stop then counts as done
        (docs/errors.md)."""
        if flight.command is Command.STOP:
            self.watch(key).adrift = True

    # --- callbacks and asks ---------------------------------------------------------------------

    def came(self, stream: Stream) -> None:
        """Expect that a stream that stays live is known within 90 s, whatever was lost."""
        since = self.sim.live.live_since(stream)
        if since is not None:
            self.sim.clock.at(self.sim.clock.now + LEARNT, self._is_known, stream, since)

    def _is_known(self, stream: Stream, since: int) -> None:
        if self.sim.live.live_since(stream) != since:
            return
        key = StreamKey(*stream)
        if self._is_excused(key, self.sim.clock.now - LEARNT):
            return
        session = self.sim.record(key).session
        if session is None or session.state is SessionState.ENDED:
            raise Broken("promise 1", "a live stream was not known of within 90 s")

    def delivered(self, callback: Callback) -> None:
        """Let a stranger capture the callback's signature."""
        self.sim.strangers.forger.overhears(callback)

    def asked(self, process: Process) -> None:
        """Raise Broken if a request that was answered with success is not stored."""
        request = process.request
        assert request.key is not None
        intents = [(before.intent, after.intent) for before, after in process.saves]
        if isinstance(request.asked, StopAsked):
            stored = any(
                b.generation < a.generation and a.reason is Reason.ASKED_STOP for b, a in intents
            )
            stored = stored or _repeats(process)
            if not stored:
                raise Broken("promise 4", "a stop was answered 2xx, and is not stored")
        if isinstance(request.asked, StartAsked):
            stored = any(a.wanted for _, a in intents) or _repeats(process)
            failed = request.asked.if_not_live is IfNotLive.FAIL
            if not stored and not failed:
                raise Broken("promise 4", "a start was answered 2xx, and is not stored")

    def restart_asked(self, key: StreamKey) -> None:
        self.watch(key).restarts += 1

    def clock_steps(self, by_ms: int) -> None:
        """Note a step of the clock. If it steps forward, the slots that lie ahead may be given
        again, once."""
        self._stepped_at = self.sim.clock.now
        now = self.sim.clock()  # by the clock before its step: a hold that is over stays over
        for watch in self._watches.values():
            watch.held = watch.held and (watch.held_until is None or now < watch.held_until)
        if by_ms > 0:
            self._jumped_at, self._slot = self.sim.clock.now, 0.0
        for watch in self._watches.values():
            watch.skewed = True

    def emptied(self, keys: set[StreamKey]) -> None:
        """Forget all promises but one: policy begins nothing for a stream that is live now and was
        a moment ago, since a publish may be sent with a later time than its own."""
        self.lost(keys)
        self._not_accepted = True
        for key in keys:
            watch, since = self.watch(key), self.sim.live.live_since(_stream(key))
            is_known = since is not None and since < self.sim.clock.now - TOGETHER_MS
            watch.held = False
            watch.emptied_live_since = since if is_known else None

    def accepted(self) -> None:
        self._not_accepted = False

    def lost(self, keys: set[StreamKey]) -> None:
        """Forget the promises of the writes that were lost."""
        self._slot = 0.0
        for key in keys:
            watch, intent = self.watch(key), self.sim.record(key).intent
            self._lost_at[key] = self.sim.clock.now
            watch.adrift = True
            watch.published.clear()
            watch.accepted_live_since = None
            watch.restarts += 1
            watch.held = (
                watch.held and intent.reason is Reason.ASKED_STOP and intent.held_until is not None
            )
            watch.held_until = intent.held_until


@lru_cache(maxsize=8)
def _observes(policy: str) -> bool:
    return bool(json.loads(policy).get("mode") == Mode.OBSERVE.value)


def _check_at(record: StreamRecord) -> int | None:
    return record.confirmation.check_at if record.confirmation else None


def _repeats(process: Process) -> bool:
    """Return True for a request with an idempotency key, which may repeat one and change
    nothing."""
    asked = process.request.asked
    return asked is not None and asked.idempotency_key is not None


def _reports_pause(process: Process, key: StreamKey) -> bool:
    """Return True if the request is Live's own report that it has paused this recording."""
    request = process.request
    is_pause = (request.fields or {}).get("event") == "record_paused"
    return is_pause and not request.genuine and request.key == key


def _is_of(session: Session, since: int) -> bool:
    return abs(session.began - since) <= TOGETHER_MS


def _is_yes(flight: Flight, answer: Accepted | LiveError) -> bool:
    """Return True if Live's answer to our start or restart means that it records this session."""
    already = flight.command is Command.START and isinstance(answer, AlreadyStarted)
    begins = flight.command in (Command.START, Command.RESTART)
    return already or (begins and isinstance(answer, Accepted))


def _stream(key: StreamKey) -> Stream:
    return Stream(key.domain, key.app, key.stream)
