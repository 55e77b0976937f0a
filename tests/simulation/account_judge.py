"""Judges the account of each stream: the code must call live, wanted, recorded and missing what
Live and the store know as such, except where nobody could have known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from shared.config.policy_cache import file_reported
from shared.ledger.coverage import (
    START_GRACE_MS,
    TOLERANCE_MS,
    Coverage,
    Gap,
    coverage,
    listed_period,
)
from shared.ledger.spans import Span, common, merged, without
from shared.protocol import Reason, StreamKey, StreamRecord
from shared.protocol.derived.wrong import UNPROVED_MS
from shared.protocol.state.intent import Requester
from shared.protocol.stream import Command
from tests.simulation.plan import NOON, Do
from tests.simulation.stream_watch import Broken
from tests.simulation.world import Callback, Interval, Stream

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

EDGE_MS = 6_000
"""Most by which our time and Live's of one moment differ: TOGETHER_MS, and Live's whole seconds."""
LEARNT_MS = 130_000
"""ms until a change is known whose callback was lost: the next list and two more polls show it."""
LISTED_MS = 70_000
"""ms for which a list is believed: until the next minute's list, which may be late."""
ANNOUNCED_MS = 2_000
"""Live does not report a shorter connection."""
PROMPT_MS = START_GRACE_MS - 1_000
"""A report within this time of its event is not late."""
FILES_ROWS = 1_000
_BEGINNING = NOON - 60_000
_NO_CAUSES = (Reason.UNKNOWN, Reason.NEVER_ASKED, Reason.SENT, Reason.ACCEPTED, Reason.ALREADY)
_OPEN = (Reason.UNCONFIRMED, Reason.UNPROVED)
"""Causes that leave open whether there is a gap: nothing shows whether Live recorded."""
_BLIND = (Do.OUTAGE, Do.CROWDED, Do.NO_TIMER, Do.NO_CREDENTIALS, Do.REFUSING, Do.FULL)
"""While these last, no change can be detected or stored."""


class AccountJudge:
    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self._wanted: dict[StreamKey, list[tuple[int, bool]]] = defaultdict(list)
        self._unheard: dict[int, Callback] = {}
        self._last_heard: dict[StreamKey, int] = {}
        """By stream: the latest event whose callback was stored."""
        self._unknown: dict[StreamKey, list[Span]] = defaultdict(list)
        """Spans in which a change may be known late, or with a time of ours instead of its own."""
        self._due_at: dict[StreamKey, list[int]] = defaultdict(list)
        """The times at which a record said that its stream is wanted and live."""
        self._unproved_stops: dict[StreamKey, list[int]] = defaultdict(list)
        """The times at which Live refused a stop with an unknown code."""
        self._doubted_stops: dict[StreamKey, list[int]] = defaultdict(list)
        """The times at which a stop was sent whose answer was never stored."""
        self._told_at: dict[StreamKey, list[int]] = defaultdict(list)
        """The times of the stored reports in which Live said that it records."""
        self._counts_paused_since: dict[StreamKey, int] = {}
        """By stream: since when it counts as paused, and may not be: a late report of a pause,
        which has no time, counts as a new one; a stop that was never sent counts as done."""
        self._stalled = list[Span]()
        """Spans in which a reconcile stood still, until the next timer's has read the list."""
        self._lost: set[StreamKey] = set()
        self._clock_was_wrong = False

    # --- what happens ---------------------------------------------------------------------------

    def saved(self, before: StreamRecord, after: StreamRecord) -> None:
        key, now = after.key, self.sim.clock.now
        self._note_intent(before, after, now)
        if after.intent.wanted and after.is_live:
            self._due_at[key].append(now)
        if after.intent.wanted and before.intent.unsent_stop:
            self._counts_paused_since.setdefault(key, now)
        if after.is_recorded and key in self._counts_paused_since:  # Live has shown that it records
            self._unknown[key].append(Span(self._counts_paused_since.pop(key), now))
        is_same_session = after.session_number == before.session_number
        if after.may_have_ended and not is_same_session:
            # The new session is believed once a poll shows it; until then its time does not count.
            self._unknown[key].append(Span(min(self._began(after), now), now + LEARNT_MS))
        if not is_same_session:
            self._unknown[key] += self._over_unheard(after)
        if before.may_have_ended and after.is_live and is_same_session:
            self._unknown[key].append(Span(now, now + LISTED_MS))  # its end was told, the list late
        answer = after.answer
        if answer is not None and answer != before.answer and answer.reason is Reason.OVER_UNPROVED:
            self._unproved_stops[key].append(now)
        flight = before.flight
        if flight is not None and (after.flight is None or after.flight.id != flight.id):
            is_in_doubt = bool(set(after.doubts) - set(before.doubts))
            if is_in_doubt and flight.command is Command.STOP:
                self._doubted_stops[key].append(flight.sent_at)
            self._unknown[key].append(
                Span(flight.sent_at, now + UNPROVED_MS if is_in_doubt else now)
            )

    def _over_unheard(self, record: StreamRecord) -> Iterator[Span]:
        """Yield the time since the end of a session that had ended before its publish was reported.
        If the callback of its end is lost, the next list shows the end."""
        # connected ── end ── reported: now ── the list misses it
        session, now = record.session, self.sim.clock.now
        for one in self._connections_of(record.key):
            is_its = session is not None and abs(one.start - session.began) <= EDGE_MS
            if is_its and one.end and one.end < now - EDGE_MS:
                yield Span(one.end, now + LEARNT_MS)

    def _connections_of(self, key: StreamKey) -> list[Interval]:
        return [one for one in self.sim.live.connections if one.stream == _stream(key)]

    def _note_intent(self, before: StreamRecord, after: StreamRecord, now: int) -> None:
        if before.intent.wanted is after.intent.wanted:
            self._date_back(before, after)
            return
        at = min(now, after.intent.made_at)  # whoever decided it may have stood still since
        if after.intent.wanted and after.intent.requester is Requester.POLICY:
            at = self._rule_wants_since(before, after, now)
        self._wanted[after.key].append((at, after.intent.wanted))

    def _date_back(self, before: StreamRecord, after: StreamRecord) -> None:
        """Let a rule's intent begin with its session, once the time of a doubted publish is known.
        Until then, `_began` may know only a later connection."""
        # connected ── end ── reconnected ── the publish is doubted ── it is read back: now
        old, new, intent = before.session, after.session, after.intent
        if old is None or new is None or old.number != new.number:
            return
        is_dated = old.is_undated and not new.is_undated
        if is_dated and intent.wanted and intent.requester is Requester.POLICY:
            *earlier, (at, _) = self._wanted[after.key]
            latest = max((at for at, _ in earlier), default=0)
            self._wanted[after.key][-1] = (min(at, max(self._began(after), latest)), True)

    def _rule_wants_since(self, before: StreamRecord, after: StreamRecord, now: int) -> int:
        """Return the beginning of the session, or the end of a hold; or now, if the policy was
        changed while the session was known and no hold covered it."""
        # connected ── the rule ignores the session ── the policy is changed ── a poll: now
        began, held_until = self._began(after), before.intent.held_until or 0
        is_known = before.session_number == after.session_number and held_until <= began
        is_changed = any(
            deed.do is Do.POLICY and began < deed.at <= now for deed in self.sim.plan.deeds
        )
        if not (is_known and is_changed):
            return min(now, max(began, held_until))
        if not before.is_live:  # the publish was doubted: nobody knows which rule met the session
            self._unknown[after.key].append(Span(began, now))
        return now

    def _began(self, record: StreamRecord) -> int:
        """Return when the record's session began, which may be over. If no connection fits, return
        the latest connection: a late list may show a stream that has gone."""
        began = [one.start for one in self._connections_of(record.key)]
        session = record.session
        known = [at for at in began if session and abs(at - session.began) <= EDGE_MS]
        return (known or began or [self.sim.clock.now])[-1]

    def left(self, callback: Callback) -> None:
        """Note that a callback has left Live: until it is stored, its change may be unknown."""
        self._unheard.setdefault(callback.event, callback)

    def heard(self, callback: Callback) -> None:
        """Note that a callback was stored, and how long its change may have been unknown. A publish
        has a time of its own; a poll may have found an end before; a report has a time only with
        `status_time`."""
        first = self._unheard.pop(callback.event, None)
        if first is None:
            self._heard_again(callback)
            return
        key, now = StreamKey(*callback.stream), self.sim.clock.now
        if callback.kind in ("record_started", "record_resumed"):
            self._told_at[key].append(first.at)
        is_overtaken = callback.event < self._last_heard.get(key, 0)
        self._last_heard[key] = max(callback.event, self._last_heard.get(key, 0))
        if is_overtaken:
            self._unknown[key].append(Span(first.at, now + LEARNT_MS))
            if callback.kind == "record_paused" and not self.sim.live.switches.status_time:
                self._counts_paused_since.setdefault(key, now)
        elif callback.kind == "publish_done":
            # If the stream goes on, another encoder has taken over, and a poll has to show that.
            goes_on = self.sim.live.live_since(callback.stream) is not None
            learnt_at = now + LEARNT_MS if goes_on else min(now, first.at + LEARNT_MS)
            self._unknown[key].append(Span(first.at, learnt_at))
        elif callback.kind != "publish" and not self.sim.live.switches.status_time:
            self._unknown[key].append(Span(first.at, now))

    def _heard_again(self, callback: Callback) -> None:
        """Note that a report without a time was stored twice: the second seems to be a new one,
        until no pause can last any more and a start shows that."""
        if callback.kind.startswith("record_") and not self.sim.live.switches.status_time:
            now = self.sim.clock.now
            lasts_ms = self.sim.plan.merge_delay + LEARNT_MS
            self._unknown[StreamKey(*callback.stream)].append(Span(now, now + lasts_ms))

    def lost(self, keys: Iterable[StreamKey]) -> None:
        """Note that the store has lost its data of these streams."""
        self._lost.update(keys)

    def stands_still(self, ms: float) -> None:
        """Note that a reconcile stands still: meanwhile it does not store what a list has shown."""
        now = self.sim.clock.now
        self._stalled.append(Span(now, now + round(ms) + LISTED_MS))

    def clock_steps(self) -> None:
        self._clock_was_wrong = True

    # --- what is judged -------------------------------------------------------------------------

    def judge(self) -> None:
        for stream in self.sim.plan.streams:
            key = StreamKey(*stream)
            account = self._account_of(key)
            _judge_sums(account)
            if self._is_accountable(key):
                self._judge_truth(stream, key, account)

    def _account_of(self, key: StreamKey) -> Coverage:
        store, now = self.sim.store, self.sim.clock()
        within = Span(_BEGINNING, max(now, _BEGINNING))
        files, age_ms = store.files(key, FILES_ROWS), store.age_ms(file_reported(key))
        reported_at = None if age_ms is None else now - age_ms
        listed = listed_period(files, FILES_ROWS, kept_since=_BEGINNING, reported_at=reported_at)
        return coverage(store.edges(key), files, within, now, listed)

    def _is_accountable(self, key: StreamKey) -> bool:
        """Return False for a stream whose edges were lost, forged or noted by a wrong clock, and
        for one that two encoders published at once: its session may be that of either."""
        is_forged, is_lost = self.sim.judge.watch(key).replayed, key in self._lost
        is_lost = is_lost or str(key) in self.sim.ever_broken
        connections = self._connections_of(key)
        ends = [one.end for one in connections[:-1]]
        is_alone = all(
            end is not None and end <= following.start
            for end, following in zip(ends, connections[1:], strict=True)
        )
        return is_alone and not (is_lost or is_forged or self._clock_was_wrong)

    def _judge_truth(self, stream: Stream, key: StreamKey, account: Coverage) -> None:
        live, now = self.sim.live, self.sim.clock.now
        connected = _of(live.connections, stream, now)
        recorded = _of(live.intervals, stream, now)
        by_itself = _of(filter(self._is_by_itself, live.intervals), stream, now)
        wanted = _between(self._wanted[key], now)
        missing = without(common(connected, wanted), recorded)
        unknown = merged([*self._unknown_of(key), *self._misled(recorded)])
        self._judge_causes(key, account, unknown)
        filed = [Span(file.start, file.stop) for file in live.files if file.stream == stream]
        gaps = [piece for gap in account.gaps for piece in self._claimed_of(gap, stream)]
        seen = [
            *(gap.span for gap in account.gaps),
            *without(common(account.live, account.wanted), account.recorded),
        ]
        pairs = (
            ("counts as live, and was not", common(account.live, wanted), connected),
            ("was live, and does not count as live", common(connected, wanted), account.live),
            ("counts as wanted, and was not", common(account.wanted, account.live), wanted),
            ("was wanted, and does not count as wanted", common(wanted, connected), account.wanted),
            (
                "counts as recorded, and was not",
                common(account.recorded, account.wanted),
                [*recorded, *filed],
            ),
            ("counts as missing, and was recorded", gaps, [*missing, *by_itself]),
            ("was missing, and counts as recorded", missing, seen),
        )
        for words, some, others in pairs[0 if self.sim.lots.over else 1 :]:  # polls may fail now
            rest = without(without(some, _wider(others, EDGE_MS)), unknown)
            if any(span.ms > EDGE_MS for span in rest):
                raise Broken("account", f"a time {words}")

    def _claimed_of(self, gap: Gap, stream: Stream) -> list[Span]:
        """Return the part of a gap that the account claims to be missing. While polls may fail, a
        session counts as live after its reported end. Of such a gap, only the time counts for which
        the stream was live."""
        # recorded ── its end is reported ── each poll fails: a gap that may be none ── now
        code, live, now = gap.reason.code, self.sim.live, self.sim.clock.now
        if code in _OPEN:
            return []
        if code is Reason.MAY_HAVE_ENDED and not self.sim.lots.over:
            return common([gap.span], _of(live.connections, stream, now))
        if code is Reason.UNKNOWN_REJECTION:
            return without([gap.span], self._unended(stream))
        if code is Reason.NO_FILE:  # a restart may drop what was paused
            filed = [Span(file.start, file.stop) for file in live.files if file.stream == stream]
            unfiled = without(_of(live.intervals, stream, now), _wider(filed, EDGE_MS))
            return without([gap.span], unfiled)
        return [gap.span]

    def _unended(self, stream: Stream) -> Iterator[Span]:
        """Yield the time for which Live went on recording after a stop whose answer was never
        stored, until Live reports that it records. If Live refuses each later start with an unknown
        code, nothing shows that the stop never arrived."""
        # recorded ── the stop is sent, and lost ── a start is refused ── still recorded: now
        key, now = StreamKey(*stream), self.sim.clock.now
        for at in self._doubted_stops[key]:
            shown_at = min((time for time in self._told_at[key] if time > at), default=now)
            for one in self.sim.live.intervals:
                if one.stream == stream and one.start <= at:
                    yield Span(at, min(now if one.end is None else one.end, shown_at))

    def _is_by_itself(self, one: Interval) -> bool:
        """Return True if Live began the interval without a start. Count also an interval that Live
        resumed by itself or that somebody else began, unless a report of it was stored: a start
        that Live refuses, or that waits for a quota, then counts the stream as not recorded."""
        key = StreamKey(*one.stream)
        end = self.sim.clock.now if one.end is None else one.end
        is_told = any(one.start <= at <= end for at in self._told_at[key])
        is_by_others = one.is_resumed_alone or self._is_foreign(one)
        return one.automatic or (is_by_others and not is_told)

    def _is_foreign(self, one: Interval) -> bool:
        plan = self.sim.plan
        deeds = (deed for deed in plan.deeds if deed.do is Do.FOREIGN_START)
        return any(
            plan.streams[deed.stream] == one.stream and 0 <= one.start - deed.at <= EDGE_MS
            for deed in deeds
        )

    def _judge_causes(self, key: StreamKey, account: Coverage, unknown: Sequence[Span]) -> None:
        """Raise Broken if a gap has a late report as its cause, and the report was in time."""
        for piece in _due(account):
            in_time = (piece.start <= at <= piece.start + PROMPT_MS for at in self._due_at[key])
            reported = any(in_time)
            for gap in account.gaps:
                is_late = gap.reason.code is Reason.DETECTED_LATE
                if is_late and reported and without(common([gap.span], [piece]), unknown):
                    raise Broken(
                        "account", "a gap has a late report as its cause, and none was late"
                    )

    def _unknown_of(self, key: StreamKey) -> list[Span]:
        """Return the spans in which a change may be unknown, or known with a time that is not its
        own. The callback of a recent change may still be on its way."""
        now, plan = self.sim.clock.now, self.sim.plan
        unheard = (
            Span(callback.at, callback.at + LEARNT_MS)
            for callback in self._unheard.values()
            if StreamKey(*callback.stream) == key
        )
        blind = (Span(d.at, d.at + d.ms + LEARNT_MS) for d in plan.deeds if d.do in _BLIND)
        lately = Span(now - LEARNT_MS, now)
        brief = (
            Span(one.start, one.end + LEARNT_MS)
            for one in self.sim.live.connections
            if one.stream == _stream(key) and one.end and one.end - one.start < ANNOUNCED_MS
        )
        unproved = (
            Span(at, one.end or now)
            for at in self._unproved_stops[key]
            for one in self.sim.live.connections
            if one.stream == _stream(key) and one.start <= at <= (one.end or now)
        )
        paused = (
            [Span(self._counts_paused_since[key], now)] if key in self._counts_paused_since else []
        )
        known = [*self._unknown[key], *paused, *self._stalled]
        spans = merged([*known, *unheard, *blind, *brief, *unproved, lately])
        return _wider(spans, EDGE_MS)

    def _misled(self, recorded: Iterable[Span]) -> Iterator[Span]:
        """Yield the spans in which Live accepts starts that begin no recording, until one does."""
        for deed in self.sim.plan.deeds:
            if deed.do is Do.NO_BUCKET:
                later = (span.start for span in recorded if span.start > deed.at)
                yield Span(deed.at, min(later, default=self.sim.clock.now))


def _judge_sums(account: Coverage) -> None:
    """Raise Broken unless what was recorded, what is missing and the delays of the starts add up to
    what was due, and each gap has a cause and lies within the time that was due."""
    due = _due(account)
    parts = account.covered_ms + account.missing_ms + account.latency_ms
    most = TOLERANCE_MS * (len(due) + len(account.recorded) + 1)
    if not 0 <= account.due_ms - parts <= most:
        raise Broken("account", "what is there and what is missing do not add up")
    gaps = [gap.span for gap in account.gaps]
    if without(gaps, due) or common(gaps, account.recorded):
        raise Broken("account", "a gap is of no time that was due")
    if any(gap.reason.code in _NO_CAUSES for gap in account.gaps):
        raise Broken("account", "a gap has no cause")


def _due(account: Coverage) -> list[Span]:
    """Return the spans of each session in which it was wanted."""
    return [piece for live in account.live for piece in common([live], account.wanted)]


def _of(intervals: Iterable[Interval], stream: Stream, now: int) -> list[Span]:
    return merged(
        Span(one.start, now if one.end is None else one.end)
        for one in intervals
        if one.stream == stream
    )


def _between(changes: Iterable[tuple[int, bool]], now: int) -> list[Span]:
    found, since = list[Span](), None
    for at, is_wanted in changes:
        if since is not None:
            found.append(Span(since, at))
        since = at if is_wanted else None
    return merged([*found, *([] if since is None else [Span(since, now)])])


def _wider(spans: Iterable[Span], ms: int) -> list[Span]:
    return merged(Span(span.start - ms, span.stop + ms) for span in spans)


def _stream(key: StreamKey) -> Stream:
    return Stream(key.domain, key.app, key.stream)
