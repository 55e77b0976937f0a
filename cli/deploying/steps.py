"""The steps of a deploy. Each compares what is deployed with s.yaml, and acts only if they differ.

cli.deploying.release puts them in order. A step may be repeated at any time, and after any failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from gettext import gettext as _
from typing import Any, Protocol

from cli.deploying.deployed import Commands, Deployed
from cli.deploying.rollback import point_alias
from cli.errors import Failure
from cli.function_compute import ALIAS

_UNCHANGED = re.compile(r"\bVersionPublishError\b")
"""The error for a version of a function that has not changed since its last version."""
AUTO = "auto"
Props = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step found: whether everything is as it should be (`is_so`), what is deployed
    (`found`), and what the step would do (`would`)."""

    is_so: bool
    found: str
    would: str = ""


class Step(Protocol):
    """One step of a deploy. `subject` is the key in s.yaml of what the step changes. `look`
    compares s.yaml with what is deployed; `act` makes the change, and returns in words what it did.
    """

    @property
    def name(self) -> str: ...
    @property
    def subject(self) -> str: ...
    def look(self) -> Finding: ...
    def act(self) -> str: ...


@dataclass(slots=True)
class Code:
    """The step that publishes a function's code and configuration as a version. No alias points to
    the version yet.

    `content` is the digest of both, `description` the text of the version to publish.
    """

    s: Commands
    deployed: Deployed
    subject: str
    content: str
    description: str
    name: str = "functions"
    target: int | None = None
    """The version with the wanted content, once it is known."""

    def look(self) -> Finding:
        newest = next(reversed(self.deployed.versions(self.subject)), None)
        if newest is None:
            return Finding(False, _("no version yet"), _("publish the first version"))
        if newest.content != self.content:
            found = _(
                "version {number} differs from this deploy in its code or configuration"
            ).format(number=newest.number)
            return Finding(False, found, _("publish a version"))
        self.target = newest.number
        return Finding(
            True,
            _("version {number} has the code and configuration of this deploy").format(
                number=newest.number
            ),
        )

    def act(self) -> str:
        self.s.run(self.subject, "deploy", "--function", "-y")
        was_published = self._publish()
        self.deployed.forget(self.subject)
        versions = self.deployed.versions(self.subject)
        if not versions:
            sentence = _("{subject}: a version was published, but none is listed. Deploy again.")
            raise Failure(sentence.format(subject=self.subject))
        self.target = versions[-1].number
        if was_published:
            return _("published version {target}").format(target=self.target)
        sentence = _("Function Compute answers that nothing has changed since version {target}")
        return sentence.format(target=self.target)

    def _publish(self) -> bool:
        """Publish a version; return False if Function Compute finds that nothing changed."""
        try:
            self.s.run(self.subject, "version", "publish", "--description", self.description)
        except Failure as error:
            if not _UNCHANGED.search(error.message):
                raise
            return False
        return True


@dataclass(slots=True)
class Alias:
    """The step that points a function's alias to its new version. The function's triggers and
    routes use the alias."""

    s: Commands
    deployed: Deployed
    code: Code
    seen: int | None
    """The version that served when this deploy began."""
    name: str = "alias"

    @property
    def subject(self) -> str:
        return self.code.subject

    def look(self) -> Finding:
        if self.code.target is None:
            self.code.look()
        serving = self.deployed.serving(self.subject)
        found = (
            _("never released")
            if serving is None
            else _("{alias} points to {serving}").format(alias=ALIAS, serving=serving)
        )
        if serving is not None and serving == self.code.target:
            return Finding(True, found)
        return Finding(
            False,
            found,
            _("point {alias} to {value}").format(
                alias=ALIAS, value=self.code.target or _("the new version")
            ),
        )

    def act(self) -> str:
        if self.code.target is None:
            sentence = _(
                "{subject} has no version with the code and configuration of this deploy. Deploy"
                " with `--only functions` first."
            )
            raise Failure(sentence.format(subject=self.subject))
        self._refuse_if_moved()
        point_alias(self.s, self.subject, self.code.target)
        self.deployed.forget(self.subject)
        return _("{alias} points to {target}").format(alias=ALIAS, target=self.code.target)

    def _refuse_if_moved(self) -> None:
        """Raise a Failure if the alias changed since this deploy began: somebody may deploy from
        another machine."""
        self.deployed.forget(self.subject)
        serving = self.deployed.serving(self.subject)
        if serving not in (self.seen, self.code.target):
            sentence = _(
                "{subject}: {alias} pointed to {seen} when this deploy began and points to"
                " {serving} now, so somebody else deploys. Find out who, then deploy again."
            )
            raise Failure(
                sentence.format(subject=self.subject, alias=ALIAS, seen=self.seen, serving=serving)
            )


@dataclass(slots=True)
class Triggers:
    """The step that sets the triggers of a function. It leaves triggers alone that s.yaml does not
    name."""

    s: Commands
    deployed: Deployed
    subject: str
    wanted: list[Props]
    name: str = "triggers"

    def look(self) -> Finding:
        rows = {str(row.get("triggerName")): row for row in self.deployed.ask(self.subject, "info")}
        differ = [
            str(each["triggerName"])
            for each in self.wanted
            if not covers(rows.get(str(each["triggerName"])), each)
        ]
        if differ:
            return Finding(
                False,
                _("{names}: absent, or not as in s.yaml").format(names=", ".join(differ)),
                _("set the triggers"),
            )
        return Finding(True, ", ".join(str(each["triggerName"]) for each in self.wanted))

    def act(self) -> str:
        self.s.run(self.subject, "deploy", "--trigger", "-y")
        self.deployed.forget(self.subject)
        return _("triggers set")


@dataclass(slots=True)
class AsyncCalls:
    """The step that sets how asynchronous calls of a function are retried, and where failed ones
    go."""

    s: Commands
    deployed: Deployed
    subject: str
    wanted: Props
    name: str = "triggers"

    def look(self) -> Finding:
        wanted = {name: value for name, value in self.wanted.items() if name != "qualifier"}
        if any(covers(row, wanted) for row in self.deployed.ask(self.subject, "info")):
            return Finding(True, _("the settings of asynchronous calls are as in s.yaml"))
        return Finding(
            False,
            _("the settings of asynchronous calls are absent, or not as in s.yaml"),
            _("write the settings of asynchronous calls"),
        )

    def act(self) -> str:
        self.s.run(self.subject, "deploy", "--async-invoke-config", "-y")
        self.deployed.forget(self.subject)
        return _("the settings of asynchronous calls are written")


@dataclass(slots=True)
class Reservation:
    """The step that reserves `wanted` instances for a function; if that is None, it removes the
    reservation."""

    s: Commands
    deployed: Deployed
    subject: str
    wanted: int | None
    name: str = "reservations"

    def look(self) -> Finding:
        reserved = self._reserved()
        found = _reserved_words(reserved)
        if reserved == self.wanted:
            return Finding(True, found)
        if self.wanted is None:
            return Finding(False, found, _("remove the reservation"))
        return Finding(
            False, found, _("set reserved instances to {count}").format(count=self.wanted)
        )

    def added(self) -> int:
        """Return how many more instances are to be reserved; negative if some are freed."""
        return (self.wanted or 0) - (self._reserved() or 0)

    def _reserved(self) -> int | None:
        rows = self.deployed.ask(self.subject, "concurrency", "get")
        found = [row["reservedConcurrency"] for row in rows if row.get("reservedConcurrency")]
        return int(found[0]) if found else None

    def act(self) -> str:
        if self.wanted is None:
            self.s.run(self.subject, "concurrency", "remove", "-y")
        else:
            self.s.run(
                *(self.subject, "concurrency", "put", "--reserved-concurrency", str(self.wanted))
            )
        self.deployed.forget(self.subject)
        return _reserved_words(self.wanted)


def _reserved_words(count: int | None) -> str:
    return (
        _("no reserved instances")
        if count is None
        else _("reserved instances: {count}").format(count=count)
    )


@dataclass(slots=True)
class Domain:
    """The step that sets a custom domain, with its routes and its certificate."""

    s: Commands
    deployed: Deployed
    subject: str
    wanted: Props
    name: str = "domain"
    asks: bool = field(default=True)
    """False in a dry run: a test domain is not looked up then, because that would create it."""

    def look(self) -> Finding:
        domain = str(self.wanted["domainName"])
        if domain == AUTO and not self.asks:
            return Finding(False, _("a dry run does not check a test domain"), _("set the domain"))
        rows = self.deployed.ask(self.subject, "info")
        if any(covers(row, self._comparable()) for row in rows):
            return Finding(True, _("{domain} leads to {alias}").format(domain=domain, alias=ALIAS))
        return Finding(
            False,
            _("{domain}: absent, or not as in s.yaml").format(domain=domain),
            _("set {domain}").format(domain=domain),
        )

    def _comparable(self) -> Props:
        """Return the properties to compare: all but the private key, which Function Compute never
        returns. It returns a certificate in place of a certificate's id, so that with an id this
        step acts every time."""
        kept = {"protocol": self.wanted["protocol"], "routeConfig": self.wanted["routeConfig"]}
        if self.wanted["domainName"] != AUTO:
            kept["domainName"] = self.wanted["domainName"]
        certificate = self.wanted.get("certConfig") or {}
        shown = {name: text for name, text in certificate.items() if name != "privateKey"}
        return {**kept, "certConfig": shown} if shown else kept

    def act(self) -> str:
        self.s.run(self.subject, "deploy", "-y")
        self.deployed.forget(self.subject)
        return _("{value} leads to {alias}").format(value=self.wanted["domainName"], alias=ALIAS)


def covers(remote: object, wanted: object) -> bool:
    """Return True if what is deployed (`remote`) already has everything that s.yaml asks for
    (`wanted`). `remote` may have keys that `wanted` does not have. A list must have the same items;
    their order counts only if they are mappings. An empty text counts as a missing one."""
    if isinstance(wanted, Mapping):
        there = remote if isinstance(remote, Mapping) else {}
        return all(covers(there.get(name), value) for name, value in wanted.items())
    if isinstance(wanted, list):
        return _covers_list(remote if isinstance(remote, list) else [], wanted)
    if wanted in (None, "") and remote in (None, ""):
        return True
    return str(remote).strip() == str(wanted).strip()


def _covers_list(remote: list[Any], wanted: list[Any]) -> bool:
    if any(isinstance(each, Mapping) for each in wanted):
        return len(remote) == len(wanted) and all(map(covers, remote, wanted))
    return sorted(map(str, remote)) == sorted(map(str, wanted))


def reserved_in(props: Props) -> int | None:
    """Return how many instances a function of s.yaml reserves; None if it reserves none."""
    found = (props.get("concurrencyConfig") or {}).get("reservedConcurrency")
    return int(found) if found else None
