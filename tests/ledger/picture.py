"""Draws docs/coverage.svg: `python -m tests.ledger.picture docs/coverage.svg`.

It is the account of a story, computed as a stage computes it: a stream comes up, its recording
pauses and goes on, it goes off and comes back, and it is stopped.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.ledger.coverage import Coverage
from shared.ledger.spans import Span
from shared.protocol import Reported, StreamSettings
from tests.conftest import NOON
from tests.ledger.accounts import Account
from tests.support.stream_story import RECORDS, SECOND

WIDTH_PX, LEFT_PX, LANE_PX, BAR_PX = 760, 90, 34, 20
LASTS_MS = 165 * SECOND
COLOURS = {"wanted": "#8a94a0", "live": "#4a7fa5", "recorded": "#3b8f6b", "missing": "#b0483a"}


def story() -> Coverage:
    account = Account(StreamSettings(rule=RECORDS))
    account.publish().passes(4 * SECOND)
    account.answer().confirm().passes(46 * SECOND)
    account.happens(Reported("record_paused", recording=False, time=account.now))
    account.passes(20 * SECOND)
    account.happens(Reported("record_resumed", recording=True, time=account.now))
    account.passes(30 * SECOND)
    account.goes_off().passes(5 * SECOND)
    account.publish().passes(3 * SECOND)
    account.answer().confirm().passes(27 * SECOND)
    account.stop().answer().passes(15 * SECOND)
    return account.covers(NOON, NOON + LASTS_MS)


def picture() -> str:
    """Return the picture as SVG."""
    covered = story()
    lanes = {
        "wanted": covered.wanted,
        "live": covered.live,
        "recorded": covered.recorded,
        "missing": [gap.span for gap in covered.gaps],
    }
    body = [part for n, (name, spans) in enumerate(lanes.items()) for part in _lane(n, name, spans)]
    top = LANE_PX * len(lanes)
    latency_s, missing_s = covered.latency_ms // SECOND, covered.missing_ms // SECOND
    due_s = covered.due_ms // SECOND
    about = f"due {due_s} s: start latency {latency_s} s, missing {missing_s} s, recorded the rest"
    body.append(_text(LEFT_PX, top + 22, about))
    box = f'viewBox="0 0 {WIDTH_PX} {top + 36}" font-size="13" font-family="sans-serif"'
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    return "\n".join(
        [f'<svg xmlns="http://www.w3.org/2000/svg" {box}>', background, *body, "</svg>", ""]
    )


def _lane(number: int, name: str, spans: Sequence[Span]) -> Iterator[str]:
    top, scale = 8 + number * LANE_PX, (WIDTH_PX - LEFT_PX - 16) / LASTS_MS
    yield _text(8, top + 15, name)
    for span in spans:
        left, width = LEFT_PX + (span.start - NOON) * scale, span.ms * scale
        yield (
            f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{BAR_PX}"'
            f' fill="{COLOURS[name]}"><title>{name}: {span.ms // SECOND} s</title></rect>'
        )


def _text(left: int, down: int, text: str) -> str:
    return f'<text x="{left}" y="{down}" fill="#222">{text}</text>'


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture())
