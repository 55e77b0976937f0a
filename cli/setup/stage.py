"""A stage as setup needs it: its settings, its policy, and the secrets to configure in Live.

Setup and probe call this module. It must not send a secret to the stage, only the secret's digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from gettext import gettext as _
from typing import Literal
from urllib.parse import urlsplit

from cli.api import Api, Json
from cli.policy_file import stage_policy
from cli.stage_registry import Target
from cli.web import callback_hosts, hides_a_token
from shared.config import values
from shared.config.path_tokens import CallbackKind, path_token_of
from shared.protocol.policy import Mode, Policy

Secret = Literal["path_token", "stream_key", "record_key"]
Flow = Literal["stream", "record", "on-demand", "exception"]

VARIABLES: Mapping[Secret, str] = {
    "path_token": "LIVE_RECORD_PATH_TOKENS",
    "stream_key": "LIVE_RECORD_STREAM_KEYS",
    "record_key": "LIVE_RECORD_RECORD_KEYS",
}
DEVELOPMENT: Mapping[Secret, str] = {
    "path_token": "dev-path",
    "stream_key": "dev-stream-key-0000",
    "record_key": "dev-record-key-0000",
}
PATHS: Mapping[Flow, str] = {
    "stream": "/callbacks/stream/",
    "exception": "/callbacks/stream/exception/",
    "record": "/callbacks/record/",
    "on-demand": "/callbacks/on-demand/",
}


class Unusable(Exception):
    """Setup cannot use a secret of the stage, because it is unset here, or because the stage does
    not know it. The text says what to do."""


@dataclass(slots=True)
class Stage:
    """The settings and policy of a stage; `merge_delay` is in seconds, like Live's DelayTime.

    `host`: the host for callback URLs that setup configures; `hosts`: all hosts at which the stage
    answers, also those of a stage that it replaces.
    """

    name: str
    url: str
    host: str
    hosts: Collection[str]
    policy: Policy
    version: int
    document: Json
    merge_delay: int
    relays: bool
    mode: Mode
    api: Api
    environment: Mapping[str, str] = field(repr=False)
    is_development: bool
    _known: dict[tuple[Secret, str], bool] = field(default_factory=dict, repr=False)

    @property
    def address(self) -> str:
        """Return the stage's address with its callback host, which the signature of recording
        callbacks covers."""
        return f"{urlsplit(self.url).scheme}://{self.host or urlsplit(self.url).netloc}"

    def is_ours(self, url: str) -> bool:
        return urlsplit(url).netloc in self.hosts

    def points_to(self, url: str, flow: Flow) -> bool:
        """Return True if the URL points to this stage's function of `flow`, with a valid path token
        that nobody on the way can read. A host of another stage that this one replaces does not
        count: it still leads to that stage."""
        own = {self.host, urlsplit(self.url).netloc}
        if urlsplit(url).netloc not in own or not hides_a_token(url):
            return False
        path, _, token = urlsplit(url).path.rpartition("/")
        ours = [path_token_of(_kind(flow), secret) for secret in self._secrets("path_token")]
        is_of_kind = not ours or token in ours
        return f"{path}/" == PATHS[flow] and is_of_kind and self.knows("path_token", token)

    def callback(self, flow: Flow) -> str:
        token = path_token_of(_kind(flow), self.secret("path_token"))
        return f"{self.address}{PATHS[flow]}{token}"

    def knows(self, kind: Secret, secret: str) -> bool:
        """Return True if the stage knows the secret. The stage is asked only once about each
        secret, and gets only a digest of it."""
        if (kind, secret) not in self._known:
            digest = hashlib.sha256(secret.encode()).hexdigest()
            self._known[kind, secret] = self.api.examine(**{kind: digest})["matches"][kind] is True
        return self._known[kind, secret]

    def _secrets(self, kind: Secret) -> list[str]:
        """Return the secrets in the environment; for a development stage without any, return the
        development account's."""
        found = self.environment.get(VARIABLES[kind], "").replace(",", " ").split()
        return found or ([DEVELOPMENT[kind]] if self.is_development else [])

    def secret(self, kind: Secret) -> str:
        """Return the first secret of that kind, from the environment or the development account.

        Raise Unusable if there is none or the stage does not know it.
        """
        name, found = VARIABLES[kind], self._secrets(kind)
        if not found:
            sentence = _("{name} is unset. Set it to the value with which the stage was deployed")
            raise Unusable(sentence.format(name=name))
        if not self.knows(kind, found[0]):
            sentence = _(
                "the stage does not know the first value of {name}. Deploy the stage with this"
                " value first"
            )
            raise Unusable(sentence.format(name=name))
        return found[0]


def _kind(flow: Flow) -> CallbackKind:
    return "stream" if flow == "exception" else flow


def stage_of(target: Target, api: Api, environment: Mapping[str, str]) -> Stage:
    examined = api.examine()
    policy = api.policy()
    settings = examined["settings"]
    return Stage(
        name=examined["stage"],
        url=target.url.rstrip("/"),
        host=settings["callback_host"],
        hosts=callback_hosts(target.url, settings),
        policy=stage_policy(policy["policy"]),
        version=policy["version"],
        document=policy["policy"],
        merge_delay=settings["merge_delay_ms"] // 1000,
        relays=settings["relays"],
        mode=Mode(examined["mode"]),
        api=api,
        environment=environment,
        is_development=_is_emulator(target.live),
    )


def _is_emulator(live: str) -> bool:
    return bool(live) and values.endpoint(live)[0] == "http"
