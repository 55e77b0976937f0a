"""The console's edge: its files, its sign-in, and changes that a browser's cookie proves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from functions import console, record_command
from shared.inbound.authorization import SESSION_COOKIE
from tests.conftest import KEY
from tests.fuzz.answers import check_answer
from tests.fuzz.corpus import Case, half, texts, values
from tests.fuzz.function_edges import (
    API_TOKENS,
    OPS_TOKEN,
    Check,
    StoredRows,
    invoke,
    renewed,
    stage_with_something,
)
from tests.support.callback_stage import Edge

HOST = "live-record.example.com"
OURS = {"Origin": f"https://{HOST}", "X-Live-Record-Console": "1"}
PAGE_BYTES = 512 * 1024
_FILES = ("", "index.html", "session", "../index.py", "page.py", "%2e%2e/page.py", "console.js")
console_cases = st.fixed_dictionaries(
    {
        "to": st.sampled_from(["console", "stop", "list"]),
        "method": st.sampled_from(["GET", "POST", "DELETE", "HEAD", "PUT", ""]),
        "name": half(st.just("session"), st.sampled_from(_FILES) | texts),
        "page": st.sampled_from(["ours", "none"])
        | st.fixed_dictionaries(
            {
                "Origin": st.sampled_from(["null", f"http://{HOST}", f"https://{HOST}.evil.cn"])
                | texts
            },
            optional={
                "X-Live-Record-Console": texts,
                "Sec-Fetch-Site": st.sampled_from(["same-origin", "same-site", "cross-site"])
                | texts,
            },
        ),
        "cookie": half(st.just("genuine"), texts),
        "headers": st.dictionaries(
            st.sampled_from(["Content-Type", "If-None-Match", "Accept-Language"]), texts, max_size=2
        ),
        "body": half(
            st.fixed_dictionaries({"token": half(st.just(OPS_TOKEN), values)}).map(json.dumps),
            texts,
        ),
    }
)


@dataclass
class Console:
    """No session comes of anything but a token, sent by our page; and with a session nothing
    changes but what our page asks for."""

    edge: Edge
    rows: StoredRows
    session: str

    def __call__(self, case: Case) -> None:
        self.edge.clock.pass_ms(2_000)  # sign-ins come one a second
        del self.edge.lines[:]
        before = self._of_stream()
        answer = self._send(case)
        check_answer(answer, self.edge.lines, longest=PAGE_BYTES)
        cookie = answer["headers"].get("Set-Cookie", "").partition(";")[0]
        if cookie.removeprefix(f"{SESSION_COOKIE}="):
            assert self._is_ours(case), answer
            assert OPS_TOKEN in case["body"], answer
        if self._of_stream() != before:
            assert self._is_ours(case), answer
            assert case["cookie"] == "genuine", answer
        assert OPS_TOKEN not in "".join(self.edge.lines)

    def _of_stream(self) -> list[str]:
        return [row for row in self.rows() if KEY.stream in row]

    def _is_ours(self, case: Case) -> bool:
        page = self._page(case)
        is_same = page.get("Sec-Fetch-Site", "same-origin") == "same-origin"
        scheme, _, place = page.get("Origin", "").lower().partition("://")
        host = re.split("[/?#:]", place.rpartition("@")[2])[0]
        is_origin = (scheme.strip(), host) == ("https", HOST)
        return is_origin and is_same and "X-Live-Record-Console" in page

    def _page(self, case: Case) -> Mapping[str, str]:
        page = case["page"]
        return page if isinstance(page, dict) else OURS if page == "ours" else {}

    def _send(self, case: Case) -> dict[str, Any]:
        paths = {"stop": f"/v1/recordings/{KEY}/stop", "list": "/v1/recordings"}
        cookie = self.session if case["cookie"] == "genuine" else case["cookie"]
        event = {
            "rawPath": paths.get(case["to"], f"/console/{case['name']}"),
            "body": case["body"] if case["to"] == "console" else "",
            "headers": {
                **case["headers"],
                **self._page(case),
                "Cookie": f"{SESSION_COOKIE}={cookie}",
            },
            "requestContext": {
                "http": {"method": case["method"], "sourceIp": "192.0.2.1"},
                "requestId": "1-77",
                "domainName": HOST,
            },
        }
        return invoke(self.edge, console if case["to"] == "console" else record_command, event)


@contextmanager
def console_edge() -> Iterator[Check]:
    def make(folder: Path) -> tuple[Check, Callable[[], None]]:
        edge = stage_with_something(folder, LIVE_RECORD_API_TOKENS=API_TOKENS)
        session = edge.app.tokens.open_session(OPS_TOKEN)
        assert session
        rows = StoredRows(edge)
        return Console(edge, rows, session), rows.close

    with renewed(make) as check:
        yield check
