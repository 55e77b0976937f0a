"""The live-record command."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import click

from cli import demonstration
from cli.api import Api
from cli.stack import FC_PORT, LIVE_PORT, ROOT, TOKEN, running

STATE = ROOT / ".live-record"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Say once that a stream is to be recorded, and it is recorded until told to stop."""


@main.command()
def demo() -> None:
    """Run the main job once on this machine: record, be interrupted, resume, stop."""
    sys.exit(demonstration.run())


@main.command()
@click.option("--port", default=FC_PORT, show_default=True, help="of Function Compute")
@click.option("--live-port", default=LIVE_PORT, show_default=True, help="of ApsaraVideo Live")
def dev(port: int, live_port: int) -> None:
    """Keep the whole stack up on this machine until Ctrl-C."""
    told = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: told.set())
    with running(STATE / "dev", fc_port=port, live_port=live_port) as stack:
        click.echo(f"Function Compute     {stack.fc}    (API token: {TOKEN})")
        click.echo(f"ApsaraVideo Live     {stack.live}    (control plane under /_control/)")
        click.echo(f"store, clock, logs   {stack.folder}")
        click.echo("Ctrl-C ends it.")
        told.wait()


def _of_stage(command: Any) -> Any:  # noqa: ANN401 - a click decorator
    """Where the stage is and how to show what it says."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="the answer as JSON"),
        click.option("--token", envvar="LIVE_RECORD_TOKEN", required=True, help="of the API"),
        click.option("--url", envvar="LIVE_RECORD_URL", required=True, help="of the stage"),
    ):
        command = option(command)
    return command


@main.command()
@click.argument("stream")
@click.option("--max-duration", help='how long, like "4h"')
@click.option("--until", help="when to stop, RFC 3339")
@click.option("--on-interruption", type=click.Choice(["resume", "stop", "finalize"]))
@click.option("--if-not-live", type=click.Choice(["wait", "fail"]))
@click.option("--reason")
@_of_stage
def start(stream: str, url: str, token: str, as_json: bool, **body: str | None) -> None:
    """Record STREAM (domain/app/stream) until told to stop."""
    _show(Api(url, token).ask(stream, "start", **body), as_json)


@main.command()
@click.argument("stream")
@click.option("--finalize", is_flag=True, help="let the file appear at once")
@click.option("--hold", help='how long no policy may start it again: "12h", or "session"')
@click.option("--reason")
@_of_stage
def stop(stream: str, url: str, token: str, as_json: bool, **body: str | bool | None) -> None:
    """Stop recording STREAM."""
    _show(Api(url, token).ask(stream, "stop", **body), as_json)


@main.command()
@click.argument("stream")
@_of_stage
def status(stream: str, url: str, token: str, as_json: bool) -> None:
    """Where STREAM stands, and why."""
    _show(Api(url, token).status(stream), as_json)


def _show(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    outcome = f" ({answer['outcome']})" if answer.get("outcome") else ""
    click.echo(f"{answer['stream']}: {answer['phase']}{outcome}, {answer['because']['text']}")


@main.group()
def emulator() -> None:
    """The stand-ins, each alone."""


_PATH = click.Path(path_type=Path, dir_okay=False)


@emulator.command("live")
@click.option("--port", default=LIVE_PORT, show_default=True, help="0 takes a free one")
@click.option("--json", "as_json", is_flag=True, help="say the address as one line of JSON")
@click.option("--account", type=_PATH, help="a TOML file instead of the development one")
@click.option("--clock-file", type=_PATH, help="share the development clock through it")
def emulator_live(port: int, as_json: bool, account: Path | None, clock_file: Path | None) -> None:
    """ApsaraVideo Live over HTTP on loopback."""
    from emulator.live import run

    sys.exit(run(port, json_output=as_json, account_path=account, clock_file=clock_file))


@emulator.command("fc", context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def emulator_fc(options: tuple[str, ...]) -> None:
    """Function Compute over HTTP on loopback. OPTIONS as `python -m emulator.fc --help` says."""
    from emulator.fc.__main__ import main as run

    sys.exit(run(list(options)))


if __name__ == "__main__":
    main()
