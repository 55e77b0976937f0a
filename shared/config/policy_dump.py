"""Writes a policy as the tables of a policy file. Values at their defaults are left out."""

from __future__ import annotations

from typing import Any

from shared.protocol.durations import rfc3339, written
from shared.protocol.policy import (
    AlertSeverity,
    CopyRule,
    Domain,
    ForwardTo,
    Match,
    Mode,
    NamedBucket,
    NotifyRule,
    Policy,
    Rule,
    Suspension,
    Webhook,
)

Table = dict[str, Any]
_RULE = Rule()


def policy_document(policy: Policy) -> Table:
    """Return the tables of a policy file. From their JSON text, `load_policy` reads the same policy
    again."""
    mode: Table = {"mode": policy.mode.value} if policy.mode is not Mode.ACT else {}
    targets = _forward_to(policy.forward_to)
    document: Table = {
        **mode,
        "domain": [_domain(domain) for domain in policy.domains],
        "rule": [_rule(rule) for rule in policy.rules],
    }
    if targets:
        document["forward_to"] = targets
    if policy.notify:
        document["notify"] = [_notify(rule) for rule in policy.notify]
    if policy.webhooks:
        document["webhook"] = [_webhook(hook) for hook in policy.webhooks]
    if policy.deliver:
        document["deliver"] = [_deliver(each) for each in policy.deliver]
    if policy.suspended:
        document["suspended"] = _suspension(policy.suspended)
    return document


def _suspension(suspended: Suspension) -> Table:
    table = {"who": suspended.who, "note": suspended.note}
    return {"until": rfc3339(suspended.until)} | {name: one for name, one in table.items() if one}


def _deliver(deliver: CopyRule) -> Table:
    table: Table = {
        "match": _match(deliver.match),
        "target": deliver.target,
        "endpoint": deliver.endpoint,
        "credentials": deliver.credentials,
    }
    usual = CopyRule(Match(), "", "", "")
    for name in ("region", "name", "path_style"):
        if getattr(deliver, name) != getattr(usual, name):
            table[name] = getattr(deliver, name)
    return table if deliver.formats == usual.formats else {**table, "formats": [*deliver.formats]}


def _domain(domain: Domain) -> Table:
    lists = {"ingest": list(domain.ingest), "sub": list(domain.sub)}
    if domain.object_prefix != Domain("").object_prefix:
        lists["object_prefix"] = list(domain.object_prefix)
    table: Table = {"streaming": domain.streaming}
    table |= {name: one for name, one in lists.items() if one}
    return table | ({"bucket": list(map(_bucket, domain.bucket))} if domain.bucket else {})


def _bucket(bucket: NamedBucket) -> Table:
    app = {} if bucket.app == "*" else {"app": bucket.app}
    return {**app, "name": bucket.name, "endpoint": bucket.endpoint}


def _rule(rule: Rule) -> Table:
    table: Table = {"match": _match(rule.match), "on_publish": rule.on_publish.value}
    if rule.on_interruption is not _RULE.on_interruption:
        table["on_interruption"] = rule.on_interruption.value
    if rule.max_duration is not None:
        table["max_duration"] = written(rule.max_duration)
    if rule.max_concurrent is not None:
        table["max_concurrent"] = rule.max_concurrent
    if rule.priority:
        table["priority"] = rule.priority
    return {**table, **_aims(rule)}


def _aims(rule: Rule) -> Table:
    target = {} if rule.coverage_target is None else {"coverage_target": rule.coverage_target}
    return target if rule.max_gap is None else {**target, "max_gap": written(rule.max_gap)}


def _notify(rule: NotifyRule) -> Table:
    match = _match(rule.match)
    if rule.condition != "*":
        match["condition"] = rule.condition
    table: Table = {"match": match} if match else {}
    table["sink"] = rule.sink
    if rule.severity is not AlertSeverity.WARNING:
        table["severity"] = rule.severity.value
    if rule.after:
        table["after"] = written(rule.after)
    if rule.repeat is not None:
        table["repeat"] = written(rule.repeat)
    if rule.quiet_hours is not None:
        table["quiet_hours"] = str(rule.quiet_hours)
    return table if rule.language == "en" else {**table, "language": rule.language}


def _webhook(hook: Webhook) -> Table:
    table: Table = {"name": hook.name, "url": hook.url}
    if hook.events != ("*",):
        table["events"] = list(hook.events)
    if match := _match(hook.match):
        table["match"] = match
    return table if hook.secrets == (hook.name,) else {**table, "secrets": list(hook.secrets)}


def _match(match: Match) -> Table:
    names = {"domain": match.domain, "app": match.app, "stream": match.stream}
    return {name: pattern for name, pattern in names.items() if pattern != "*"}


def _forward_to(targets: ForwardTo) -> Table:
    named = {name: targets.of(name) for name in ("stream", "record", "on_demand")}
    return {name: target for name, target in named.items() if target}
