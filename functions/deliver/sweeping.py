"""Aborts forgotten multipart uploads. Such an upload was begun at a target, but the answer with its
id was lost.

The timer's run calls this module. Once an hour it lists uploads under our own prefix that are more
than a day old, and aborts those that no task knows.
"""

from __future__ import annotations

from collections.abc import Collection

from functions.deliver.target import open_target
from shared.decoding import Undecodable, decode
from shared.invocation.app import App
from shared.invocation.invocation import Invocation
from shared.outbound.s3 import StoreRefuses
from shared.outbox.deliver_file import DeliverFile
from shared.outbox.task import Task, TaskKind
from shared.protocol.policy import CopyRule
from shared.store.contract import DAY_MS

EVERY_MS = 3_600_000
_PAGE_ROWS = 500


def sweep(invocation: Invocation) -> int:
    """Abort the forgotten uploads at the targets of the policy that have a prefix; return how many
    there were."""
    return sum(_swept(invocation, rule) for rule in invocation.app.policy.deliver if rule.prefix)


def _swept(invocation: Invocation, rule: CopyRule) -> int:
    app, mark = invocation.app, f"uploads listed {rule.target}"
    age_ms = app.store.age_ms(mark)
    if age_ms is not None and age_ms < EVERY_MS:
        return 0
    app.store.touch(mark)
    try:
        return _dropped(app, rule)
    except StoreRefuses as why:
        invocation.log.warning("uploads.unread", target=rule.target, why=str(why))
        return 0


def _dropped(app: App, rule: CopyRule) -> int:
    target, dropped = open_target(app, rule), 0
    before_s = (app.clock() - DAY_MS) / 1000
    old = [each for each in target.uploads(f"{rule.prefix}/") if each.begun_s < before_s]
    known = _known_uploads(app) if old else ()
    for upload in old:
        if upload.id not in known:
            target.abort(upload.key, upload.id)
            dropped += 1
    return dropped


def _known_uploads(app: App) -> Collection[str]:
    """Return the upload ids of all open tasks."""
    found, after = set[str](), ""
    while page := app.store.open_tasks(after=after, limit=_PAGE_ROWS):
        after = page[-1].place
        found |= {_upload_of(one.task) for one in page}
    return found


def _upload_of(task: Task) -> str:
    if task.kind != TaskKind.DELIVER_FILE.value:
        return ""
    try:
        return decode(task.body, DeliverFile).upload
    except Undecodable:
        return ""
