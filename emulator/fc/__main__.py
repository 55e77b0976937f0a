"""The command line of the Function Compute emulator: `python -m emulator.fc`.

The live-record command and the benchmarks start it, too.
It only reads options; emulator.fc.run does the work.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from emulator.fc.run import DEFAULT_PORT, run
from emulator.fc.settings import Credentials, Settings
from emulator.shutdown import OPTION, OPTION_HELP


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    return run(
        options.template,
        port=options.port,
        json_output=options.json,
        env={**os.environ, **dict(options.env)},
        settings=_settings(options),
    )


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        quota=options.quota,
        idle_seconds=options.idle_seconds,
        credentials=Credentials(options.access_key_id, options.access_key_secret),
        clock_file=options.clock_file,
        until_input_ends=options.until_input_ends,
        python=options.python,
        working_directory=options.working_directory,
        strip_prefix=options.strip_prefix,
        base64_always=options.base64_always,
        freezes=options.freezes,
        async_raw_body=options.async_raw_body,
        error_status=options.error_status,
    )


def _parser() -> argparse.ArgumentParser:
    defaults = Settings()
    account = defaults.credentials
    parser = argparse.ArgumentParser(
        prog="python -m emulator.fc", description="Function Compute 3.0 on loopback."
    )
    add = parser.add_argument
    add("--template", type=Path, default=Path("s.yaml"), help="what to serve (s.yaml)")
    add("--port", type=int, default=DEFAULT_PORT, help="0 takes any free one")
    add("--json", action="store_true", help="say where it listens as one line of JSON")
    add(OPTION, action="store_true", help=OPTION_HELP)
    add("--env", type=_pair, action="append", default=[], metavar="K=V", help="for ${env()}")
    add("--clock-file", type=Path, help="the development clock: {'offset_ms': n}")
    add("--python", default="", help="of the instances, with no other package than the code's")
    add("--quota", type=int, default=defaults.quota, help="instances of the account")
    add("--idle-seconds", type=float, default=defaults.idle_seconds)
    add("--access-key-id", default=account.access_key_id, help="of the functions' role")
    add("--access-key-secret", default=account.access_key_secret)
    add("--working-directory", type=Path, help="of the instances; that of the code by default")
    add("--strip-prefix", action="store_true", help="take a route's prefix off the path")
    add("--base64-always", action="store_true", help="hand every body over in base64")
    add("--freezes", action="store_true", help="instances stand still between their calls")
    add("--async-raw-body", action="store_true", help="asynchronous HTTP calls: the body alone")
    add("--error-status", type=int, default=defaults.error_status, help="when a handler raises")
    return parser


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"not K=V: {text!r}")
    return name, value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
