"""The functions and routes that an s.yaml deploys, validated.

run.py loads it once, before anything starts; tests use it to check s.yaml.
It starts nothing and reads no environment of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.fc.schedule import Schedule, parse_schedule
from emulator.fc.template import BadTemplate, load_template

RUNTIMES = ("python3.9", "python3.10", "python3.12")
METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS")
_MAX_ENVIRONMENT_BYTES = 4096
_VARIABLE = re.compile(r"(?!FC_)[A-Za-z]\w*", re.ASCII)
_FUNCTION_PROPS = frozenset(
    [
        "functionName",
        "region",
        "runtime",
        "handler",
        "description",
        "endpoint",
        "code",
        "memorySize",
        "cpu",
        "diskSize",
        "timeout",
        "environmentVariables",
        "layers",
        "role",
        "instanceLifecycleConfig",
        "logConfig",
        "vpcConfig",
        "vpcBinding",
        "internetAccess",
        "nasConfig",
        "ossMountConfig",
        "asyncInvokeConfig",
        "concurrencyConfig",
        "provisionConfig",
        "scalingConfig",
        "triggers",
        "instanceConcurrency",
        "sessionAffinity",
        "sessionAffinityConfig",
        "instanceIsolationMode",
        "customDNS",
        "tags",
        "tracingConfig",
        "resourceGroupId",
        "annotations",
        "supplement",
        "customDomain",
    ]
)
_DOMAIN_PROPS = frozenset(
    [
        "region",
        "domainName",
        "protocol",
        "routeConfig",
        "certConfig",
        "wafConfig",
        "tlsConfig",
        "authConfig",
        "autoCName",
    ]
)


@dataclass(frozen=True)
class Hook:
    handler: str
    timeout: int


@dataclass(frozen=True)
class Timer:
    name: str
    schedule: Schedule
    payload: str


@dataclass(frozen=True)
class Function:
    """One fc3 resource; defaults are those of fc3 (docs/platform/function-compute.md §5, §6.1)."""

    key: str
    name: str
    handler: str
    runtime: str
    region: str
    code: Path
    timeout: int
    memory: int
    environment: Mapping[str, str]
    role: str
    initializer: Hook | None
    pre_stop: Hook | None
    reserved: int | None
    async_retries: int
    async_max_age: int
    http_methods: frozenset[str]
    timers: tuple[Timer, ...]


@dataclass(frozen=True)
class Route:
    domain: str
    path: str
    methods: frozenset[str]
    function: str


@dataclass(frozen=True)
class Deployment:
    functions: Mapping[str, Function]
    routes: tuple[Route, ...]

    def function(self, name: str) -> Function | None:
        """Return the function with this key in s.yaml or this deployed name."""
        by_name = (f for f in self.functions.values() if f.name == name)
        return self.functions.get(name) or next(by_name, None)


def load_deployment(path: Path, env: Mapping[str, str]) -> Deployment:
    faults: list[str] = []
    functions: dict[str, Function] = {}
    routes: list[Route] = []
    for key, resource in load_template(path, env).items():
        props = Props(resource.get("props"), key, faults)
        component = str(resource.get("component"))
        if component == "fc3":
            functions[key] = _function(key, props, path.parent)
            routes += _own_domain(props, functions[key])
        elif component == "fc3-domain":
            routes += _domain(props)
        else:
            faults.append(f"{key}: component {component!r} is neither fc3 nor fc3-domain")
    faults += _consistency_faults(functions, routes)
    if faults:
        raise BadTemplate(path, faults)
    return Deployment(functions, tuple(routes))


class Props:
    """One mapping of an s.yaml. It notes a wrong value as a fault and reads on."""

    def __init__(self, values: object, where: str, faults: list[str]) -> None:
        self.faults = faults
        self.where = where
        self._values = values if isinstance(values, dict) else {}
        if values is not None and not isinstance(values, dict):
            self.fault("is not a mapping")

    def fault(self, text: str) -> None:
        self.faults.append(f"{self.where} {text}")

    def has(self, name: str) -> bool:
        return self._values.get(name) is not None

    def names(self) -> list[str]:
        return [str(name) for name in self._values]

    def allow_only(self, known: frozenset[str]) -> None:
        unknown = sorted(set(self.names()) - known)
        if unknown:
            self.fault(f"has what {self.where} cannot have: {', '.join(unknown)}")

    def text(self, name: str, default: str | None = None) -> str:
        value = self._values.get(name, default)
        if not isinstance(value, str) or (default is None and not value):
            self.fault(f"{name} is missing or not a string: {value!r}")
            return ""
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self._values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.fault(f"{name} is not a whole number of {low} to {high}: {value!r}")
            return default
        return value

    def flag(self, name: str) -> bool:
        value = self._values.get(name)
        if not isinstance(value, bool):
            self.fault(f"{name} is neither true nor false: {value!r}")
        return value is True

    def props(self, name: str) -> Props:
        return Props(self._values.get(name), f"{self.where}.{name}", self.faults)

    def each(self, name: str) -> list[Props]:
        values = self._values.get(name, [])
        if not isinstance(values, list):
            self.fault(f"{name} is not a list")
            return []
        where = f"{self.where}.{name}"
        return [Props(value, f"{where}[{i}]", self.faults) for i, value in enumerate(values)]

    def methods(self) -> frozenset[str]:
        values = self._values.get("methods", list(METHODS))
        if not isinstance(values, list) or not values or not set(values) <= set(METHODS):
            self.fault(f"methods are not some of {', '.join(METHODS)}: {values!r}")
            return frozenset()
        return frozenset(values)

    def strings(self, name: str) -> Mapping[str, str]:
        values: Any = self._values.get(name) or {}
        if not isinstance(values, dict) or any(not isinstance(v, str) for v in values.values()):
            self.fault(f"{name} are not a mapping of strings to strings: {values!r}")
            return {}
        return values


def _function(key: str, props: Props, folder: Path) -> Function:
    props.allow_only(_FUNCTION_PROPS)
    lifecycle = props.props("instanceLifecycleConfig")
    asynchronous = props.props("asyncInvokeConfig")
    triggers = props.each("triggers")
    return Function(
        key=key,
        name=props.text("functionName"),
        handler=_handler(props),
        runtime=_runtime(props),
        region=props.text("region"),
        code=_code(props, folder),
        timeout=props.number("timeout", 3, 1, 86400),
        memory=props.number("memorySize", 512, 128, 32768),
        environment=_environment(props),
        role=props.text("role", ""),
        initializer=_hook(lifecycle, "initializer", 300),
        pre_stop=_hook(lifecycle, "preStop", 90),
        reserved=_reserved(props),
        async_retries=asynchronous.number("maxAsyncRetryAttempts", 3, 0, 8),
        async_max_age=asynchronous.number("maxAsyncEventAgeInSeconds", 86400, 1, 2592000),
        http_methods=_http_methods(triggers),
        timers=tuple(timer for trigger in triggers for timer in _timers(trigger)),
    )


def _runtime(props: Props) -> str:
    runtime = props.text("runtime")
    if runtime and runtime not in RUNTIMES:
        props.fault(f"runtime {runtime!r} is none of {', '.join(RUNTIMES)}")
    return runtime


def _handler(props: Props) -> str:
    handler = props.text("handler")
    if handler and not all(handler.rpartition(".")):
        props.fault(f"handler {handler!r} is not file.function")
    return handler


def _code(props: Props, folder: Path) -> Path:
    code = (folder / props.text("code")).resolve()
    if not code.is_dir():
        props.fault(f"code {code} is no folder")
    return code


def _environment(props: Props) -> Mapping[str, str]:
    """Return the variables: 4 KB in all, FC_ reserved (docs/platform/function-compute.md §1.5)."""
    variables = props.strings("environmentVariables")
    size = sum(len(name.encode()) + len(value.encode()) for name, value in variables.items())
    if size > _MAX_ENVIRONMENT_BYTES:
        props.fault(f"environmentVariables hold {size} bytes, more than {_MAX_ENVIRONMENT_BYTES}")
    bad = [name for name in variables if not _VARIABLE.fullmatch(name)]
    if bad:
        props.fault(f"environmentVariables cannot be called {', '.join(bad)}")
    return variables


def _hook(lifecycle: Props, name: str, max_timeout_s: int) -> Hook | None:
    if not lifecycle.has(name):
        return None
    hook = lifecycle.props(name)
    return Hook(_handler(hook), hook.number("timeout", 3, 1, max_timeout_s))


def _reserved(props: Props) -> int | None:
    concurrency = props.props("concurrencyConfig")
    if not concurrency.has("reservedConcurrency"):
        return None
    return concurrency.number("reservedConcurrency", 0, 0, 100000)


def _http_methods(triggers: list[Props]) -> frozenset[str]:
    """Return the methods of the HTTP trigger (docs/platform/function-compute.md §2.3, §2.4).

    A function has at most one HTTP trigger. The emulator supports only anonymous triggers.
    """
    found = [trigger for trigger in triggers if trigger.text("triggerType") == "http"]
    for extra in found[1:]:
        extra.fault("is a second http trigger")
    for trigger in found:
        config = trigger.props("triggerConfig")
        if config.text("authType") not in ("", "anonymous"):
            config.fault("authType is not anonymous, the only one this emulator acts out")
    return found[0].props("triggerConfig").methods() if found else frozenset()


def _timers(trigger: Props) -> list[Timer]:
    name, kind = trigger.text("triggerName"), trigger.text("triggerType")
    if kind not in ("timer", "http", ""):
        trigger.fault(f"triggerType {kind!r} is neither http nor timer")
    if kind != "timer":
        return []
    config = trigger.props("triggerConfig")
    schedule, enabled = _schedule(config), config.flag("enable")
    payload = config.text("payload", "")
    return [Timer(name, schedule, payload)] if schedule and enabled else []


def _schedule(config: Props) -> Schedule | None:
    expression = config.text("cronExpression")
    try:
        return parse_schedule(expression) if expression else None
    except ValueError as error:
        config.fault(f"cronExpression {expression!r} {error}")
        return None


def _domain(props: Props) -> list[Route]:
    """Return a domain's routes (devsapp/fc3-domain src/schema.json;
    docs/platform/function-compute.md §6.1, customDomain)."""
    props.allow_only(_DOMAIN_PROPS)
    props.text("region")
    props.text("protocol")
    domain = props.text("domainName")
    routes = props.props("routeConfig").each("routes")
    if not routes:
        props.fault("routeConfig has no routes")
    return [_route(domain, route, route.text("functionName")) for route in routes]


def _own_domain(props: Props, function: Function) -> list[Route]:
    if not props.has("customDomain"):
        return []
    domain = props.props("customDomain")
    return [_route(domain.text("domainName"), domain.props("route"), function.name)]


def _route(domain: str, props: Props, function: str) -> Route:
    path = props.text("path")
    if path and (not path.startswith("/") or "*" in path[:-1]):
        props.fault(f"path {path!r} does not begin with / or has a * before its end")
    if props.has("rewriteConfig"):
        props.fault("rewriteConfig is not acted out by this emulator")
    return Route(domain, path, props.methods(), function)


def _consistency_faults(functions: Mapping[str, Function], routes: list[Route]) -> list[str]:
    names = [function.name for function in functions.values()]
    faults = [f"two functions are called {name!r}" for name in sorted(set(names), key=names.index)
              if name and names.count(name) > 1]  # fmt: skip
    faults += [
        f"route {route.path} leads to {route.function!r}, which no function is called"
        for route in routes
        if route.function and route.function not in names
    ]
    return faults
