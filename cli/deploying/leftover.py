"""Finds functions and triggers that have the stage's names, but are no longer in s.yaml.

The deploy command lists them at its end. Neither the command nor Serverless Devs removes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from gettext import gettext as _

from cli.account import Account, Declined
from cli.deploying.release import is_function
from cli.deploying.stage import Stage
from cli.function_compute import PREFIX, FunctionCompute, address_in, is_left_over
from cli.runtimes import DEFAULT_REGION
from shared.outbound.live import Credentials

Say = Callable[[str], None]


def say_left_over(stage: Stage, say: Say, *, address: str = "") -> None:
    """Print the functions and triggers that are left over. If Function Compute cannot be asked,
    print why. `address` is that of an emulator; "" means the real Function Compute."""
    credentials = credentials_in(stage.environment)
    if credentials is None:
        say(
            _(
                "Function Compute was not searched for leftovers, because the access key is in `s"
                " config`, which live-record does not read. Run `live-record doctor` to list the"
                " leftovers."
            )
        )
        return
    region = stage.environment.get("LIVE_RECORD_REGION", "").strip() or DEFAULT_REGION
    compute = FunctionCompute(Account(credentials), address or address_in(region))
    try:
        for each in left_over(stage, compute):
            sentence = _(
                "warning: {each} is left over: s.yaml no longer contains it. Remove it in the"
                " console."
            )
            say(sentence.format(each=each))
    except Declined as error:
        sentence = _("Function Compute could not be searched for leftovers: {error}")
        say(sentence.format(error=error))


def left_over(stage: Stage, compute: FunctionCompute) -> Iterator[str]:
    functions = [each["props"] for each in stage.resources().values() if is_function(each)]
    wanted = {
        str(props["functionName"]): {each["triggerName"] for each in props.get("triggers", [])}
        for props in functions
    }
    for function in compute.functions(PREFIX):
        name = str(function["functionName"])
        if name in wanted:
            found = (str(each["triggerName"]) for each in compute.triggers(name))
            trigger = _("the trigger {name}/{each}")
            yield from (
                trigger.format(name=name, each=each) for each in found if each not in wanted[name]
            )
        elif is_left_over(name, stage.name, wanted):
            yield _("the function {name}").format(name=name)


def credentials_in(environment: Mapping[str, str]) -> Credentials | None:
    """Return an access key from the environment: the one that `s` would use, or else the one in the
    ALIBABA_CLOUD_… variables. Return None if there is neither."""
    access = environment.get("LIVE_RECORD_ACCESS", "").strip()
    named = environment.get(access, "") if access else ""
    try:
        key = dict(json.loads(named)) if named else environment
    except (ValueError, TypeError):
        return None
    found = Credentials(
        str(key.get("AccessKeyID", "")),
        str(key.get("AccessKeySecret", "")),
        str(key.get("SecurityToken", "")) if named else "",
    )
    if found.are_missing() and not access:
        names = ("ACCESS_KEY_ID", "ACCESS_KEY_SECRET", "SECURITY_TOKEN")
        found = Credentials(*(environment.get(f"ALIBABA_CLOUD_{name}", "") for name in names))
    return None if found.are_missing() else found
