"""`live-record schedule`: manages what is recorded by the calendar, with a file of schedules or one
schedule at a time.

cli.main adds the group. The command compares a file with the stage's schedules. Before it stores
them, it finds wrong fields with the stage's own code. The stage finds other faults, such as a
domain that its policy does not name.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from functools import partial
from gettext import gettext as _
from gettext import ngettext
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
from msgspec import to_builtins
from msgspec.structs import replace

from cli import output, texts
from cli.api import Api, Json, schedule_body
from cli.confirmation import YES, confirm
from cli.errors import Failure, StageRefusal, unreadable
from cli.exit_codes import AS_WANTED, FAILED
from cli.local_time import moment, shown
from cli.moments import TimeZone
from cli.stage_command import of_stage
from cli.stage_registry import toml
from shared.inbound.request_errors import BadRequest
from shared.inbound.request_fields import read
from shared.protocol.durations import MAX_DURATION_MS, duration, written
from shared.protocol.state.occurrence import fits
from shared.protocol.stream import StreamKey
from shared.schedule.schedule import matches_of, one_of_each_application

DEFAULTS: Mapping[str, Any] = {
    "title": "",
    "streams": [],
    "start": "",
    "end": "",
    "timezone": "",
    "rrule": "",
    "exdates": [],
    "pre_roll": "none",
    "post_roll": "none",
    "overrun": "2h",
    "rehearsed_within": "none",
    "late_after": "2m",
    "expect": "all",
    "coverage_target": None,
}
"""The fields of a schedule in a file, with the value that a stage uses if a field is left out."""
KNOWN_ROWS, SHOWN_NAMES = 500, 20
"""The most streams of an application that are compared with a pattern, and that are named."""
SPANS = ("pre_roll", "post_roll", "overrun", "rehearsed_within", "late_after")
_LOCAL_CHARS = len("2026-01-06T19:00")

_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
_name = click.argument("schedule_id", metavar="ID")
_note = click.option("--note", help="free text to store in the history of the streams")
_prune = click.option(
    "--prune",
    is_flag=True,
    help=(
        "also delete the schedules that FILE lacks; if the stage refuses a schedule of FILE, none"
        " is deleted"
    ),
)


@click.group()
def schedule() -> None:
    """Record by the calendar.

    A schedule names streams, and says by a recurrence rule and a time zone when they are recorded.
    """


# --- files ---------------------------------------------------------------------------------------


@schedule.command("apply")
@_file
@_prune
@YES
@of_stage(changes=True)
def apply(api: Api, file: Path, prune: bool, is_sure: bool, as_json: bool) -> int:
    """Apply the schedules of FILE (TOML) to a stage.

    The command shows what would change, and asks for confirmation. Occurrences that have begun go
    on to their end. If the stage refuses a schedule, the command says why, and stores the others.
    """
    return _apply(api, read_schedules(file), prune=prune, is_sure=is_sure, as_json=as_json)


@schedule.command("diff")
@_file
@_prune
@of_stage(changes=False)
def diff(api: Api, file: Path, prune: bool, as_json: bool) -> int:
    """Show what `schedule apply` would change."""
    return _show_only(_changes(api, read_schedules(file), prune=prune), as_json=as_json)


@schedule.command("export")
@of_stage(changes=False, prints_value=True)
def export(api: Api, as_json: bool) -> None:
    """Print the schedules of a stage as a file for `schedule apply`."""
    answer = api.schedule_list()
    warn_of_unreadable(answer)
    found = {row["id"]: as_of_file(row) for row in answer["schedules"]}
    if as_json:
        output.as_json({"schedule": [{"id": name, **fields} for name, fields in found.items()]})
        return
    click.echo("\n".join(to_toml(found)))


@schedule.command("import")
@_file
@click.option(
    "--stream",
    "streams",
    multiple=True,
    help="stream to record (`domain/app/stream`) for events that name none; repeatable",
)
@click.option(
    "--timezone",
    type=TimeZone(),
    default="",
    help="time zone, such as Asia/Shanghai, for events that name no time zone of the IANA database",
)
@click.option("--dry-run", is_flag=True, help="show what would change, and change nothing")
@YES
@of_stage(changes=True)
def import_calendar(  # noqa: PLR0917 - click names them
    api: Api,
    file: Path,
    streams: Sequence[str],
    timezone: str,
    dry_run: bool,
    is_sure: bool,
    as_json: bool,
) -> int:
    """Turn the events of FILE (.ics) into schedules.

    An event names its streams by lines such as `live-record: domain/app/stream` in its description,
    and may set other fields by lines such as `live-record.late_after: 5m`. An occurrence that was
    moved becomes a schedule of its own. An occurrence that was removed becomes an excluded date.
    """
    from cli.calendar_file import read_calendar

    found, skipped = read_calendar(file, streams=streams, timezone=timezone)
    for line in skipped:
        click.echo(line, err=True)
    if dry_run:
        return _show_only(_changes(api, found, prune=False), as_json=as_json)
    return _apply(api, found, prune=False, is_sure=is_sure, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Changes:
    """The schedules to store, by id, those to delete, each change in words, and the schedules that
    the stage would refuse for their fields alone."""

    stored: Mapping[str, Json]
    deleted: Sequence[str]
    lines: Sequence[str]
    refusals: Mapping[str, StageRefusal]


def _changes(api: Api, wanted: Mapping[str, Json], *, prune: bool) -> _Changes:
    if not wanted:
        click.echo(_("The file names no schedule."), err=True)
    answer = api.schedule_list()
    warn_of_unreadable(answer, written_again=wanted)
    before = {row["id"]: as_of_file(row) for row in answer["schedules"]}
    new_or_changed = {name: new for name, new in wanted.items() if before.get(name) != new}
    refusals = dict(_refusals(new_or_changed))
    stored = {name: new for name, new in new_or_changed.items() if name not in refusals}
    deleted = [name for name in before if prune and name not in wanted]
    lines = list[str]()
    for name, new in stored.items():
        lines += _lines(name, before.get(name), new)
        lines += _fitting(api, new["streams"])
    return _Changes(stored, deleted, [*lines, *(f"- {name}" for name in deleted)], refusals)


def _refusals(schedules: Mapping[str, Json]) -> Iterator[tuple[str, StageRefusal]]:
    """Yield the schedules that a stage refuses for their fields alone, each with the refusal in the
    stage's own words."""
    for name, fields in schedules.items():
        refusal = _refusal(schedule_body(fields))
        if refusal:
            yield name, refusal


def _refusal(body: Json) -> StageRefusal | None:
    from functions.record_command.schedules import PUT, time_faults  # all three are slow to import
    from shared.inbound.catalogue import Language
    from shared.inbound.function_compute import problem

    together = partial(time_faults, longest_ms=MAX_DURATION_MS)  # a stage has a limit of its own
    try:
        read(PUT, body, where="body", together=together)
    except BadRequest as error:
        answer = problem(error, language=Language(texts.current_language()))
        return StageRefusal(to_builtins(answer.body))
    return None


def _fitting(api: Api, streams: Sequence[str]) -> Iterator[str]:
    """Yield, for each pattern, the streams known to the stage that it matches now."""
    for match in matches_of(one for one in streams if one.count("/") > 1):
        where = {"domain": match.domain, "app": match.app}
        rows = api.list_recordings(KNOWN_ROWS, **where)["recordings"]
        of_app = replace(match, domain="*")  # rows have the streaming domain, files may have others
        found = [row["stream"] for row in rows if fits(StreamKey.parse(row["stream"]), (of_app,))]
        yield f"  {match}: {_known_line(len(found), found)}"


def _known_line(count: int, streams: Sequence[str]) -> str:
    line = ngettext("fits {count} stream now", "fits {count} streams now", count)
    names = ", ".join(name.rpartition("/")[2] for name in streams[:SHOWN_NAMES])
    more = ", ..." if count > SHOWN_NAMES else ""
    return _(": ").join(filter(None, (line.format(count=count), names + more)))


def _lines(name: str, before: Json | None, new: Json) -> Iterator[str]:
    if before is None:
        yield f"+ {name}: {new['start']} - {new['end']} {new['timezone']} {new['rrule']}".rstrip()
        return
    for field, value in new.items():
        if before[field] != value:
            yield f"~ {name}: {field}: {_shown(before[field])} -> {_shown(value)}"


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "-" if value in (None, "") else str(value)


def _show_only(changes: _Changes, *, as_json: bool) -> int:
    """Print the changes that nobody applies, and return the exit code."""
    if as_json:
        output.as_json({"changes": changes.lines, "refused": _rows(changes.refusals)})
    else:
        _show(changes)
    return FAILED if changes.refusals else AS_WANTED


def _show(changes: _Changes) -> None:
    nothing = [] if changes.refusals else [_("Nothing changes.")]
    for line in changes.lines or nothing:
        output.say(line)
    _show_refusals(changes.refusals)


def _rows(refusals: Mapping[str, StageRefusal]) -> Sequence[Json]:
    return [{**refusal.problem, "id": name} for name, refusal in refusals.items()]


def _apply(
    api: Api, wanted: Mapping[str, Json], *, prune: bool, is_sure: bool, as_json: bool
) -> int:
    changes = _changes(api, wanted, prune=prune)
    if not as_json:
        _show(changes)
    if changes.lines:
        confirm(_("Apply these schedules?"), is_sure=is_sure, as_json=as_json)
    results = {name: _store(api, name, fields) for name, fields in changes.stored.items()}
    late = {name: each for name, each in results.items() if isinstance(each, StageRefusal)}
    refusals = {**changes.refusals, **late}
    answers = [each for each in results.values() if not isinstance(each, StageRefusal)]
    for name in () if refusals else changes.deleted:
        api.delete_schedule(name)
    if as_json:
        rows = {"schedules": answers, "refused": _rows(refusals)}
        output.as_json({"changes": changes.lines, **rows})
        return FAILED if refusals else AS_WANTED
    for answer in answers:
        for line in _upcoming(answer):
            output.say(line)
    _show_refusals(late)
    if refusals and changes.deleted:
        click.echo(_none_deleted(), err=True)
    return FAILED if refusals else AS_WANTED


def _store(api: Api, name: str, fields: Json) -> Json | StageRefusal:
    try:
        return api.put_schedule(name, fields)
    except StageRefusal as refusal:
        return refusal


def _show_refusals(refusals: Mapping[str, StageRefusal]) -> None:
    for name, refusal in refusals.items():
        Failure(
            _("The schedule {id} is not stored: {why}").format(id=name, why=refusal.message)
        ).show()


def _none_deleted() -> str:
    return _(
        "Because a schedule was refused, no schedule was deleted. Correct the refused schedule,"
        " and apply again."
    )


def _upcoming(answer: Json) -> Iterator[str]:
    first = next(iter(answer["next"]), None)
    if first is None:
        yield _("{id}: no occurrence is to come").format(id=answer["id"])
        return
    line = _("{id}: next occurrence at {time}")
    if moment(first["starts_at"]) <= datetime.now(timezone.utc):
        line = _("{id}: under way since {time}")
    yield line.format(id=answer["id"], time=_in_zone(first["starts_at"], answer["timezone"]))
    if answer["load"]:
        yield f"  {answer['load']['text']}"


def read_schedules(file: Path) -> Mapping[str, Json]:
    """Return the schedules in the file by their ids. Raise Failure with every mistake that the
    stage could not see, such as an id that occurs twice."""
    try:
        document = toml().loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeError) as error:
        raise unreadable(file, error) from None
    except ValueError as error:
        raise Failure(
            _("{file} is not TOML: {error}. Correct the file.").format(file=file, error=error)
        ) from None
    rows = document.get("schedule", [])
    faults = list(_faults(document, rows))
    if faults:
        raise Failure("\n".join(f"{file}: {fault}" for fault in faults))
    return {row["id"]: normalized(row) for row in rows}


def _faults(document: Json, rows: object) -> Iterator[str]:
    if set(document) - {"schedule"} or not isinstance(rows, list):
        yield _("write each schedule as a table `[[schedule]]`")
        return
    ids = [row.get("id") for row in rows]
    for row in rows:
        if not isinstance(row.get("id"), str):
            yield _("a schedule has no `id`: give it one")
        for name in sorted(set(row) - {"id", *DEFAULTS}):
            yield _("{id}: the field `{name}` is unknown: correct or remove this field").format(
                id=row.get("id"), name=name
            )
    for name in sorted({str(name) for name in ids if ids.count(name) > 1}):
        yield _("the id {id} occurs twice: give each schedule an id of its own").format(id=name)


def normalized(row: Json) -> Json:
    """Return the fields of a schedule in the form in which a stage shows them, so that equal
    schedules compare equal. Values that cannot be read stay unchanged: the stage says what is wrong
    with them."""
    fields = {**DEFAULTS, **{name: _plain(value) for name, value in row.items() if name != "id"}}
    if "expect" not in row and any("*" in str(stream) for stream in fields["streams"]):
        fields["expect"] = "any"
    for name in ("start", "end"):
        if len(str(fields[name])) == _LOCAL_CHARS:
            fields[name] += ":00"
    for name in SPANS:
        fields[name] = _span(fields[name])
    fields["coverage_target"] = _number(fields["coverage_target"])
    fields["rrule"] = str(fields["rrule"]).removeprefix("RRULE:")
    return fields


def _plain(value: object) -> object:
    if isinstance(value, datetime | date):
        return value.isoformat()
    return [_plain(one) for one in value] if isinstance(value, list) else value


def _span(value: object) -> object:
    try:
        return value if value == "none" else written(duration(value))
    except ValueError:
        return value


def _number(value: object) -> object:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def as_of_file(row: Json) -> Json:
    """Return the fields that a schedule has in a file; `row` is the schedule as the API returns it.
    A field that a stage of an earlier release does not return gets its default."""
    return {name: row.get(name, default) for name, default in DEFAULTS.items()}


def to_toml(schedules: Mapping[str, Json]) -> Iterator[str]:
    """Yield the lines of a TOML file of these schedules, which are given by id. Fields with their
    default value are left out."""
    for name, fields in schedules.items():
        yield from ("[[schedule]]", f"id = {json.dumps(name)}")
        for field, value in fields.items():
            if value != DEFAULTS[field]:
                yield f"{field} = {json.dumps(value, ensure_ascii=False)}"
        yield ""


# --- one schedule --------------------------------------------------------------------------------


@schedule.command("list")
@of_stage(changes=False)
def list_schedules(api: Api, as_json: bool) -> None:
    """List the schedules of a stage."""
    answer = api.schedule_list()
    if as_json:
        output.as_json(answer)
        return
    lines = [*map(_line_of, answer["schedules"]), *map(_unreadable_line, answer["unreadable"])]
    for line in lines or [_("no schedule")]:
        output.say(line)


def _unreadable_line(schedule_id: str) -> str:
    text = _(
        "{id}: the stage cannot read this schedule, and plans none of its occurrences. Write it"
        " again with `live-record schedule apply`, or deploy the release that wrote it."
    )
    return text.format(id=schedule_id)


def warn_of_unreadable(answer: Json, written_again: Collection[str] = ()) -> None:
    """Print a warning for each schedule that the stage cannot read, except for those in
    `written_again`, which the command replaces."""
    for name in answer["unreadable"]:
        if name not in written_again:
            click.echo(_unreadable_line(name), err=True)


def _line_of(row: Mapping[str, Any]) -> str:
    count = len(row["streams"])
    if any("*" in stream for stream in row["streams"]):
        counted = ngettext("{count} pattern", "{count} patterns", count)
    else:
        counted = ngettext("{count} stream", "{count} streams", count)
    line = "{id}  {title}  {start} - {end} {timezone}  {rrule}  ".format_map(row)
    shown = line + counted.format(count=count)
    return shown + _pause_of(row) if row["paused"] else shown


def _pause_of(row: Mapping[str, Any]) -> str:
    """Return who has paused the schedule and why; a stage of the release before sends neither."""
    who, note = row.get("paused_by"), row.get("pause_note")
    shown = _("  paused by {who}").format(who=who) if who else _("  paused")
    return shown + (_(": {note}").format(note=note) if note else "")


@schedule.command("show")
@_name
@of_stage(changes=False)
def show(api: Api, schedule_id: str, as_json: bool) -> None:
    """Show the schedule with this ID, with its streams, rehearsals and next occurrences."""
    answer = api.schedule(schedule_id)
    rehearsals = {
        f"{key.domain}/{key.app}": api.last_rehearsal(str(key))
        for key in one_of_each_application(answer["streams"])
    }
    if as_json:
        output.as_json({**answer, "rehearsals": rehearsals})
        return
    output.say(_line_of(answer))
    for stream in answer["streams"]:
        output.say(f"  {stream}")
    if known := answer.get("known"):  # the release before has no such field
        output.say(f"  {_known_line(known['count'], known['streams'])}")
    for line in _rehearsal_lines(answer["rehearsed_within"], rehearsals):
        output.say(f"  {line}")
    for row in answer["next"]:
        output.say(_occurrence_line(row, answer["timezone"]))


def _rehearsal_lines(within: str, rehearsals: Mapping[str, Json | None]) -> Iterator[str]:
    """Yield the rehearsal that each occurrence demands, and the verdict of the last one."""
    is_demanded = within != DEFAULTS["rehearsed_within"]
    if is_demanded:
        yield _("in the {within} before each occurrence, a rehearsal must end with GO").format(
            within=within
        )
    for application, last in rehearsals.items():
        if last is not None:
            line = _("{application}: {verdict} at {time}").format(
                application=application, verdict=last["verdict"].upper(), time=last["at"]
            )
            yield _(": ").join(filter(None, (line, last["cause"])))
            if last["fix"]:
                yield _("Next: {fix}").format(fix=last["fix"])
        elif is_demanded:
            yield _("{application}: not rehearsed yet").format(application=application)


@schedule.command("next")
@_name
@click.option(
    "-n",
    "number",
    default=5,
    show_default=True,
    type=click.IntRange(1, 100),
    help="number of occurrences to list",
)
@of_stage(changes=False)
def upcoming(api: Api, schedule_id: str, number: int, as_json: bool) -> None:
    """List the next occurrences of the schedule with this ID."""
    answer = api.next_occurrences(schedule_id, number)
    line_of = partial(_occurrence_line, zone=answer["timezone"])
    output.rows(answer, "next", line_of, as_json, nothing=_("no occurrence is to come"))


def _occurrence_line(row: Mapping[str, Any], zone: str) -> str:
    """Return a line about an occurrence, with its times in the zone of its schedule. If `zone` is
    empty, they are in the person's own."""
    line = _("{id}  from {begins_at} to {ends_at}, at the latest {until}")
    times = {name: _in_zone(row[name], zone) for name in ("begins_at", "ends_at", "until")}
    return line.format(id=row["id"], **times)


def _in_zone(time: str, zone: str) -> str:
    at = moment(time)
    return shown(at.astimezone(ZoneInfo(zone)) if zone else at)


@schedule.command("pause")
@_name
@click.option("--note", help="the reason, which the schedule shows while it is paused")
@of_stage(changes=True)
def pause(api: Api, schedule_id: str, note: str | None, as_json: bool) -> None:
    """Pause the schedule with this ID. The occurrence under way goes on; no other begins."""
    answer = api.change_schedule(schedule_id, "pause", note=note)
    _say(answer, _line_of, as_json=as_json)


@schedule.command("resume")
@_name
@click.option("--note", help="free text to store in the log")
@of_stage(changes=True)
def resume(api: Api, schedule_id: str, note: str | None, as_json: bool) -> None:
    """Resume the schedule with this ID: its next occurrences begin at their times again."""
    answer = api.change_schedule(schedule_id, "resume", note=note)
    _say(answer, _line_of, as_json=as_json)


@schedule.command("skip")
@_name
@click.option(
    "--occurrence",
    help="id of the occurrence to skip; by default the one under way, or else the next",
)
@click.option(
    "--note",
    help="free text to store in the log; if the occurrence begins within 24 h, also in the history"
    " of the streams",
)
@of_stage(changes=True)
def skip(
    api: Api, schedule_id: str, occurrence: str | None, note: str | None, as_json: bool
) -> None:
    """Skip one occurrence of the schedule with this ID: nothing is recorded for it."""
    answer = api.change_schedule(schedule_id, "skip", occurrence=occurrence, note=note)
    _say_changed(_("skipped: {occurrence}"), answer, as_json=as_json)


@schedule.command("trigger")
@_name
@click.option(
    "--lasts",
    help="how long the occurrence lasts, such as `2h`; by default as long as the schedule's others",
)
@_note
@of_stage(changes=True)
def trigger(api: Api, schedule_id: str, lasts: str | None, note: str | None, as_json: bool) -> None:
    """Begin an occurrence of the schedule with this ID now."""
    answer = api.change_schedule(schedule_id, "trigger", lasts=lasts, note=note)
    _say_changed(_("begun: {occurrence}"), answer, as_json=as_json)


@schedule.command("extend")
@_name
@click.option("--by", required=True, help="how much later the occurrence ends, such as `30m`")
@_note
@of_stage(changes=True)
def extend(api: Api, schedule_id: str, by: str, note: str | None, as_json: bool) -> None:
    """Let the present occurrence of the schedule with this ID end later."""
    answer = api.change_schedule(schedule_id, "extend", by=by, note=note)
    _say_changed(_("extended: {occurrence}"), answer, as_json=as_json)


@schedule.command("delete")
@_name
@of_stage(changes=True)
def delete(api: Api, schedule_id: str, as_json: bool) -> None:
    """Delete the schedule with this ID. Occurrences that have begun go on to their end."""
    answer = api.delete_schedule(schedule_id)
    _say(answer, lambda row: _("{id} is deleted").format(id=row["id"]), as_json=as_json)


def _say_changed(sentence: str, answer: Json, *, as_json: bool) -> None:
    """Print what was done to an occurrence, and to how many streams it will be done within a
    minute."""
    zone = answer.get("timezone", "")  # the release before has no such field
    line = sentence.format(occurrence=_occurrence_line(answer["occurrence"], zone))
    if pending := answer.get("pending", 0):  # the release before has no such field
        line += _("; streams that follow within a minute: {count}").format(count=pending)
    _say(answer, lambda _answer: line, as_json=as_json)


def _say(answer: Json, line_of: Any, *, as_json: bool) -> None:  # noqa: ANN401 - a function of a row
    if as_json:
        output.as_json(answer)
    else:
        output.say(line_of(answer))
