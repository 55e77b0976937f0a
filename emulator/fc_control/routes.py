"""Maps requests to actions (the paths of the official SDK alibabacloud-fc20230330).

server.py calls answer() for each request, and tests call it without a server. It decides no answer:
actions.py does.
"""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any
from urllib.parse import unquote

from emulator.fc_control.account import Account
from emulator.fc_control.actions import (
    Act,
    Query,
    Request,
    by_qualifier,
    create_function,
    delete,
    delete_domain,
    delete_function,
    delete_reservation,
    delete_version,
    find_in,
    get_alias,
    get_function,
    get_reservation,
    get_trigger,
    list_functions,
    list_provisions,
    list_reservations,
    list_versions,
    page,
    put_by_qualifier,
    update_function,
)
from emulator.fc_control.function import Body
from emulator.fc_control.refusal import Refusal, check_name

PREFIX = "/2023-03-30"


def answer(
    account: Account, method: str, path: str, query: Query, body: Body
) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of an answer; note the call in `account.calls`."""
    try:
        return 200, deepcopy(_act(account, method, path, query, deepcopy(body)))
    except Refusal as error:
        return error.status, {"Code": error.code, "Message": error.message, "RequestId": "1-0"}


def _act(account: Account, method: str, path: str, query: Query, body: Body) -> Body:
    for route_method, pattern, action, act in ROUTES:
        match = re.fullmatch(PREFIX + pattern, path)
        if match and method == route_method:
            request = Request([unquote(name) for name in match.groups()], query, body)
            account.calls.append((action, request.subject))
            if action in account.fails:
                raise account.fails[action]
            return act(account, request)
    raise Refusal(404, "PathNotFound", f"{method} {path} is not supported")


_F = r"/functions/([^/]+)"
ROUTES: tuple[tuple[str, str, str, Act], ...] = (
    ("POST", "/functions", "CreateFunction", create_function),
    ("GET", "/functions", "ListFunctions", list_functions),
    ("GET", _F, "GetFunction", get_function),
    ("PUT", _F, "UpdateFunction", update_function),
    ("DELETE", _F, "DeleteFunction", delete_function),
    (
        *("POST", _F + "/versions", "PublishFunctionVersion"),
        lambda account, request: account.publish(request.names[0], request.body),
    ),
    ("GET", _F + "/versions", "ListFunctionVersions", list_versions),
    ("DELETE", _F + "/versions/([^/]+)", "DeleteFunctionVersion", delete_version),
    (
        *("POST", _F + "/aliases", "CreateAlias"),
        lambda account, request: account.function(request.names[0]).put_alias(
            request.body.get("aliasName"), request.body, create=True
        ),
    ),
    (
        *("GET", _F + "/aliases", "ListAliases"),
        lambda account, request: page(
            "aliases", account.function(request.names[0]).aliases.values(), request.query
        ),
    ),
    ("GET", _F + "/aliases/([^/]+)", "GetAlias", get_alias),
    (
        *("PUT", _F + "/aliases/([^/]+)", "UpdateAlias"),
        lambda account, request: account.function(request.names[0]).put_alias(
            request.names[1], request.body, create=False
        ),
    ),
    ("DELETE", _F + "/aliases/([^/]+)", "DeleteAlias", delete("Alias", "aliases")),
    (
        *("POST", _F + "/triggers", "CreateTrigger"),
        lambda account, request: account.put_trigger(request.names[0], request.body, create=True),
    ),
    (
        *("GET", _F + "/triggers", "ListTriggers"),
        lambda account, request: page(
            "triggers", account.function(request.names[0]).triggers.values(), request.query
        ),
    ),
    ("GET", _F + "/triggers/([^/]+)", "GetTrigger", get_trigger),
    (
        *("PUT", _F + "/triggers/([^/]+)", "UpdateTrigger"),
        lambda account, request: account.put_trigger(
            request.names[0],
            {**request.body, "triggerName": check_name("trigger", request.names[1])},
            create=False,
        ),
    ),
    ("DELETE", _F + "/triggers/([^/]+)", "DeleteTrigger", delete("Trigger", "triggers")),
    (
        *("GET", _F + "/async-invoke-config", "GetAsyncInvokeConfig"),
        by_qualifier("async_configs", "AsyncConfigNotExists"),
    ),
    (
        *("PUT", _F + "/async-invoke-config", "PutAsyncInvokeConfig"),
        put_by_qualifier("async_configs"),
    ),
    ("GET", _F + "/concurrency", "GetConcurrencyConfig", get_reservation),
    (
        *("PUT", _F + "/concurrency", "PutConcurrencyConfig"),
        lambda account, request: account.reserve(
            request.names[0], request.body.get("reservedConcurrency")
        ),
    ),
    ("DELETE", _F + "/concurrency", "DeleteConcurrencyConfig", delete_reservation),
    ("GET", "/concurrency-configs", "ListConcurrencyConfigs", list_reservations),
    (
        *("GET", _F + "/provision-config", "GetProvisionConfig"),
        by_qualifier("provisions", "ProvisionConfigNotFound"),
    ),
    ("PUT", _F + "/provision-config", "PutProvisionConfig", put_by_qualifier("provisions")),
    ("GET", "/provision-configs", "ListProvisionConfigs", list_provisions),
    (
        *("POST", "/custom-domains", "CreateCustomDomain"),
        lambda account, request: account.put_domain(
            request.body.get("domainName"), request.body, create=True
        ),
    ),
    (
        *("GET", "/custom-domains", "ListCustomDomains"),
        lambda account, request: page("customDomains", account.domains.values(), request.query),
    ),
    (
        *("GET", "/custom-domains/([^/]+)", "GetCustomDomain"),
        lambda account, request: find_in(account.domains, "DomainName", request.names[0]),
    ),
    (
        *("PUT", "/custom-domains/([^/]+)", "UpdateCustomDomain"),
        lambda account, request: account.put_domain(request.names[0], request.body, create=False),
    ),
    ("DELETE", "/custom-domains/([^/]+)", "DeleteCustomDomain", delete_domain),
)
