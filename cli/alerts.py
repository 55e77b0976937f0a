"""`live-record alerts`: lists what is wrong and who takes care of it, and tests the chat robots.

cli.main adds the group.
"""

from __future__ import annotations

from collections.abc import Sequence
from gettext import gettext as _

import click

from cli import output, texts
from cli.api import Api
from cli.exit_codes import AS_WANTED, FAILED
from cli.output import Json
from cli.polling import poll
from cli.stage_command import of_stage
from shared.protocol.durations import instant, written

LATE_MS = 180_000
"""Alerts are outdated after this time without an evaluation: notify runs once a minute."""


@click.group()
def alerts() -> None:
    """List alerts, acknowledge them, and test the chat robots.

    The `[[notify]]` rules of the policy say which alerts each robot gets.
    """


@alerts.command("list")
@click.option(
    "--state",
    default="open",
    type=click.Choice(["open", "resolved"]),
    show_default=True,
    help="`open` lists the alerts that hold now, `resolved` those that ended in the last 24 h",
)
@of_stage(changes=False)
def list_alerts(api: Api, state: str, as_json: bool) -> None:
    """List the alerts: when each began, and who takes care of it."""
    answer = api.alerts(state)
    nothing = (
        _("no alert is open") if state == "open" else _("no alert has ended in the last 24 hours")
    )
    output.rows(answer, "alerts", _line_of, as_json, nothing=nothing)
    if not as_json:
        _say_more(answer)


def _say_more(answer: Json) -> None:
    for condition, count in answer["beyond"].items():
        line = _("further alerts with the condition {condition}: {count}")
        click.echo(line.format(count=count, condition=condition))
    late_ms = answer["evaluated_ms_ago"]
    if late_ms is None:
        line = _(
            "No robot gets a message: `notify` has not run yet. Its timer runs it once a minute."
            " If it has still not run after two minutes, check that the timer is enabled."
        )
    elif late_ms > LATE_MS:
        line = _("No robot gets a message: `notify` last ran {age} ago. Enable its timer.")
        line = line.format(age=written(late_ms))
    else:
        return
    click.echo(click.style(line, fg="red"))


@alerts.command("ack")
@click.argument("ids", nargs=-1, required=True)
@click.option("--note", default="", help="what to tell the others; `list` and the console show it")
@of_stage(changes=True)
def acknowledge(api: Api, ids: Sequence[str], note: str, as_json: bool) -> None:
    """Acknowledge alerts, so that they are not repeated or escalated.

    IDS are the ids that `alerts list` shows.
    """
    taken = [api.acknowledge(each, note) for each in ids]
    if as_json:
        output.as_json({"alerts": taken})
        return
    for alert in taken:
        output.say(_line_of(alert))


@alerts.command("test")
@click.option(
    "--wait",
    "wait_s",
    default=120,
    type=click.IntRange(0),
    show_default=True,
    help="longest time in seconds to wait for the robots' answers",
)
@of_stage(changes=True)
def test(api: Api, wait_s: int, as_json: bool) -> int:
    """Send a test message to each robot that the policy names, and print the robots' answers."""
    asked = api.test_sinks()
    sinks = sink_answers(api, asked, wait_s)
    if as_json:
        output.as_json({"sinks": sinks})
    else:
        for sink in sinks:
            click.echo(sink_line(sink))
    return AS_WANTED if all(sink["is_taken"] for sink in sinks) else FAILED


def sink_answers(api: Api, asked: Json, wait_s: int) -> Sequence[Json]:
    """Return each robot's answer to the test message; `asked` is what `Api.test_sinks` returned. If
    a robot has not answered within `wait_s`, its answer has None in every field but `name`."""
    nobody = {"asked_at": None, "is_taken": None, "answer": None}

    def ask() -> Sequence[Json]:
        found = {sink["name"]: sink for sink in api.alerts("open")["sinks"]}
        return [
            found[name]
            if name in found and _is_since(found[name]["asked_at"], asked["asked_at"])
            else {"name": name, **nobody}
            for name in asked["sinks"]
        ]

    return poll(ask, lambda sinks: all(sink["asked_at"] for sink in sinks), wait_s=wait_s)


def _is_since(at: str | None, first: str) -> bool:
    return at is not None and instant(at) >= instant(first)


def sink_line(sink: Json) -> str:
    if sink["is_taken"] is None:
        line = _(
            "robot {name}: no answer yet; the timer of `notify` sends the message within a minute"
        )
        return line.format(name=sink["name"])
    line = (
        _('robot {name} accepted the message and answered "{answer}"')
        if sink["is_taken"]
        else _("robot {name}: the message was not delivered: {answer}")
    )
    return line.format(name=sink["name"], answer=texts.detail(sink["answer"]))


def _line_of(row: Json) -> str:
    about, severity = row["subject"] or row["name"], _severity_word(row["severity"])
    line = _("{id}  {severity}  {condition}  {about}  since {since}: {text}")
    shown = line.format(**{**row, "about": about, "severity": severity})
    if row["resolved_at"]:
        shown += _("; it ended {time}").format(time=row["resolved_at"])
    if row["acknowledged_by"]:
        shown += _("; {who} takes care of it").format(who=row["acknowledged_by"])
        shown += _(": {note}").format(note=row["note"]) if row.get("note") else ""
    return shown


def _severity_word(severity: str) -> str:
    """Return the severity as it is shown; an unknown severity of a later release stays as it is."""
    words = {"critical": _("critical"), "warning": _("warning"), "info": _("info")}
    return words.get(severity, severity)
