"""The actions of the API, carried out on the account.

routes.py maps requests to them. A list is returned in pages. account.py decides which requests are
refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from emulator.fc_control.account import Account
from emulator.fc_control.function import LATEST, Body, Function
from emulator.fc_control.refusal import Refusal, missing

LIMIT = 100
Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """`names` are those in the path: a function or domain, then a version, alias or trigger."""

    names: Sequence[str]
    query: Query
    body: Body

    @property
    def subject(self) -> str:
        named = self.body.get("functionName") or self.body.get("domainName") or ""
        return self.names[0] if self.names else str(named)


Act = Callable[[Account, Request], Body]


def _function_view(account: Account, found: Function, qualifier: str = "") -> Body:
    arn = account.arn(found.name)
    return {**found.at(qualifier), "functionName": found.name, "functionArn": arn}


def get_function(account: Account, request: Request) -> Body:
    return _function_view(
        account, account.function(request.names[0]), request.query.get("qualifier", "")
    )


def create_function(account: Account, request: Request) -> Body:
    return _function_view(account, account.create_function(request.body))


def update_function(account: Account, request: Request) -> Body:
    return _function_view(account, account.update_function(request.names[0], request.body))


def list_functions(account: Account, request: Request) -> Body:
    prefix = request.query.get("prefix", "")
    chosen = [each for name, each in sorted(account.functions.items()) if name.startswith(prefix)]
    return page("functions", [_function_view(account, each) for each in chosen], request.query)


def page(name: str, rows: Iterable[Body], query: Query) -> Body:
    """Return one page; `nextToken` is the index of the next page's first row."""
    every, begin = list(rows), int(query.get("nextToken") or 0)
    end = begin + min(int(query.get("limit") or LIMIT), LIMIT)
    more = {"nextToken": str(end)} if end < len(every) else {}
    return {name: every[begin:end], **more}


def list_versions(account: Account, request: Request) -> Body:
    newest_first = reversed(account.function(request.names[0]).versions)
    return page("versions", map(Function.version_view, newest_first), request.query)


def get_alias(account: Account, request: Request) -> Body:
    return find_in(account.function(request.names[0]).aliases, "Alias", request.names[1])


def find_in(things: dict[str, Body], kind: str, name: str) -> Body:
    if name not in things:
        raise missing(kind, name)
    return things[name]


def delete(kind: str, held: str) -> Act:
    def act(account: Account, request: Request) -> Body:
        things: dict[str, Body] = getattr(account.function(request.names[0]), held)
        find_in(things, kind, request.names[1])
        del things[request.names[1]]
        return {}

    return act


def delete_version(account: Account, request: Request) -> Body:
    account.function(request.names[0]).delete_version(request.names[1])
    return {}


def get_trigger(account: Account, request: Request) -> Body:
    return find_in(account.function(request.names[0]).triggers, "Trigger", request.names[1])


def by_qualifier(held: str, code: str) -> Act:
    def act(account: Account, request: Request) -> Body:
        things: dict[str, Body] = getattr(account.function(request.names[0]), held)
        qualifier = request.query.get("qualifier", LATEST)
        if qualifier not in things:
            raise Refusal(404, code, f"{request.names[0]} has none for {qualifier}")
        return things[qualifier]

    return act


def put_by_qualifier(held: str) -> Act:
    def act(account: Account, request: Request) -> Body:
        found = account.function(request.names[0])
        things: dict[str, Body] = getattr(found, held)
        things[found.check_qualifier(request.query.get("qualifier"))] = request.body
        return request.body

    return act


def get_reservation(account: Account, request: Request) -> Body:
    return account.reservation(account.function(request.names[0]))


def delete_reservation(account: Account, request: Request) -> Body:
    account.function(request.names[0]).reserved = None
    return {}


def list_reservations(account: Account, request: Request) -> Body:
    every = [each for each in account.functions.values() if each.reserved is not None]
    return page("configs", map(account.reservation, every), request.query)


def list_provisions(account: Account, request: Request) -> Body:
    rows = [
        {**config, "functionArn": f"{account.arn(found.name)}/{qualifier}"}
        for found in account.functions.values()
        for qualifier, config in found.provisions.items()
    ]
    return page("provisionConfigs", rows, request.query)


def delete_function(account: Account, request: Request) -> Body:
    account.delete_function(request.names[0])
    return {}


def delete_domain(account: Account, request: Request) -> Body:
    find_in(account.domains, "DomainName", request.names[0])
    del account.domains[request.names[0]]
    return {}
