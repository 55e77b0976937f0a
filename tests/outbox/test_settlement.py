"""What the outcome of an attempt makes of its task, and how long its retries take."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from shared.outbox.backoff import BACKOFF, LEASE_SPARE_MS
from shared.outbox.settlement import WHY_CHARS, Done, Failed, Next, Settlement, settlement
from shared.outbox.task import Task, TaskKind
from shared.outbox.verify_file import verify_file
from shared.protocol.file import VOD, FileVerdict
from shared.store.contract import LEAST_KEEP_MS
from tests.conftest import KEY, NOON

TASK = Task("a", TaskKind.VERIFY_FILE.value, KEY, "{}", NOON, NOON, attempts=1)
BACKOFF_OF = BACKOFF[TaskKind.VERIFY_FILE]
VERDICT = FileVerdict("missing", NOON)


def test_what_is_done_is_gone() -> None:
    assert settlement(TASK, Done("a.flv", VERDICT), 0.5) == Settlement(
        Next.DONE, uri="a.flv", verdict=VERDICT
    )


def test_a_failure_is_retried_after_a_pause_that_doubles_up_to_a_limit() -> None:
    def pause(attempts: int) -> int:
        return settlement(replace(TASK, attempts=attempts), Failed("x"), 0.0).retry_in_ms

    assert [pause(1), pause(2), pause(3)] == [5_000, 10_000, 20_000]
    assert pause(29) == BACKOFF_OF.most_ms


def test_jitter_shortens_a_pause_by_a_quarter_at_most() -> None:
    pauses = {BACKOFF_OF.pause_ms(3, number / 100) for number in range(100)}
    assert 15_000 < min(pauses) < max(pauses) == 20_000


def test_after_its_last_attempt_or_for_good_it_is_a_dead_letter() -> None:
    last = replace(TASK, attempts=BACKOFF_OF.attempts)
    assert settlement(last, Failed("OSS is away"), 0.0).next is Next.DEAD
    assert settlement(TASK, Failed("x" * 999, is_final=True), 0.0) == Settlement(
        Next.DEAD, why="x" * WHY_CHARS
    )


@pytest.mark.parametrize("kind", TaskKind)
def test_each_kind_is_retried_for_less_than_its_stream_is_kept(kind: TaskKind) -> None:
    backoff = BACKOFF[kind]
    pauses = sum(backoff.pause_ms(number, 0.0) for number in range(1, backoff.attempts))
    assert pauses + backoff.attempts * backoff.lease_ms < LEAST_KEEP_MS
    assert backoff.lease_ms - backoff.patience_ms == LEASE_SPARE_MS > 5_000


def test_the_task_of_a_file_has_one_id_and_there_is_none_for_what_is_in_vod() -> None:
    (task,) = verify_file(KEY, "record/房间.flv")
    assert verify_file(KEY, "record/房间.flv") == (task,)
    others = (verify_file(KEY, "other.flv"), verify_file(replace(KEY, app="b"), "record/房间.flv"))
    assert len({task.id, *(one.id for (one,) in others)}) == 3
    assert verify_file(KEY, f"{VOD}17") == ()
