"""The last step of a deploy: ask the stage whether it is ready.

The deploy command calls this module. A fault found here undoes nothing: the release is in place.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from gettext import gettext as _

import click
import requests

from cli import stage_registry
from cli.errors import Failure
from cli.web import ask

Say = Callable[[str], None]
TRIES = 5
PAUSE_S = 2.0
"""A new certificate or route takes some seconds until it works everywhere."""
ANSWER_WITHIN_S = 10.0


def smoke_test(stage: str, say: Say, *, pause: Callable[[float], None] = time.sleep) -> None:
    """Ask the stage for its health until it is ready. Raise a Failure if it is not ready after
    several tries. Print a note if the stage is not registered, because it cannot be asked."""
    try:
        target = stage_registry.resolve_target(stage, None, None, changes=True)
    except click.ClickException as error:
        sentence = _("smoke test of {stage}: not done: {error}")
        say(sentence.format(stage=stage, error=error.format_message()))
        return
    why = ""
    for number in range(TRIES):
        pause(PAUSE_S if number else 0)
        why = _why_not_ready(target.url)
        if not why:
            say(_("smoke test of {stage}: the stage is ready").format(stage=stage))
            return
    sentence = _(
        "The release is in place, but {stage} is not ready: {why}. Run `live-record doctor --stage"
        " {stage}`. To return to the previous release, run `make rollback STAGE={stage}`."
    )
    raise Failure(sentence.format(stage=stage, why=why))


def _why_not_ready(url: str) -> str:
    try:
        answer = ask("GET", f"{url.rstrip('/')}/v1/health", timeout=ANSWER_WITHIN_S)
        health = answer.json()
        ready, why = (
            health["ready"],
            health.get("why")
            or [_("it answered {status_code}").format(status_code=answer.status_code)],
        )
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return _("{url} gave no usable answer").format(url=url)
    return "" if ready else "; ".join(map(str, why))
