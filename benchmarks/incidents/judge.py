"""Compares the answers of a stage with the true states, which the emulator knows.

A stream is judged only if nothing about it has changed shortly before the question or during it.
Each answer is judged by the time at which it was given: on a busy machine the last one comes half a
minute after the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from benchmarks.incidents.stage import Truth

Json = Mapping[str, Any]
SETTLES_S = 3.0
"""Seconds after a change in which an answer may not know it yet: callbacks are under way."""
TOLD_WITHIN_S, HEALTH_TELLS_S = 10.0, 23.0
"""Seconds after which a stream's own answer, and health, have to report that its recording is being
lost. Health counts only what lasts for 20 s."""
UNCERTAIN_S = 60.0
"""Seconds for which an answer may say that it is not known whether the stream is live."""
STARTING_S = 20.0
"""Seconds after which a recorded stream must not be called "not recorded yet"."""
SLACK_S = 3.0
UNPROVED = ("accepted", "adopted", "unproved", "unconfirmed", "in_doubt", "answer_lost")
"""Reasons that leave open whether the stream is being recorded."""
NOTHING_REPORTED = "has reported nothing since"
"""In the reason of a start that was sent because Live had not reported the one before."""
FORGOTTEN = "store_emptied"
"""The reason of a stream whose data was lost; it may be recorded or not."""
UNDATED = "recorded_age_unknown"
"""The reason of a stream that was reported as recorded at an unknown time."""
CONTRADICTED = "listed_not_found"
"""The cause that reports a contradiction of Live: its list shows a stream that a start does not
find."""
OVERDUE_S = 60.0
"""Seconds by which an attempt that was announced may be late: the timer comes once a minute."""
SAYS_LOST = ("recorded.waits", "recorded.unknown", "recorded.config")
NOT_RECORDED = ("idle", "waiting", "queued", "failed")


@dataclass(frozen=True)
class Moment:
    """One round of questions: the truth before and after it, and the answers.

    `after_at`: the time of the truth after it, in s since the epoch, like `said_at` of a row.
    `is_impaired`: something is wrong even if every stream is recorded, such as a store that does
    not answer. `not_ok`: the checks of doctor that must not be ok then.
    """

    at_s: float
    before: Mapping[str, Truth]
    after: Mapping[str, Truth]
    after_at: float
    wanted: frozenset[str]
    answers: Mapping[str, Any]
    is_impaired: bool
    not_ok: frozenset[str]

    def stable(self) -> Iterator[tuple[str, Truth]]:
        """Yield the streams whose truth is old enough to be known."""
        for name, truth in self.before.items():
            now = self.after.get(name)
            same = now and (now.live, now.recorded) == (truth.live, truth.recorded)
            if now and same and min(truth.live_s, truth.recorded_s) > SETTLES_S:
                yield name, now

    @property
    def lost(self) -> set[str]:
        """Return the wanted streams that have been live and unrecorded for TOLD_WITHIN_S."""
        return self.lost_for(TOLD_WITHIN_S)

    def lost_for(self, seconds: float) -> set[str]:
        return {
            name
            for name, truth in self.stable()
            if name in self.wanted
            and truth.live
            and not truth.recorded
            and min(self.before[name].live_s, self.before[name].recorded_s) > seconds
        }


def judged(moment: Moment) -> tuple[list[str], list[str]]:
    """Return the false statements, and the answers that wrongly say that all is well."""
    false = [*_rows(moment), *_health_false(moment), *_doctor_false(moment)]
    return false, list(_silent(moment))


def _rows(moment: Moment) -> Iterator[str]:
    for surface in ("list", "watch", "why"):
        rows = rows_of(moment.answers, surface)
        for name, truth in moment.stable():
            if rows is not None and name in rows:
                row = rows[name]
                for said in _false_of(row, _earlier(truth, moment.after_at - row["said_at"])):
                    yield f"{surface}: {name}: {said}"


def _earlier(truth: Truth, by_s: float) -> Truth:
    """Return the truth about a stream `by_s` earlier: the same state, which has lasted less."""
    return replace(truth, live_s=truth.live_s - by_s, recorded_s=truth.recorded_s - by_s)


def rows_of(answers: Json, surface: str) -> dict[str, Json] | None:
    """Return the rows by stream; None if the question got no answer."""
    if surface == "why":
        given = [(name, one) for name, one in answers["why"].items() if one["document"]]
        return {name: _said(one["document"], one) for name, one in given} or None
    answer: Json = answers[surface]
    if not answer["document"]:
        return None
    return {row["stream"]: _said(row, answer) for row in answer["document"]["recordings"]}


def _said(row: Json, answer: Json) -> Json:
    """Return the row with the time of its answer as `said_at`, in s since the epoch."""
    return {**row, "said_at": answer["at"]}


def _false_of(row: Json, truth: Truth) -> Iterator[str]:
    phase = row["phase"]
    is_undated = row["reason"]["code"] == UNDATED
    if phase == "recording" and not truth.recorded and not is_undated:
        known_s = (row.get("confirmed_ms_ago") or 0) / 1000
        if known_s + SLACK_S < truth.recorded_s:
            yield f"recording, known {known_s:.0f} s ago; it ended {truth.recorded_s:.0f} s ago"
    is_open_itself = is_uncertain(row) or row["reason"]["code"] == FORGOTTEN
    if truth.recorded and phase in NOT_RECORDED and not is_open_itself:
        yield f"{phase}, and it is recorded for {truth.recorded_s:.0f} s"
    is_unproved = row["reason"]["code"] in UNPROVED
    if truth.recorded and phase == "starting" and truth.recorded_s > STARTING_S and not is_unproved:
        yield f"not recorded yet, and it is for {truth.recorded_s:.0f} s"
    if (row.get("wrong") or {}) and truth.recorded and truth.recorded_s > STARTING_S:
        yield "being lost, and it is recorded"
    yield from _liveness(row, truth)


def _liveness(row: Json, truth: Truth) -> Iterator[str]:
    said, at = row.get("live"), row.get("live_at")
    contradicts = (said == "yes" and not truth.live) or (said == "no" and truth.live)
    if contradicts and at:
        age_s = _age_s(at, row)
        if age_s + SLACK_S < truth.live_s:
            yield f"live {said} as of {age_s:.0f} s ago; not so for {truth.live_s:.0f} s"


def _health_false(moment: Moment) -> Iterator[str]:
    document = moment.answers["health"]["document"]
    if document is None:
        return
    lost = document.get("not_recorded")
    if lost and lost["reason"]["code"] != CONTRADICTED and _is_all_recorded(moment):
        yield "health: not_recorded, and every stream is recorded"


def _is_all_recorded(moment: Moment) -> bool:
    return all(_is_recorded(moment, name) for name in moment.wanted)


def _is_recorded(moment: Moment, name: str) -> bool:
    """Return True if the stream is not live, or has been recorded for STARTING_S."""
    truth = moment.before.get(name)
    if truth is None or not truth.live:
        return True
    return truth.recorded and truth.recorded_s > STARTING_S


def _doctor_false(moment: Moment) -> Iterator[str]:
    findings = (moment.answers["doctor"]["document"] or {}).get("findings", [])
    for finding in findings:
        check, is_ok = finding["check"], finding["severity"] == "ok"
        if is_ok and (check in moment.not_ok or (check == "recorded" and moment.lost)):
            yield f"doctor: {check} is ok"
        says_lost = finding["code"] in SAYS_LOST and finding["severity"] == "fault"
        if says_lost and _is_all_recorded(moment):
            yield f"doctor: {finding['code']}, and every stream is recorded"


def _silent(moment: Moment) -> Iterator[str]:
    lost = moment.lost
    if lost or moment.is_impaired:
        yield from _silent_overviews(moment)
    for surface in ("list", "watch", "why"):
        rows = rows_of(moment.answers, surface)
        if rows is not None:
            named = set(rows) if surface == "why" else lost - _unreadable(moment.answers[surface])
            yield from _silent_rows(surface, rows, lost & named)


def _unreadable(answer: Json) -> set[str]:
    """Return the streams of which the answer says that their record cannot be read."""
    return {row["stream"] for row in answer["document"].get("unreadable", ())}


def _silent_overviews(moment: Moment) -> Iterator[str]:
    """Yield each answer about the whole stage that wrongly says that all is well."""
    if moment.answers["doctor"]["exit"] == 0:
        yield "doctor: nothing to fix"
    if not (moment.is_impaired or moment.lost_for(HEALTH_TELLS_S)):
        return
    watch = moment.answers["watch"]["document"]
    for name, health in (
        ("health", moment.answers["health"]["document"]),
        ("watch", watch and watch["health"]),
    ):
        if health is not None and health["ready"] and not health["problems"]:
            yield f"{name}: ready, without a problem"


def _silent_rows(surface: str, rows: Mapping[str, Json], lost: set[str]) -> Iterator[str]:
    for name in sorted(lost):
        row = rows.get(name)
        if row is None:
            yield f"{surface}: {name} is not named"
        elif not (row.get("wrong") or row["phase"] == "failed" or _may_be(row)):
            yield f"{surface}: {name} is {row['phase']}, and nothing is said to be wrong"


def _may_be(row: Json) -> bool:
    """Return True if the row dates its report that the stream is recorded, or says that the stage
    is finding out whether it is live or recorded."""
    is_undated = row["reason"]["code"] == UNDATED
    is_old = row["phase"] == "recording" and (row.get("confirmed_ms_ago") or 0) > 0
    return is_old or is_undated or is_uncertain(row) or is_open(row)


def is_open(row: Json) -> bool:
    """Return True if Live has accepted the start and reported nothing since, by the row, and the
    row names the time of the next start, which will show whether Live records, or says that this
    start is on the wire.

    Live's 200 is then all that anybody knows. To call the stream lost would be as false as to call
    it recorded. This excuses no stage: health has to have a problem by then, and doctor a finding.
    """
    if row["phase"] == "starting" and row["reason"]["code"] == "sent":
        return NOTHING_REPORTED in row["reason"]["text"]
    due = row.get("next_attempt_at")
    is_unproved = row["phase"] == "starting" and row["reason"]["code"] in UNPROVED
    return is_unproved and bool(due) and _age_s(str(due), row) < OVERDUE_S


def is_uncertain(row: Json) -> bool:
    """Return True if the row says that nobody knows for the moment whether the stream is live."""
    age_s = _age_s(row["live_at"], row) if row.get("live_at") else UNCERTAIN_S + 1
    return row.get("live") == "unknown" and age_s < UNCERTAIN_S


def _age_s(at: str, row: Json) -> float:
    """Return the time from `at` to the answer that contains the row, in s."""
    return float(row["said_at"]) - datetime.fromisoformat(at.replace("Z", "+00:00")).timestamp()
