"""Writes a reproducible zip: its bytes depend only on the names and contents of the files.

cli.packaging.build calls this module. No time stamp, owner or file order may get into the archive.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX, _FILE = 3, 0o100644
_COMPRESS_LEVEL = 7
"""Level 9 takes four times as long and saves 0.5 % of the size."""


def names(folder: Path) -> Iterator[str]:
    """Return the paths of the files in the folder: sorted, relative to the folder, with forward
    slashes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return iter(sorted(path.relative_to(folder).as_posix() for path in files))


def write(folder: Path, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(archive, "w", ZIP_DEFLATED, compresslevel=_COMPRESS_LEVEL) as opened:
        for name in names(folder):
            entry = _entry(name)
            entry.compress_type = ZIP_DEFLATED
            opened.writestr(entry, (folder / name).read_bytes(), compresslevel=_COMPRESS_LEVEL)


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return an archive of the files, not compressed, so that an archive around it compresses all
    files together."""
    data = BytesIO()
    with ZipFile(data, "w") as opened:
        for name in sorted(files):
            opened.writestr(_entry(name), files[name])
    return data.getvalue()


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, _FIXED_TIME)
    entry.create_system, entry.external_attr = _UNIX, _FILE << 16
    return entry


def tree_hash(folder: Path) -> str:
    """Return a SHA-256 of the files' names and contents, independent of the compression."""
    digest = hashlib.sha256()
    for name in names(folder):
        data = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        digest.update(f"{data}  {name}\n".encode())
    return digest.hexdigest()
