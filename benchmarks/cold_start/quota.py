"""Limits a child process to a share of one CPU, and drops the page cache.

benchmarks.cold_start calls this module. It must not fail on a machine that allows neither.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PERIOD_US = 100_000
"""The default period of the kernel."""
CGROUPS = Path("/sys/fs/cgroup")
DROP = Path("/proc/sys/vm/drop_caches")

Join = Callable[[], None]
"""A function that a child runs before its program, to limit itself to the share."""


@contextmanager
def share_of_a_cpu(share: float) -> Iterator[Join | None]:
    """Yield a Join, or None if no control group can be created here."""
    quota = str(round(PERIOD_US * share))
    for group, settings, members in (
        (
            CGROUPS / "cpu",
            {"cpu.cfs_period_us": str(PERIOD_US), "cpu.cfs_quota_us": quota},
            "tasks",
        ),
        (CGROUPS, {"cpu.max": f"{quota} {PERIOD_US}"}, "cgroup.procs"),
    ):
        made = _made(group / f"live-record-{os.getpid()}", settings)
        if made is None:
            continue
        file = made / members
        try:
            yield lambda file=file: file.write_text(str(os.getpid())) and None  # type: ignore[misc] # bound now
        finally:
            made.rmdir()
        return
    yield None


def _made(group: Path, settings: dict[str, str]) -> Path | None:
    try:
        group.mkdir()
    except OSError:
        return None
    try:
        for name, value in settings.items():
            (group / name).write_text(value)
    except OSError:
        group.rmdir()
        return None
    return group


def drop_cache(folders: list[Path]) -> str:
    """Drop the whole page cache as root, else the folders' files; return the name of the method."""
    os.sync()
    try:
        DROP.write_text("3")
    except OSError:
        for folder in folders:
            for file in folder.rglob("*"):
                _forget(file)
        return "posix_fadvise"
    return "drop_caches"


def _forget(file: Path) -> None:
    if not file.is_file():
        return
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
