"""Writes the tables of docs/protocol.md and docs/protocol-explored.md that follow from the code.

`python -m tests.repository.protocol_page` writes them; a test fails while one is out of date.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path

from msgspec.structs import replace

from shared.protocol import (
    Command,
    CommandSettled,
    Decision,
    Event,
    Phase,
    Polled,
    Published,
    Reported,
    StartAsked,
    StreamKey,
    StreamRecord,
    StreamSettings,
    TimePassed,
    Unpublished,
    claim,
    decide,
)
from shared.protocol.command_errors import LiveError, StreamNotLive
from shared.protocol.events import Accepted
from shared.protocol.rules.confirmation import CHECKS, MAX_CONFIRM_AGAIN_MS
from shared.protocol.rules.stored_times import STORED_TIMES, StoredTime
from shared.protocol.state.confirmation import Confirmation, ConfirmationState, StartSource
from shared.protocol.state.invariants import ALWAYS, WHILE_ACTING, WHILE_OBSERVING, Invariant
from shared.store.contract import MAX_THROTTLE_PAUSE_MS, MAX_WORKER_LEASE_MS
from tests.explorer.rules import SUBJECTS
from tests.repository.rooms import ROOT
from tests.support.marked_page import between

PAGE = ROOT / "docs" / "protocol.md"
EXPLORED = ROOT / "docs" / "protocol-explored.md"
PAGES = (PAGE, ROOT / "docs" / "protocol-walks.md", EXPLORED)
PROTOCOL = "shared/protocol"
INVARIANTS = f"{PROTOCOL}/state/invariants.py"
UNITS = ("HOUR_MS",)
"""No time of the protocol, only its measure."""


def page(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    for mark, lines in TABLES[path].items():
        text = between(text, mark, lines())
    return text


def link(name: str, file: str) -> str:
    return f"[`{name}`](../{file})"


# --- times ---------------------------------------------------------------------------------------


def times() -> Iterator[str]:
    yield from ("| name | value | meaning |", "|---|---|---|")
    for file in protocol_files():
        for name, meaning in constants(file):
            value = getattr(module(file), name)
            yield f"| {link(name, file)} | {shown(value)} | {meaning} |"
    defaults = StreamSettings()
    for name, meaning in SETTINGS.items():
        field = link(f"StreamSettings.{name}", f"{PROTOCOL}/events.py")
        yield f"| {field} | {shown(getattr(defaults, name))} | {meaning} |"


SETTINGS: Mapping[str, str] = {
    "max_duration": "The longest time that an intent records, counted from the first accepted "
    "start. A stage or a rule may set it lower.",
    "hold": "How long policy makes no intent after an explicit stop, unless the stop says "
    "otherwise.",
    "keep": "How long a stream is remembered after its record changed or a file was reported.",
    "merge_delay": "How long Live keeps a stopped or interrupted recording paused before it writes "
    "the file. The stage's setting has to agree with Live's.",
}


@cache
def protocol_files() -> tuple[str, ...]:
    files = sorted((ROOT / PROTOCOL).rglob("*.py"))
    return tuple(str(file.relative_to(ROOT)) for file in files)


@cache
def tree(file: str) -> ast.Module:
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def module(file: str) -> object:
    return import_module(".".join(Path(file).with_suffix("").parts))


def constants(file: str) -> Iterator[tuple[str, str]]:
    """Yield each public time of a module with its docstring, which is empty where it has none."""
    body = tree(file).body
    for node, after in zip(body, [*body[1:], None], strict=False):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        name = node.targets[0].id
        if name.endswith("_MS") and not name.startswith("_") and name not in UNITS:
            yield name, _sentence(after)


def _sentence(node: ast.stmt | None) -> str:
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return " ".join(text.split())
        case _:
            return ""


def shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(shown, value))
    assert isinstance(value, int)
    for unit, ms in (("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if value >= 2 * ms and value % ms == 0:
            return f"{value // ms} {unit}"
    return f"{value} ms"


def stored_times() -> Iterator[str]:
    """Yield the table of stored times: one row for each limit, with all times that have it."""
    yield from ("| at most ahead of now | stored times |", "|---|---|")
    by_limit: dict[str, list[str]] = {}
    parts = {(PARTS[time.part], time.name): time for time in STORED_TIMES}
    for (owner, _), time in parts.items():
        name = link(f"{owner[0]}.{time.name}", f"{PROTOCOL}/state/{owner[1]}.py")
        by_limit.setdefault(_furthest(time), []).append(name)
    for name, limit in OF_THE_STORE.items():
        by_limit.setdefault(limit, []).append(name)
    yield from (f"| {limit} | {', '.join(names)} |" for limit, names in by_limit.items())


PARTS: Mapping[str, tuple[str, str]] = {
    "": ("StreamRecord", "recording"),
    "intent": ("Intent", "intent"),
    "pending": ("PendingCommand", "command"),
    "flight": ("Flight", "command"),
    "doubts": ("Doubt", "command"),
    "session": ("Session", "session"),
    "confirmation": ("Confirmation", "confirmation"),
    "planned": ("Occurrence", "occurrence"),
    "begun": ("Occurrence", "occurrence"),
    "failure": ("SessionFailure", "confirmation"),
    "stop_check": ("StopCheck", "confirmation"),
    "last_report": ("LastReport", "confirmation"),
    "answer": ("Answer", "command"),
    "asked": ("IdempotencyKey", "intent"),
}
CONTRACT = "shared/store/contract.py"
PASSED = "0, because such a time has passed"
STAYS = "any distance, because a person or Live has set it"
OF_THE_STORE: Mapping[str, str] = {
    "the next free slot of a rate limit": "the longest wait for a slot, plus the distance of two "
    f"slots; or {link('MAX_THROTTLE_PAUSE_MS', CONTRACT)}, {shown(MAX_THROTTLE_PAUSE_MS)}",
    "the registration of a running reconcile": f"{link('MAX_WORKER_LEASE_MS', CONTRACT)},"
    f" {shown(MAX_WORKER_LEASE_MS)}; a registration that ends later is ignored",
    "when something last happened (reconcile, a wake-up call)": PASSED,
    "when a record is due": "no limit; each record is saved again after the clock is set back",
    "when a line of history or a file was stored": "any distance; the line or file is kept "
    "longer by as much",
    "when a policy was stored": "any distance; nothing follows from it",
}


def _furthest(time: StoredTime) -> str:
    if time.furthest is None:
        return STAYS
    sentence = " ".join((time.furthest.__doc__ or "").split())
    return sentence.removeprefix("Return ").removesuffix(".")


# --- events --------------------------------------------------------------------------------------

MEANINGS: Mapping[str, str] = {
    "StartAsked": "A person wants the stream recorded.",
    "StopAsked": "A person wants the recording to stop.",
    "OccurrencesPlanned": "A schedule's coming occurrences. They replace those planned before.",
    "OccurrencePut": "A person adds an occurrence, or moves the end of one.",
    "OccurrenceSkipped": "A person wants one occurrence not recorded.",
    "StateImported": "A person takes over what another stage has stored of the stream.",
    "ExtendAsked": "A person moves the end.",
    "RestartAsked": "A person wants the file split now.",
    "CancelDelayAsked": "A person wants the file now, without the merge delay.",
    "Published": "Live's callback: the stream came up at this time.",
    "Unpublished": "Live's callback: the stream went away at this time.",
    "Polled": "Live's online list, read at this time, shows the stream or does not.",
    "CommandSettled": "A command got its answer, or an error that says there is none.",
    "Reported": "Live's callback: the recording runs, or is paused.",
    "RecordFailed": "Live's callback: it accepted a start, but could not record.",
    "FileLeft": "Live's callback: a recording left a file.",
    "FileFailed": "Live's callback: a file was lost on its way. The recording goes on.",
    "Remarked": "Live's callback about an exception or a switch of publishers. It changes nothing.",
    "SettingsChanged": "The policy, the mode or a cap of the stage may have changed.",
    "TimePassed": "Something is due, and nothing else happened. If the caller may not poll, the "
    "polls stay due.",
}


def events() -> Iterator[str]:
    yield from ("| event | meaning | handled by |", "|---|---|---|")
    for event, (function, file) in handlers().items():
        event_link = link(event, f"{PROTOCOL}/events.py")
        yield f"| {event_link} | {MEANINGS[event]} | {link(function, file)} |"


@cache
def handlers() -> Mapping[str, tuple[str, str]]:
    """By event: the function that `decide` calls for it, and the file of that function."""
    decide_file = f"{PROTOCOL}/rules/decide.py"
    rooms = {
        name.asname or name.name: f"{PROTOCOL}/rules/{name.name}.py"
        for node in tree(decide_file).body
        if isinstance(node, ast.ImportFrom) and node.module == "shared.protocol.rules"
        for name in node.names
    }
    found = {}
    for node in ast.walk(tree(decide_file)):
        match node:
            case ast.match_case(
                pattern=ast.MatchClass(cls=ast.Name(id=event)),
                body=[ast.Expr(value=ast.Call(func=ast.Attribute(ast.Name(id=room), function)))],
            ):
                found[event] = (function, rooms[room])
            case ast.match_case(
                pattern=ast.MatchClass(cls=ast.Name(id=event)),
                body=[ast.Expr(value=ast.Call(func=ast.Name(id=function)))],
            ):
                found[event] = (function, decide_file)
            case _:
                pass
    return found


# --- states --------------------------------------------------------------------------------------

_NOW_MS = 1_000_000_000
_BEGAN_MS = _NOW_MS - 600_000
_KEY = StreamKey("live.example.com", "app", "room1")


def sessions() -> Iterator[str]:
    """Yield the table of what `decide` does with each event in each state of a wanted stream."""
    yield f"| the session is | {' | '.join(OCCASIONS)} |"
    yield "|---" * (len(OCCASIONS) + 1) + "|"
    for state, record in SITUATIONS.items():
        cells = [_outcome(record, event) for event in OCCASIONS.values()]
        yield f"| {state} | {' | '.join(cells)} |"


OCCASIONS: Mapping[str, Event] = {
    "publish, an earlier time": Published(_BEGAN_MS - 60_000),
    "publish, the same time": Published(_BEGAN_MS),
    "publish, a later time": Published(_NOW_MS),
    "publish_done": Unpublished(_NOW_MS),
    "a poll shows it": Polled(_BEGAN_MS, _NOW_MS),
    "a poll shows a later publish": Polled(_NOW_MS, _NOW_MS),
    "a poll does not show it": Polled(None, _NOW_MS),
}


def _decided(record: StreamRecord, event: Event, now_ms: int) -> StreamRecord:
    decision: Decision = decide(record, event, now_ms, StreamSettings())
    return decision.record


def _settled(record: StreamRecord, answer: Accepted | LiveError, now_ms: int) -> StreamRecord:
    flying = claim(record, "f", now_ms)
    assert flying is not None
    assert flying.flight is not None
    flight = replace(flying.flight, sent_at=now_ms, lease_until=now_ms + 8_000)
    return _decided(replace(flying, flight=flight), CommandSettled("f", answer), now_ms)


def _situations() -> Iterator[tuple[str, StreamRecord]]:
    wanted = _decided(StreamRecord(_KEY), StartAsked("ann"), _BEGAN_MS - 60_000)
    unknown = _settled(wanted, StreamNotLive("StreamNotFound"), _BEGAN_MS - 60_000)
    yield "no session yet", unknown
    opened = _decided(unknown, Published(_BEGAN_MS), _BEGAN_MS)
    live = _settled(opened, Accepted("R"), _BEGAN_MS)
    yield "live", live
    ending = _decided(live, Unpublished(_NOW_MS - 60_000), _NOW_MS - 60_000)
    yield "ending", ending
    absent = _decided(ending, Polled(None, _NOW_MS - 50_000), _NOW_MS - 50_000)
    yield "ending, absent once", absent
    yield "ended", _decided(absent, Polled(None, _NOW_MS - 40_000), _NOW_MS - 40_000)


SITUATIONS: Mapping[str, StreamRecord] = dict(_situations())


def _outcome(before: StreamRecord, event: Event) -> str:
    after = _decided(before, event, _NOW_MS)
    old, new = before.session, after.session
    is_another = new is not None and (old is None or old.number != new.number)
    parts = ["a new session"] if is_another else []
    if not is_another and old and new and old.state is not new.state:
        parts.append(new.state.value)
    elif not is_another and old and new and old.absent_at is None and new.absent_at is not None:
        parts.append("absent once")
    if after.pending and after.pending.command is Command.START and not before.pending:
        parts.append("start")
    return ", ".join(parts) or "–"  # noqa: RUF001 - a dash in a table


PHASES: Mapping[Phase, str] = {
    Phase.IDLE: "Nobody wants the stream recorded, and nothing is recorded or under way.",
    Phase.WAITING: "The stream is wanted. But it is not live or may have ended, its recording may "
    "be paused, or the stage only observes.",
    Phase.QUEUED: "A start waits for its slot, or for room under a cap.",
    Phase.STARTING: "A start is on the wire, will be retried, or was accepted and not proved yet.",
    Phase.RECORDING: "Live has shown in this session that it records, and nothing says otherwise.",
    Phase.STOPPING: "A stop or cancel_delay is pending or on the wire, or Live has accepted three "
    "stops and reported no end.",
    Phase.FAILED: "The stream is wanted, and Live refuses to record this session.",
    Phase.UNMANAGED: "Live records the stream, and nobody asked live-record to manage this "
    "recording.",
}
SOURCES: Mapping[StartSource, str] = {
    StartSource.ACCEPTED: "Live answered 200. Nothing shows yet that it records.",
    StartSource.ALREADY: "Live answered TaskAlreadyStarted, and no pause was possible. So Live "
    "records.",
    StartSource.ADOPTED: "Live answered TaskAlreadyStarted while a pause was possible. Live "
    "records, or holds a paused recording. A report, a restart or a later start shows which.",
    StartSource.ON_DEMAND: "Only in records of release 0.2: live-record answered yes when Live "
    "asked whether to record. Unless a report confirms the recording, a start goes out.",
}


STATES: Mapping[ConfirmationState, tuple[StartSource, str]] = {
    ConfirmationState.UNCONFIRMED: (
        StartSource.ACCEPTED,
        "Live accepted a start and has reported nothing. No check is planned.",
    ),
    ConfirmationState.AWAITING_REPORT: (
        StartSource.ACCEPTED,
        "Live accepted a start. The domain is known to send reports, so a report is awaited.",
    ),
    ConfirmationState.POLLED: (
        StartSource.ACCEPTED,
        "Live accepted a start. A poll was made, or reports are not known to come.",
    ),
    ConfirmationState.APPROVED: (
        StartSource.ON_DEMAND,
        "Only in records of release 0.2: the source is `on_demand`, and no start was sent.",
    ),
    ConfirmationState.MAY_BE_PAUSED: (
        StartSource.ADOPTED,
        "Live records, or holds a paused recording. The session's repeat is not used up.",
    ),
    ConfirmationState.MAY_GO_ON: (
        StartSource.ADOPTED,
        "As `may_be_paused`, but only an interruption can have paused what Live began to record.",
    ),
    ConfirmationState.MAY_GO_ON_POLLED: (
        StartSource.ADOPTED,
        (
            "As `may_go_on`, after a poll. If the poll shows the session's own publish, the "
            "restart is left out."
        ),
    ),
    ConfirmationState.WAITING_OUT_PAUSE: (
        StartSource.ADOPTED,
        "Live records, or holds a paused recording. No restart may go out.",
    ),
    ConfirmationState.CONFIRMED_UNDATED: (
        StartSource.ADOPTED,
        "A report says that Live records. The report may be older than the pause, or replayed.",
    ),
    ConfirmationState.CONFIRMED_UNPROVED: (
        StartSource.ACCEPTED,
        (
            "A report without a time says that Live records. The report may be about a recording "
            "before this start."
        ),
    ),
    ConfirmationState.CONFIRMED: (StartSource.ACCEPTED, "Live reported that it records."),
}


def confirmations() -> Iterator[str]:
    """Yield the table of what `decide` makes of each state of a confirmation."""
    yield (
        "| state | meaning | check after | the check | a report with a time"
        " | a report without a time |"
    )
    yield "|---" * 6 + "|"
    for state in ConfirmationState:
        source, meaning = STATES[state]
        record = _confirmed_as(state, source)
        check = CHECKS.get(state)
        pause = "when any pause must be over"
        after = "–" if check is None else shown(check.after) if check.after else pause  # noqa: RUF001
        if check is not None and check.doubles:
            after += f", doubling up to {shown(MAX_CONFIRM_AGAIN_MS)}"
        outcomes = [
            _confirmation_after(record, event)
            for event in (
                TimePassed(),
                Reported("record_started", recording=True, time=_NOW_MS),
                Reported("record_started", recording=True),
            )
        ]
        yield f"| `{state.value}` | {meaning} | {after} | {' | '.join(outcomes)} |"


def _confirmed_as(state: ConfirmationState, source: StartSource) -> StreamRecord:
    check_at = _NOW_MS if state in CHECKS else None
    older_until = _NOW_MS + 1 if state is ConfirmationState.CONFIRMED_UNPROVED else 0
    confirmation = Confirmation(1, _BEGAN_MS, source, state, check_at, older_until=older_until)
    return replace(SITUATIONS["live"], confirmation=confirmation, stopped_at=_NOW_MS - 60_000)


def _confirmation_after(before: StreamRecord, event: Event) -> str:
    decision = decide(before, event, _NOW_MS, StreamSettings())
    record, old = decision.record, before.confirmation
    assert record.confirmation is not None
    parts = ["poll"] if decision.query_online else []
    parts += [record.pending.command.value] if record.pending else []
    if old and record.confirmation.state is not old.state:
        parts.append(f"`{record.confirmation.state.value}`")
    return ", ".join(parts) or "–"  # noqa: RUF001 - a dash in a table


def phases() -> Iterator[str]:
    yield from ("| phase | when |", "|---|---|")
    for phase in Phase:
        yield f"| `{phase.value}` | {PHASES[phase]} |"


def sources() -> Iterator[str]:
    yield from ("| source | what it shows |", "|---|---|")
    for source in StartSource:
        yield f"| `{source.value}` | {SOURCES[source]} |"


# --- invariants and rules ------------------------------------------------------------------------


def invariants() -> Iterator[str]:
    yield from ("| name | holds | meaning |", "|---|---|---|")
    for invariant in ALWAYS:
        yield _invariant(invariant, "always")
    for invariant in WHILE_ACTING:
        yield _invariant(invariant, "while the stage acts")
    for invariant in WHILE_OBSERVING:
        yield _invariant(invariant, "while it observes")


def _invariant(invariant: Invariant, when: str) -> str:
    sentence = " ".join((invariant.__doc__ or "").split())
    return f"| {link(invariant.__name__, INVARIANTS)} | {when} | {sentence} |"


def rules() -> Iterator[str]:
    """Yield the rules that were removed, as a list for each subject."""
    for subject, module in SUBJECTS.items():
        yield from (f"**{subject}**", "")
        yield from (f"- {removal.sentence}" for removal in module.REMOVALS)
        yield ""


TABLES = {
    PAGE: {
        "sessions": sessions,
        "phases": phases,
        "sources": sources,
        "confirmations": confirmations,
        "events": events,
        "times": times,
        "stored-times": stored_times,
        "invariants": invariants,
    },
    EXPLORED: {"rules": rules},
}

if __name__ == "__main__":
    for path in TABLES:
        written = page(path)
        path.write_text(written, encoding="utf-8")
