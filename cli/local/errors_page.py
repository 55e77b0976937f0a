"""Writes docs/errors.md from the tables that the code itself uses.

`python -m cli.local.errors_page` writes the page; a test fails while it is out of date.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from shared import errors
from shared.errors import LiveRecordError
from shared.inbound.catalogue import Language, catalogue
from shared.inbound.function_compute.response import ANSWERS
from shared.inbound.request_errors import RequestError
from shared.outbound.live.error_codes import CODES, Refusal
from shared.protocol import (
    Accepted,
    Command,
    CommandSettled,
    Reason,
    StreamKey,
    StreamRecord,
    StreamSettings,
    command_errors,
    decide,
)
from shared.protocol.command_errors import LiveError
from shared.protocol.state.command import Flight
from shared.protocol.state.confirmation import Confirmation, ConfirmationState, StartSource
from shared.protocol.state.intent import Intent, Requester
from shared.protocol.state.session import Session
from shared.store import engine_answers

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"


_INTRODUCTION = """\
`python -m cli.local.errors_page` writes this page from the code's tables.

| you have | read |
|---|---|
| the name of an error, from a log | [the kinds of errors](#the-kinds-of-errors) |
| a status and a `code` of the HTTP API | [answers over HTTP](#answers-over-http) |
| a code of ApsaraVideo Live | [what it means](#what-an-answer-of-apsaravideo-live-means) |
| a `reason.code` of an answer, or the `code` of a history entry | \
[every cause](#every-cause-in-both-languages) |
| a `code` of `GET /v1/health` | [problems of a stage](#problems-of-a-stage-in-both-languages), \
or [what the store answers](#what-the-store-answers) |

A *stage* is one deployment of live-record, such as `prod`. A *session* is one publish of a stream.
The [glossary](protocol.md#glossary) has the other words."""


def page() -> str:
    return "\n".join(
        [
            "# Errors, answers and causes",
            "",
            *_INTRODUCTION.splitlines(),
            "",
            *_tree(),
            *_statuses(),
            *_answers(),
            *_causes(),
            *_problems(),
            *_of_store(),
        ]
    )


def _tree() -> Iterator[str]:
    """Yield the drawing of the docstring of shared/errors.py."""
    lines = (errors.__doc__ or "").splitlines()
    drawn = [line[4:] for line in lines if line.startswith("    ")]
    yield from ("## The kinds of errors", "", "```text", *drawn, "```", "")


def _statuses() -> Iterator[str]:
    yield from ("## Answers over HTTP", "")
    yield "Every error is `application/problem+json` (RFC 9457) with one of these statuses and"
    yield "codes. If every fault of a `BadRequest` is a missing field, the code is `MissingParam`."
    yield from ("If Live itself answers `InternalError`, the status is 500.", "")
    yield from ("| error | status | code | hint |", "|---|---|---|---|")
    for refused in RequestError.__subclasses__():
        yield f"| {refused.__name__} | {refused.status} | `{refused.code}` | |"
    for answered, row in ANSWERS.items():
        if answered not in _ROOTS:
            code = f"`{row.code}`" if row.code else "Live's own"
            yield f"| {answered.__name__} | {row.status} | {code} | {row.hint} |"
    yield from ("| anything else | 500 | `InternalError` | |", "")


_ROOTS = (Exception, LiveRecordError, RequestError, LiveError)
"""Errors whose rows answer only for kinds without a row of their own."""


_ANSWERS = """\
## What an answer of ApsaraVideo Live means

In this table, a person sent the command, and the stream is live. Under each command, a cell begins
with the [cause](#every-cause-in-both-languages) that the history gets. `*` stands for the rest of a
code. If a 4xx or a 503 has the header `x-acs-retry-after`, the command is sent again at that time,
but after 30 s at the latest.

| in a cell | means |
|---|---|
| again | the same command is sent again |
| then start | a start is sent next |
| in doubt | the command may still take effect in this time |
| this session has failed | Live refuses to record this publish of the stream |

| Live's code | read as | start | stop | restart | cancel_delay |
|---|---|---|---|---|---|"""


def _answers() -> Iterator[str]:
    """Yield the table of Live's codes. Codes with the same meaning share a row."""
    yield from _ANSWERS.splitlines()
    alike = dict[str, list[str]]()
    for code, kind in CODES.items():
        meaning = _meanings(kind.__name__, kind(code.replace("*", ".User")))
        alike.setdefault(meaning, []).append(f"`{code}`")
    yield f"| 200 | {_meanings('accepted', Accepted('R'))} |"
    for meaning, codes in alike.items():
        yield f"| {', '.join(codes)} | {meaning} |"
    for shown, status in _UNDOCUMENTED.items():
        error = Refusal("Other", status=status).error()
        yield f"| any other {shown} | {_meanings(type(error).__name__, error)} |"
    no_answer = _meanings("InDoubt", command_errors.InDoubt())
    yield f"| no answer, or none that can be read | {no_answer} |"
    yield ""


_UNDOCUMENTED = {"401 or 403": 401, "429": 429, "4xx": 400, "503": 503, "5xx": 500}
"""The statuses by which a code that Live does not document is read."""


def _meanings(kind: str, answer: Accepted | LiveError) -> str:
    cells = [_meaning(command, answer) for command in Command if command in _ORDER]
    return " | ".join((kind, *cells))


_ORDER = (Command.START, Command.STOP, Command.RESTART, Command.CANCEL_DELAY)
_NOW_MS = 1_000_000_000


def _meaning(command: Command, answer: Accepted | LiveError) -> str:
    after = decide(_flying(command), CommandSettled("f", answer), _NOW_MS, StreamSettings()).record
    parts = [after.answer.reason.value if after.answer else "-"]
    parts += ["in doubt for 60 s"] if after.doubts else []
    if after.failure:
        parts.append("this session has failed")
    if after.pending:
        wait_s = (after.pending.not_before - _NOW_MS) / 1000
        again = (
            "again" if after.pending.command is command else f"then {after.pending.command.value}"
        )
        parts.append(f"{again} after {wait_s:g} s" if wait_s else again)
    return ", ".join(parts)


def _flying(command: Command) -> StreamRecord:
    """Return a record with the command in flight, long after its stream went live; for a restart, a
    stream that is recorded."""
    starts = command in (Command.START, Command.RESTART)
    why = Reason.ASKED_START if starts else Reason.ASKED_STOP
    intent = Intent(1, wanted=starts, requester=Requester.PERSON, reason=why, claimed=True)
    key = StreamKey("live.example.com", "app", "room1")
    record = StreamRecord(key, intent, session=Session(1, _NOW_MS - 60_000, time=_NOW_MS - 60_000))
    flight = Flight("f", command, why, 1, 1, _NOW_MS, 0, _NOW_MS, _NOW_MS + 7_300)
    recorded = Confirmation(1, _NOW_MS - 50_000, StartSource.ACCEPTED, ConfirmationState.CONFIRMED)
    confirmation = recorded if command is Command.RESTART else None
    return replace(record, flight=flight, ever_claimed=True, confirmation=confirmation)


def _causes() -> Iterator[str]:
    yield from ("## Every cause, in both languages", "")
    yield "These are the values of `reason.code` in answers, and of `code` in history entries. A"
    yield "name in braces stands for a detail of the entry. “It” is the stream."
    yield ""
    yield from ("| code | English | 中文 |", "|---|---|---|")
    for code in Reason:
        english, chinese = (catalogue(each).reasons[code.value] for each in Language)
        yield f"| `{code.value}` | {english} | {chinese} |"
    yield ""


def _of_store() -> Iterator[str]:
    """Yield the table of Redis' answers and the problem that each is shown as, in the order of the
    code that reads them."""
    yield from ("## What the store answers", "")
    yield "The first column has the first word, or a part, of an answer of Redis, Valkey or Tair."
    yield "`GET /v1/health` shows the code of the problem. The `detail` of a 503 `StoreUnavailable`"
    yield "has the first sentence of the problem. The function's log has the store's own words. If"
    yield "the first column is empty, live-record found the problem in another way."
    yield from ("", "| the store answers | code | English | 中文 |", "|---|---|---|---|")
    shown = {f"`{word}`": code for word, code in engine_answers.ANSWERS.items()}
    shown |= {f"“{text}”": code for text, code in engine_answers.TEXTS.items()}
    answers = dict[str, list[str]]()
    for answer, code in shown.items():
        answers.setdefault(code, []).append(answer)
    for code in (*answers, *sorted(engine_answers.PROBLEMS - answers.keys())):
        yield _problem(", ".join(answers.get(code, [])), code)
    yield ""


def _problem(answer: str, code: str) -> str:
    english, chinese = (catalogue(each).problems[code] for each in Language)
    texts = f"{english.text}. {english.fix} | {chinese.text}。{chinese.fix}"
    return f"| {answer} | `{code}` | {texts} |"


def _problems() -> Iterator[str]:
    yield from ("## Problems of a stage, in both languages", "")
    yield "`GET /v1/health` lists these problems under `problems`, and those of the next section."
    yield from ("`live-record doctor` and `live-record watch` do so, too.", "")
    yield from ("| code | English | 中文 |", "|---|---|---|")
    for code in sorted(catalogue(Language.ENGLISH).problems.keys() - engine_answers.PROBLEMS):
        yield _problem("", code).removeprefix("|  ")
    yield ""


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
