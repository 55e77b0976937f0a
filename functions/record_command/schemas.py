"""What each answer of the API looks like, as JSON schemas: loaded for the description alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.record_command.ask_results import Outcome
from shared.protocol import Command, Phase, Reason
from shared.protocol.policy import Mode, OnInterruption
from shared.protocol.state.intent import Requester
from shared.protocol.state.session import SessionState

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"type": "number", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_CODE: Schema = {"type": "string", "enum": [code.value for code in Reason]}
_COMMAND: Schema = {"type": "string", "enum": [command.value for command in Command]}


def _maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _all(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _one_of(
    kind: type[Phase | Outcome | Requester | Mode | OnInterruption | SessionState],
) -> Schema:
    return {"type": "string", "enum": [member.value for member in kind]}


def _object(doc: str, **properties: Schema) -> Schema:
    """Every property is always there, and no other is."""
    return {
        "type": "object",
        "description": doc,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_STANDING: dict[str, Schema] = {
    "stream": {**_TEXT, "description": "domain/app/stream, with the main streaming domain"},
    "wanted": _FLAG,
    "phase": _one_of(Phase),
    "confirmed": {**_FLAG, "description": "Live has reported that it records"},
    "until": _maybe(_TIME),
    "ever_live": {**_FLAG, "description": "the stream has been live since we know it"},
    "reason": _ref("Reason"),
}
_PHASES = {
    "type": "object",
    "description": "how many streams of the whole stage stand so",
    "properties": {phase.value: _COUNT for phase in Phase},
    "required": [phase.value for phase in Phase],
    "additionalProperties": False,
}
_HEALTH: dict[str, Schema] = {
    "ready": _FLAG,
    "why": {**_all(_TEXT), "description": "what keeps it from being ready"},
    "store": {"type": "string", "enum": ["ok", "unavailable"]},
    "reconciled_ms_ago": _maybe(_COUNT),
    "due": {**_COUNT, "description": "streams that a reconcile has to look after now"},
    "oldest_due_ms": _COUNT,
    "rate_limit": {
        "type": "object",
        "description": "commands a second: what there may be, what there were over the last minute,"
        " and how far ahead the next one's turn is",
        "properties": {"rate": _NUMBER, "used": _NUMBER, "ahead_ms": _COUNT},
        "required": ["rate", "used", "ahead_ms"],
    },
    "relay_lost_ms_ago": {
        **_maybe(_COUNT),
        "description": "when a callback last did not reach the previous receiver, at the first"
        " try or for good; null: never. To the minute",
    },
    "phases": _PHASES,
}

_FILE: dict[str, Schema] = {
    "uri": _TEXT,
    "start": _maybe(_TIME),
    "stop": _maybe(_TIME),
    "duration": {
        **_maybe(_NUMBER),
        "description": "s, as Live tells; where it tells none, stop - start",
    },
}
SCHEMAS: Mapping[str, Schema] = {
    "Reason": _object("Why, as a stable code and in words", code=_CODE, text=_TEXT),
    "Intent": _object(
        "What people or policy want now",
        generation={**_COUNT, "description": "raised by every new intent"},
        requester=_one_of(Requester),
        who=_TEXT,
        note=_TEXT,
        reason=_CODE,
        on_interruption=_one_of(OnInterruption),
        made_at=_maybe(_TIME),
        first_accepted_at=_maybe(_TIME),
        held_until=_maybe(_TIME),
    ),
    "AskResult": _object(
        "What became of an ask",
        **_STANDING,
        intent=_ref("Intent"),
        outcome=_one_of(Outcome),
        command=_maybe(_COMMAND),
        code={**_maybe(_TEXT), "description": "Live's own, where it did not simply accept"},
        request_id={**_maybe(_TEXT), "description": "Live's"},
        file_by={**_maybe(_TIME), "description": "when the file is there at the latest"},
    ),
    "Recording": _object(
        "One stream's record",
        **_STANDING,
        intent=_ref("Intent"),
        session=_maybe(
            _object(
                "One publish; its times are Live's",
                number=_COUNT,
                state=_one_of(SessionState),
                time=_maybe(_TIME),
                publish_time=_maybe(_TIME),
            )
        ),
        held={**_FLAG, "description": "an explicit stop keeps policy from starting it"},
        flight=_maybe(
            _object("The command that may be on the wire", command=_COMMAND, sent_at=_TIME)
        ),
        pending=_maybe(
            _object(
                "The command that goes out next",
                command=_COMMAND,
                since=_TIME,
                not_before=_TIME,
                attempts=_COUNT,
            )
        ),
        last_answer=_maybe(
            _object(
                "What Live last answered",
                command=_COMMAND,
                code=_TEXT,
                reason=_ref("Reason"),
                request_id=_maybe(_TEXT),
                at=_TIME,
            )
        ),
        last_report=_maybe(
            _object("What Live last reported of it", recording=_FLAG, what=_TEXT, at=_TIME)
        ),
        changed_at=_maybe(_TIME),
    ),
    "History": _object(
        "Newest first",
        stream=_TEXT,
        history=_all(
            _object(
                "One line; `count` repeats of it ended at `last_at`",
                at=_TIME,
                last_at=_TIME,
                count=_COUNT,
                code=_CODE,
                text=_TEXT,
                about={"type": "object", "additionalProperties": {"type": ["string", "integer"]}},
            )
        ),
    ),
    "Files": _object(
        "Newest first",
        stream=_TEXT,
        files=_all(
            _object(
                "The recording that it holds ran from `start` to `stop`, by Live's clock",
                **_FILE,
                url=_maybe(_TEXT),
            )
        ),
        signed={
            **_maybe(_TEXT),
            "description": "where the same files are listed with playback URLs; null where the"
            " stage names no bucket",
        },
    ),
    "SignedFiles": _object(
        "Newest first",
        stream=_TEXT,
        until={**_TIME, "description": "when the addresses end, or before with the role's key"},
        files=_all(
            _object(
                "As in Files",
                **_FILE,
                size={**_maybe(_COUNT), "description": "bytes, as OSS tells"},
                why_no_size={**_maybe(_TEXT), "description": "where `size` is null"},
                url={**_maybe(_TEXT), "description": "signed; null for what lies in VOD"},
            )
        ),
    ),
    "Recordings": _object(
        "One page",
        recordings=_all(_object("Where one stream stands", **_STANDING)),
        next={**_maybe(_TEXT), "description": "the cursor of the next page; null: the last one"},
        phases=_PHASES,
    ),
    "Policy": _object(
        "With the fields of policy.toml",
        version={**_COUNT, "description": "0 is the packaged one"},
        policy={"type": "object"},
    ),
    "Health": {
        **_object("Ready, or why not", **_HEALTH),
        "required": ["ready", "why", "store"],
    },
    "Examined": _object(
        "For live-record doctor",
        stage=_TEXT,
        mode=_one_of(Mode),
        now=_TIME,
        settings=_object(
            "As they are in force; secrets are only counted",
            callback_host=_TEXT,
            merge_delay_ms=_COUNT,
            max_duration_ms=_COUNT,
            max_concurrent=_maybe(_COUNT),
            rate=_NUMBER,
            clock_offset_ms={"type": "integer", "description": "of the development clock; else 0"},
            on_demand_default=_FLAG,
            wakes=_FLAG,
            relays=_FLAG,
            stream_keys=_COUNT,
            record_keys=_COUNT,
            path_tokens=_COUNT,
        ),
        matches=_object(
            "Whether a secret of ours has the digest that was asked about; null: none was",
            stream_key=_maybe(_FLAG),
            record_key=_maybe(_FLAG),
            path_token=_maybe(_FLAG),
        ),
        store=_object(
            "How safely it keeps things, under the engine's own names",
            engine=_TEXT,
            settings={"type": "object", "additionalProperties": _TEXT},
            writable=_FLAG,
            why={**_TEXT, "description": "what keeps it from being written to"},
        ),
        policy=_object(
            "Version 0 is the packaged one",
            version=_COUNT,
            fault={**_TEXT, "description": "why the newest of the store is not in force"},
        ),
        live=_all(
            _object(
                "What Live answers the function's own role about a domain",
                domain=_TEXT,
                online=_maybe(_COUNT),
                code={**_maybe(_TEXT), "description": "Live's own, where it refused"},
            )
        ),
    ),
    "Platform": {
        "type": "object",
        "description": "What Function Compute answers before live-record is reached, as when path"
        " and query are longer than 4 KB",
        "properties": {"errorCode": _TEXT, "errorMessage": _TEXT},
        "required": ["errorCode", "errorMessage"],
    },
    "Document": {"type": "object", "required": ["openapi", "paths"]},
    "Problem": {
        "type": "object",
        "description": "RFC 9457, with Live's code or ours",
        "properties": {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": _TEXT,
            "code": _TEXT,
            "request_id": _TEXT,
            "hint": _TEXT,
            "errors": _all(
                {
                    "type": "object",
                    "properties": {"field": _TEXT, "detail": _TEXT, "code": _TEXT},
                    "required": ["field"],
                    "additionalProperties": False,
                }
            ),
        },
        "required": ["type", "title", "status", "detail"],
        "additionalProperties": False,
    },
}
