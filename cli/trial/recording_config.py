"""Finds the recording configurations that `live-record try` needs, adds them if asked, and removes
them.

The command calls this module. What it adds is in a backup first, so that a later run removes what a
killed one has left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from gettext import gettext as _

from cli.account import Account, Declined
from cli.errors import Failure
from cli.recording_precedence import possibly_used
from cli.refusals import refusal
from cli.setup.apply import restore
from cli.setup.backup import Backup
from cli.setup.configurations import ConfigTarget, Value, recordings, write
from cli.trial.patterns import Pattern

MANUAL = 7
OBJECT_NAME = "record/{AppName}/{StreamName}/{EscapedStartTime}_{EscapedEndTime}"
Found = Sequence[tuple[ConfigTarget, Value]]


def configurations(account: Account, domain: str) -> Found:
    """Return the domain's recording configurations. If Live does not return them, raise a Failure
    that names the next step."""
    try:
        return list(recordings(account, domain))
    except Declined as declined:
        raise _refusal(account, declined, domain) from None


def _refusal(account: Account, declined: Declined, domain: str) -> Failure:
    return Failure(refusal(declined, live=account.live, domain=domain, policy="trial"))


def effective(found: Found, pattern: Pattern) -> tuple[ConfigTarget, Value] | None:
    """Return the one of the configurations in `found` that Live uses for the pattern's streams,
    None if none covers them. If it is unknown which one Live uses, return the one that is not
    manual, if there is any."""
    app, stream = pattern.config_names
    used = possibly_used(found, lambda each: (each[0].app, each[0].streams), app, stream)
    return next((each for each in used if not is_manual(each[1])), used[0] if used else None)


def is_manual(value: Value) -> bool:
    return str(value.get("OnDemand")) == str(MANUAL)


def missing(found: Found, patterns: Sequence[Pattern], domain: str) -> Iterator[ConfigTarget]:
    """Yield a target for each pattern whose streams have no manual recording configuration. A
    manual configuration has to be added there."""
    for app, stream in dict.fromkeys(pattern.config_names for pattern in patterns):
        had = effective(found, Pattern(app, stream))
        if had is None or not is_manual(had[1]):
            yield ConfigTarget("oss", domain, app, stream)


def refuse_missing(found: Found, patterns: Sequence[Pattern], domain: str) -> None:
    """Raise a Failure that says what to do if a pattern has no manual recording configuration."""
    for pattern in patterns:
        had = effective(found, pattern)
        if had is None:
            raise Failure(_no_configuration(domain, pattern))
        if not is_manual(had[1]):
            raise Failure(_not_manual(domain, pattern, had[0]))


def _no_configuration(domain: str, pattern: Pattern) -> str:
    sentence = _(
        "No recording configuration of {domain} covers {pattern}. Pass `--bucket BUCKET --endpoint"
        " oss-REGION.aliyuncs.com`: with these options, `try` first adds a manual configuration,"
        " and removes it at the end."
    )
    return sentence.format(domain=domain, pattern=pattern)


def _not_manual(domain: str, pattern: Pattern, target: ConfigTarget) -> str:
    sentence = _(
        "`try` cannot record {pattern} of {domain}: the recording configuration of {target} is not"
        " manual (OnDemand 7). Name one stream with `--stream app/name`, and pass `--bucket BUCKET"
        " --endpoint oss-REGION.aliyuncs.com`: `try` then adds a manual configuration for this"
        " stream only, and removes it at the end."
    )
    where = f"{target.app}/{target.streams}"
    return sentence.format(domain=domain, pattern=pattern, target=where)


def add(
    account: Account, backup: Backup, targets: Sequence[ConfigTarget], bucket: str, endpoint: str
) -> None:
    """Add a manual configuration at each target, and put it into the backup first. Raise a Failure
    if Live refuses."""
    wanted = {
        "OssBucket": bucket,
        "OssEndpoint": endpoint,
        "OnDemand": MANUAL,
        "RecordFormat": [{"Format": "mp4", "OssObjectPrefix": OBJECT_NAME}],
    }
    for target in targets:
        backup.before(target, None, wanted)
        try:
            write(account, target, None, wanted)
        except Declined as declined:
            raise _refusal(account, declined, target.domain) from None


def refuse_taken(found: Found, targets: Sequence[ConfigTarget]) -> None:
    """Raise a Failure if a configuration that is not manual exists for the application and streams
    of a target."""
    taken = {(target.app, target.streams): target for target, _value in found}
    for target in targets:
        if had := taken.get((target.app, target.streams)):
            raise Failure(_not_manual(target.domain, Pattern(target.app, target.streams), had))


def remove_added(account: Account, backup: Backup, domain: str) -> Iterator[str]:
    """Remove what this run or an earlier one has added to the domain; yield a line for each. What
    somebody else has changed since is left, and the line says so."""
    removed = _("The recording configuration of {streams} that `try` had added is removed")
    for entry in tuple(reversed(backup.entries)):
        if entry.target.domain == domain:
            line = restore(account, backup, entry)
            is_removed = entry not in backup.entries
            yield removed.format(streams=place_of(entry.target)) if is_removed else line


def place_of(target: ConfigTarget) -> str:
    return f"{target.domain}/{target.app}/{target.streams}"
