"""The HTTP API as a person calls it: one method per ask, and refusals as one clear sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import requests

from cli.failure import Failure

PATIENCE = 20.0


class Api:
    """`url` is a stage's address; every method gives the answer's JSON, or ends in a Failure."""

    def __init__(self, url: str, token: str, *, language: str = "en") -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept-Language": language}

    def ask(self, stream: str, what: str, **body: object) -> dict[str, Any]:
        sent = {name: value for name, value in body.items() if value not in (None, False, "")}
        return self._call("POST", f"/v1/recordings/{_path(stream)}/{what}", body=sent)

    def status(self, stream: str) -> dict[str, Any]:
        return self._call("GET", f"/v1/recordings/{_path(stream)}")

    def history(self, stream: str, limit: int = 100) -> dict[str, Any]:
        return self._call("GET", f"/v1/recordings/{_path(stream)}/history", query={"limit": limit})

    def health(self) -> dict[str, Any]:
        return self._call("GET", "/v1/health")

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
    ) -> dict[str, Any]:
        try:
            answer = requests.request(
                method,
                self._url + path,
                json=body,
                params=query,
                headers=self._headers,
                timeout=PATIENCE,
            )
            told: dict[str, Any] = answer.json()
        except requests.JSONDecodeError:
            raise Failure(f"{self._url} answered {answer.status_code} and no JSON") from None
        except requests.RequestException as error:
            raise Failure(f"{self._url} cannot be reached: is the stage up? ({error})") from None
        if not answer.ok and "detail" in told:
            raise Failure(_refusal(told))
        return told


def _refusal(told: Mapping[str, Any]) -> str:
    hint = f" ({told['hint']})" if told.get("hint") else ""
    return f"{told.get('code', told.get('title'))}: {told['detail']}{hint}"


def _path(stream: str) -> str:
    """`domain/app/stream`, each part quoted on its own."""
    parts = stream.strip("/").split("/")
    if len(parts) != 3 or not all(parts):  # noqa: PLR2004 - domain, app and stream
        raise Failure(f"name the stream as domain/app/stream, not {stream}")
    return "/".join(quote(part, safe="") for part in parts)
