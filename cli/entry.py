"""The console script: imports and runs the command line, and ends without a traceback on Ctrl-C.
`python -m cli.entry` does the same.

This module must import nothing at its top, because Ctrl-C may come in the first second.
"""

from __future__ import annotations

import sys


def run() -> None:
    try:
        from cli.main import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
