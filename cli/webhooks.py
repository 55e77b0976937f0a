"""`live-record webhook`: lists the receivers that the policy names, and sends them test events.

cli.main adds the group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from gettext import gettext as _

import click

from cli import output, texts
from cli.api import Api
from cli.exit_codes import AS_WANTED, FAILED
from cli.output import Json
from cli.polling import poll
from cli.stage_command import of_stage


@click.group()
def webhook() -> None:
    """List the receivers of events, and test them.

    The policy names them under `[[webhook]]`.
    """


@webhook.command("list")
@of_stage(changes=False)
def list_webhooks(api: Api, as_json: bool) -> None:
    """List the receivers, each with its state."""
    nothing = _("the policy names no webhook")
    output.rows(api.webhooks(), "webhooks", _line_of, as_json, nothing=nothing)


@webhook.command("test")
@click.argument("names", nargs=-1)
@click.option(
    "--wait",
    "wait_s",
    default=90,
    type=click.IntRange(0),
    show_default=True,
    help="longest time in seconds to wait for the receivers' answers",
)
@of_stage(changes=True)
def test(api: Api, names: Sequence[str], wait_s: int, as_json: bool) -> int:
    """Send a test event to the receivers NAMES, or to all, and print what they answer.

    The function `notify` sends the test event, also to a receiver that gets no other events any
    more, because its deliveries failed or it answered 410. Once such a receiver accepts a test
    event, it gets all events again.
    """
    names = names or [row["name"] for row in api.webhooks()["webhooks"]]
    sent = {name: api.test_webhook(name)["id"] for name in names}
    answers = webhook_answers(api, sent, wait_s)
    rows = [{"receiver": name, "id": sent[name], "test": answers.get(name)} for name in sent]
    if as_json:
        output.as_json({"tests": rows})
    elif not rows:
        click.echo(_("the policy names no webhook"))
    else:
        for name in sent:
            output.say(answer_line(name, answers.get(name)))
    taken = [name for name, answer in answers.items() if answer["is_taken"]]
    return AS_WANTED if len(taken) == len(sent) else FAILED


def webhook_answers(api: Api, sent: Mapping[str, str], wait_s: int) -> Mapping[str, Json]:
    """Return the answer of each receiver to its test event; `sent` holds the event's id by
    receiver. A receiver that has not answered within `wait_s` is left out."""

    def ask() -> Mapping[str, Json]:
        tests = {row["name"]: row["test"] for row in api.webhooks()["webhooks"]}
        return {
            name: tests[name]
            for name, event in sent.items()
            if tests.get(name) and tests[name]["id"] == event
        }

    return poll(ask, lambda found: len(found) == len(sent), wait_s=wait_s)


def answer_line(name: str, answer: Json | None) -> str:
    if answer is None:
        line = _(
            "webhook {name}: no answer yet; the timer of `notify` sends the event within a minute"
        )
        return line.format(name=name)
    if answer["is_taken"]:
        line = _("webhook {name} accepted the test event in {ms} ms: status {status}")
        return line.format(name=name, ms=answer["took_ms"], status=answer["status"])
    return _("webhook {name} did not accept the test event: {why}").format(
        name=name, why=texts.detail(answer["why"])
    )


def _line_of(row: Json) -> str:
    line = _("{name}  {state}  {address}  {streams}  {events}")
    about = {"state": _state_word(row["state"]), "events": " ".join(row["events"])}
    line = line.format(**{**row, **about})
    if row["since"]:
        line += "  " + _("since {since}: {why}").format(
            since=row["since"], why=texts.detail(row["why"])
        )
    return line


def _state_word(state: str) -> str:
    """Return the word for a receiver's state; an unknown state of a later release stays as it
    is."""
    words = {
        "active": _("active"),
        "failing": _("failing"),
        "paused": _("paused"),
        "ended": _("ended"),
    }
    return words.get(state, state)
