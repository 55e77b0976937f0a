"""The report as one HTML page with a time line for each stream; the page needs no other file.

The command calls this module. The page has no script. It is complete without colours, for example
in print, because it also lists the gaps in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from gettext import gettext as _
from html import escape

from cli.local_time import moment
from cli.output import Json
from cli.report.text import (
    absences,
    clock,
    is_shown,
    length,
    percent,
    short_occurrences,
    summary,
)
from shared.inbound.catalogue.marks import MARK

_STYLE = """
:root { color-scheme: light dark; --live: #c9cdd3; --recorded: #2f855a; --gap: #c53030; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8884; padding: .4rem .6rem; text-align: left;
  vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
svg { display: block; height: 1.6rem; width: 100%; }
.live { fill: var(--live); } .recorded { fill: var(--recorded); } .gap { fill: var(--gap); }
ul { margin: .3rem 0 0; padding-left: 1.2rem; }
.key svg { display: inline-block; height: .8rem; width: 1.4rem; }
@media print { body { margin: 0; max-width: none; } tr { break-inside: avoid; } }
"""


def page(report: Json, *, language: str, stage: str) -> str:
    """Return the page as HTML. `language` is that of the texts, `stage` the address of the
    stage."""
    title = _("What was recorded: {stage}").format(stage=stage)
    stretch = _("From {start} to {stop}").format(
        start=clock(report["start"]), stop=clock(report["stop"])
    )
    parts = [
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1><p>{escape(stretch)}</p>",
        *(f"<p>{escape(line)}</p>" for line in summary(report["streams"])),
        _key(),
        *_table(report),
        "</body></html>",
    ]
    return "\n".join(parts)


def _key() -> str:
    words = {"live": _("live"), "recorded": _("recorded"), "gap": _("missing")}
    shown = (
        f'<svg viewBox="0 0 1 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="{kind}" width="1" height="1"/></svg> {escape(word)}'
        for kind, word in words.items()
    )
    return f'<p class="key">{" &nbsp; ".join(shown)}</p>'


def _table(report: Json) -> Iterator[str]:
    heads = (
        _("Stream"),
        _("Live and wanted"),
        _("Missing"),
        _("Coverage"),
        _("Time line and gaps"),
    )
    yield f"<table><thead><tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr></thead>"
    yield "<tbody>"
    for row in sorted(report["streams"], key=lambda row: -row["missing_ms"]):
        if is_shown(row):
            yield _row(row)
    yield "</tbody></table>"


def _row(row: Json) -> str:
    numbers = (length(row["due_ms"]), length(row["missing_ms"]), percent(row["ratio"]))
    gaps = "".join(
        f"<li>{escape(clock(gap['start']))}: {escape(length(gap['ms']))}, "
        f"{_marked(gap['reason']['text'])}</li>"
        for gap in row["gaps"]
    )
    lines = (*short_occurrences(row), *absences(row))
    gaps += "".join(f"<li>{_marked(line)}</li>" for line in lines)
    return (
        f"<tr><td>{escape(row['stream'])}</td>"
        + "".join(f'<td class="number">{escape(number)}</td>' for number in numbers)
        + f"<td>{_time_line(row)}{f'<ul>{gaps}</ul>' if gaps else ''}</td></tr>"
    )


def _marked(text: str) -> str:
    """Return the text as HTML, with what it marks as code."""
    return MARK.sub(r"<code>\1</code>", escape(text))


def _time_line(row: Json) -> str:
    """Return three layers: live below, recorded above, gaps from top to bottom."""
    begin = moment(row["start"]).timestamp()
    whole = max(moment(row["stop"]).timestamp() - begin, 1)
    rects = []
    for kind, top, height in (("live", 60, 40), ("recorded", 0, 55), ("gaps", 0, 100)):
        for span in row[kind]:
            left = (moment(span["start"]).timestamp() - begin) / whole * 1000
            width = max(span["ms"] / 1000 / whole * 1000, 1.5)
            name = kind.removesuffix("s")
            rects.append(
                f'<rect class="{name}" x="{left:.2f}" y="{top}" width="{width:.2f}"'
                f' height="{height}"/>'
            )
    label = _("time line of {stream}").format(stream=row["stream"])
    return (
        f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(label, quote=True)}">{"".join(rects)}</svg>'
    )
