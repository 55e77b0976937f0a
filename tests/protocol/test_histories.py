"""10,000 random histories of two sessions, each followed by quiet time: the intent always wins."""

from __future__ import annotations

from collections import Counter

import pytest

from shared.protocol import Reason, due_at
from tests.conftest import EXHAUSTIVE_S
from tests.protocol.histories import History

KINDS = (
    *(
        f"{kind}{how}"
        for kind in ("publish", "publish_done", "record_started", "record_paused")
        for how in ("", " lost", " read back", " doubled", " late")
    ),
    *(
        f"{command} {fate}"
        for command in ("start", "stop")
        for fate in ("acts", "throttled", "in doubt, acted", "in doubt, lands late", "killed")
    ),
    "record_resumed",
    "record_error",
    "report with its time",
    "misled",
    "late, as its time tells",
    "reordered",
    "reconnect within",
    "reconnect beyond",
    "refused publisher",
    "look shows",
    "look misses",
    "look failed",
    "look answered late",
    "answer after its lease",
    "start asked",
    "stop asked",
    "start StreamNotLive",
    "start AlreadyStarted",
    "stop StreamNotLive",
    "restart acts",
    "cancel_delay acts",
    "on demand True",
    "on demand False",
    "on demand unheard",
    "start because reassert",
    "start because reassert_early",
    "start because unconfirmed",
    "start because seen_again",
    "start because seen_online",
    "start because publish_time_learnt",
    "old_session",
    "start because rule_records",
    "stop because reassert",
    "stop because reassert_early",
    "stop because stream_returned",
    "restart because unproved",
    *(
        code.value
        for code in (
            Reason.PUBLISHED_TWICE,
            Reason.PUBLISHED_LATE,
            Reason.UNPUBLISHED_LATE,
            Reason.UNPUBLISHED_TWICE,
            Reason.UNPUBLISHED_REFUTED,
            Reason.UNPUBLISHED_UNKNOWN,
            Reason.SEEN_STALE,
            Reason.WENT_OFF,
            Reason.HELD,
            Reason.SESSION_OVER,
            Reason.WITHHELD,
            Reason.LATE_ANSWER,
            Reason.NOT_LIVE_YET,
        )
    ),
)


def test_a_hundred_histories_end_as_they_were_intended() -> None:
    for seed in range(100):
        check(History(seed).run(), seed)


@pytest.mark.prove
@pytest.mark.long
@pytest.mark.timeout(EXHAUSTIVE_S)
def test_ten_thousand_histories_end_as_they_were_intended_and_none_of_a_kind_is_missing() -> None:
    counts: Counter[str] = Counter()
    for seed in range(10_000):
        history = History(seed).run()
        check(history, seed)
        counts.update(history.counts)
        counts.update({code.value: count for code, count in history.reasons.items()})
        counts["starts"] += history.starts

    for kind, count in sorted(counts.items()):
        print(f"{count:8} {kind}")
    assert not [kind for kind in KINDS if not counts[kind]]


def check(history: History, seed: int) -> None:
    assert history.intent_won, f"seed {seed}: {history.record}"
    assert history.starts <= history.most_starts, f"seed {seed}: {history.reasons}"
    due = due_at(history.record)
    assert due is None or due > history.now, f"seed {seed}: due for ever"
