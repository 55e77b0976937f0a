"""Measures the size of the archive that a deploy uploads, with and without bytecode.

`python -m benchmarks.package_size --json` builds the archive of each runtime. Each figure is that
of the largest archive.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

from benchmarks.packaged import machine, print_figures
from cli.packaging import RUNTIMES, build, interpreter
from cli.packaging.archive import write


def sizes(runtime: str, folder: Path) -> tuple[int, int]:
    """Return the archive's size without bytecode and with it, in bytes."""
    made = build(runtime, into=folder, warn=lambda text: print(text, file=sys.stderr))
    source = folder / "source"
    with ZipFile(made.archive) as archive:
        archive.extractall(source, [name for name in archive.namelist() if ".pyc" not in name])
    write(source, folder / "source.zip")
    return (folder / "source.zip").stat().st_size, made.archive.stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.package_size", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one last line of JSON")
    as_json = parser.parse_args().json
    with tempfile.TemporaryDirectory(prefix="live-record-") as name:
        size_of = {runtime: sizes(runtime, Path(name, runtime)) for runtime in RUNTIMES}
    without, compiled = (max(column) for column in zip(*size_of.values(), strict=True))
    python = interpreter(RUNTIMES[0]) or Path(sys.executable)
    each = {runtime: f"{size[1]} bytes" for runtime, size in size_of.items()}
    figures = {"bytes": without, "bytes_with_bytecode": compiled}
    print_figures(figures, {**machine(python), **each}, as_json=as_json)


if __name__ == "__main__":
    main()
