"""The HTTP API as a person calls it: one method per ask, and refusals as one clear sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests

from cli.errors import Failure, Refused
from cli.stream_names import path_of

PATIENCE = 20.0
PAGE = 1000
Json = dict[str, Any]


class Api:
    """`url` is a stage's address; every method gives the answer's JSON, or ends in a Failure."""

    def __init__(
        self, url: str, token: str, *, language: str = "en", patience: float = PATIENCE
    ) -> None:
        self._url = url.rstrip("/")
        self._patience = patience
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Language": language}

    def ask(self, stream: str, what: str, **body: object) -> Json:
        sent = {name: value for name, value in body.items() if value not in (None, False, "")}
        answer = self._call("POST", f"{_path(stream)}/{what}", body=sent)
        return _need(self._url, answer, "stream", "phase", "outcome", "reason")

    def status(self, stream: str) -> Json:
        return _need(self._url, self._call("GET", _path(stream)), "stream", "phase", "reason")

    def history(self, stream: str, limit: int = 100) -> Json:
        answer = self._call("GET", f"{_path(stream)}/history", query={"limit": limit})
        return _need(self._url, answer, "history")

    def files(self, stream: str, limit: int = 100) -> Json:
        answer = self._call("GET", f"{_path(stream)}/files", query={"limit": limit})
        return _need(self._url, answer, "files", "signed")

    def signed(self, path: str, period: str, limit: int) -> list[Json]:
        """The same at addresses that play; `path` is what `files` says of them."""
        answer = self._call("GET", path, query={"for": period, "limit": limit})
        rows: list[Json] = _need(self._url, answer, "files")["files"]
        return rows

    def listed(self, limit: int, **wanted: str | None) -> Json:
        """The first `limit` of them, gathered from as many pages as it takes."""
        query = {name: value for name, value in wanted.items() if value}
        rows: list[Json] = []
        page: Json = {"next": ""}
        while page["next"] is not None and len(rows) < limit:
            asked: dict[str, str | int] = {**query, "limit": min(limit - len(rows), PAGE)}
            asked |= {"cursor": page["next"]} if page["next"] else {}
            answer = self._call("GET", "/v1/recordings", query=asked)
            page = _need(self._url, answer, "recordings", "next", "phases")
            rows += page["recordings"]
        return {**page, "recordings": rows}

    def policy(self) -> Json:
        return _need(self._url, self._call("GET", "/v1/policy"), "version", "policy")

    def apply_policy(self, policy: Json, *, replaces: int) -> Json:
        body = {"policy": policy, "replaces": replaces}
        return _need(self._url, self._call("POST", "/v1/policy/apply", body=body), "version")

    def health(self) -> Json:
        return _need(self._url, self._call("GET", "/v1/health"), "ready", "why")

    def examined(self, **digests: str) -> Json:
        """What only the stage can see; `digests` are SHA-256 of secrets that Live holds."""
        answer = self._call("GET", "/v1/doctor", query=digests)
        return _need(self._url, answer, "stage", "settings", "store", "policy", "live", "matches")

    def refused(self) -> Json:
        """The callbacks that the instance which answers did not believe."""
        answer = self._call("GET", "/callbacks/stream/refused")
        return _need(self._url, answer, "refused", "last")

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> Json:
        try:
            answer = requests.request(
                method,
                self._url + path,
                json=body,
                params=query,
                headers=self._headers,
                timeout=self._patience,
            )
            told = answer.json()
        except requests.ReadTimeout:
            unknown = "" if method == "GET" else ": whether it did what was asked is not known"
            silent = f"{self._url} gave no answer within {self._patience:g} s"
            raise Failure(silent + unknown) from None
        except requests.JSONDecodeError:
            raise Failure(f"{self._url} answered {answer.status_code} and no JSON") from None
        except (requests.RequestException, UnicodeError) as error:
            kind = type(error).__name__
            raise Failure(f"{self._url} cannot be reached: is the stage up? ({kind})") from None
        if not isinstance(told, dict):
            raise Failure(f"{self._url} does not answer as live-record does: is it the stage?")
        if not answer.ok and "detail" in told:
            raise Refused(told)
        return told


def _path(stream: str) -> str:
    return f"/v1/recordings/{path_of(stream)}"


def _need(url: str, told: Json, *names: str) -> Json:
    """Something else may listen where the stage is said to be."""
    if any(name not in told for name in names):
        said = told.get("errorMessage") or "what it says is not of live-record"
        raise Failure(f"{url} does not answer as live-record does: {said}")
    return told
