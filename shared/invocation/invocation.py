"""One call of a function: its budget, its credentials, its log."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import chain
from typing import Any

from shared import retry
from shared.config.policy_cache import Known
from shared.engine.dispatcher import ENOUGH, OTHERS, BackfillTimer, Dispatcher, WorkerLease
from shared.engine.effect_handler import EffectHandler
from shared.engine.effects import CallbackSource, Steps, T, Undelivered, run
from shared.engine.recorder import ONLY_STORE, SOON_MS, HandleResult, HandlingOptions
from shared.inbound import function_compute
from shared.invocation.app import App
from shared.outbound.http import Unanswered
from shared.outbound.live import Credentials, LiveClient, Online
from shared.outbound.relay import ForwardedCallback, Kind
from shared.protocol import Accepted, Command, Event, StreamKey, TimePassed
from shared.protocol.command_errors import LiveError, StreamNotLive
from shared.quick import dataclass, replace
from shared.retry import Deadline
from shared.store.store_errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class _AsRole:
    """The Live API with the credentials of one invocation: they are rotated under us."""

    live: LiveClient
    credentials: Credentials
    known: Known

    def prepare(self) -> None:
        self.live.prepare()

    def send(self, command: Command, key: StreamKey) -> str:
        return self.live.send(command, key, credentials=self.credentials)

    def find(self, key: StreamKey) -> int | None:
        return self.live.find(key, credentials=self.credentials)

    def online(self, domain: str) -> Sequence[Online]:
        return self.live.online(domain, credentials=self.credentials)

    def undelivered(
        self, source: CallbackSource, since: int, until: int, take_poll_slot: Callable[[], None]
    ) -> Sequence[Undelivered]:
        """What the callbacks say of streams that the policy does not name is left out."""
        from shared.inbound import live_events

        how: Any = {"credentials": self.credentials, "pace": take_poll_slot}
        if source.is_ingest:
            found = self.live.undelivered_stream_events(source.domain, since, until, **how)
        else:
            found = self.live.undelivered_record_events(source.domain, since, until, **how)
        streaming = self.known.policy().streaming
        return live_events.undelivered([(one.content, one.at) for one in found], streaming)


class Call:
    """One invocation: its budget, its credentials, and what it may do within them."""

    def __init__(self, app: App, context: object, *, seconds: float) -> None:
        self.app = app
        self.deadline = Deadline.after(seconds, clock=app.monotonic)
        self.log = app.log.bind(**function_compute.log_context(context))
        self.credentials = Credentials(*function_compute.credentials_of(context, os.environ))  # noqa: TID251 - its place
        self._live = _AsRole(app.live, self.credentials, app.known)
        self._hands = EffectHandler(
            app.store,
            self._live,
            monotonic=app.monotonic,
            wait=retry.wait,
            said=lambda event, error: self.log.warning(event, error=error),
            drain=self._drain,
            has_room=self._call_one_more,
        )
        self._senders: Dispatcher | None = None

    @cached_property
    def _shift(self) -> WorkerLease:
        return WorkerLease(self.app.store, secrets.token_hex(8), self.app.monotonic)

    @cached_property
    def _lookout(self) -> BackfillTimer:
        return BackfillTimer(self.app.store)

    @cached_property
    def _second(self) -> Deadline:
        return Deadline.after(1, clock=self.app.monotonic)

    def has_time(self) -> bool:
        """Enough is left to send a command and hear its answer."""
        sending = (self.app.live.connect_timeout + self.app.live.read_timeout) / 1000
        return self.deadline.left() > sending

    def handle(self, key: StreamKey, event: Event, options: HandlingOptions) -> HandleResult:
        """What follows from it, tried again where Live says so, as long as the budget lasts.

        What the deadline cuts off stays due, and a reconcile is woken to go on with it.
        """
        sent: list[tuple[Command, Accepted | LiveError]] = []

        def once(what: Event) -> HandleResult:
            handled = self._once(key, what, options)
            sent.extend(handled.sent)
            return handled

        first = once(event)
        steps = chain([first], iter(lambda: once(TimePassed()), None))
        again_in = _again_in if options.slot_wait_ms else _again_in_callback
        last = retry.while_again(lambda: next(steps), again_in, self.deadline)
        if last.waits and self._shift.wants_one_more():
            self.app.wake()
        return replace(last, refused=first.refused, sent=tuple(sent))

    def _once(self, key: StreamKey, event: Event, options: HandlingOptions) -> HandleResult:
        handled = run(self.app.recorder.handle(key, event, options), self._hands.perform)
        stream = str(key)
        self.log.story(
            (f"stream.{note.code.value}", {"stream": stream, "about": dict(note.about)})
            for note in handled.notes
        )
        return handled

    def forwarded(self, kind: Kind, request: function_compute.Request) -> ForwardedCallback:
        """Return the callback as its previous receiver gets it."""
        from shared.inbound import live_callbacks

        key = next(iter(self.app.settings.record_keys), "")
        sign = live_callbacks.resign(request.headers, key, self.app.clock())
        return ForwardedCallback(kind, request.headers, request.query, request.body, sign)

    def pass_on(self, kind: Kind, request: function_compute.Request) -> None:
        """Forward a callback to its previous receiver. A failure never affects our own answer."""
        callback = self.forwarded(kind, request)
        if not self.app.policy.forward_to.of(kind.value) or callback.is_relayed:
            return
        try:
            self.app.relay.hand(callback)
        except Unanswered as error:
            missed = self.app.relay.missed
            self.log.error("relay.missed", kind=kind, why=str(error), missed=missed)
            self.app.known.lost_relay()

    def online(self, domain: str) -> Sequence[Online]:
        """What Live lists for a domain when the function's own role asks. Raises a LiveError."""
        return self._live.online(domain)

    def resync(self, *, only_unknown: bool = False) -> int:
        """Hold what is online, in every domain of the policy, against what we know: how many
        differences there were. What follows from them is sent with the rest of what is due."""
        self._lookout.looks()
        resync, policy = self.app.recorder.resync, self.app.policy
        domains = [domain.streaming for domain in policy.domains]
        each = (
            resync(one, ONLY_STORE, self._compares_on, only_unknown=only_unknown) for one in domains
        )
        return sum(map(self._run, each))

    def _compares_on(self) -> bool:
        """What a long comparison has found is sent by others meanwhile."""
        if self._second.passed():
            self._second = Deadline.after(1, clock=self.app.monotonic)
            if self._shift.wants_one_more():
                self.app.wake()
        return self.has_time()

    def _resync_unknown(self) -> int:
        return self.resync(only_unknown=True)

    def replay_undelivered(self) -> int:
        """Read back what Live could not deliver, of every domain that the policy names."""
        domains, spent = (
            self.app.policy.domains,
            Deadline.after(REPLAY_BUDGET_S, clock=self.app.monotonic),
        )
        sources = [
            CallbackSource(name, is_ingest=True) for domain in domains for name in domain.ingest
        ]
        sources += [CallbackSource(domain.streaming, is_ingest=False) for domain in domains]
        may_go_on = lambda: spent.left() > 0 and self.has_time()  # noqa: E731 - two in one
        return self._run(self.app.recorder.replay_undelivered(sources, may_go_on))

    def is_needed(self) -> bool:
        """Whether a reconcile that was woken is, beside those at work."""
        needed = self._shift.begin() < ENOUGH
        if not needed:
            self._shift.end()
        return needed

    def reconcile(self, options: HandlingOptions) -> int:
        """Do what is due; what time does not suffice for is left to a successor."""
        app, done = self.app, 0
        app.live.prepare()  # before there are threads (facts/sdk.md B2)
        self._senders = Dispatcher(lambda: self._run(app.recorder.drain(options)), self._heartbeat)
        soon: int | None = 0
        while self.has_time() and soon == 0:  # else somebody relied on us just now
            try:
                self._shift.begin()
                done += self._run(app.recorder.reconcile(options, alone=False))
                self._shift.end()
                soon = app.store.next_due()
            except StoreUnavailable as error:  # noqa: PERF203 - each turn of it is seconds long
                self.log.error("store.unavailable", error=error)
                retry.wait(STORE_PAUSE)
        if not self.has_time() and soon is not None and soon <= SOON_MS:
            app.wake()
        return done

    def _drain(self) -> int:
        self._shift.heartbeat()
        done = self._senders.drain() if self._senders else 0
        return done + (self._resync_unknown() if self._lookout.is_due() else 0)

    def _heartbeat(self) -> None:
        """Each second of a drain, which only a crowd makes last so long. A crowd has three at it:
        should some be killed, who is left calls the next."""
        if self._shift.begin() < OTHERS:
            self.app.wake()
        self._lookout.sees_crowd()
        if self._senders and self._lookout.is_time():
            self._senders.have_done(self._resync_unknown)

    def _call_one_more(self) -> None:
        if self._senders:
            self._senders.call_one_more()

    def _run(self, steps: Steps[T]) -> T:
        return run(steps, self._hands.perform)


REPLAY_BUDGET_S = 10.0
"""s a minute for what was not delivered: what is due waits meanwhile."""
STORE_PAUSE = 0.5
"""s before a reconcile asks a store again that was away: most are back soon (a fail-over)."""


def _again_in(handled: HandleResult) -> int | None:
    return handled.again_in


def _again_in_callback(handled: HandleResult) -> int | None:
    """Only for a stream that Live does not know yet: in a storm an instance that waits is one that
    answers no callback, and Function Compute refuses those with 429."""
    unknown = handled.sent and isinstance(handled.sent[-1][1], StreamNotLive)
    return handled.again_in if unknown else None
