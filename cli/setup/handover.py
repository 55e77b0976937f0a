"""Waits until the stage records the live streams of a recording configuration.

The setup command waits before it makes an automatic configuration manual, and before it lets the
stage only observe. Otherwise a live stream would lose its recording. Waiting changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from gettext import gettext as _

from cli.account import Account
from cli.api import ALL_ROWS, ENDED_ON_PURPOSE, Json
from cli.errors import Failure
from cli.setup.configurations import ConfigTarget, online
from cli.setup.stage import Stage
from shared.protocol import StreamKey

EVERY_S = 5.0
"""Time between two polls."""
MAX_POLLS = 24
"""The most polls after the first, in two minutes. Reconcile decides each live stream again within
one."""
_SHOWN = 3


def await_recorded(
    stage: Stage, account: Account, target: ConfigTarget, wait: Callable[[float], None]
) -> None:
    """Wait until the stage records every live stream that a rule records and the configuration
    covers. Streams that somebody has stopped, or whose time is over, do not count.

    Raise Failure if the stage does not record them in time, or at once if its policy is suspended:
    to go on would lose their recordings.
    """
    looks = 0
    while missing := list(_not_recorded(stage, account, target)):
        is_suspended = _is_suspended(stage)
        if looks == MAX_POLLS or is_suspended:
            raise Failure(_refusal(target, missing, is_suspended=is_suspended))
        wait(EVERY_S)
        looks += 1


def _is_suspended(stage: Stage) -> bool:
    """Return True if no rule starts a recording now: somebody may suspend the policy meanwhile."""
    return bool(stage.api.policy()["policy"].get("suspended"))


def _refusal(target: ConfigTarget, missing: list[str], *, is_suspended: bool) -> str:
    suspended = _(
        "{target}: the policy is suspended, and the stage does not record {streams}, so going on"
        " would lose recordings. Run `live-record policy resume`, and then `live-record setup`"
        " again"
    )
    otherwise = _(
        "{target}: the stage does not record {streams}, so going on would lose recordings. Run"
        " `live-record doctor`, and then `live-record setup` again"
    )
    sentence = suspended if is_suspended else otherwise
    shown = ", ".join(missing[:_SHOWN])
    more = len(missing) - _SHOWN
    if more > 0:
        shown = _("{streams} and {count} more").format(streams=shown, count=more)
    return sentence.format(target=target, streams=shown)


def _not_recorded(stage: Stage, account: Account, target: ConfigTarget) -> Iterator[str]:
    rows = stage.api.list_recordings(ALL_ROWS, domain=target.domain)["recordings"]
    settled = {row["stream"] for row in rows if _is_settled(row)}
    for app, stream in online(account, target.domain):
        key = StreamKey(target.domain, app, stream)
        is_due = target.covers(key) and stage.policy.rule(key).records_on_publish
        if is_due and str(key) not in settled:
            yield str(key)


def _is_settled(row: Json) -> bool:
    return row["phase"] == "recording" or row["reason"]["code"] in ENDED_ON_PURPOSE
