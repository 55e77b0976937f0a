"""What must hold in the end, once nothing has gone wrong for a while (docs/protocol.md,
docs/reliability.md)."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING

from shared.config.path_tokens import path_tokens_of
from shared.engine.counters import COMMANDS
from shared.protocol import Phase, StreamKey, StreamRecord, phase
from shared.protocol.policy import OnInterruption
from shared.protocol.state.session import SessionState
from tests.simulation.requests import API_TOKEN, TOKEN, WAKE_KEY
from tests.simulation.stream_watch import Broken, Watch
from tests.simulation.world import SecondPublisher, Stream

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

SECRETS = (
    TOKEN,
    *path_tokens_of([TOKEN]),
    API_TOKEN,
    WAKE_KEY,
    "auth_key",
    "stream-key-",
    "record-key-",
)

FOUND_GONE_MS = 130_000
"""ms for which a session may stay open if only its publish was read back, late: the next list and
two polls miss the stream."""


def judge(sim: Simulation) -> None:
    for stream in sim.plan.streams:
        key = StreamKey(*stream)
        record = sim.record(key)
        _at_rest(record)
        _judge_session(sim, stream, record)
        _judge_intent(sim, stream, record)
        _judge_recording(sim, stream, record, sim.judge.watch(key))
        judge_secrets(repr(record))
    for key in sim.strangers.forger.named:
        _at_rest(sim.record(key))
    _judge_counters(sim)


def _judge_counters(sim: Simulation) -> None:
    """Raise Broken unless each command that was claimed is counted once, under one outcome."""
    if sim.has_lost_writes or sim.ever_broken:
        return
    counted = sim.store.counters()
    settled = sum(number for name, number in counted.items() if name.startswith(COMMANDS))
    if settled != sim.claims:
        raise Broken("metrics", f"of {sim.claims} commands {settled} are counted")


def judge_secrets(text: str) -> None:
    if any(secret in text for secret in SECRETS):
        raise Broken("promise 6", "a secret is where it can be read")


def judge_line(line: str, unreadable: Collection[str]) -> None:
    """Raise Broken if a line of the deployed log holds a secret, or a crash of a stream whose
    record could be read."""
    judge_secrets(line)
    expected = '"stream.crashed"' in line and json.loads(line)["stream"] in unreadable
    if '.crashed"' in line and not expected:
        raise Broken("promise 7", line)


def _at_rest(record: StreamRecord) -> None:
    if record.flight is not None:
        raise Broken("at rest", "a command is in flight for ever")
    if record.doubts:
        raise Broken("at rest", "a request is in doubt for ever")
    pending = record.pending
    if pending is not None and not pending.over_quota:
        raise Broken("at rest", f"a {pending.command.value} is owed for ever")


def _judge_session(sim: Simulation, stream: Stream, record: StreamRecord) -> None:
    live, session = sim.live.is_live(stream), record.session
    if session is None or session.state is SessionState.ENDED:
        if live:
            raise Broken("at rest", "a live stream is not known to be live")
    elif session.policy_withheld and live:
        raise Broken("at rest", "the store was accepted, and policy does not go on")
    elif not live and session.opened_at < sim.clock() - FOUND_GONE_MS:
        raise Broken("at rest", "a stream that has gone is still thought to be live")


def _judge_intent(sim: Simulation, stream: Stream, record: StreamRecord) -> None:
    intent = record.intent
    if intent.wanted and intent.until is not None and intent.until < sim.clock() - 75_000:
        raise Broken("promise 3", "an intent stands long after its time")
    since = sim.judge.watch(record.key).accepted_live_since
    beside = sim.live.switches.second_publisher is not SecondPublisher.REFUSED
    bound = intent.wanted and intent.on_interruption is not OnInterruption.RESUME
    goes_on = since is None or sim.live.live_since(stream) == since
    skewed = sim.judge.watch(record.key).skewed
    if bound and intent.session and not beside and not goes_on and not skewed:
        raise Broken("protocol", "an intent outlived the session it belonged to")


def _judge_recording(sim: Simulation, stream: Stream, record: StreamRecord, watch: Watch) -> None:
    live = sim.live
    runs = live.is_recording(stream)
    wanted, waits = record.intent.wanted, record.pending is not None and record.pending.over_quota
    missed = wanted and live.is_visible(stream) and not runs
    if missed and not _is_excused(sim, stream, record, watch):
        raise Broken("promise 1", "what is wanted and live is not recorded")
    ours = watch.ours and not watch.adrift and not live.is_automatic(stream)
    if runs and ours and not wanted:
        raise Broken("promise 2", "a stream that nobody wants is recorded for ever")
    says_so = phase(record) in (Phase.RECORDING, Phase.FAILED)
    if runs and wanted and not waits and not says_so:
        raise Broken("at rest", "it is recorded, and the record does not say so")


def _is_excused(sim: Simulation, stream: Stream, record: StreamRecord, watch: Watch) -> bool:
    """Return True if the record says why the stream is not recorded, or nobody could have known."""
    if record.has_failed or watch.misled:
        return True
    if record.pending is not None and record.pending.over_quota:
        return True
    return not sim.live.is_commandable(stream)
