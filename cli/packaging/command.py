"""`live-record package`, and the unpacked archive that `dev --package` runs.

cli.main adds the command. It parses options; cli.packaging.build does the work.
"""

from __future__ import annotations

import shutil
import sys
from gettext import gettext as _
from itertools import product
from pathlib import Path
from zipfile import ZipFile

import click

from cli.local.stack import Deployed
from cli.packaging.build import PACKAGES, build
from cli.packaging.python import RUNTIMES, interpreter
from cli.paths import need_checkout, policy_file


@click.command()
@click.option(
    "--runtime",
    "runtimes",
    type=click.Choice(RUNTIMES),
    multiple=True,
    default=RUNTIMES,
    show_default=True,
    help="runtime of Function Compute; repeatable",
)
@click.option(
    "--policy",
    "policy_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    default=policy_file,
    help="policy file to package",
)
@click.option(
    "--whole",
    is_flag=True,
    help="include everything that the official SDK requires, not only what live-record uses",
)
def package(runtimes: tuple[str, ...], policy_file: Path, whole: bool) -> None:
    """Build the code folders and archives that a deploy uploads."""
    need_checkout("package")
    for runtime, each in product(runtimes, PACKAGES):
        made = build(runtime, each, policy=policy_file, whole=whole, warn=_warn)
        size = made.archive.stat().st_size / 1e6
        sentence = _("{archive} ({size:.2f} MB), unpacked in {folder}")
        click.echo(sentence.format(archive=made.archive, size=size, folder=made.folder))


def unpacked(runtime: str, folder: Path) -> Deployed:
    """Build the archives and unpack them: the main one into `folder`, the others next to it. Return
    the folders and the interpreter that runs them."""
    codes = {each.variable: folder.with_name(each.prefix + folder.name) for each in PACKAGES}
    for each in PACKAGES:
        shutil.rmtree(codes[each.variable], ignore_errors=True)
        with ZipFile(build(runtime, each, warn=_warn).archive) as archive:
            archive.extractall(codes[each.variable])
    others = {variable: str(code) for variable, code in codes.items() if code != folder}
    return Deployed(folder, str(interpreter(runtime) or sys.executable), others)


def _warn(text: str) -> None:
    click.echo(_("warning: {text}").format(text=text), err=True)
