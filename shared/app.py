"""Puts the pieces together: the only place that names them all, reads the environment and the
clock."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from shared import fc, resilience
from shared.config import Kind as PolicyKind
from shared.config import Settings, load_stage_policy
from shared.domain import Accepted, Command, Happening, StreamKey, TimePassed
from shared.domain.policy import Policy
from shared.errors import Fault, LiveError, Misconfigured, NotLive, StoreUnavailable
from shared.kick import Kick
from shared.known import Known, TermsOf
from shared.live import Credentials, LiveClient, Online
from shared.logs import Log, to_stdout
from shared.outgoing import Unanswered
from shared.quick import dataclass, replace
from shared.recorder import (
    NEAR,
    ONLY_STORE,
    Handled,
    Hands,
    Manner,
    Missed,
    Recorder,
    Source,
    Steps,
    T,
    run,
)
from shared.recorder.senders import ENOUGH, OTHERS, Lookout, Senders, Shift
from shared.relay import Kind, Relay, is_relayed
from shared.resilience import Deadline
from shared.store import Store, open_store

Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class App:
    """What one process keeps from call to call. `clock` gives ms since the epoch."""

    settings: Settings
    known: Known
    terms: TermsOf
    store: Store
    live: LiveClient
    recorder: Recorder
    kick: Kick
    relay: Relay
    log: Log
    clock: Clock
    monotonic: Callable[[], float]

    @property
    def policy(self) -> Policy:
        """The one in force: it may change from one moment to the next."""
        return self.known.policy()


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

    def missed(
        self, source: Source, since: int, until: int, pace: Callable[[], None]
    ) -> Sequence[Missed]:
        """What the callbacks say of streams that the policy does not name is left out."""
        from shared import callbacks

        how: Any = {"credentials": self.credentials, "pace": pace}
        if source.is_ingest:
            found = self.live.undelivered_stream_events(source.domain, since, until, **how)
        else:
            found = self.live.undelivered_record_events(source.domain, since, until, **how)
        streaming = self.known.policy().streaming
        return callbacks.missed([(one.content, one.at) for one in found], streaming)


class Call:
    """One invocation: its budget, its credentials, and what it may do within them."""

    def __init__(self, app: App, context: object, *, seconds: float) -> None:
        self.app = app
        self.deadline = Deadline.after(seconds, clock=app.monotonic)
        self.log = app.log.bind(**fc.log_context(context))
        self.credentials = Credentials(*fc.credentials_of(context, os.environ))  # noqa: TID251 - its place
        self._live = _AsRole(app.live, self.credentials, app.known)
        self._hands = Hands(
            app.store,
            self._live,
            monotonic=app.monotonic,
            wait=resilience.wait,
            said=lambda event, error: self.log.warning(event, error=error),
            drain=self._drain,
            has_room=self._call_one_more,
        )
        self._senders: Senders | None = None

    @cached_property
    def _shift(self) -> Shift:
        return Shift(self.app.store, secrets.token_hex(8), self.app.monotonic)

    @cached_property
    def _lookout(self) -> Lookout:
        return Lookout(self.app.store)

    @cached_property
    def _second(self) -> Deadline:
        return Deadline.after(1, clock=self.app.monotonic)

    def has_time(self) -> bool:
        """Enough is left to send a command and hear its answer."""
        sending = (self.app.live.connect_timeout + self.app.live.read_timeout) / 1000
        return self.deadline.left() > sending

    def handle(self, key: StreamKey, happening: Happening, manner: Manner) -> Handled:
        """What follows from it, tried again where Live says so, as long as the budget lasts.

        What the deadline cuts off stays due, and a reconcile is woken to go on with it.
        """
        sent: list[tuple[Command, Accepted | LiveError]] = []

        def once(what: Happening) -> Handled:
            handled = self._once(key, what, manner)
            sent.extend(handled.sent)
            return handled

        first = once(happening)
        steps = chain([first], iter(lambda: once(TimePassed()), None))
        again_in = _again_in if manner.wait else _again_in_callback
        last = resilience.while_again(lambda: next(steps), again_in, self.deadline)
        if last.waits and self._shift.wants_one_more():
            self.app.kick()
        return replace(last, refused=first.refused, sent=tuple(sent))

    def _once(self, key: StreamKey, happening: Happening, manner: Manner) -> Handled:
        handled = run(self.app.recorder.handle(key, happening, manner), self._hands.perform)
        stream = str(key)
        self.log.story(
            (f"stream.{note.code.value}", {"stream": stream, "about": dict(note.about)})
            for note in handled.notes
        )
        return handled

    def pass_on(self, kind: Kind, request: fc.Request) -> None:
        """To whoever had this callback before. Ours is answered already, as far as we care."""
        if not self.app.policy.forward_to.of(kind.value) or is_relayed(request):
            return
        try:
            self.app.relay.hand(kind, request)
        except Unanswered as error:
            missed = self.app.relay.missed
            self.log.error("relay.missed", kind=kind, why=str(error), missed=missed)
            self.app.known.lost_relay()

    def online(self, domain: str) -> Sequence[Online]:
        """What Live lists for a domain when the function's own role asks. Raises a LiveError."""
        return self._live.online(domain)

    def survey(self, *, news: bool = False) -> int:
        """Hold what is online, in every domain of the policy, against what we know: how many
        differences there were. What follows from them is sent with the rest of what is due."""
        self._lookout.looks()
        survey, policy = self.app.recorder.survey, self.app.policy
        domains = [domain.streaming for domain in policy.domains]
        each = (survey(one, ONLY_STORE, self._compares_on, news=news) for one in domains)
        return sum(map(self._run, each))

    def _compares_on(self) -> bool:
        """What a long comparison has found is sent by others meanwhile."""
        if self._second.passed():
            self._second = Deadline.after(1, clock=self.app.monotonic)
            if self._shift.wants_one_more():
                self.app.kick()
        return self.has_time()

    def _survey_news(self) -> int:
        return self.survey(news=True)

    def catch_up(self) -> int:
        """Read back what Live could not deliver, of every domain that the policy names."""
        domains, spent = self.app.policy.domains, Deadline.after(CATCH_UP, clock=self.app.monotonic)
        sources = [Source(name, is_ingest=True) for domain in domains for name in domain.ingest]
        sources += [Source(domain.streaming, is_ingest=False) for domain in domains]
        may_go_on = lambda: spent.left() > 0 and self.has_time()  # noqa: E731 - two in one
        return self._run(self.app.recorder.catch_up(sources, may_go_on))

    def is_needed(self) -> bool:
        """Whether a reconcile that was kicked is, beside those at work."""
        needed = self._shift.begin() < ENOUGH
        if not needed:
            self._shift.end()
        return needed

    def reconcile(self, manner: Manner) -> int:
        """Do what is due; what time does not suffice for is left to a successor."""
        app, done = self.app, 0
        app.live.prepare()  # before there are threads (facts/sdk.md B2)
        self._senders = Senders(lambda: self._run(app.recorder.drain(manner)), self._beat)
        soon: int | None = 0
        while self.has_time() and soon == 0:  # else somebody relied on us just now
            try:
                self._shift.begin()
                done += self._run(app.recorder.reconcile(manner, alone=False))
                self._shift.end()
                soon = app.store.next_due()
            except StoreUnavailable as error:  # noqa: PERF203 - each turn of it is seconds long
                self.log.error("store.unavailable", error=error)
                resilience.wait(STORE_PAUSE)
        if not self.has_time() and soon is not None and soon <= NEAR:
            app.kick()
        return done

    def _drain(self) -> int:
        self._shift.beat()
        done = self._senders.drain() if self._senders else 0
        return done + (self._survey_news() if self._lookout.is_owed() else 0)

    def _beat(self) -> None:
        """Each second of a drain, which only a crowd makes last so long. A crowd has three at it:
        should some be killed, who is left calls the next."""
        if self._shift.begin() < OTHERS:
            self.app.kick()
        self._lookout.sees_crowd()
        if self._senders and self._lookout.is_time():
            self._senders.have_done(self._survey_news)

    def _call_one_more(self) -> None:
        if self._senders:
            self._senders.call_one_more()

    def _run(self, steps: Steps[T]) -> T:
        return run(steps, self._hands.perform)


CATCH_UP = 10.0
"""s a minute for what was not delivered: what is due waits meanwhile."""
STORE_PAUSE = 0.5
"""s before a reconcile asks a store again that was away: most are back soon (a fail-over)."""


def _again_in(handled: Handled) -> int | None:
    return handled.again_in


def _again_in_callback(handled: Handled) -> int | None:
    """Only for a stream that Live does not know yet: in a storm an instance that waits is one that
    answers no callback, and Function Compute refuses those with 429."""
    unknown = handled.sent and isinstance(handled.sent[-1][1], NotLive)
    return handled.again_in if unknown else None


def build(settings: Settings, clock: Clock) -> App:
    """Nothing is connected to yet."""
    store = open_store(
        settings.store,
        rate=settings.rate,
        clock=clock,
        stage=settings.stage,
        ahead=lambda: dev_offset(settings.dev_clock),
        fast=settings.fast,
    )
    live = LiveClient(
        endpoint=settings.live_endpoint, protocol=settings.live_protocol, fast=settings.fast
    )
    log = Log(to_stdout, now=clock, hide=settings.secrets)
    known = Known(store, _policy(settings), clock=clock, log=log)
    terms = TermsOf(settings, known)
    return App(
        settings=settings,
        known=known,
        terms=terms,
        store=store,
        live=live,
        recorder=Recorder(terms, lambda: secrets.token_hex(8), live.lease),
        kick=Kick(settings.kick_url, settings.kick_key, monotonic=time.monotonic),
        relay=Relay(settings.relay_url, settings.relay_key),
        log=log,
        clock=clock,
        monotonic=time.monotonic,
    )


def _policy(settings: Settings) -> Policy:
    path = Path(settings.policy)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured([Fault("LIVE_RECORD_POLICY", f"cannot be read: {error}")]) from error
    kind: PolicyKind = "toml" if path.suffix == ".toml" else "json"
    return load_stage_policy(text, kind=kind, settings=settings)


@cache
def app() -> App:
    """Built on the first event, once per process. Raises Misconfigured each time until it can."""
    settings = Settings.from_env(os.environ)  # noqa: TID251 - its place
    return build(settings, dev_clock(settings.dev_clock) if settings.dev_clock else wall_clock)


def prepare(*, live: bool = True) -> None:
    """Load what the first event would wait for; without `live`, for a function that never calls
    it. Wrong settings are told at the event itself."""
    with suppress(Misconfigured):
        ours = app()
        if live:
            ours.live.prepare()
        ours.store.prepare()


def wall_clock() -> int:
    return time.time_ns() // 1_000_000  # noqa: TID251 - its place


def dev_clock(file: str) -> Clock:
    """Real time plus the offset that the stand-ins keep in a file."""
    return lambda: wall_clock() + dev_offset(file)


def dev_offset(file: str) -> int:
    """In ms; 0 where there is no such file."""
    import json

    if not file:
        return 0
    try:
        return int(json.loads(Path(file).read_text())["offset_ms"])
    except (OSError, ValueError, KeyError):
        return 0


Respond = Callable[[Call, Any], fc.Response]


def serve(respond: Respond, event: bytes, context: object, *, seconds: float) -> dict[str, object]:
    """The whole of an HTTP function: every input gets an answer of ours."""
    return _serve(fc.answer, respond, event, context, seconds)


def serve_any(
    respond: Respond, event: bytes, context: object, *, seconds: float
) -> dict[str, object]:
    """As `serve`, for a function that a timer or the API calls too."""
    return _serve(fc.answer_any, respond, event, context, seconds)


def _serve(
    answer: Callable[..., dict[str, object]],
    respond: Respond,
    event: bytes,
    context: object,
    seconds: float,
) -> dict[str, object]:
    try:
        ours = app()
    except Misconfigured as error:
        log = Log(to_stdout, now=wall_clock)
        log.error("settings.refused", faults=list(map(str, error.faults)))
        return fc.problem(error, fc.log_context(context)["request_id"]).to_fc()
    call = Call(ours, context, seconds=seconds)
    return answer(lambda told: respond(call, told), event, context, log=ours.log)
