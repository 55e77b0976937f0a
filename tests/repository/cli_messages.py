"""The translations of the command line: what there is to translate, and the files of gettext.

`python -m tests.repository.cli_messages` adds new texts to the .po file of Chinese, untranslated,
drops the old ones, and compiles the .mo file that gettext reads. test_cli_messages.py holds both to
the code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from inspect import cleandoc
from io import BytesIO
from pathlib import Path

import click
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from cli.main import main
from cli.paths import ROOT
from cli.texts import DOMAIN, LOCALES

PO = LOCALES / "zh" / "LC_MESSAGES" / f"{DOMAIN}.po"
MO = PO.with_suffix(".mo")
_WRITTEN = datetime(2026, 11, 29, tzinfo=timezone.utc)
"""The header's date; a real one would change with each run."""
Message = str | tuple[str, ...]


def messages() -> set[Message]:
    """Return every text of the command line and of click; a tuple is a singular and its plural."""
    return own_messages() | _called(Path(click.__file__).parent.glob("*.py"))


def own_messages() -> set[Message]:
    """Return the texts of the command line without those of click."""
    return {*_called((ROOT / "cli").rglob("*.py")), *_help(main)}


def _called(files: Iterable[Path]) -> set[Message]:
    return {found[1] for file in files for found in extract_from_file("python", file)}


def _help(command: click.Command) -> Iterator[str]:
    if command.help:
        yield cleandoc(command.help)
    yield from (p.help for p in command.params if isinstance(p, click.Option) and p.help)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, name
            yield from _help(found)


def all_of(text: str | tuple[str, ...] | list[str] | None) -> list[str]:
    """Return a text, or its singular and its plural."""
    return [text] if isinstance(text, str) else list(text or ())


def translations() -> Catalog:
    """Return the Chinese catalogue as it is stored, empty if there is none yet."""
    if not PO.exists():
        return Catalog(locale="zh", domain=DOMAIN)
    with PO.open("rb") as file:
        return read_po(file, locale="zh", domain=DOMAIN)


def updated(stored: Catalog) -> Catalog:
    """Return the catalogue of all present texts, with the translations that are stored."""
    catalog = Catalog(
        locale="zh",
        domain=DOMAIN,
        header_comment="# The command line in Chinese; python -m tests.repository.cli_messages",
        project="live-record",
        version="1",
        msgid_bugs_address="-",
        last_translator="-",
        language_team="-",
        creation_date=_WRITTEN,
        revision_date=_WRITTEN,
        fuzzy=False,  # of the header
    )
    for message in sorted(messages(), key=str):
        old = stored.get(message)
        catalog.add(message, old.string if old else "")
    return catalog


def compiled(catalog: Catalog) -> bytes:
    written = BytesIO()
    write_mo(written, catalog)
    return written.getvalue()


def _write() -> None:
    catalog = updated(translations())
    PO.parent.mkdir(parents=True, exist_ok=True)
    with PO.open("wb") as file:
        write_po(file, catalog, width=100, sort_output=True)
    MO.write_bytes(compiled(translations()))
    missing = sum(1 for message in catalog if message.id and not message.string)
    sys.stdout.write(f"{len(catalog)} texts, {missing} without a translation\n")


if __name__ == "__main__":
    _write()
