"""The console script: imports and runs the command line, and ends without a traceback on Ctrl-C.

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
