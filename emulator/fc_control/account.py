"""An account in one region: its functions, custom domains and reservations, and the requests that
it refuses.

routes.py calls this module, and tests change its fields. It knows no HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from emulator.fc_control.function import Body, Function, new_function
from emulator.fc_control.refusal import Refusal, check_domain, exists, invalid, missing

MOST_RESERVED_SHARE = 0.9
"""The part of the region's instances that may be reserved (docs/platform/function-compute.md
§5)."""
NO_PYTHON_312 = ("ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-5")
MAINLAND = ("cn-",)
NOT_MAINLAND = ("cn-hongkong",)


@dataclass(slots=True)
class Account:
    """`cnames` are the domains that lead to Function Compute, `filed` those with an ICP filing
    through Alibaba Cloud. `identical_update_counts`: an update that changes nothing allows another
    version; this is UNCONFIRMED (docs/platform/function-compute.md §6.1). `fails`: by the name of
    an action, the refusal that its calls get."""

    number: str = "1234567890123456"
    region: str = "cn-shanghai"
    instances: int = 100
    identical_update_counts: bool = False
    cnames: set[str] = field(default_factory=set)
    filed: set[str] = field(default_factory=set)
    functions: dict[str, Function] = field(default_factory=dict)
    domains: dict[str, Body] = field(default_factory=dict)
    fails: dict[str, Refusal] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    _addresses: int = 0

    @property
    def changes(self) -> list[tuple[str, str]]:
        """Return the calls of actions other than Get and List, each as (action, subject)."""
        return [each for each in self.calls if not each[0].startswith(("Get", "List"))]

    def function(self, name: str) -> Function:
        if name not in self.functions:
            raise missing("Function", name)
        return self.functions[name]

    def create_function(self, body: Body) -> Function:
        self._check_runtime(body.get("runtime"))
        made = new_function(body)
        if made.name in self.functions:
            raise exists("Function", made.name)
        self.functions[made.name] = made
        return made

    def update_function(self, name: str, body: Body) -> Function:
        found = self.function(name)
        if "runtime" in body:
            self._check_runtime(body["runtime"])
        found.update(body)
        return found

    def _check_runtime(self, runtime: object) -> None:
        if runtime == "python3.12" and self.region in NO_PYTHON_312:
            raise invalid(f"runtime {runtime} is not supported in {self.region}")

    def delete_function(self, name: str) -> None:
        found = self.function(name)
        for kind, things in (("triggers", found.triggers), ("aliases", found.aliases)):
            if things:
                raise invalid(f"function {name} has {kind}: delete them first")
        del self.functions[name]

    def publish(self, name: str, body: Body) -> Body:
        return self.function(name).publish(
            body.get("description"), identical_update_counts=self.identical_update_counts
        )

    def put_trigger(self, name: str, body: Body, *, create: bool) -> Body:
        return self.function(name).put_trigger(body, create=create, address=self._address)

    def _address(self) -> str:
        self._addresses += 1
        return f"live-record-{self._addresses:010x}.{self.region}.fcapp.run"

    def reserve(self, name: str, wanted: object) -> Body:
        """Reserve instances for a function. All reservations together may take 90 % of the region's
        instances."""
        found = self.function(name)
        if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 0:
            raise invalid("reservedConcurrency must be a number of instances")
        others = sum(each.reserved or 0 for each in self.functions.values() if each is not found)
        most = int(self.instances * MOST_RESERVED_SHARE)
        if others + wanted > most:
            raise invalid(f"{others + wanted} instances would be reserved, more than {most}")
        found.reserved = wanted
        return self.reservation(found)

    def reservation(self, found: Function) -> Body:
        return {"functionArn": self.arn(found.name), "reservedConcurrency": found.reserved}

    def arn(self, name: str) -> str:
        return f"acs:fc:{self.region}:{self.number}:functions/{name}"

    def put_domain(self, name: object, body: Body, *, create: bool) -> Body:
        text = check_domain(name)
        if create and text in self.domains:
            raise exists("DomainName", text)
        if not create and text not in self.domains:
            raise missing("DomainName", text)
        self._check_filing(text)
        kept = {**self.domains.get(text, {}), **body, "domainName": text}
        self._check_routes(kept)
        self._check_certificate(kept)
        self.domains[text] = kept
        return kept

    def _check_filing(self, name: str) -> None:
        if name not in self.cnames:
            raise Refusal(
                400,
                "DomainNameNotResolved",
                f"domain name '{name}' has not been resolved to your FC endpoint, the expected"
                f" endpoint is '{self.number}.{self.region}.fc.aliyuncs.com.'",
            )
        in_mainland = self.region.startswith(MAINLAND) and self.region not in NOT_MAINLAND
        if in_mainland and name not in self.filed:
            raise Refusal(
                400,
                "InvalidICPLicense",
                f"domain name '{name}' has not got ICP license, or the ICP license does not belong"
                " to Aliyun",
            )

    def _check_routes(self, body: Body) -> None:
        routes: list[dict[str, Any]] = (body.get("routeConfig") or {}).get("routes") or []
        for route in routes:
            self.function(route.get("functionName", "")).check_qualifier(route.get("qualifier"))

    @staticmethod
    def _check_certificate(body: Body) -> None:
        config = body.get("certConfig") or {}
        if "HTTPS" in str(body.get("protocol")) and not config.get("certificate"):
            raise invalid("certConfig is required when the protocol is HTTPS")
