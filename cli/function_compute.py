"""A client of Function Compute's control API with the operator's own credentials, and the names
that live-record has there.

Doctor calls this module. A deploy also calls it, at its end, to list functions and triggers that
are left over from an earlier release. It only reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from cli.account import Account, Declined, Json, sdk_call

PREFIX: Final = "live-record-"
"""The names of the functions of all stages begin with it, and end with the name of the stage."""
ALIAS: Final = "release"
"""The triggers and routes of a deployed stage point to this alias."""
UNRESERVED: Final = 40
"""Instances of a region that stay for the functions without a reservation, of all stages."""
PAGE_ROWS = 100
NOT_FOUND = 404


def address_in(region: str) -> str:
    """Return the address of the API in a region (docs/platform/function-compute.md §6.3)."""
    return f"https://fcv3.{region}.aliyuncs.com"


def is_left_over(function: str, stage: str, wanted: Collection[str]) -> bool:
    """Return True if `function` is the name of a function of this stage that is not in `wanted`,
    the names that s.yaml has.

    Names of the stage eu-prod end with -prod, too, as those of the stage prod do. So
    live-record-files-eu-prod is not left over from prod, because live-record-files-prod is in
    `wanted`.
    """
    is_of_another = function.startswith(tuple(name.removesuffix(stage) for name in wanted))
    return function.endswith(f"-{stage}") and not is_of_another


@dataclass(frozen=True, slots=True)
class FunctionCompute:
    """A client of the API at `address`. Every method raises Declined if the API refuses or does not
    answer."""

    account: Account
    address: str

    def functions(self, prefix: str) -> list[Json]:
        return self._all("ListFunctions", "functions", prefix=prefix)

    def versions(self, function: str) -> list[Json]:
        return self._all("ListFunctionVersions", "versions", function)

    def alias(self, function: str, name: str) -> Json | None:
        """Return the function's alias with this name, None if there is none."""
        try:
            return self._ask("GetAlias", function, name)
        except Declined as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def triggers(self, function: str) -> list[Json]:
        return self._all("ListTriggers", "triggers", function)

    def reservations(self) -> list[Json]:
        """Return the reservation of every function in the region, also of those that are not
        live-record's."""
        return self._all("ListConcurrencyConfigs", "configs")

    def domains(self) -> list[Json]:
        return self._all("ListCustomDomains", "customDomains")

    def _all(self, action: str, rows: str, *names: str, **query: object) -> list[Json]:
        return [
            row for page in self._pages(action, *names, **query) for row in page.get(rows) or []
        ]

    def _pages(self, action: str, *names: str, **query: object) -> Iterator[Json]:
        page = self._ask(action, *names, limit=PAGE_ROWS, **query)
        yield page
        while token := page.get("nextToken"):
            page = self._ask(action, *names, limit=PAGE_ROWS, nextToken=token, **query)
            yield page

    def _ask(self, action: str, *names: str, **query: object) -> Json:
        """Call an action of the SDK; `names` are those in the path, and the parameters in `query`
        are named as on the wire."""
        from alibabacloud_fc20230330 import models
        from alibabacloud_fc20230330.client import Client

        request = getattr(models, f"{action}Request", None)
        parameters: list[Any] = [*names, request().from_map(query)] if request else [*names]
        return sdk_call(self.account, Client, self.address, action, *parameters, {})
