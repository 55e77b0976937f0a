"""Formats a report as text for people, and as CSV for a spreadsheet.

The `report` command calls this module, which sends no request.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from gettext import gettext as _

from cli.local_time import moment, shown
from cli.output import Json
from cli.report.peak import Peak, of_months, peaks

_COLUMNS = (
    *("stream", "due_ms", "covered_ms", "missing_ms", "start_latency_ms", "ratio", "gaps"),
    *("longest_gap_ms", "longest_gap_start", "longest_gap_reason"),
    *("files", "files_verified", "files_wrong", "absences"),
)
_FILES = ("reported", "verified", "wrong")


def clock(text: str) -> str:
    """Return a time of the API as people read it: in the local zone, with the offset from UTC."""
    return shown(moment(text))


def length(ms: int) -> str:
    """Return a duration as it is shown: 1:47:12, or 13 s below a minute."""
    seconds = round(ms / 1000)
    if seconds < 60:  # noqa: PLR2004 - a minute
        return _("{seconds} s").format(seconds=seconds)
    minutes, rest = divmod(seconds, 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def percent(ratio: float | None) -> str:
    """Return a ratio as a percentage. Only a ratio of 1 is shown as 100 %."""
    if ratio is None:
        return "-"
    return "100 %" if ratio == 1 else f"{min(ratio * 100, 99.999):.3f} %"


def lines(streams: Sequence[Json]) -> Iterator[str]:
    """Yield the lines of a report: each stream that was due (wanted while it was live) or recorded,
    with its gaps, and with the occurrences of which too little or nothing was recorded; then the
    summary."""
    for row in filter(is_shown, streams):
        yield _stream_line(row)
        for gap in row["gaps"]:
            missing = _("  {start}: {length} missing: {reason}")
            yield missing.format(
                start=clock(gap["start"]), length=length(gap["ms"]), reason=gap["reason"]["text"]
            )
        yield from (f"  {line}" for line in (*short_occurrences(row), *absences(row)))
    yield from summary(streams)


def is_shown(row: Json) -> bool:
    """Return True if the report shows the stream: it was due (wanted while it was live), it was
    recorded, or it did not come up in one of its scheduled occurrences."""
    return bool(row["due_ms"] or row["recorded"] or row.get("absences"))


def is_short(occurrence: Json) -> bool:
    """Return True if less of an occurrence was recorded than its schedule expects."""
    return bool(occurrence["ratio"] * 100 < occurrence["coverage_target"])


def short_occurrences(row: Json) -> Iterator[str]:
    """Yield a line for each occurrence that was recorded for less than its schedule expects. Yield
    nothing for a stage of an earlier release, which returns no occurrences."""
    line = _("{start}: {percent} of occurrence {occurrence} was recorded; {target} % is expected")
    for one in filter(is_short, row.get("occurrences", ())):
        shown = {"occurrence": one["occurrence"], "target": f"{one['coverage_target']:g}"}
        yield line.format(start=clock(one["start"]), percent=percent(one["ratio"]), **shown)


def absences(row: Json) -> Iterator[str]:
    """Yield a line for each occurrence of which nothing was recorded. Yield nothing for a stage of
    an earlier release, which returns no absences."""
    for absence in row.get("absences", ()):
        yield f"{clock(absence['start'])}: {absence['reason']['text']}"


def _stream_line(row: Json) -> str:
    if not row["due_ms"] and not row["recorded"]:
        return _("{stream}: nothing was recorded").format(stream=row["stream"])
    if not row["due_ms"]:
        recorded = sum(span["ms"] for span in row["recorded"])
        line = _("{stream}: not wanted, but recorded for {recorded}")
        return line.format(stream=row["stream"], recorded=length(recorded))
    line = _(
        "{stream}: live and wanted {due}, recorded {covered}, start latency {latency},"
        " missing {missing} ({percent})"
    )
    return line.format(
        stream=row["stream"],
        due=length(row["due_ms"]),
        covered=length(row["covered_ms"]),
        latency=length(row["start_latency_ms"]),
        missing=length(row["missing_ms"]),
        percent=percent(row["ratio"]),
    )


def summary(streams: Sequence[Json]) -> Iterator[str]:
    """Yield the lines about all streams together."""
    due = [row for row in streams if row["due_ms"]]
    whole = sum(not row["gaps"] for row in due)
    counted = _(
        "Streams that were live and wanted: {due}; without a gap: {whole}; with gaps: {rest}."
    )
    yield counted.format(due=len(due), whole=whole, rest=len(due) - whole)
    absent = sum(len(row.get("absences", ())) for row in streams)
    if absent:
        line = _("Schedule occurrences of which nothing was recorded: {count}.")
        yield line.format(count=absent)
    yield from _file_summary(streams)
    days = day_peaks(streams)
    if len(days) > 1:
        for day in days:
            most = _("{day}: most streams recorded at once: {streams}, first at {time}.")
            yield most.format(day=day.at.date(), streams=day.streams, time=shown(day.at))
    for month, peak in of_months(days).items():
        most = _("{month}: most streams recorded at once: {streams}, first on {time}.")
        yield most.format(month=month, streams=peak.streams, time=shown(peak.at))


def _file_summary(streams: Sequence[Json]) -> Iterator[str]:
    """Yield the counts of the verdicts on the files, and of the copies in another store; no line
    without any."""
    counts = [row["files"] for row in streams if row.get("files")]
    reported, verified, wrong, unverified = (
        sum(each[name] for each in counts) for name in (*_FILES, "unverified")
    )
    if verified or wrong:
        line = _(
            "Files: {files}; verified: {verified}; wrong: {wrong}; not verified: {unverified}."
        )
        yield line.format(files=reported, verified=verified, wrong=wrong, unverified=unverified)
    delivered, undelivered = (
        sum(each.get(name, 0) for each in counts) for name in ("delivered", "undelivered")
    )
    if delivered or undelivered:
        line = _("Files copied to another store: {delivered}; not copied yet, or failed: {rest}.")
        yield line.format(delivered=delivered, rest=undelivered)


def day_peaks(streams: Sequence[Json]) -> list[Peak]:
    """Return the largest number of streams recorded at once, for each day."""
    return peaks(
        (moment(span["start"]), moment(span["stop"])) for row in streams for span in row["recorded"]
    )


def as_csv(streams: Sequence[Json]) -> str:
    """Return the report as CSV: a row for each stream, with its longest gap."""
    written = io.StringIO()
    table = csv.writer(written)
    table.writerow(_COLUMNS)
    for row in streams:
        longest = max(row["gaps"], key=lambda gap: gap["ms"], default=None)
        of_longest = (
            (longest["ms"], longest["start"], longest["reason"]["text"])
            if longest
            else ("", "", "")
        )
        cells = [row[name] for name in _COLUMNS[:6]]
        of_files = [row.get("files", {}).get(name) for name in _FILES]
        absent = len(row.get("absences", ()))
        every = (*cells, len(row["gaps"]), *of_longest, *of_files, absent)
        table.writerow([_cell(each) for each in every])
    return written.getvalue()


def _cell(value: object) -> object:
    """Return a cell that no spreadsheet takes for a formula, because publishers choose the
    names."""
    is_formula = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t")
    return f"'{value}" if is_formula else ("" if value is None else value)
