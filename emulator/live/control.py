"""The control plane under /_control/, which the real service does not have.

Remote and the tests call it to publish, inject faults and move the clock.
It only reads requests and writes JSON; backend.py holds the state.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from aiohttp import web

from emulator.live.account import Notify, read_rule
from emulator.live.backend import Live
from emulator.live.callbacks import Receipt
from emulator.live.faults import read_detour, read_fault
from emulator.live.fields import Fields, Unfit
from emulator.live.object_faults import read_object_fault
from emulator.live.publishers import Publishers
from emulator.live.streams import Recording, Session, Stream, StreamKey, utc

YEAR_MS = 366 * 24 * 3600 * 1000
LATEST_TIME_S = 4_000_000_000

Json = dict[str, object]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Control:
    def __init__(self, live: Live, publishers: Publishers) -> None:
        self._live = live
        self._publishers = publishers

    def add_routes(self, application: web.Application) -> None:
        routes: dict[tuple[str, str], Handler] = {
            ("POST", "publish"): self._publish,
            ("POST", "unpublish"): self._unpublish,
            ("POST", "record_error"): self._record_error,
            ("POST", "record_event"): self._record_event,
            ("POST", "exception"): self._exception,
            ("POST", "switch"): self._switch,
            ("GET", "fail"): self._plan,
            ("POST", "fail"): self._add_fault,
            ("DELETE", "fail"): self._clear_faults,
            ("GET", "callbacks"): self._plan,
            ("POST", "callbacks"): self._add_detour,
            ("DELETE", "callbacks"): self._clear_detours,
            ("GET", "objects"): self._object_faults,
            ("POST", "objects"): self._add_object_fault,
            ("DELETE", "objects"): self._clear_object_faults,
            ("GET", "clock"): self._clock,
            ("POST", "clock"): self._move_clock,
            ("POST", "skew"): self._skew,
            ("GET", "switches"): self._switches,
            ("POST", "switches"): self._set_switches,
            ("GET", "notify"): self._notify,
            ("POST", "notify"): self._set_notify,
            ("POST", "recording"): self._set_recording,
            ("GET", "state"): self._state,
            ("GET", "calls"): self._calls,
            ("GET", "publishers"): self._ended_publishers,
            ("POST", "reset"): self._reset,
        }
        for (method, name), handler in routes.items():
            application.router.add_route(method, f"/_control/{name}", handler)

    async def _publish(self, request: web.Request) -> web.Response:
        body = Fields(await _json(request))
        key = self._read_key(body)
        time = body.maybe_number("time", most=LATEST_TIME_S)
        arguments = body.pairs("arguments")
        sends_callback, waits = (
            body.flag("callback", default=True),
            body.flag("wait", default=False),
        )
        body.raise_faults()
        session, receipt = self._live.publish(
            self._live.key(*key),
            ingest=self._live.ingest_of(key.domain),
            time=time,
            arguments=arguments,
            sends_callback=sends_callback,
        )
        return await _session_answer(session, session.time, receipt, waits=waits)

    async def _unpublish(self, request: web.Request) -> web.Response:
        body = Fields(await _json(request))
        key = self._read_key(body)
        time = body.maybe_number("time", most=LATEST_TIME_S)
        sends_callback, waits = (
            body.flag("callback", default=True),
            body.flag("wait", default=False),
        )
        body.raise_faults()
        session, receipt = self._live.unpublish(
            self._live.key(*key), time=time, sends_callback=sends_callback
        )
        ended = (session.ended_ms or 0) // 1000 if time is None else time
        return await _session_answer(session, ended, receipt, waits=waits)

    async def _record_error(self, request: web.Request) -> web.Response:
        body = Fields(await _json(request))
        key = self._read_key(body)
        code = body.text("code", "BucketNotFound")
        message = body.text("message", "Bucket not found")
        body.raise_faults()
        broke = self._live.break_recording(self._live.key(*key), code, message)
        return web.json_response({"broke": broke})

    async def _record_event(self, request: web.Request) -> web.Response:
        """Post a recording callback with the caller's own fields."""
        body = Fields(await _json(request))
        key, event = self._read_key(body), body.text("event")
        fields = body.object("fields")
        body.raise_faults()
        self._live.post_record_callback(self._live.key(*key), event, fields)
        return web.json_response({})

    async def _exception(self, request: web.Request) -> web.Response:
        body = Fields(await _json(request))
        key = self._read_key(body)
        code, message = body.number("code", 1001), body.text("message", "invalid chars in URL")
        body.raise_faults()
        self._live.post_incident("exception", key.domain, self._live.key(*key), code, message)
        return web.json_response({})

    async def _switch(self, request: web.Request) -> web.Response:
        """Let one of a stream's two publishers leave and the other take over."""
        body = Fields(await _json(request))
        key = self._read_key(body)
        waits = body.flag("wait", default=False)
        body.raise_faults()
        session, receipt = self._live.switch(self._live.key(*key))
        return await _session_answer(session, session.time, receipt, waits=waits)

    def _read_key(self, body: Fields) -> StreamKey:
        return StreamKey(body.text("domain"), body.text("app"), body.text("stream"))

    async def _plan(self, _request: web.Request) -> web.Response:
        return web.json_response(self._live.plan.as_json())

    async def _add_fault(self, request: web.Request) -> web.Response:
        self._live.plan.faults.append(read_fault(Fields(await _json(request))))
        return web.json_response(self._live.plan.as_json())

    async def _clear_faults(self, _request: web.Request) -> web.Response:
        self._live.plan.faults.clear()
        return web.json_response(self._live.plan.as_json())

    async def _add_detour(self, request: web.Request) -> web.Response:
        self._live.plan.detours.append(read_detour(Fields(await _json(request))))
        return web.json_response(self._live.plan.as_json())

    async def _clear_detours(self, _request: web.Request) -> web.Response:
        self._live.plan.detours.clear()
        return web.json_response(self._live.plan.as_json())

    async def _object_faults(self, _request: web.Request) -> web.Response:
        return web.json_response(self._live.recorded_files.faults.as_json())

    async def _add_object_fault(self, request: web.Request) -> web.Response:
        fault = read_object_fault(Fields(await _json(request)))
        self._live.recorded_files.faults.planned.append(fault)
        return await self._object_faults(request)

    async def _clear_object_faults(self, request: web.Request) -> web.Response:
        """Drop the planned faults of objects, and serve hidden objects again. Damaged objects stay
        damaged."""
        self._live.recorded_files.faults.clear()
        return await self._object_faults(request)

    async def _clock(self, _request: web.Request) -> web.Response:
        now_ms = self._live.clock.now_ms()
        return web.json_response(
            {"now_ms": now_ms, "now": utc(now_ms), "offset_ms": self._live.clock.offset_ms()}
        )

    async def _move_clock(self, request: web.Request) -> web.Response:
        """Move the clock; answer once everything that is due by the new time has been done.

        Callbacks may still be on their way.
        """
        body = Fields(await _json(request))
        advance_ms = body.maybe_number("advance_ms", most=YEAR_MS)
        offset_ms = body.maybe_number("offset_ms", least=-YEAR_MS, most=YEAR_MS)
        if (advance_ms is None) == (offset_ms is None):
            body.fault("give either advance_ms or offset_ms")
        body.raise_faults()
        clock = self._live.clock
        clock.set_offset(clock.offset_ms() + (advance_ms or 0) if offset_ms is None else offset_ms)
        self._live.timeline.run_due()
        return await self._clock(request)

    async def _skew(self, request: web.Request) -> web.Response:
        """Set the offset of the service's own clock, for signatures and the Date header."""
        body = Fields(await _json(request))
        skew_ms = body.number("ms", least=-YEAR_MS, most=YEAR_MS)
        body.raise_faults()
        self._live.skew_ms = skew_ms
        return web.json_response({"ms": skew_ms})

    async def _switches(self, _request: web.Request) -> web.Response:
        return web.json_response(self._live.switches.as_json())

    async def _set_switches(self, request: web.Request) -> web.Response:
        changes = await _json(request)
        if not isinstance(changes, dict):
            raise Unfit(["the body must be an object"])
        self._live.switches.set(changes)
        return await self._switches(request)

    async def _notify(self, _request: web.Request) -> web.Response:
        settings = asdict(self._live.notify.current())
        secret = ("stream_key", "record_key")
        return web.json_response({name: settings[name] for name in settings if name not in secret})

    async def _set_notify(self, request: web.Request) -> web.Response:
        settings = asdict(self._live.notify.current())
        body = Fields(await _json(request))
        texts = {
            name: body.text(name, settings[name]) for name in settings if name != "need_status"
        }
        wanted = Notify(
            **texts, need_status=body.flag("need_status", default=settings["need_status"])
        )
        body.raise_faults()
        self._live.notify.change(wanted)
        return await self._notify(request)

    async def _set_recording(self, request: web.Request) -> web.Response:
        body = Fields(await _json(request))
        rule = read_rule(body)
        body.raise_faults()
        self._live.set_rule(rule)
        return web.json_response({"recording": [asdict(rule) for rule in self._live.rules]})

    async def _state(self, request: web.Request) -> web.Response:
        positions = {"domain": 0, "app": 1, "stream": 2}
        selected = {
            positions[name]: value for name, value in request.query.items() if name in positions
        }
        streams = [
            _stream_json(stream)
            for stream in self._live.streams
            if all(stream.key[n] == value for n, value in selected.items())
        ]
        return web.json_response({"now_ms": self._live.clock.now_ms(), "streams": streams})

    async def _calls(self, request: web.Request) -> web.Response:
        query = Fields({name: _int_if_digits(value) for name, value in request.query.items()})
        since, since_callback = query.number("since", 0), query.number("since_callback", 0)
        query.raise_faults()
        counters = dict(self._live.calls.counters) | {
            "peak_per_second": self._live.limiter.peak_per_second,
            "recording": self._live.recordings.running,
            "recording_peak": self._live.recordings.running_peak,
        }
        listed = self._live.calls.as_json(since, since_callback)
        return web.json_response(listed | {"counters": counters})

    async def _ended_publishers(self, _request: web.Request) -> web.Response:
        ended = [asdict(connection) for connection in self._publishers.ended_connections]
        return web.json_response({"ended": ended})

    async def _reset(self, _request: web.Request) -> web.Response:
        await self._live.reset()
        return web.json_response({})


async def _json(request: web.Request) -> object:
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise Unfit([f"the body is not JSON: {error}"]) from error


async def _session_answer(
    session: Session, time: int, receipt: asyncio.Future[Receipt], *, waits: bool
) -> web.Response:
    body: Json = {
        "session": session.number,
        "time": time,
        "ingest": session.ingest,
        "callback": None,
    }
    if waits:
        done = await receipt
        body["callback"] = {
            "outcome": done.outcome,
            "attempts": done.attempts,
            "status": done.status,
            "body": done.body.decode("utf-8", "replace"),
        }
    return web.json_response(body)


def _stream_json(stream: Stream) -> Json:
    return {
        **stream.key._asdict(),
        "live": stream.live is not None,
        "sessions": [_session_json(session) for session in stream.sessions],
        "recording": _recording_json(stream.recording) if stream.recording else None,
        "files": stream.files,
        "kept": [asdict(file) for file in stream.stored_files],
    }


def _session_json(session: Session) -> Json:
    return {
        "session": session.number,
        "time": session.time,
        "began_ms": session.began_ms,
        "ended_ms": session.ended_ms,
    }


def _recording_json(recording: Recording) -> Json:
    return {
        "state": "recording" if recording.is_running else "paused",
        "paused_by": recording.paused_by,
        "began_ms": recording.began_ms,
        "file_due_ms": recording.file_due_ms,
        "draft": str(recording.flv.path) if recording.flv else None,
        "filmed_ms": recording.flv.duration_ms if recording.flv else 0,
    }


def _int_if_digits(text: str) -> object:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text  # noqa: PLR2004 - as many as fit
