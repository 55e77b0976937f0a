"""`live-record token`: adds, lists and revokes the API tokens of a stage, without a deploy.

cli.main adds the group. A token is made on this machine, and only its digest leaves the machine.
"""

from __future__ import annotations

import secrets
from gettext import gettext as _

import click

from cli import output
from cli.api import Api, Json
from cli.stage_command import of_stage
from shared.config.tokens import SCOPES, digest_of

TOKEN_BYTES = 32
"""Random bytes of a token: 256 bits."""


@click.group()
def token() -> None:
    """Manage the API tokens of a stage.

    Your own token needs the scope `tokens`.
    """


@token.command("add")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="what the token allows; repeatable. You can give only scopes that your own token has",
)
@click.option(
    "--streams",
    multiple=True,
    help="pattern of the streams that the token is for, such as `live.example.com/tv/*`;"
    " repeatable. By default the token is for all streams",
)
@click.option(
    "--until",
    help="time at which the token expires (RFC 3339); by default it is valid until revoked",
)
@of_stage(changes=True, prints_value=True)
def add(api: Api, name: str, as_json: bool, **bounds: tuple[str, ...] | str | None) -> None:
    """Add a token for NAME, and print it once.

    NAME stands for the user of the token in the log and the history. The token is made on this
    machine, and only its SHA-256 goes to the stage, so nobody can read the token there. The token
    is in force within 10 s.
    """
    secret = secrets.token_urlsafe(TOKEN_BYTES)
    answer = api.add_token(name=name, digest=digest_of(secret).hex(), **bounds)
    if as_json:
        output.as_json({**answer, "token": secret})
        return
    click.echo(secret)
    sentence = _("This is the token of {name}. It is shown only now, and is in force within 10 s.")
    click.echo(sentence.format(name=answer["name"]), err=True)


@token.command("list")
@of_stage(changes=False)
def list_tokens(api: Api, as_json: bool) -> None:
    """List the names of a stage's tokens, and what each token allows."""
    answer = api.tokens()
    if as_json:
        output.as_json(answer)
        return
    for row in answer["tokens"]:
        output.say(_line_of(row))
    for name in answer["unreadable"]:
        line = _(
            "{name}: the stage cannot read this token, because another release wrote it, so the"
            " token is not in force. Revoke the token, or deploy that release."
        )
        click.echo(line.format(name=name))


@token.command("revoke")
@click.argument("name")
@of_stage(changes=True)
def revoke(api: Api, name: str, as_json: bool) -> None:
    """Revoke the token of NAME: within 10 s every instance refuses it."""
    answer = api.revoke_token(name)
    if as_json:
        output.as_json(answer)
        return
    sentence = _("The token of {name} is revoked. After 10 s at most, no instance accepts it.")
    click.echo(sentence.format(name=answer["name"]))


def _line_of(row: Json) -> str:
    streams = _(", ").join(row["streams"]) or _("all streams")
    until = _(" (until {time})").format(time=row["until"]) if row["until"] else ""
    if row["kept_in"] == "store":
        origin = _("added by {name}, {time}").format(name=row["made_by"], time=row["made_at"])
    else:
        origin = _("in an environment variable")
    scopes = _(", ").join(row["scopes"])
    return _(": ").join((row["name"], _("; ").join((scopes, streams + until, origin))))
