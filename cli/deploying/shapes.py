"""The schema of fc3 and fc3-domain (docs/platform/function-compute.md §6.1), and a check against
it.

cli.deploying.checks calls misfits(). It finds unknown keys and wrong types, which Serverless Devs'
own schema accepts; it knows nothing of our functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from gettext import gettext as _
from typing import Any


@dataclass(frozen=True, slots=True)
class Keys:
    """The shape of a mapping that has all the keys of `needed`, may have those of `optional`, and
    has no others."""

    optional: Mapping[str, Any]
    needed: Mapping[str, Any]


def keys(optional: Mapping[str, Any] | None = None, /, **needed: object) -> Keys:
    return Keys(optional or {}, needed)


@dataclass(frozen=True, slots=True)
class Number:
    """The shape of a number from `low` to `high`, in steps of `step`."""

    low: float
    high: float
    step: float = 1


@dataclass(frozen=True, slots=True)
class OneOf:
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Each:
    """The shape of a list whose items all have the shape `shape`. If `some`, the list is not
    empty."""

    shape: object
    some: bool = False


@dataclass(frozen=True, slots=True)
class Texts:
    """The shape of a mapping of strings to strings."""


TEXT, FLAG = str, bool
METHODS = Each(OneOf(("GET", "POST", "PUT", "DELETE", "HEAD", "PATCH", "OPTIONS")), some=True)
HTTP = keys({"disableURLInternet": FLAG, "authConfig": object}, authType=TEXT, methods=METHODS)
TIMER = keys({"payload": TEXT}, cronExpression=TEXT, enable=FLAG)
_DESTINATION = keys(destination=TEXT)
_MOUNT = keys({"enableTLS": FLAG}, serverAddr=TEXT, mountDir=TEXT)
_OSS = keys({"bucketPath": TEXT, "readOnly": FLAG}, bucketName=TEXT, endpoint=TEXT, mountDir=TEXT)
_PROVISION = keys(
    defaultTarget=Number(0, 10_000),
    alwaysAllocateCPU=FLAG,
    alwaysAllocateGPU=FLAG,
    scheduledActions=Each(
        keys(
            name=TEXT,
            startTime=TEXT,
            endTime=TEXT,
            timeZone=TEXT,
            scheduleExpression=TEXT,
            target=Number(0, 10_000),
        )
    ),
    targetTrackingPolicies=Each(object),
)


def _hook(max_timeout_s: int) -> Keys:
    return keys(handler=TEXT, timeout=Number(1, max_timeout_s))


TRIGGER = keys(
    {"description": TEXT, "qualifier": TEXT, "invocationRole": TEXT, "sourceArn": TEXT},
    triggerName=TEXT,
    triggerType=OneOf(("http", "timer")),
    triggerConfig=object,
)
FUNCTION = keys(
    {
        "description": TEXT,
        "role": TEXT,
        "diskSize": OneOf((512, 10_240)),
        "instanceLifecycleConfig": keys({"initializer": _hook(300), "preStop": _hook(90)}),
        "logConfig": keys(
            project=TEXT,
            logstore=TEXT,
            enableRequestMetrics=FLAG,
            enableInstanceMetrics=FLAG,
            logBeginRule=OneOf(("None", "DefaultRegex")),
        ),
        "vpcConfig": keys(vpcId=TEXT, securityGroupId=TEXT, vSwitchIds=Each(TEXT)),
        "vpcBinding": keys(vpcIds=Each(TEXT)),
        "internetAccess": FLAG,
        "nasConfig": keys(
            userId=Number(0, 65_534), groupId=Number(0, 65_534), mountPoints=Each(_MOUNT)
        ),
        "ossMountConfig": keys(mountPoints=Each(_OSS)),
        "environmentVariables": Texts(),
        "layers": Each(TEXT),
        "tracingConfig": keys({"type": TEXT, "params": TEXT, "jaegerConfig": keys(endpoint=TEXT)}),
        "asyncInvokeConfig": keys(
            {
                "qualifier": TEXT,
                "asyncTask": FLAG,
                "maxAsyncRetryAttempts": Number(0, 8),
                "maxAsyncEventAgeInSeconds": Number(1, 604_800),
                "destinationConfig": keys({"onSuccess": _DESTINATION, "onFailure": _DESTINATION}),
            }
        ),
        "concurrencyConfig": keys(reservedConcurrency=Number(0, 100_000)),
        "provisionConfig": _PROVISION,
        "scalingConfig": object,
        "triggers": Each(TRIGGER),
        "customDNS": object,
        "tags": Each(keys(key=TEXT, value=TEXT)),
        "resourceGroupId": TEXT,
    },
    functionName=TEXT,
    region=TEXT,
    runtime=OneOf(("python3.10", "python3.12")),
    code=TEXT,
    handler=TEXT,
    cpu=Number(0.05, 16, 0.05),
    memorySize=Number(128, 32_768, 64),
    timeout=Number(1, 86_400),
)
_RULES = Each(keys(match=TEXT, replacement=TEXT))
_REWRITE = keys({"equalRules": _RULES, "wildcardRules": _RULES, "regexRules": _RULES})
CERTIFICATE = ("certName", "certificate", "privateKey")
"""Properties that certConfig needs if it does not refer to a certificate of Alibaba Cloud by
certId."""
DOMAIN = keys(
    {
        "certConfig": keys({"certId": object, **dict.fromkeys(CERTIFICATE, TEXT)}),
        "wafConfig": object,
        "tlsConfig": object,
        "authConfig": object,
    },
    region=TEXT,
    domainName=TEXT,
    protocol=OneOf(("HTTP", "HTTPS", "HTTP,HTTPS")),
    routeConfig=keys(
        routes=Each(
            keys(
                {"qualifier": TEXT, "methods": METHODS, "rewriteConfig": _REWRITE},
                path=TEXT,
                functionName=TEXT,
            ),
            some=True,
        )
    ),
)


def misfits(value: object, shape: object, where: str) -> Iterator[str]:
    """Yield a sentence for each part of `value` that does not fit the shape. `where` is the path of
    `value` in s.yaml, with which each sentence begins."""
    if isinstance(shape, Keys):
        yield from _keys(value, shape, where)
    elif isinstance(shape, Each):
        yield from _each(value, shape, where)
    elif isinstance(shape, Number):
        yield from _number(value, shape, where)
    elif isinstance(shape, OneOf):
        if value not in shape.values:
            sentence = _("{where} is {value!r}, but must be one of {names}")
            yield sentence.format(where=where, value=value, names=", ".join(map(str, shape.values)))
    elif isinstance(shape, Texts):
        yield from _texts(value, where)
    elif isinstance(shape, type) and not isinstance(value, shape):
        sentence = _("{where} is {value!r}, which is not of type {name}")
        yield sentence.format(where=where, value=value, name=shape.__name__)


def _keys(value: object, shape: Keys, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _("{where} is {value!r}, which is not a mapping").format(where=where, value=value)
        return
    known = {**shape.optional, **shape.needed}
    for name in sorted(value.keys() - known.keys(), key=str):
        sentence = _("{where} has no property {name}, only {names}")
        yield sentence.format(where=where, name=name, names=", ".join(known))
    for name in sorted(shape.needed.keys() - value.keys()):
        yield _("{where} needs {name}").format(where=where, name=name)
    for name in sorted(known.keys() & value.keys()):
        yield from misfits(value[name], known[name], f"{where}.{name}")


def _each(value: object, shape: Each, where: str) -> Iterator[str]:
    if not isinstance(value, list) or (shape.some and not value):
        sentence = (
            _("{where} is {value!r}, which is not a list with at least one item")
            if shape.some
            else _("{where} is {value!r}, which is not a list")
        )
        yield sentence.format(where=where, value=value)
        return
    for number, item in enumerate(value):
        yield from misfits(item, shape.shape, f"{where}[{number}]")


def _number(value: object, shape: Number, where: str) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield _("{where} is {value!r}, which is not a number").format(where=where, value=value)
    elif not shape.low <= value <= shape.high or round(value / shape.step, 6) % 1:
        sentence = _("{where} is {value}, not one of {low} to {high} in steps of {step}")
        yield sentence.format(
            where=where, value=value, low=shape.low, high=shape.high, step=shape.step
        )


def _texts(value: object, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _("{where} is {value!r}, which is not a mapping").format(where=where, value=value)
        return
    for name, text in value.items():
        if not isinstance(text, str):
            sentence = _("{where}.{name} is {text!r}: Function Compute takes only strings")
            yield sentence.format(where=where, name=name, text=text)
