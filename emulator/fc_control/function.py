"""A function: its configuration, the versions that freeze it, and its aliases and triggers.

account.py keeps functions and calls them. It knows neither HTTP nor other functions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from emulator.fc_control.refusal import (
    Refusal,
    check_description,
    check_name,
    exists,
    invalid,
    missing,
)

LATEST = "LATEST"
MAX_ENVIRONMENT_BYTES = 4096
EMPTY: dict[str, Any] = {
    "description": "",
    "environmentVariables": {},
    "layers": [],
    "instanceIsolationMode": "SHARE",
    "sessionAffinity": "NONE",
}
Body = dict[str, Any]


@dataclass(slots=True)
class Version:
    number: int
    description: str
    config: Body


@dataclass(slots=True)
class Function:
    """`config` is LATEST. `is_updated`: an update came since the last version."""

    name: str
    config: Body
    versions: list[Version] = field(default_factory=list)
    aliases: dict[str, Body] = field(default_factory=dict)
    triggers: dict[str, Body] = field(default_factory=dict)
    async_configs: dict[str, Body] = field(default_factory=dict)
    provisions: dict[str, Body] = field(default_factory=dict)
    reserved: int | None = None
    is_updated: bool = True
    _published: int = 0

    def update(self, body: Body) -> None:
        """Replace the settings that the body names, in LATEST alone."""
        self.config = {**self.config, **settings_in(body)}
        self.is_updated = True

    def publish(self, description: object, *, identical_update_counts: bool) -> Body:
        """Freeze LATEST as a version; refuse if nothing changed since the last version."""
        text = check_description(description)
        last = self.versions[-1] if self.versions else None
        same = last is not None and last.config == self.config
        unchanged = not self.is_updated if identical_update_counts else same
        if last is not None and unchanged:
            message = f"No changes were made since version {last.number} was published"
            raise Refusal(400, "VersionPublishError", message)
        self._published += 1
        self.is_updated = False
        self.versions.append(Version(self._published, text, dict(self.config)))
        return self.version_view(self.versions[-1])

    @staticmethod
    def version_view(version: Version) -> Body:
        return {"versionId": str(version.number), "description": version.description}

    def at(self, qualifier: str) -> Body:
        """Return the configuration that a version, an alias or LATEST has."""
        if qualifier in ("", LATEST):
            return self.config
        if qualifier in self.aliases:
            return self._version(self.aliases[qualifier]["versionId"]).config
        if qualifier.isdecimal():
            return self._version(qualifier).config
        raise missing("Alias", qualifier)

    def check_qualifier(self, qualifier: object) -> str:
        text = str(qualifier or LATEST)
        self.at(text)
        return text

    def _version(self, number: str) -> Version:
        found = [each for each in self.versions if str(each.number) == str(number)]
        if not found:
            raise missing("Version", str(number))
        return found[0]

    def delete_version(self, number: str) -> None:
        used = [name for name, each in self.aliases.items() if each["versionId"] == number]
        if used:
            raise invalid(f"version {number} is used by alias {used[0]}")
        self.versions.remove(self._version(number))

    def put_alias(self, name: object, body: Body, *, create: bool) -> Body:
        text = check_name("alias", name)
        if text == LATEST:
            raise invalid("LATEST cannot be the name of an alias")
        if create and text in self.aliases:
            raise exists("Alias", text)
        if not create and text not in self.aliases:
            raise missing("Alias", text)
        kept = {**self.aliases.get(text, {}), **body, "aliasName": text}
        self._version(kept.get("versionId", ""))
        check_description(kept.get("description"))
        self.aliases[text] = kept
        return kept

    def put_trigger(self, body: Body, *, create: bool, address: Callable[[], str]) -> Body:
        name = check_name("trigger", body.get("triggerName"))
        if create and name in self.triggers:
            raise exists("Trigger", name)
        if not create and name not in self.triggers:
            raise missing("Trigger", name)
        kept = {**self.triggers.get(name, {}), **body}
        kept["qualifier"] = self.check_qualifier(kept.get("qualifier"))
        kept["triggerConfig"] = _trigger_config(kept.get("triggerConfig"))
        if kept.get("triggerType") == "http" and "httpTrigger" not in kept:
            host = address()
            kept["httpTrigger"] = {
                "urlInternet": f"https://{host}",
                "urlIntranet": f"https://{host.replace('.', '-vpc.', 1)}",
            }
        self.triggers[name] = kept
        return kept


def new_function(body: Body) -> Function:
    """Return a function that CreateFunction describes."""
    name = check_name("function", body.get("functionName"), 64)
    for needed in ("runtime", "handler", "code"):
        if not body.get(needed):
            raise invalid(f"{needed} is required")
    return Function(name, {**EMPTY, **settings_in(body)})


def settings_in(body: Body) -> Body:
    """Return the settings of a create or update, with the code as its checksum."""
    check_description(body.get("description"))
    _check_environment(body.get("environmentVariables") or {})
    kept = {name: value for name, value in body.items() if name not in ("functionName", "code")}
    return {**kept, "codeChecksum": _checksum(body["code"])} if body.get("code") else kept


def _checksum(code: Body) -> str:
    """Return a number in place of the CRC-64 of the archive."""
    text = json.dumps(code, sort_keys=True).encode()
    return str(int.from_bytes(hashlib.sha256(text).digest()[:8], "big"))


def _check_environment(variables: Body) -> None:
    if not all(isinstance(value, str) for value in variables.values()):
        raise invalid("environmentVariables takes strings alone")
    size = sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
    if size > MAX_ENVIRONMENT_BYTES:
        raise invalid(f"environmentVariables hold {size} bytes, more than {MAX_ENVIRONMENT_BYTES}")


def _trigger_config(text: object) -> str:
    """Return the configuration, which is JSON in a string."""
    if not isinstance(text, str) or not isinstance(json.loads(text), dict):
        raise invalid("triggerConfig must be JSON")
    return text
