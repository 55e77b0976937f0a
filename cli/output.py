"""The stage's answers, formatted as lines for people or as JSON for programs.

Most commands that show answers of a stage call this module. It sends no request.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from gettext import gettext as _
from gettext import ngettext
from typing import Any

import click

from cli import texts
from cli.api import STORE_EMPTIED
from cli.local_time import local
from shared.protocol.durations import written

Json = Mapping[str, Any]


_STAGE = f"{__name__}.stage"


def name_stage(name: str, *, plain: bool, err: bool = False) -> None:
    """Add the stage's name to every JSON answer that this command prints from now on. With `plain`,
    also print the name now, as the first line of an answer for people; with `err`, on stderr."""
    if plain:
        click.echo(_("stage {name}").format(name=name), err=err)
    click.get_current_context().meta[_STAGE] = name


def as_json(document: Json) -> None:
    """Print the document as JSON, with the stage's name if `name_stage` has set it."""
    context = click.get_current_context(silent=True)
    name = context.meta.get(_STAGE) if context else None
    whole = {**document, "stage": name} if name else document
    click.echo(json.dumps(whole, ensure_ascii=False))


def say(text: str) -> None:
    """Print a text for people. Its times are shown in the local zone."""
    click.echo(local(text))


def rows(
    answer: Json,
    field: str,
    line_of: Callable[[Json], str],
    plain_json: bool,
    *,
    nothing: str,
    limit: int | None = None,
) -> None:
    """Print the rows of a list, or `nothing` if there are none. `limit` is the largest number of
    rows that were asked for: if there are as many, say that there may be more."""
    if plain_json:
        as_json(answer)
        return
    for row in answer[field]:
        say(line_of(row))
    if not answer[field]:
        click.echo(nothing)
    say_if_cut(len(answer[field]), limit)


def say_if_cut(count: int, limit: int | None) -> None:
    """Say on stderr that a list of `count` rows may have more, if it has as many as `limit`."""
    if count == limit:
        sentence = ngettext(
            "Only {count} row is shown, and there may be more. `--limit` sets how many.",
            "Only {count} rows are shown, and there may be more. `--limit` sets how many.",
            count,
        )
        click.echo(sentence.format(count=count), err=True)


def status_line(row: Json) -> str:
    """Return a line about a stream: its phase, the outcome of the request if there was one, the
    reason, and the time until which it is recorded."""
    phase, outcome = row["phase"], row.get("outcome")
    repeats = outcome in (None, phase)
    shown = "" if repeats else _(" ({outcome})").format(outcome=outcome_word(row["outcome"]))
    until = _(" (until {time})").format(time=row["until"]) if row.get("until") else ""
    line = _("{stream}: {phase}{outcome}, {reason}{until}")
    return line.format(
        stream=row["stream"],
        phase=phase_word(phase),
        outcome=shown,
        reason=row["reason"]["text"],
        until=until,
    )


def list_line(row: Json) -> str:
    """Return a stream's line in a list of streams. If the stream should be recorded and is not, the
    line is red, and begins with the text of `wrong_words`."""
    live = _live_words().get(row.get("live", ""), "")
    changed = row.get("changed_at")
    since = _("changed {time}").format(time=changed) if changed else ""
    lost = wrong_words(row)
    more = _(", ").join(filter(None, (live, since, lost and attempt_line(row))))
    line = status_line(row) + (_(" [{more}]").format(more=more) if more else "")
    return click.style(_("{lost}: {line}").format(lost=lost, line=line), fg="red") if lost else line


def _live_words() -> Mapping[str, str]:
    return {"yes": _("live"), "no": _("not live"), "unknown": _("live or not: unknown")}


def wrong_words(row: Json) -> str:
    """Return a text that says for how many seconds a stream that should be recorded has not been;
    "" if nothing is wrong."""
    wrong = row.get("wrong")
    if not wrong:
        return ""
    line = _("NOT RECORDED, {seconds} s lost")
    if row.get("live") == "unknown":
        line = _("NOT RECORDED, {seconds} s lost, if the stream is live")
    elif is_uncertain(row):
        line = _("NOT RECORDED, {seconds} s lost, unless the last command took effect")
    return line.format(seconds=wrong["lost_ms"] // 1000)


IN_DOUBT = ("in_doubt", "answer_lost")
"""The reasons of a stream of which nobody knows whether Live carried out the last command."""


def is_uncertain(row: Json) -> bool:
    """Return True if nobody knows whether the stream is recorded, because Live's answer to a start
    was lost or unclear."""
    wrong = row.get("wrong")
    if wrong and "certain" in wrong:  # the release before has no such field
        return not wrong["certain"]
    shown = wrong or row
    is_starting = row["phase"] in ("queued", "starting")
    return is_starting and shown["reason"]["code"] in IN_DOUBT


NOT_AS_WANTED_PHASES = ("failed", "stopping")
"""The phases of a stream that should be recorded and cannot, or should not and is."""


OBSERVED = "observed"
"""The reason of a stream whose stop or start a stage that only observes has not sent."""


def is_as_wanted(row: Json) -> bool:
    """Return False if the stream should be recorded and is not, or is recorded and should not be.
    Also return False if a request about it was lost with the data of an emptied store, or was not
    sent because the stage only observes."""
    code, phase = row["reason"]["code"], row["phase"]
    is_lost = code == STORE_EMPTIED or (code == OBSERVED and phase == "unmanaged")
    return not row.get("wrong") and phase not in NOT_AS_WANTED_PHASES and not is_lost


def attempt_line(row: Json) -> str:
    """Return a line that says when the next attempt or check is due, and how often the command was
    tried; "" if none is planned. The line says "or up to a minute later", because the timer runs
    once a minute."""
    if not row.get("next_attempt_at"):
        return ""
    line = _("next attempt or check {time}, or up to a minute later")
    if pending := row.get("pending"):  # a row of a list has no such field
        line = _("next attempt of `{command}` {time}, or up to a minute later")
    command = pending["command"] if pending else ""
    line = line.format(time=row["next_attempt_at"], command=command)
    count = row.get("attempts", 0)
    tried = ngettext("tried once so far", "tried {count} times so far", count).format(count=count)
    return _("{line}; {tried}").format(line=line, tried=tried) if count else line


def as_of_line(row: Json) -> str:
    """Return a line that says at which time the stream was known not to be live, because the
    callback of a later publish may have been lost. Return "" unless the row's reason is `not_live`.
    """
    if row["reason"]["code"] != NOT_LIVE or not row.get("live_at"):
        return ""
    line = _("the stream was not live at {time}; the online list is read once a minute")
    return line.format(time=row["live_at"])


NOT_LIVE = "not_live"
"""The reason of a stream that would be recorded if it were live."""


def scheduled_line(row: Json) -> str:
    """Return a line about the schedule that asks for a recording now, with its end. If no schedule
    does, return a line about the schedule that begins next; "" if none begins within 48 h."""
    schedules = row.get("schedules") or []  # the release before has no such field
    under_way = [one for one in schedules if one["begun"]]
    if under_way:
        last = max(under_way, key=lambda one: str(one["ends_at"]))
        line = _(
            "the schedule {schedule} asks for a recording until {ends_at},"
            " or {until} if the show runs over"
        )
        return line.format(**{name: last[name] for name in ("schedule", "ends_at", "until")})
    if schedules:
        following = schedules[0]
        line = _("the schedule {schedule} begins at {starts_at}")
        if following.get("barred"):  # the release before has no such field
            line = _(
                "the schedule {schedule} begins at {starts_at}, but will not be recorded while the"
                " explicit stop holds"
            )
        return line.format(schedule=following["schedule"], starts_at=following["starts_at"])
    return ""


def phase_word(phase: str) -> str:
    """Return the phase in the language in use; an unknown phase of a later release stays as it
    is."""
    words = {
        "idle": _("idle"),
        "waiting": _("waiting"),
        "queued": _("queued"),
        "starting": _("starting"),
        "recording": _("recording"),
        "stopping": _("stopping"),
        "failed": _("failed"),
        "unmanaged": _("unmanaged"),
    }
    return words.get(phase, phase)


def outcome_word(outcome: str) -> str:
    """Return the outcome of a request in the language in use; an unknown outcome stays as it is."""
    words = {
        "accepted": _("accepted"),
        "already_recording": _("already_recording"),
        "already_stopped": _("already_stopped"),
        "never_known": _("never_known"),
        "queued": _("queued"),
        "waiting": _("waiting"),
        "unknown": _("unknown"),
    }
    return words.get(outcome, outcome)


def unreadable_line(row: Json) -> str:
    line = _(
        "{stream}: its record cannot be read: {reason}. You can still stop the stream. For anything"
        " else, deploy the release that wrote the record"
    )
    return line.format(stream=row["stream"], reason=row["reason"])


def unusable_line(row: Json) -> str:
    line = _(
        "{stream}: NOT RECORDED, although a rule should record it, because of its name: it {why}."
        " Publish it under another name"
    )
    return click.style(line.format(stream=row["stream"], why=row["reason"]), fg="red")


def beside_lines(answer: Json) -> Sequence[str]:
    """Return the lines about streams that are in no phase: those whose name no command can contain,
    and those whose record cannot be read."""
    unusable = map(unusable_line, answer["unusable"])
    return [*unusable, *map(unreadable_line, answer["unreadable"])]


def history_line(entry: Json) -> str:
    repeated = _(" (x{count} until {time})").format(count=entry["count"], time=entry["last_at"])
    times = repeated if entry["count"] > 1 else ""
    note = entry.get("about", {}).get("note")
    noted = _(": {note}").format(note=note) if note else ""
    return f"{entry['at']}  {entry['text']}{noted}{times}"


def file_line(row: Json) -> str:
    unknown = _("unknown time")
    ran = _("{start} to {stop}").format(start=row["start"] or unknown, stop=row["stop"] or unknown)
    lasted = "" if row.get("duration") is None else f"  {row['duration']:.3f} s"
    passed = "".join(f"  {name}={value}" for name, value in row.get("push_args", {}).items())
    words = f"{verdict_words(row)}{_copy_words(row)}"
    return f"{row.get('url') or row['uri']}  {ran}{lasted}{passed}{words}"


def _copy_words(row: Json) -> str:
    """Return how far the copy of a file in another store is; "" where nothing copies it."""
    copy = row.get("copy")
    if not copy:
        return ""
    if copy["state"] == "delivered":
        return "  " + _("delivered to {target}").format(target=copy["target"])
    why = _(" ({why})").format(why=texts.detail(copy["why"])) if copy["why"] else ""
    if copy["state"] == "failed":
        words = _("not delivered to {target}{why}").format(target=copy["target"], why=why)
        return "  " + click.style(words, fg="red")
    if copy.get("segments") is not None:
        words = _("delivering to {target}: segments copied: {copied} of {count}{why}")
        copied, count = copy["copied_segments"], copy["segments"]
        return "  " + words.format(target=copy["target"], copied=copied, count=count, why=why)
    words = _("delivering to {target}: bytes copied: {copied} of {size}{why}")
    size = "?" if copy["size"] is None else copy["size"]
    return "  " + words.format(target=copy["target"], copied=copy["copied"], size=size, why=why)


def verdict_words(row: Json) -> str:
    """Return the stage's verdict on a file, in words; "" if there is no verdict yet."""
    verdict = row.get("verified")
    if not verdict:
        return ""
    if verdict["outcome"] == "verified":
        return "  " + _("verified")
    found = _("; ").join(each["text"] for each in verdict["findings"])
    line = _("{outcome}: {found}") if found else "{outcome}"
    return "  " + click.style(line.format(outcome=verdict["text"], found=found), fg="red")


def reason_sentence(status: Json, rejected: Json | None) -> str:
    """Return one sentence: whether the stream is recorded, and why. `rejected` is an answer of
    `Api.rejected_callbacks`. If it names a callback, the sentence ends with the newest one."""
    sentences = {
        "recording": _("{stream} is recorded: {reason}"),
        "unmanaged": _("{stream} is recorded: {reason}"),
        "starting": _("{stream} is not recorded yet: {reason}"),
        "queued": _("{stream} is not recorded yet: {reason}"),
        "stopping": _("{stream} is being stopped: {reason}"),
    }
    sentence = sentences.get(status["phase"], _("{stream} is not recorded: {reason}"))
    if is_uncertain(status):
        sentence = _("Whether {stream} is recorded is unknown: {reason}")
    more = _rejected_callback(rejected) if rejected else ""
    return sentence.format(stream=status["stream"], reason=status["reason"]["text"]) + more


def _rejected_callback(rejected: Json) -> str:
    """Return a clause about the newest rejected callback of a stream that was never live."""
    if not rejected["last"]:
        return ""
    newest = rejected["last"][0]
    clause = _(
        "; a callback that names this stream was rejected at {time}, because nothing proved that"
        " Live sent it: {why}"
    )
    return clause.format(time=newest["at"], why=texts.detail(newest["why"]))


def overview(health: Json, answer: Json) -> str:
    """Return the lines about the stage's health, followed by one line for each stream. Streams that
    are idle as they should be are left out."""
    rows = wrong_first(answer["recordings"])
    busy = [list_line(row) for row in rows if row["phase"] != "idle" or not is_as_wanted(row)]
    busy += beside_lines(answer)
    return "\n".join([*health_lines(health), "", *(busy or [_("every stream is idle")])])


def health_lines(health: Json) -> Sequence[str]:
    lines = [
        _("The stage is ready.") if health["ready"] else _("The stage is not ready."),
        *(problem_sentence(problem) for problem in health.get("problems", ())),
        _queue_line(health),
        _phases_line(health),
    ]
    return [line for line in lines if line]


def is_healthy(health: Json) -> bool:
    return bool(health["ready"]) and not health.get("problems")


def wrong_first(rows: Sequence[Json]) -> Sequence[Json]:
    """Return the rows in another order: first those whose recording is being lost, the longest lost
    first."""

    def lost_ms(row: Json) -> int:
        return int(row["wrong"]["lost_ms"]) if row.get("wrong") else -1

    return sorted(rows, key=lost_ms, reverse=True)


def problem_sentence(problem: Json) -> str:
    """Return a problem of the stage with its next step."""
    return _("{problem}. {fix}").format(problem=problem["text"], fix=problem["fix"])


def _queue_line(health: Json) -> str:
    if "due" not in health:
        return ""
    age = health["reconciled_ms_ago"]
    ran = _("`reconcile` has not run yet") if age is None else _("`reconcile` ran {age} ago")
    due = (
        _("streams due: {due}, the oldest for {oldest}") if health["due"] else _("no stream is due")
    )
    line = _("{ran}; {due}; commands a second: {used:g} of {allowed:g}")
    return line.format(
        ran=ran.format(age=written(max(age or 0, 0))),
        due=due.format(due=health["due"], oldest=written(max(health["oldest_due_ms"], 0))),
        used=health["rate_limit"]["used"],
        allowed=health["rate_limit"]["rate"],
    )


def _phases_line(health: Json) -> str:
    phases = health.get("phases", {})
    counted = [f"{count} {phase_word(phase)}" for phase, count in phases.items() if count]
    return _(", ").join(counted)


def clock_offset(offset_ms: int) -> str:
    """Return a text that says how far the development clock is from real time, and how to reset it.
    The offset survives a restart of the stack."""
    if not offset_ms:
        return _("as real time")
    way = _("{offset} ahead of real time") if offset_ms > 0 else _("{offset} behind real time")
    reset = _("to reset the clock: POST {body} to /_control/clock").format(body='{"offset_ms": 0}')
    return f"{way.format(offset=written(abs(offset_ms)))} ({reset})"
