"""Function Compute's control API, asked with the operator's own credentials. It reads alone.

Doctor calls it. A deploy does not: Serverless Devs has the credentials for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cli.account import Account, Declined, Json, sdk_call

PAGE_ROWS = 100
NOT_FOUND = 404


def address_in(region: str) -> str:
    """Return the address of the API in a region (docs/platform/function-compute.md §6.3)."""
    return f"https://fcv3.{region}.aliyuncs.com"


@dataclass(frozen=True, slots=True)
class FunctionCompute:
    """The API at `address`; every method raises Declined if it is refused or gets no answer."""

    account: Account
    address: str

    def functions(self, prefix: str) -> list[Json]:
        return self._all("ListFunctions", "functions", prefix=prefix)

    def versions(self, function: str) -> list[Json]:
        return self._all("ListFunctionVersions", "versions", function)

    def alias(self, function: str, name: str) -> Json | None:
        """Return the alias, None if there is none."""
        try:
            return self._ask("GetAlias", function, name)
        except Declined as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def triggers(self, function: str) -> list[Json]:
        return self._all("ListTriggers", "triggers", function)

    def reservations(self) -> list[Json]:
        """Return the reservation of every function in the region, ours or not."""
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
        """Call an action of the SDK; `names` are those in the path, `query` is named as there."""
        from alibabacloud_fc20230330 import models
        from alibabacloud_fc20230330.client import Client

        request = getattr(models, f"{action}Request", None)
        parameters: list[Any] = [*names, request().from_map(query)] if request else [*names]
        return sdk_call(self.account, Client, self.address, action, *parameters, {})
