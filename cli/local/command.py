"""The commands demo, dev and emulator, which run the whole stack, or a part of it, on this machine.

cli.main adds them. cli.local.stack and the emulators do the work.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from gettext import gettext as _
from pathlib import Path

import click

from cli import output
from cli.ending_signals import ending_signals
from cli.errors import Failure
from cli.local import demo as demonstration
from cli.local.readiness import make_ready
from cli.local.stack import FC_PORT, LIVE_PORT, REDIS, SQLITE, TOKEN, Stack, running
from cli.packaging import RUNTIMES
from cli.packaging.command import unpacked
from cli.paths import need_checkout, policy_file
from cli.policy_file import read_policy
from cli.stage_registry import DEV, STATE, Target, register
from cli.stage_registry import path as stages_file
from cli.variables import misspelt

_PORT = click.IntRange(0, 65_535)
POLL_S = 1.0
"""How often dev checks that its emulators run."""
_STORE = click.option(
    "--store",
    type=click.Choice([SQLITE, REDIS]),
    default=SQLITE,
    show_default=True,
    help="type of the store; redis starts a server on this machine",
)


@click.command()
@_STORE
def demo(store: str) -> None:
    """Show the main workflow on this machine.

    A stream is recorded, interrupted, resumed and stopped. No cloud account is needed.
    """
    for number in ending_signals():
        signal.signal(number, lambda *_signal: sys.exit(_("The demo was interrupted.")))
    sys.exit(demonstration.run(store))


@click.command()
@click.option(
    "--port",
    type=_PORT,
    default=FC_PORT,
    show_default=True,
    help="HTTP port of the Function Compute emulator",
)
@click.option(
    "--live-port",
    type=_PORT,
    default=LIVE_PORT,
    show_default=True,
    help="HTTP port of the ApsaraVideo Live emulator",
)
@click.option(
    "--rtmp-port",
    type=_PORT,
    help="port to push streams to; by default 1935, or any free port if you change `--live-port`",
)
@_STORE
@click.option(
    "--package",
    "runtime",
    type=click.Choice(RUNTIMES),
    is_flag=False,
    flag_value=RUNTIMES[0],
    help="build the archives for this runtime and run the functions from them",
)
def dev(port: int, live_port: int, rtmp_port: int | None, store: str, runtime: str | None) -> None:
    """Run a development stage on this machine until Ctrl-C."""
    if unread := misspelt(os.environ):
        raise click.UsageError("\n".join(unread))
    if runtime:
        need_checkout("dev --package")
    ended = threading.Event()
    for number in (signal.SIGINT, *ending_signals()):
        signal.signal(number, lambda *_signal: ended.set())
    folder = stages_file().resolve().parent / DEV
    with running(
        folder,
        fc_port=port,
        live_port=live_port,
        rtmp_port=rtmp_port,
        store=store,
        deployed=unpacked(runtime, folder / "code") if runtime else None,
    ) as stack:
        make_ready(stack, read_policy(policy_file()))
        register(DEV, Target(stack.fc, TOKEN, stack.live, stack.rtmp))
        for line in _addresses(stack):
            click.echo(line)
        _await_end(stack, ended)


def _await_end(stack: Stack, is_asked: threading.Event) -> None:
    """Return once the end is asked for; raise Failure if an emulator ends before that: a stage of
    which a part is missing would look as if it ran."""
    while not is_asked.wait(POLL_S):
        if service := stack.ended():
            sentence = _(
                "The emulator of {service} has ended. See {log}, and run `live-record dev` again."
            )
            raise Failure(sentence.format(service=service, log=stack.folder / "functions.log"))


def _addresses(stack: Stack) -> Iterator[str]:
    yield _("Function Compute     {url}    (API token: {token})").format(url=stack.fc, token=TOKEN)
    yield _("console              {url}/console/").format(url=stack.fc)
    yield _("ApsaraVideo Live     {url}    (control plane under /_control/)").format(url=stack.live)
    yield _("push streams to      {url}/app/STREAM").format(url=stack.rtmp)
    yield _("recordings           {folder}").format(folder=stack.folder / "buckets")
    yield _("store, clock, logs   {folder}").format(folder=stack.folder)
    offset = output.clock_offset(stack.get("clock")["offset_ms"])
    yield _("development clock    {offset}").format(offset=offset)
    yield _("Press Ctrl-C to stop.")


@click.group()
def emulator() -> None:
    """Run one of the emulators alone."""


_PATH = click.Path(path_type=Path, dir_okay=False)


@emulator.command("live")
@click.option(
    "--port", type=_PORT, default=LIVE_PORT, show_default=True, help="HTTP port; 0 takes a free one"
)
@click.option(
    "--rtmp-port",
    type=_PORT,
    help="port to push streams to; by default 1935, or any free port if you change `--port`",
)
@click.option(
    "--buckets",
    type=click.Path(path_type=Path, file_okay=False),
    default=STATE / "buckets",
    help="folder to store recordings in",
)
@click.option("--json", "as_json", is_flag=True, help="print the address as one line of JSON")
@click.option(
    "--account",
    type=_PATH,
    help="TOML file of the account to emulate; by default the development account",
)
@click.option(
    "--clock-file",
    type=_PATH,
    help="file that holds how far the emulator's clock is ahead of real time; programs that use the"
    " same file have the same clock",
)
def emulator_live(
    *,
    port: int,
    rtmp_port: int | None,
    buckets: Path,
    as_json: bool,
    account: Path | None,
    clock_file: Path | None,
) -> None:
    """Emulate ApsaraVideo Live over HTTP and RTMP on loopback."""
    from emulator.live.server import listening, run

    where = listening(port, rtmp_port, buckets)
    sys.exit(run(where, json_output=as_json, account_path=account, clock_file=clock_file))


@emulator.command("fc", context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def emulator_fc(options: tuple[str, ...]) -> None:
    """Emulate Function Compute over HTTP on loopback.

    OPTIONS are those of `python -m emulator.fc --help`.
    """
    from emulator.fc.__main__ import main as run

    sys.exit(run(list(options)))
