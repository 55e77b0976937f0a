"""Finds the stage that a command is for, in the stages file or by --url and --token.

Every command that calls a stage uses this module, and `live-record dev` registers the development
stage here. A table of another stage must never be changed or reformatted.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from gettext import gettext as _
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from cli.errors import Failure, NoAnswer, cause_of, unreadable
from cli.paths import state_folder

STATE = state_folder()
FILE = "LIVE_RECORD_STAGES"
DEV = "dev"


@dataclass(frozen=True, slots=True)
class Target:
    """The addresses, the API token and the name of a stage. A stage that is not registered has its
    address as its name.

    `live` is the address of the Live emulator, empty for the real service; `rtmp` is the emulator's
    address to push streams to. `live_option` is the option --live as the person passed it, or
    empty.
    """

    url: str
    token: str
    live: str = ""
    rtmp: str = ""
    registered_as: str = ""
    live_option: str = ""

    @property
    def name(self) -> str:
        return self.registered_as or self.url

    @property
    def options(self) -> str:
        """Return the options of a command that name the stage, such as `--stage prod`."""
        return f"--stage {self.registered_as}" if self.registered_as else f"--url {self.url}"

    @property
    def is_emulated(self) -> bool:
        """Return True if the stage's Live is an emulator: its functions are not in the cloud."""
        return self.live.startswith("http://")

    @property
    def is_local(self) -> bool:
        """Return True if `live-record dev` runs the stage on this machine."""
        return self.is_emulated and bool(self.rtmp)


def resolve_target(
    stage: str | None, url: str | None, token: str | None, *, changes: bool
) -> Target:
    """Return the stage that the options name. Raise a usage error if they name none that is known.

    If only one stage is registered, a command that only reads gets this stage without options.
    """
    if stage and url:
        raise click.UsageError(_("Pass either `--stage` or `--url`, not both."))
    if url:
        if not token:
            raise click.UsageError(
                _("`--url` needs a token. Pass `--token` or set LIVE_RECORD_TOKEN.")
            )
        return _checked(Target(url, token), "--url")
    if stage:
        return target_of(stage, token)
    stages = _read()
    tables = [name for name, table in stages.items() if isinstance(table, dict)]
    if not changes and len(tables) == 1:
        return target_of(tables[0], token)
    sentence = _("No stage is named. Pass `--stage NAME` (known: {known}) or `--url URL`.")
    raise click.UsageError(sentence.format(known=_known(stages)))


def _known(stages: Mapping[str, object]) -> str:
    return ", ".join(stages) or _("none yet")


def _checked(target: Target, where: str) -> Target:
    """Return the target; raise a usage error that begins with `where` if a value is malformed."""
    if not is_address(target.url):
        sentence = _("{where}: The address is not a URL. Write it like https://record.example.com.")
        raise click.UsageError(sentence.format(where=where))
    if not (target.token.isascii() and target.token.isprintable()):
        sentence = _("{where}: The token is malformed. It must be one line of printable ASCII.")
        raise click.UsageError(sentence.format(where=where))
    return target


def is_address(url: str, schemes: Sequence[str] = ("http", "https")) -> bool:
    """Return True if the URL has one of these schemes, a host, and either no port or a valid
    one."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def target_of(stage: str, token: str | None) -> Target:
    stages = _read()
    if stage not in stages:
        sentence = _(
            "There is no stage {stage} in {file} (known: {known}).{near} Run `make dev` to add"
            " `dev`. To add another stage, run `live-record stage add` (docs/deploy.md)."
        )
        near = "".join(
            _(" Did you mean {near}?").format(near=each)
            for each in get_close_matches(stage, stages, n=1)
        )
        raise click.UsageError(
            sentence.format(stage=stage, file=path(), known=_known(stages), near=near)
        )
    return _target(stage, stages[stage], token)


def _target(stage: str, table: object, token: str | None) -> Target:
    """Return the Target of a table in the stages file; raise a usage error if it is incomplete.

    `token_env` of the table names an environment variable, so that the file need not hold a token.
    """
    if not isinstance(table, dict):
        sentence = _(
            "{stage} in {file} is not a table. Write `[{stage}]`, and below this line `url`"
            " and `token`."
        )
        raise click.UsageError(sentence.format(stage=stage, file=path()))
    url = table.get("url")
    stored_token = table.get("token") or os.environ.get(str(table.get("token_env", "")))
    if not isinstance(url, str) or not (token or stored_token):
        raise _incomplete(
            stage, lacks_url=not isinstance(url, str), lacks_token=not (token or stored_token)
        )
    live, rtmp = str(table.get("live", "")), str(table.get("rtmp", ""))
    where = _("The stage {stage} in {file}").format(stage=stage, file=path())
    return _checked(Target(url, token or str(stored_token), live, rtmp, stage), where)


def _incomplete(stage: str, *, lacks_url: bool, lacks_token: bool) -> click.UsageError:
    token = _("`token`, or `token_env` with the name of a variable that is set")
    missing = [*(["url"] if lacks_url else []), *([token] if lacks_token else [])]
    sentence = _(
        "The stage {stage} in {file} lacks: {missing}. Write what is missing below `[{stage}]`."
    )
    return click.UsageError(
        sentence.format(stage=stage, file=path(), missing=_("; ").join(missing))
    )


def with_live(target: Target, live: str | None) -> Target:
    """Return the target with the address of Live.

    The address is that of the option --live, or else the one in the stages file, or else the one in
    the variable LIVE_RECORD_LIVE_ENDPOINT. If all are empty, the real service is called.
    """
    endpoint = live or target.live or os.environ.get("LIVE_RECORD_LIVE_ENDPOINT", "")
    return replace(target, live=endpoint, live_option=f" --live {live}" if live else "")


def path() -> Path:
    return Path(os.environ.get(FILE) or STATE / "stages.toml")


def tables() -> Mapping[str, Mapping[str, object]]:
    """Return the tables of the stages file by the stage's name; raise Failure if it is no TOML."""
    return {name: table for name, table in _read().items() if isinstance(table, dict)}


def _read() -> dict[str, Any]:
    try:
        text = path().read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError) as error:
        raise unreadable(path(), error, kind=NoAnswer) from None
    try:
        document: dict[str, Any] = toml().loads(text)
    except ValueError as error:
        raise NoAnswer(_("{file} is not TOML: {error}").format(file=path(), error=error)) from None
    return document


def toml() -> Any:  # noqa: ANN401 - tomllib, or tomli before Python 3.11
    return import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")


def register(stage: str, target: Target) -> None:
    """Write the stage's table into the stages file, and leave all others unchanged. Raise Failure
    if the file cannot be written."""
    fields = {name: getattr(target, name) for name in ("url", "token", "live", "rtmp")}
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in fields.items() if value]
    table = "".join([f"[{stage}]\n", *lines])
    try:
        _rewrite(path(), stage, table)
    except (OSError, UnicodeError) as error:
        sentence = _("{file} cannot be written: {cause}.")
        raise Failure(sentence.format(file=path(), cause=cause_of(error))) from None


def _rewrite(file: Path, stage: str, table: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    ours = re.compile(rf"^\[{re.escape(stage)}\]\n(?:(?!\[).*\n?)*", re.MULTILINE)
    rest = ours.sub("", text).rstrip("\n")
    file.touch(mode=0o600)
    file.write_text(f"{rest}\n\n{table}" if rest else table, encoding="utf-8")
