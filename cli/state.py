"""`live-record state`: writes what a second stage needs to take over into a file, and reads it from
there.

cli.main adds the group. It reaches both stages only over HTTP, and decides nothing about a stream:
the importing stage does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from gettext import gettext as _
from pathlib import Path

import click

from cli import output
from cli.api import Api, Json
from cli.errors import Failure, StageRefusal, unreadable
from cli.exit_codes import AS_WANTED, FAILED
from cli.schedules import DEFAULTS, as_of_file, warn_of_unreadable
from cli.stage_command import of_stage
from shared.protocol import StreamKey

FORMAT_NUMBER = 1
MAX_BATCH_BYTES, MAX_BATCH_ROWS = 12_000, 50
"""Limits of one request: a stage accepts bodies of 16 KiB, and this many streams."""
_OWN_FIELDS = ("mode", "forward_to")
"""Fields of the policy that the importing stage keeps. It may be the target of the other stage's
forwarding, and decides for itself when it acts."""

_file = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))


@click.group()
def state() -> None:
    """Export the state of a stage, and import it into another.

    The state is what a second stage needs to take over: which streams are to be recorded and until
    when, which stops still hold, the schedules, and the policy.
    """


@state.command("export")
@_file
@of_stage(changes=False)
def export(api: Api, file: Path, as_json: bool) -> None:
    """Write the state of a stage to FILE."""
    if not file.absolute().parent.is_dir():
        text = _("The folder {folder} does not exist. Create it first.")
        raise Failure(text.format(folder=file.absolute().parent))
    streams = api.state()
    policy, listed = api.policy()["policy"], api.schedule_list()
    warn_of_unreadable(listed)
    schedules = [_schedule(row) for row in listed["schedules"]]
    document = {
        "format": FORMAT_NUMBER,
        "policy": policy,
        "streams": streams,
        "schedules": schedules,
    }
    file.touch(mode=0o600)
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    if as_json:
        counts = {"streams": len(streams), "schedules": len(schedules)}
        output.as_json({"file": str(file), **counts})
        return
    text = _("The state was written to {file}. Streams: {streams}; schedules: {schedules}.")
    click.echo(text.format(file=file, streams=len(streams), schedules=len(schedules)))


def _schedule(row: Json) -> Json:
    return {"id": row["id"], **as_of_file(row), "paused": row["paused"]}


@state.command("import")
@_file
@click.option(
    "--policy/--no-policy",
    "with_policy",
    default=True,
    help="also replace the stage's policy (default), except for its `mode` and `forward_to`",
)
@click.option(
    "--schedules/--no-schedules",
    "with_schedules",
    default=True,
    help=(
        "also import the schedules (default); an imported schedule replaces the one with the same"
        " id"
    ),
)
@of_stage(changes=True)
def import_state(
    api: Api, file: Path, with_policy: bool, with_schedules: bool, as_json: bool
) -> int:
    """Import the state in FILE into a stage.

    A stream stays unchanged if the stage already has data of this stream that are as new as those
    in FILE, or newer.
    """
    document = _read(file)
    version = _import_policy(api, document["policy"]) if with_policy else None
    answers: list[Json] = []
    try:
        for batch in _batches(document["streams"]):
            answers.append(api.import_state(batch))  # noqa: PERF401 - those before a failure count
    except Failure as failure:
        done = sum(answer["imported"] for answer in answers)
        raise _stopped_at(failure, done) from None
    refused = [row for answer in answers for row in answer["refused"]]
    wanted = document.get("schedules", ()) if with_schedules else ()
    stored, faults = _import_schedules(api, wanted)
    counts = {name: sum(answer[name] for answer in answers) for name in ("imported", "kept")}
    unsent = [_name(entry) for entry in document["streams"] if entry.get("stop_unsent")]
    code = FAILED if refused or faults else AS_WANTED
    if as_json:
        left = {"refused": refused, "schedules_refused": faults, "stop_unsent": unsent}
        output.as_json({**counts, **left, "policy": version, "schedules": stored})
        return code
    _print(counts, refused, unsent, version)
    if wanted:
        click.echo(_("Schedules imported: {count}.").format(count=len(stored)))
    for row in faults:
        click.echo(_("The schedule {id} is not imported: {detail}").format(**row))
    return code


def _stopped_at(failure: Failure, count: int) -> Failure:
    """Return the failure of an import that stopped after `count` streams."""
    text = _("{error} Streams imported before this error: {count}. Import the file again.")
    if isinstance(failure, StageRefusal):
        text = _(
            "{error}. Streams imported before this error: {count}. Correct the file, and import it"
            " again."
        )
    return Failure(text.format(error=failure.message, count=count))


def _print(
    counts: Json, refused: Sequence[Json], unsent: Sequence[str], version: int | None
) -> None:
    if version is not None:
        click.echo(_("The policy is version {version} now.").format(version=version))
    text = _(
        "Streams imported: {imported}. Streams left unchanged, because the stage already has data"
        " that are as new or newer: {kept}."
    )
    click.echo(text.format(**counts))
    for row in refused:
        click.echo(_("not imported: {stream}: {detail}").format(**row))
    for stream in unsent:
        text = _(
            "{stream}: at the time of the export, its stop was not sent or not answered yet. Run:"
            " live-record stop {stream}"
        )
        click.echo(text.format(stream=stream))


def _read(file: Path) -> Json:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(file, error) from None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or not _is_whole(document):
        text = _("{file} is not an exported state. Write one with `live-record state export`.")
        raise Failure(text.format(file=file))
    return document


def _is_whole(document: Json) -> bool:
    """Return True if the document has all that an import needs, so that the import cannot stop
    half-way."""
    streams, names = document.get("streams"), ("domain", "app", "stream")
    return (
        document.get("format") == FORMAT_NUMBER
        and isinstance(document.get("policy"), dict)
        and isinstance(streams, list)
        and all(isinstance(entry, dict) and {*names} <= entry.keys() for entry in streams)
        and _has_whole_schedules(document)
    )


def _has_whole_schedules(document: Json) -> bool:
    """Return True if each schedule has its fields. An earlier release exports no schedules."""
    schedules, names = document.get("schedules", []), {"id", "paused", *DEFAULTS}
    return isinstance(schedules, list) and all(
        isinstance(row, dict) and row.keys() == names for row in schedules
    )


def _import_schedules(
    api: Api, wanted: Sequence[Json]
) -> tuple[Sequence[str], Sequence[Mapping[str, str]]]:
    """Store the schedules that differ; return their ids, and what the stage refuses."""
    before = [_schedule(row) for row in api.schedules()] if wanted else []
    stored, refused = list[str](), list[Mapping[str, str]]()
    for row in wanted:
        if row in before:
            continue
        try:
            api.put_schedule(row["id"], {name: row[name] for name in row if name != "id"})
            stored.append(row["id"])
        except Failure as failure:
            refused.append({"id": row["id"], "detail": failure.message})
    return stored, refused


def _import_policy(api: Api, policy: Json) -> int | None:
    """Apply the policy with the importing stage's own fields, and its suspension if there is one;
    return its version, None if it is in force already."""
    before = api.policy()
    kept = (*_OWN_FIELDS, "suspended")
    own = {name: before["policy"][name] for name in kept if name in before["policy"]}
    theirs = {name: policy[name] for name in policy if name not in _OWN_FIELDS}
    if {**theirs, **own} == before["policy"]:
        return None
    version: int = api.apply_policy({**theirs, **own}, replaces=before["newest"])["version"]
    return version


def _batches(streams: Sequence[Json]) -> Iterator[list[Json]]:
    batch: list[Json] = []
    size_bytes = 0
    for entry in streams:
        entry_bytes = len(json.dumps(entry))
        if batch and (size_bytes + entry_bytes > MAX_BATCH_BYTES or len(batch) == MAX_BATCH_ROWS):
            yield batch
            batch, size_bytes = [], 0
        batch.append(entry)
        size_bytes += entry_bytes
    if batch:
        yield batch


def _name(entry: Json) -> str:
    return str(StreamKey(*(str(entry[name]) for name in ("domain", "app", "stream"))))
