"""The console script: imports the command line within a block that Ctrl-C ends without a traceback.

It must import nothing at the top, since Ctrl-C may come in the first second.
"""

from __future__ import annotations

import sys


def run() -> None:
    try:
        from cli.main import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)
