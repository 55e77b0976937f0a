"""The command line of the ApsaraVideo Live emulator: `python -m emulator.live`.

The live-record command and the benchmarks start it, too.
It only reads options; emulator.live.server does the work.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from emulator.live.server import BUCKETS, PORT, listening, run
from emulator.media.ingest import PORT as RTMP
from emulator.shutdown import OPTION, OPTION_HELP


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m emulator.live")
    parser.add_argument("--port", type=int, default=PORT, help="0 takes a free one")
    parser.add_argument(
        "--rtmp-port", type=int, help=f"{RTMP}, or a free one where the port is not the usual"
    )
    parser.add_argument("--buckets", type=Path, default=BUCKETS, help="the folder for recordings")
    parser.add_argument("--json", action="store_true", help="say the address as one line of JSON")
    parser.add_argument(OPTION, dest="with_input", action="store_true", help=OPTION_HELP)
    parser.add_argument("--account", type=Path, help="a TOML file instead of the development one")
    parser.add_argument("--clock-file", type=Path, help="share the development clock through it")
    options = parser.parse_args()
    return run(
        listening(options.port, options.rtmp_port, options.buckets),
        json_output=options.json,
        account_path=options.account,
        clock_file=options.clock_file,
        with_input=options.with_input,
    )


sys.exit(main())
