"""Callback delivery as Live does it: signed, with a timeout and retries.

backend.py posts each callback here.
It must not decide whether a callback is due, only how it arrives.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

import aiohttp
from yarl import URL

from emulator.live.account import Manners
from emulator.live.calls import Calls
from emulator.live.clock import Timeline
from emulator.live.faults import Plan
from emulator.live.notify_records import INGEST_EVENTS, VOD_EVENT, NotifyRecord
from emulator.live.signatures import callback_signature, vod_signature
from emulator.live.streams import StreamKey
from emulator.live.switches import Switches

MAX_ANSWER_BYTES = 2048  # docs/platform/live.md §5: a longer one is cut off
OK, FIRST_SERVER_ERROR = 200, 500
BODY_TYPE = "application/json; charset=utf-8"


class Receipt(NamedTuple):
    """The result of a delivery; `headers` are those of its last attempt."""

    outcome: str
    attempts: int = 0
    status: int | None = None
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})


FORGOTTEN = Receipt("forgotten")


@dataclass(slots=True)
class Callback:
    """One callback. `signed_for` is the domain in the signature. With `signing_key` "", it is not
    signed."""

    event: str
    key: StreamKey
    url: str
    signed_for: str
    signing_key: str
    query: Mapping[str, object] | None = None
    body: Mapping[str, object] | None = None
    receipts: list[asyncio.Future[Receipt]] = field(default_factory=list)

    def settle(self, receipt: Receipt) -> None:
        for waiting in self.receipts:
            if not waiting.done():
                waiting.set_result(receipt)


class Courier:
    """Delivers callbacks without promising an order (docs/platform/live.md §2).

    By default, a callback waits 5 s for an answer, is retried five times, 1 s apart, and then is
    lost.
    """

    def __init__(
        self,
        timeline: Timeline,
        switches: Switches,
        plan: Plan,
        calls: Calls,
        manners: Manners,
    ) -> None:
        self._timeline = timeline
        self._switches = switches
        self._plan = plan
        self._calls = calls
        self._manners = manners
        self._http: aiohttp.ClientSession | None = None
        self._on_the_way: set[asyncio.Task[None]] = set()
        self._held: list[Callback] = []

    async def open(self) -> None:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=self._manners.timeout_ms / 1000),
            headers={"User-Agent": "Go-http-client/1.1"},
            skip_auto_headers=["Accept"],
        )

    async def close(self) -> None:
        await self.forget()
        if self._http is not None:
            await self._http.close()

    async def forget(self) -> None:
        """Drop every callback that is on its way."""
        for task in self._on_the_way:
            task.cancel()
        await asyncio.gather(*self._on_the_way, return_exceptions=True)
        for callback in self._held:
            callback.settle(FORGOTTEN)
        self._held.clear()

    def post(self, callback: Callback) -> None:
        if not callback.url:
            callback.settle(Receipt("not_configured"))
            return
        detour = self._plan.detour_for(callback.event, callback.key)
        match detour.do if detour else "none":
            case "drop":
                self._drop(callback)
            case "duplicate":
                self._send(callback)
                self._send(callback)
            case "delay" if detour:
                self._timeline.after(detour.delay_ms, lambda _: self._send(callback))
            case "reorder":
                self._held.append(callback)
            case _:
                self._send(callback)

    def _drop(self, callback: Callback) -> None:
        self._calls.counters["callbacks_dropped"] += 1
        headers = _headers(callback, self._timeline.clock.now_ms() // 1000)
        self._add_record(callback, Receipt("dropped", headers=headers))
        callback.settle(Receipt("dropped"))

    def _add_record(self, callback: Callback, receipt: Receipt) -> None:
        """Add the callback to the history, once Live does not retry any more."""
        is_ingest = callback.event in INGEST_EVENTS
        record = NotifyRecord(
            self._timeline.clock.now_ms(),
            callback.event,
            callback.signed_for if is_ingest else callback.key.domain,
            callback.key,
            callback.url,
            callback.body if callback.body is not None else callback.query or {},
            receipt.outcome == "delivered",
            receipt.body.decode("utf-8", "replace"),
            receipt.headers,
        )
        self._calls.records.add(record)

    def _send(self, callback: Callback) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(callback))
        self._on_the_way.add(task)
        task.add_done_callback(self._on_the_way.discard)

    async def _deliver(self, callback: Callback) -> None:
        try:
            receipt = await self._try_all(callback)
            self._add_record(callback, receipt)
            callback.settle(receipt)
        finally:
            callback.settle(FORGOTTEN)
        self._release_held(callback.key)

    def _release_held(self, key: StreamKey) -> None:
        """Send the callbacks held for reordering, after a later one of the stream has arrived."""
        overtaken = [callback for callback in self._held if callback.key == key]
        self._held = [callback for callback in self._held if callback.key != key]
        for callback in overtaken:
            self._send(callback)

    async def _try_all(self, callback: Callback) -> Receipt:
        signed_at = self._timeline.clock.now_ms() // 1000
        receipt = Receipt("lost")
        for attempt in range(1, self._manners.retries + 2):
            if attempt > 1:
                await self._timeline.sleep(self._manners.retry_wait_ms)
            if self._switches.callback_resigns:
                signed_at = self._timeline.clock.now_ms() // 1000
            receipt = await self._try_once(callback, attempt, _headers(callback, signed_at))
            if not self._wants_retry(receipt):
                return receipt
        return receipt

    def _wants_retry(self, receipt: Receipt) -> bool:
        """Return True after a timeout, without a connection, or if the switch says so after a 5xx.

        Only retries after timeouts are documented.
        """
        if receipt.status is None:
            return True
        return receipt.status >= FIRST_SERVER_ERROR and self._switches.callback_retry_on_5xx

    async def _try_once(
        self, callback: Callback, attempt: int, headers: Mapping[str, str]
    ) -> Receipt:
        now_ms, began = self._timeline.clock.now_ms(), time.monotonic()
        log = self._calls.add_delivery(now_ms, callback.event, callback.key, callback.url, attempt)
        try:
            log.status, answer = await self._exchange(callback, headers)
        except (asyncio.TimeoutError, aiohttp.ClientError, OSError, ValueError) as error:
            log.trouble = type(error).__name__
            return Receipt("lost", attempt, headers=headers)
        finally:
            log.took_ms = round((time.monotonic() - began) * 1000)
        outcome = "delivered" if log.status == OK else "refused"
        return Receipt(outcome, attempt, log.status, answer, headers)

    async def _exchange(self, callback: Callback, headers: Mapping[str, str]) -> tuple[int, bytes]:
        if self._http is None:
            raise RuntimeError("the courier is not open")
        async with self._http.request(
            "GET" if callback.body is None else "POST",
            _address(callback),
            data=None if callback.body is None else json.dumps(callback.body).encode(),
            headers=headers,
            allow_redirects=False,
        ) as answer:
            return answer.status, (await answer.read())[:MAX_ANSWER_BYTES]


def host_of(url: str, *, with_port: bool = False) -> str:
    parts = urlsplit(url)
    return parts.netloc if with_port else parts.hostname or ""


def _headers(callback: Callback, signed_at: int) -> dict[str, str]:
    """Return the signature headers, and the content type if there is a body (docs/platform/live.md
    §7)."""
    signature = _signature_headers(callback, signed_at)
    return signature if callback.body is None else {**signature, "Content-Type": BODY_TYPE}


def _signature_headers(callback: Callback, signed_at: int) -> dict[str, str]:
    """Return the signature headers (docs/platform/live.md §3, §4.1)."""
    if not callback.signing_key:
        return {}
    if callback.event == VOD_EVENT:
        signature = vod_signature(callback.url, signed_at, callback.signing_key)
        return {"X-VOD-TIMESTAMP": str(signed_at), "X-VOD-SIGNATURE": signature}
    signature = callback_signature(callback.signed_for, signed_at, callback.signing_key)
    return {"ALI-LIVE-TIMESTAMP": str(signed_at), "ALI-LIVE-SIGNATURE": signature}


def _address(callback: Callback) -> URL:
    if callback.query is None:
        return URL(callback.url)
    joint = "&" if "?" in callback.url else "?"
    return URL(f"{callback.url}{joint}{urlencode(callback.query)}", encoded=True)
