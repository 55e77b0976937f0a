"""A client of a stage's HTTP API: one method per route.

The stream and policy commands, setup, doctor and the demo call this module. It raises a Failure
whose text can be shown as it is. It prints nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from gettext import gettext as _
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import requests

from cli.errors import NoAnswer, StageRefusal
from cli.printable import printable, printable_json
from cli.web import ask, hides_a_token, is_this_machine
from shared.protocol import StreamKey

TIMEOUT_S = 20.0
PAGE_ROWS = 1000
STATE_PAGE_ROWS = 200
ALL_ROWS: Final = sys.maxsize
"""A limit for a list that is read to its last page."""
Json = dict[str, Any]
ENDED_ON_PURPOSE = ("held", "asked_stop", "time_over")
"""Reasons of a live stream that is not recorded because somebody, or its own end, stopped it."""
STORE_EMPTIED = "store_emptied"
"""The reason of a stream whose data was lost with an emptied store: nobody knows whether it is
recorded."""
AGE_UNKNOWN = "recorded_age_unknown"
"""The reason of a stream that was recorded before the stage's clock was set back."""


class Api:
    """A client of the stage at `url`; each method returns the answer's JSON or raises Failure.

    Texts in answers are safe for a terminal. Only `state` and `policy` return texts exactly as the
    stage sent them, because their callers write them into a file or send them on. The token is sent
    only to `url`, and only if that is an HTTPS address or this machine.
    """

    def __init__(
        self, url: str, token: str, *, language: str = "en", timeout_s: float = TIMEOUT_S
    ) -> None:
        if not hides_a_token(url):
            sentence = _(
                "{url} would receive the token over http, in clear text. Use its https address."
            )
            raise NoAnswer(sentence.format(url=url))
        self._url, self._token = url.rstrip("/"), token
        self._timeout_s = timeout_s
        self._headers = {"Accept-Language": language}

    @property
    def url(self) -> str:
        return self._url

    def ask(self, stream: str, command: str, **body: object) -> Json:
        fields = {name: value for name, value in body.items() if value not in (None, False, "")}
        path, shown = f"{_path(stream)}/{command}", ("stream", "phase", "outcome", "reason")
        return self._call("POST", path, *shown, body=fields)

    def status(self, stream: str) -> Json:
        return self._call("GET", _path(stream), "stream", "phase", "reason")

    def history(self, stream: str, limit: int = 100) -> Json:
        return self._call("GET", f"{_path(stream)}/history", "history", query={"limit": limit})

    def store_rehearsal(self, stream: str, verdict: str, cause: str, fix: str) -> Json:
        """Store the verdict of a rehearsal of the stream's application."""
        body = {"verdict": verdict, "cause": cause, "fix": fix}
        return self._call("PUT", f"{_path(stream)}/rehearsal", "at", "verdict", body=body)

    def last_rehearsal(self, stream: str) -> Json | None:
        """Return the verdict of the last rehearsal of the stream's application, None if there was
        no rehearsal."""
        answer = self._call("GET", f"{_path(stream)}/rehearsal", "rehearsal")
        found: Json | None = answer["rehearsal"]
        return found

    def coverage(self, stream: str, asked: Mapping[str, str | None]) -> Json:
        """Return the coverage of one stream, as a report with one row. `asked` holds the parameters
        of the request, such as `from`."""
        path, query = f"{_path(stream)}/coverage", _without_empty(asked)
        row = self._call("GET", path, "stream", "gaps", "ratio", query=query)
        return {"start": row["start"], "stop": row["stop"], "streams": [row], "next": None}

    def report_pages(self, asked: Mapping[str, str | None]) -> Iterator[Json]:
        """Yield the report page by page. `asked` holds the parameters of the request, such as
        `from`. The first page fixes the beginning and the end of the report for all pages."""
        query = _without_empty(asked)
        for page in self._pages("/v1/report", query, "start", "stop", "streams"):
            query |= {"from": page["start"], "to": page["stop"]}
            yield page

    def files(self, stream: str, limit: int = 100, push_arg: str = "") -> Json:
        query = _without_empty({"limit": limit, "push_arg": push_arg})
        return self._call("GET", f"{_path(stream)}/files", "files", "signed", query=query)

    def playback_urls(self, path: str, period: str, limit: int) -> list[Json]:
        """Return the rows of files, with playback URLs that are valid for `period`, such as `1h`.
        `path` comes from an answer of the method `files`: its field `signed`."""
        query: dict[str, str | int] = {"for": period, "limit": limit}
        rows: list[Json] = self._call("GET", path, "files", query=query)["files"]
        return rows

    def playlist(self, stream: str, asked: Mapping[str, str | None]) -> str:
        """Return one M3U8 playlist of the stream's recordings. `asked` holds the parameters of the
        request, such as `from`."""
        path = f"/v1/files/{StreamKey.parse(stream).url_path}/playlist.m3u8"
        answer = self._send("GET", path, query=_without_empty(asked))
        text = answer.content.decode("utf-8", "replace")
        if not (answer.ok and text.startswith("#EXTM3U")):
            self._document(answer)
            raise self._not_ours()
        return "".join(f"{printable(line)}\n" for line in text.splitlines())

    def list_recordings(self, limit: int, **filters: str | None) -> Json:
        """Return the stage's answer to GET /v1/recordings, with the first `limit` streams that
        match the filters, such as `phase="failed"`."""
        query = _without_empty({**filters, "limit": min(limit, PAGE_ROWS)})
        rows: list[Json] = []
        unreadable: list[Json] = []
        unusable: list[Json] = []
        for page in self._pages("/v1/recordings", query, "recordings", "phases"):
            rows += page["recordings"]
            unreadable += page.get("unreadable", ())
            unusable += page.get("unusable", ())  # the release before has no such field
            if len(rows) >= limit:
                break
            query["limit"] = min(limit - len(rows), PAGE_ROWS)
        return {**page, "recordings": rows, "unreadable": unreadable, "unusable": unusable}

    def deliveries(self, state: str, limit: int) -> Json:
        """Return the first `limit` tasks: those that failed for good if `state` is "dead", those
        that are still to be done if it is "open"."""
        query: dict[str, str | int] = {"state": state, "limit": min(limit, PAGE_ROWS)}
        rows: list[Json] = []
        for page in self._pages("/v1/deliveries", query, "deliveries"):
            rows += page["deliveries"]
            if len(rows) >= limit:
                break
        return {**page, "deliveries": rows[:limit]}

    def redrive(self, delivery: str) -> Json:
        path = f"/v1/deliveries/{quote(delivery, safe='')}/redrive"
        return self._call("POST", path, "id", "state", body={})

    def alerts(self, state: str) -> Json:
        """Return each robot's answer to its last message, and the alerts: those that hold now if
        `state` is "open", those that ended in the last 24 h if it is "resolved"."""
        return self._call("GET", "/v1/alerts", "alerts", "sinks", query={"state": state})

    def acknowledge(self, alert: str, note: str) -> Json:
        path, body = f"/v1/alerts/{quote(alert, safe='')}/ack", {"note": note} if note else {}
        return self._call("POST", path, "id", "subject", body=body)

    def test_sinks(self) -> Json:
        """Ask the stage to send a test message to each robot. `alerts` returns the robots' answers
        once they are there."""
        return self._call("POST", "/v1/alerts/test", "asked_at", "sinks", body={})

    def webhooks(self) -> Json:
        """Return the receivers of the policy, each with its state and its latest test."""
        return self._call("GET", "/v1/webhooks", "webhooks")

    def test_webhook(self, name: str) -> Json:
        """Ask the stage to send a test event to the receiver `name`. `webhooks` returns the
        receiver's answer once it is there."""
        path = f"/v1/webhooks/{quote(name, safe='')}/test"
        return self._call("POST", path, "receiver", "id", body={})

    def policy(self) -> Json:
        """Return the policy in force. Its texts are not safe for a terminal. The field `newest` of
        the answer is the newest version; pass it to `apply_policy` as `replaces`."""
        answer = self._call("GET", "/v1/policy", "version", "policy", as_sent=True)
        return {"newest": answer["version"], **answer}  # the release before has no such field

    def apply_policy(self, policy: Json, *, replaces: int) -> Json:
        body = {"policy": policy, "replaces": replaces}
        return self._call("POST", "/v1/policy/apply", "version", body=body)

    def suspend_policy(self, lasts: str, note: str) -> Json:
        """Let no rule of the stage start a recording for the time `lasts`, such as `2h`. Return the
        policy in force."""
        body = {"for": lasts} | ({"note": note} if note else {})
        return self._call("POST", "/v1/policy/suspend", "version", "policy", body=body)

    def resume_policy(self) -> Json:
        return self._call("POST", "/v1/policy/resume", "version", "policy", body={})

    def accept_store(self, replaces: str | None) -> Json:
        body = {"replaces": replaces} if replaces else {}
        return self._call("POST", "/v1/store/accept", "store_id", body=body)

    def tokens(self) -> Json:
        return self._call("GET", "/v1/tokens", "tokens", "unreadable")

    def add_token(self, **fields: object) -> Json:
        body = {name: value for name, value in fields.items() if value}
        return self._call("POST", "/v1/tokens", "name", body=body)

    def revoke_token(self, name: str) -> Json:
        return self._call("DELETE", f"/v1/tokens/{quote(name, safe='')}", "name")

    def schedules(self) -> Sequence[Json]:
        found: Sequence[Json] = self.schedule_list()["schedules"]
        return found

    def schedule_list(self) -> Json:
        """Return the schedules, and the ids of those that the stage cannot read."""
        answer = self._call("GET", "/v1/schedules", "schedules")
        return {"unreadable": [], **answer}  # the release before has no such field

    def schedule(self, name: str) -> Json:
        return self._call("GET", _schedule_path(name), "id", "streams", "next")

    def put_schedule(self, name: str, fields: Mapping[str, Any]) -> Json:
        body = schedule_body(fields)
        return self._call("PUT", _schedule_path(name), "id", "next", "load", body=body)

    def next_occurrences(self, name: str, number: int) -> Json:
        return self._call("GET", f"{_schedule_path(name)}/next", "next", query={"n": number})

    def change_schedule(self, name: str, change: str, **body: str | None) -> Json:
        sent = {field: value for field, value in body.items() if value}
        return self._call("POST", f"{_schedule_path(name)}/{change}", "id", body=sent)

    def delete_schedule(self, name: str) -> Json:
        return self._call("DELETE", _schedule_path(name), "id")

    def state(self) -> list[Json]:
        """Return, for every stream, what another stage needs to take over. Names in it are not safe
        for a terminal."""
        pages = self._pages("/v1/state", {"limit": STATE_PAGE_ROWS}, "streams", as_sent=True)
        return [row for page in pages for row in page["streams"]]

    def import_state(self, streams: Sequence[Json]) -> Json:
        body = {"streams": streams}
        return self._call("POST", "/v1/state/import", "imported", "kept", "refused", body=body)

    def health(self) -> Json:
        return self._call("GET", "/v1/health", "ready", "why")

    def examine(self, **digests: str) -> Json:
        """Return what the stage itself finds for `live-record doctor`: its settings, its store, its
        access to Live. `digests` are SHA-256 digests of secrets that Live holds; `matches` in the
        answer says for each whether the stage has this secret."""
        shown = ("stage", "settings", "store", "policy", "live", "matches")
        return self._call("GET", "/v1/doctor", *shown, query=digests)

    def rejected_callbacks(self, stream: str) -> Json:
        """Return why callbacks that claim to be about the stream were rejected. One instance of the
        function answers, and it knows only the callbacks that it has rejected itself."""
        query = {"stream": stream}
        return self._call("GET", "/callbacks/stream/refused", "refused", "last", query=query)

    def _pages(
        self, path: str, query: Mapping[str, str | int], *names: str, as_sent: bool = False
    ) -> Iterator[Json]:
        """Yield each page of an answer that has the fields `names`. A change that the caller makes
        to `query` holds from the next page on."""
        following: str | None = ""
        while following is not None:
            asked = {**query, "cursor": following} if following else query
            page = self._call("GET", path, *names, "next", query=asked, as_sent=as_sent)
            yield page
            following = page["next"]

    def _call(
        self,
        method: str,
        path: str,
        *fields: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
        as_sent: bool = False,
    ) -> Json:
        """Return an answer that has these fields; raise Failure if something other than a stage
        answered."""
        document = self._document(self._send(method, path, body=body, query=query))
        if any(name not in document for name in fields):
            message = printable(str(document.get("errorMessage") or ""))
            error = message or _("the answer lacks the expected fields")
            sentence = _("{url} does not answer as live-record does: {error}")
            raise NoAnswer(sentence.format(url=self._url, error=error))
        return document if as_sent else printable_json(document)

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> requests.Response:
        if not path.startswith("/"):
            raise self._not_ours()
        try:
            answer = ask(
                method,
                self._url + path,
                token=self._token,
                json=body,
                params=query,
                headers=self._headers,
                timeout=self._timeout_s,
            )
        except requests.ReadTimeout:
            silent = _("{url} gave no answer within {seconds:g} s. Check that the stage is up.")
            ambiguous = _(
                "{url} gave no answer within {seconds:g} s, but may have carried out the request."
                " Check whether it did before you repeat the command."
            )
            sentence = silent if method == "GET" else ambiguous
            raise NoAnswer(sentence.format(url=self._url, seconds=self._timeout_s)) from None
        except requests.exceptions.SSLError as error:
            raise NoAnswer(_insecure(error).format(url=self._url)) from None
        except (requests.RequestException, UnicodeError):
            raise NoAnswer(_unreachable(self._url).format(url=self._url)) from None
        self._refuse_redirect(answer)
        return answer

    def _document(self, answer: requests.Response) -> Json:
        """Return the JSON of an answer; raise Failure for a refusal, and for an answer that is not
        JSON."""
        try:
            document = answer.json()
        except requests.JSONDecodeError:
            self._refuse_busy(answer)
            sentence = _("{url} answered {status} without JSON. Check the address.")
            raise NoAnswer(sentence.format(url=self._url, status=answer.status_code)) from None
        except UnicodeError:
            raise self._not_ours() from None
        if not isinstance(document, dict):
            raise self._not_ours()
        shown: Json = printable_json(document)
        if not answer.ok and "detail" in shown:
            raise StageRefusal(shown)
        self._refuse_busy(answer)
        return document

    def _refuse_busy(self, answer: requests.Response) -> None:
        """Raise Failure for a 429 that is not the stage's own: Function Compute sends it."""
        if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            sentence = _(
                "Function Compute has no free instance for {url}. Run the command again. If this"
                " error stays, request a larger quota of instances."
            )
            raise NoAnswer(sentence.format(url=self._url))

    def _not_ours(self) -> NoAnswer:
        sentence = _("{url} does not answer as live-record does. Check the address.")
        return NoAnswer(sentence.format(url=self._url))

    def _refuse_redirect(self, answer: requests.Response) -> None:
        """Raise Failure for a redirect: the token is only for the address that the person named."""
        if answer.is_redirect:
            target = printable(answer.headers["Location"])
            sentence = _("{url} redirects to {target}. Use that address if it is yours.")
            raise NoAnswer(sentence.format(url=self._url, target=target))


def _without_empty(asked: Mapping[str, str | int | None]) -> dict[str, str | int]:
    """Return the query without parameters that are None or empty."""
    return {name: value for name, value in asked.items() if value}


def _path(stream: str) -> str:
    return f"/v1/recordings/{StreamKey.parse(stream).url_path}"


def schedule_body(fields: Mapping[str, Any]) -> Json:
    """Return the body of the request that stores a schedule: its fields without the empty ones."""
    return {field: value for field, value in fields.items() if value not in ("", [])}


def _schedule_path(name: str) -> str:
    return f"/v1/schedules/{quote(name, safe='')}"


def _insecure(error: requests.exceptions.SSLError) -> str:
    if "certificate" in str(error).lower():
        return _(
            "The https certificate of {url} cannot be verified. Check the address and the"
            " certificate."
        )
    return _(
        "No https connection to {url} can be made. Check the address: a stage on this machine has"
        " an http address."
    )


def _unreachable(url: str) -> str:
    if is_this_machine(url):
        return _(
            "{url} cannot be reached. On this machine, `make dev` or `live-record dev` starts a"
            " stage."
        )
    return _("{url} cannot be reached. Check the address, and that the stage is up.")
