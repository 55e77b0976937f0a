"""A double of `s` with the components fc3 and fc3-domain, on the emulator of Function Compute.

Tests of a deploy call it in place of a process, and tests/fixtures/serverless_devs.py runs it as
one. It makes the calls that fc3 0.1.22 makes (docs/platform/function-compute.md
§6.1), in its order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from cli.deploying.stage import Stage
from cli.errors import Failure
from emulator.fc_control.account import Account
from emulator.fc_control.routes import PREFIX, answer

Json = dict[str, Any]
Call = Callable[[str, str, Json], tuple[int, Json]]
OF_TWO_WORDS = ("version", "alias", "concurrency")
BESIDE = ("region", "triggers", "asyncInvokeConfig", "concurrencyConfig", "code")


class Refused(Exception):
    """Function Compute refused a call."""

    def __init__(self, status: int, document: Json) -> None:
        super().__init__(f"{document['Code']}: code: {status}, {document['Message']}")
        self.code = str(document["Code"])


def calls_to(account: Account) -> Call:
    """Return a function that calls an account in this process."""

    def call(method: str, path: str, body: Json) -> tuple[int, Json]:
        path, _, qualifier = path.partition("?qualifier=")
        return answer(account, method, path, {"qualifier": qualifier} if qualifier else {}, body)

    return call


@dataclass(frozen=True)
class Component:
    """fc3 or fc3-domain for one resource of s.yaml."""

    call: Call
    props: Mapping[str, Any]

    def __call__(self, words: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
        command = "_".join(words[:2]) if words[0] in OF_TWO_WORDS else words[0]
        if "domainName" in self.props:
            command = f"domain_{command}"
        return getattr(self, f"_{command}")(words)

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        status, document = self.call(method, PREFIX + path, body or {})
        if status != 200:
            raise Refused(status, document)
        return document

    @property
    def _path(self) -> str:
        return f"/functions/{quote(self.props['functionName'])}"

    def _exists(self, path: str) -> bool:
        try:
            self._ask("GET", path)
        except Refused as error:
            if error.code.endswith("NotFound"):
                return False
            raise
        return True

    def _deploy(self, words: tuple[str, ...]) -> Json:
        if "--function" in words:
            self._deploy_function()
        elif "--trigger" in words:
            self._deploy_triggers()
        elif "--async-invoke-config" in words:
            config = self.props["asyncInvokeConfig"]
            path = f"{self._path}/async-invoke-config?qualifier={config.get('qualifier', 'LATEST')}"
            self._ask("PUT", path, {key: config[key] for key in config if key != "qualifier"})
        else:
            raise AssertionError(f"a deploy of everything at once: {words}")
        return {}

    def _deploy_function(self) -> None:
        body = {key: value for key, value in self.props.items() if key not in BESIDE}
        if body.get("role"):
            body["role"] = body["role"].lower()
        body["code"] = {"ossObjectName": self.props["code"]}
        if self._exists(self._path):
            self._ask("PUT", self._path, body)
        else:
            self._ask("POST", "/functions", body)

    def _deploy_triggers(self) -> None:
        for trigger in self.props["triggers"]:
            body = {**trigger, "triggerConfig": json.dumps(trigger["triggerConfig"])}
            path = f"{self._path}/triggers/{trigger['triggerName']}"
            if self._exists(path):
                self._ask("PUT", path, body)
            else:
                self._ask("POST", f"{self._path}/triggers", body)

    def _info(self, _words: tuple[str, ...]) -> Json:
        """Fail, as fc3 does, if anything that s.yaml names does not exist yet."""
        info = self._ask("GET", self._path)
        triggers = [
            self._ask("GET", f"{self._path}/triggers/{each['triggerName']}")
            for each in self.props.get("triggers", [])
        ]
        for each in triggers:
            each["triggerConfig"] = json.loads(each["triggerConfig"])
        if config := self.props.get("asyncInvokeConfig"):
            path = f"{self._path}/async-invoke-config?qualifier={config['qualifier']}"
            info["asyncInvokeConfig"] = self._ask("GET", path)
        if self.props.get("concurrencyConfig"):
            info["concurrencyConfig"] = self._ask("GET", f"{self._path}/concurrency")
        return {**info, "triggers": triggers}

    def _version_list(self, _words: tuple[str, ...]) -> list[Json]:
        versions: list[Json] = self._ask("GET", f"{self._path}/versions")["versions"]
        return versions

    def _version_publish(self, words: tuple[str, ...]) -> Json:
        body = {"description": words[words.index("--description") + 1]}
        return self._ask("POST", f"{self._path}/versions", body)

    def _alias_get(self, words: tuple[str, ...]) -> Json:
        return self._ask("GET", f"{self._path}/aliases/{words[words.index('--alias-name') + 1]}")

    def _alias_publish(self, words: tuple[str, ...]) -> Json:
        name, number = (words[words.index(each) + 1] for each in ("--alias-name", "--version-id"))
        body = {"aliasName": name, "versionId": number}
        if self._exists(f"{self._path}/aliases/{name}"):
            return self._ask("PUT", f"{self._path}/aliases/{name}", body)
        return self._ask("POST", f"{self._path}/aliases", body)

    def _concurrency_get(self, _words: tuple[str, ...]) -> Json:
        return self._ask("GET", f"{self._path}/concurrency")

    def _concurrency_put(self, words: tuple[str, ...]) -> Json:
        number = int(words[words.index("--reserved-concurrency") + 1])
        return self._ask("PUT", f"{self._path}/concurrency", {"reservedConcurrency": number})

    def _concurrency_remove(self, _words: tuple[str, ...]) -> Json:
        return self._ask("DELETE", f"{self._path}/concurrency")

    def _domain_info(self, _words: tuple[str, ...]) -> Json:
        return self._ask("GET", f"/custom-domains/{self.props['domainName']}")

    def _domain_deploy(self, _words: tuple[str, ...]) -> Json:
        body = {key: value for key, value in self.props.items() if key != "region"}
        path = f"/custom-domains/{self.props['domainName']}"
        if self._exists(path):
            return self._ask("PUT", path, body)
        return self._ask("POST", "/custom-domains", body)


class FakeServerless:
    """Commands of a stage; `listen` sees each of them first."""

    def __init__(self, stage: Stage, call: Call, listen: Callable[[tuple[str, ...]], None]) -> None:
        self._resources = stage.resources()
        self._call = call
        self._listen = listen

    def run(self, *words: str) -> str:
        self._result(words)
        return ""

    def ask(self, *words: str) -> list[Json]:
        return list(_mappings(self._result(words)))

    def _result(self, words: tuple[str, ...]) -> Any:  # noqa: ANN401 - JSON
        self._listen(words)
        props = self._resources[words[0]]["props"]
        try:
            return Component(self._call, props)(words[1:])
        except Refused as error:
            raise Failure(f"`s {' '.join(words)}` ended with 101: {error}") from None


def _mappings(value: object) -> list[Json]:
    if isinstance(value, dict):
        return [value, *(each for inner in value.values() for each in _mappings(inner))]
    if isinstance(value, list):
        return [each for inner in value for each in _mappings(inner)]
    return []
