"""Puts the pieces together: the only place that names them all, reads the environment and the
clock."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from shared import fc, resilience
from shared.config import Settings, load_policy, mode_of
from shared.domain import Accepted, Command, Happening, StreamKey, Terms, TimePassed
from shared.domain.policy import Mode, Policy
from shared.errors import Fault, LiveError, Misconfigured
from shared.kick import Kick
from shared.live import Credentials, LiveClient
from shared.logs import Log, to_stdout
from shared.recorder import Handled, Hands, Manner, Recorder, run
from shared.resilience import Deadline
from shared.store import SqliteStore, open_store

Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class App:
    """What one process keeps from call to call. `clock` gives ms since the epoch."""

    settings: Settings
    policy: Policy
    store: SqliteStore
    live: LiveClient
    recorder: Recorder
    kick: Kick
    log: Log
    clock: Clock
    monotonic: Callable[[], float]

    def terms(self, key: StreamKey) -> Terms:
        return _terms(self.settings, self.policy, key)


@dataclass(frozen=True, slots=True)
class _AsRole:
    """The Live API with the credentials of one invocation: they are rotated under us."""

    live: LiveClient
    credentials: Credentials

    def prepare(self) -> None:
        self.live.prepare()

    def send(self, command: Command, key: StreamKey) -> str:
        return self.live.send(command, key, credentials=self.credentials)

    def find(self, key: StreamKey) -> int | None:
        return self.live.find(key, credentials=self.credentials)


class Call:
    """One invocation: its budget, its credentials, and what it may do within them."""

    def __init__(self, app: App, context: object, *, seconds: float) -> None:
        self.app = app
        self.deadline = Deadline.after(seconds, clock=app.monotonic)
        self.log = app.log.bind(**fc.log_context(context))
        credentials = Credentials(*fc.credentials_of(context, os.environ))  # noqa: TID251 - its place
        self._hands = Hands(
            app.store,
            _AsRole(app.live, credentials),
            monotonic=app.monotonic,
            wait=resilience.wait,
            said=lambda event, error: self.log.warning(event, error=error),
        )

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
        last = resilience.while_again(lambda: next(steps), _again_in, self.deadline)
        if last.waits:
            self.app.kick()
        return replace(last, refused=first.refused, sent=tuple(sent))

    def _once(self, key: StreamKey, happening: Happening, manner: Manner) -> Handled:
        handled = run(self.app.recorder.handle(key, happening, manner), self._hands.perform)
        for note in handled.notes:
            self.log.info(f"stream.{note.code.value}", stream=str(key), about=dict(note.about))
        return handled

    def reconcile(self, manner: Manner) -> int:
        return run(self.app.recorder.reconcile(manner), self._hands.perform)


def _again_in(handled: Handled) -> int | None:
    return handled.again_in


def _terms(settings: Settings, policy: Policy, key: StreamKey) -> Terms:
    return Terms(
        rule=policy.rule(key),
        max_duration=settings.max_duration,
        hold=settings.hold,
        merge_delay=settings.merge_delay,
        observe=mode_of(settings, policy) is Mode.OBSERVE,
    )


def build(settings: Settings, clock: Clock) -> App:
    """Nothing is connected to yet."""
    store = open_store(settings.store, rate=settings.rate, clock=clock)
    live = LiveClient(endpoint=settings.live_endpoint, protocol=settings.live_protocol)
    policy = _policy(settings.policy)
    return App(
        settings=settings,
        policy=policy,
        store=store,
        live=live,
        recorder=Recorder(
            lambda key: _terms(settings, policy, key), lambda: secrets.token_hex(8), live.lease
        ),
        kick=Kick(settings.kick_url, settings.kick_key, monotonic=time.monotonic),
        log=Log(to_stdout, now=clock, hide=settings.secrets),
        clock=clock,
        monotonic=time.monotonic,
    )


def _policy(file: str) -> Policy:
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured([Fault("LIVE_RECORD_POLICY", f"cannot be read: {error}")]) from error
    return load_policy(text, kind="toml" if path.suffix == ".toml" else "json")


@cache
def app() -> App:
    """Built on the first event, once per process. Raises Misconfigured each time until it can."""
    settings = Settings.from_env(os.environ)  # noqa: TID251 - its place
    return build(settings, dev_clock(settings.dev_clock) if settings.dev_clock else wall_clock)


def prepare() -> None:
    """Load what the first event would wait for. Wrong settings are told at the event itself."""
    with suppress(Misconfigured):
        app().live.prepare()


def wall_clock() -> int:
    return time.time_ns() // 1_000_000  # noqa: TID251 - its place


def dev_clock(file: str) -> Clock:
    """Real time plus the offset that the stand-ins keep in a file."""
    import json

    path = Path(file)

    def clock() -> int:
        try:
            offset = json.loads(path.read_text())["offset_ms"]
        except (OSError, ValueError, KeyError):
            offset = 0
        return wall_clock() + int(offset)

    return clock


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
        faults = [f"{fault.field}: {fault.detail}" for fault in error.faults]
        log.error("settings.refused", faults=faults)
        return fc.problem(error, fc.log_context(context)["request_id"]).to_fc()
    call = Call(ours, context, seconds=seconds)
    return answer(lambda told: respond(call, told), event, context, log=ours.log)
