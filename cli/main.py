"""The live-record command: its groups, and the commands dev, demo and emulator.

The console script and `python -m cli.main` call main(). The other commands are in modules of their
own and are only added here; modules that are slow to import must be imported within a command.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import click

from cli import output
from cli.deploying import command as deploying
from cli.doctor import doctor
from cli.errors import Failure
from cli.local import demo as demonstration
from cli.local.no_proxy import reach_directly
from cli.local.stack import FC_PORT, LIVE_PORT, REDIS, SQLITE, TOKEN, running
from cli.packaging import RUNTIMES
from cli.packaging.command import package, unpacked
from cli.play import play
from cli.policy import policy
from cli.probe.command import probe
from cli.push import push
from cli.setup.command import setup
from cli.stage_registry import DEV, STATE, Target, register
from cli.stage_registry import path as stages_file
from cli.stream_commands import COMMANDS


class _Commands(click.Group):
    """Reports an OSError of any command as one sentence with the file's name."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except OSError as error:
            if error.filename is None:
                raise
            raise Failure(f"{error.filename}: {error.strerror}") from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    package_name="live-record", prog_name="live-record", message="%(prog)s %(version)s"
)
def main() -> None:
    """Record live streams: start one once, and it is recorded until you stop it."""
    reach_directly()


def _ending_signals() -> Sequence[signal.Signals]:
    """Return the signals besides SIGINT that end a command; SIGHUP unless nohup ignores it."""
    closing = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return (signal.SIGTERM, signal.SIGHUP) if closing else (signal.SIGTERM,)


_PORT = click.IntRange(0, 65_535)
_STORE = click.option(
    "--store",
    type=click.Choice([SQLITE, REDIS]),
    default=SQLITE,
    show_default=True,
    help="type of the store; redis starts a server on this machine",
)


@main.command()
@_STORE
def demo(store: str) -> None:
    """Show the main workflow on this machine.

    A stream is recorded, interrupted, resumed and stopped. No cloud account is needed.
    """
    for number in _ending_signals():
        signal.signal(number, lambda *_: sys.exit("The demo was interrupted."))
    sys.exit(demonstration.run(store))


@main.command()
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
    help="port to push streams to; 1935 if --live-port is the default, else any free port",
)
@_STORE
@click.option(
    "--package",
    "runtime",
    type=click.Choice(RUNTIMES),
    is_flag=False,
    flag_value=RUNTIMES[0],
    help="build the archive for this runtime and run the functions from it",
)
def dev(port: int, live_port: int, rtmp_port: int | None, store: str, runtime: str | None) -> None:
    """Run a development stage on this machine until Ctrl-C."""
    ended = threading.Event()
    for number in (signal.SIGINT, *_ending_signals()):
        signal.signal(number, lambda *_: ended.set())
    folder = stages_file().resolve().parent / DEV
    with running(
        folder,
        fc_port=port,
        live_port=live_port,
        rtmp_port=rtmp_port,
        store=store,
        deployed=unpacked(runtime, folder / "code") if runtime else None,
    ) as stack:
        register(DEV, Target(stack.fc, TOKEN, stack.live, stack.rtmp))
        click.echo(f"Function Compute     {stack.fc}    (API token: {TOKEN})")
        click.echo(f"ApsaraVideo Live     {stack.live}    (control plane under /_control/)")
        click.echo(f"push streams to      {stack.rtmp}/app/STREAM")
        click.echo(f"recordings           {stack.folder / 'buckets'}")
        click.echo(f"store, clock, logs   {stack.folder}")
        click.echo(f"development clock    {output.clock_offset(stack.get('clock')['offset_ms'])}")
        click.echo("Press Ctrl-C to stop.")
        ended.wait()


for _command in (*COMMANDS, *deploying.COMMANDS, doctor, package, play, policy, probe, push, setup):
    main.add_command(_command)


@main.group()
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
    help="port to push streams to; 1935 if --port is the default, else any free port",
)
@click.option(
    "--buckets",
    type=click.Path(path_type=Path, file_okay=False),
    default=STATE / "buckets",
    help="folder to store recordings in",
)
@click.option("--json", "as_json", is_flag=True, help="print the address as one line of JSON")
@click.option(
    "--account", type=_PATH, help="TOML file of the account to emulate; default: development"
)
@click.option(
    "--clock-file", type=_PATH, help="file that shares the development clock with other programs"
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


if __name__ == "__main__":
    main()
