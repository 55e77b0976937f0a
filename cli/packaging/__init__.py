"""Builds what is deployed: the code folder that s.yaml names, and its archive.

The commands package, deploy and dev call build().
"""

from cli.packaging.build import (
    CONSOLE,
    DELIVER,
    FILES,
    MAIN,
    PACKAGES,
    Package,
    Packaged,
    Warn,
    build,
    folder_of,
)
from cli.packaging.python import RUNTIMES, interpreter

__all__ = [
    "CONSOLE",
    "DELIVER",
    "FILES",
    "MAIN",
    "PACKAGES",
    "RUNTIMES",
    "Package",
    "Packaged",
    "Warn",
    "build",
    "folder_of",
    "interpreter",
]
