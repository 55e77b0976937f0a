"""`live-record policy`: test a policy file, compare it with the policy in force, and apply it.

cli.main adds the group. It reaches a stage only over HTTP: a laptop may not reach the store, and
only the stage can check a policy against its own settings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from gettext import gettext as _
from gettext import ngettext
from pathlib import Path

import click

from cli import output
from cli.api import ALL_ROWS, Api, Json
from cli.confirmation import YES, confirm
from cli.errors import Failure
from cli.local_time import moment, shown
from cli.policy_file import packed_policy, read_policy, served, stage_policy
from cli.policy_tables import ABSENT, table_changes
from cli.printable import printable_json
from cli.stage_command import of_stage
from cli.stream_names import Stream
from cli.texts import N_
from shared.protocol import StreamKey
from shared.protocol.durations import rfc3339, written
from shared.protocol.policy import Mode, OnInterruption, Policy, Rule

_FILE = click.Path(path_type=Path, dir_okay=False)
_file = click.argument("file", type=_FILE, default="policy.toml")


@click.group()
def policy() -> None:
    """Test, compare and apply the policy.

    The policy determines which streams are recorded automatically, and how.
    """


@policy.command("test")
@click.argument("stream", type=Stream())
@click.option(
    "--file", type=_FILE, default="policy.toml", show_default=True, help="policy file to test"
)
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
def test(stream: str, file: Path, as_json: bool) -> None:
    """Show which rule of a policy file applies to STREAM.

    The command also explains what would happen to STREAM (`domain/app/stream`) if it were
    published.
    """
    read = read_policy(file)
    effect = policy_effect(read, _stream_key(read, stream))
    if as_json:
        output.as_json(effect)
        return
    click.echo(f"{effect['stream']}: {effect['rule']}")
    for sentence in effect["says"]:
        click.echo(f"  {sentence}")


@policy.command("show")
@of_stage(changes=False, prints_value=True)
def show_policy(api: Api, as_json: bool) -> None:
    """Show the policy in force in a stage, as JSON.

    The stage's name and the policy's version are printed on standard error.
    """
    answer = api.policy()
    if as_json:
        output.as_json(answer)
        return
    applied = _("version {version}").format(version=answer["version"])
    version = applied if answer["version"] else _("the packaged policy")
    if unreadable := _unreadable(answer):
        click.echo(unreadable, err=True)
    click.echo(version, err=True)
    shown = printable_json(answer["policy"])
    click.echo(json.dumps(shown, indent=2, ensure_ascii=False))


@policy.command("diff")
@_file
@of_stage(changes=False)
def diff(api: Api, file: Path, as_json: bool) -> None:
    """Show what the policy in FILE would change in a stage.

    The command prints each setting and each table (such as `[[rule]]`) that differs, and each known
    stream that would get another rule.
    """
    change = _change(api, file)
    if as_json:
        output.as_json({"changes": change.rows, "streams": len(change.streams)})
        return
    for line in map(_change_line, change.rows):
        click.echo(line)
    counted = _("Changes: {changes}; streams that the stage knows: {streams}.")
    click.echo(counted.format(changes=len(change.rows), streams=len(change.streams)))


@policy.command("apply")
@_file
@YES
@of_stage(changes=True)
def apply(api: Api, file: Path, is_sure: bool, as_json: bool) -> None:
    """Apply the policy in FILE to a stage within ten seconds, without a deploy.

    The command shows what would change, also for streams that are live or set to record, and asks
    for confirmation. If FILE has no `[forward_to]`, the stage keeps its own. A suspended policy
    stays suspended. If this policy is in force already, the command makes no new version.
    """
    change = _change(api, file)
    if _is_in_force(api, change):
        answer, end = change.before, _("This policy is in force already: nothing was changed.")
    else:
        for line in () if as_json else _preview(change):
            click.echo(line)
        confirm(_("Apply this policy?"), is_sure=is_sure, as_json=as_json)
        answer = api.apply_policy(change.new, replaces=change.before["newest"])
        end = _("Version {version} is in force within 10 s. Running recordings continue.")
    if as_json:
        output.as_json({**answer, "changes": change.rows})
        return
    for sentence in map(_KEPT.__getitem__, change.kept):
        click.echo(_(sentence).format(file=file))
    click.echo(end.format(version=answer["version"]))


def _is_in_force(api: Api, change: _Change) -> bool:
    """Return True if to apply the policy would change nothing, not even how the stage has stored
    it. An earlier release may have stored the same policy in a form that this one only half
    accepts."""
    is_newest = change.before["newest"] == change.before["version"]
    return change.is_same and is_newest and not api.examine()["policy"]["fault"]


_KEPT = {
    "forward_to": N_(
        "{file} has no `[forward_to]`, so the stage's forwarding of callbacks stays as it is."
    ),
    "suspended": N_(
        "The policy stays suspended. To end the suspension, run `live-record policy resume`."
    ),
}
"""Tables that stay in force if the file lacks them: a take-over by setup, and suspend, add them."""


@dataclass(frozen=True, slots=True)
class _Change:
    """What a `new` policy changes. `before`: the stage's answer with the policy in force;
    `is_same`: the new one is equal to it; `rows`: the changes; `streams`: the streams that the
    stage knows; `kept`: the tables in force that the file does not have."""

    new: Json
    before: Json
    is_same: bool
    rows: Sequence[Json]
    streams: Sequence[Json]
    kept: Sequence[str]


def _change(api: Api, file: Path) -> _Change:
    packed, before = json.loads(packed_policy(file)), api.policy()
    kept = {name: before["policy"][name] for name in _KEPT if name in before["policy"]}
    new = {**kept, **packed}
    streams = api.list_recordings(ALL_ROWS)["recordings"]
    names = [row["stream"] for row in streams]
    policies = stage_policy(before["policy"]), stage_policy(new)
    rows = list(policy_changes(*policies, names))
    missing = [name for name in kept if name not in packed]
    return _Change(new, before, policies[0] == policies[1], rows, streams, missing)


def _unreadable(answer: Json) -> str:
    """Return a sentence if the newest policy of the stage cannot be read; "" if it can."""
    if answer["newest"] == answer["version"]:
        return ""
    sentence = _(
        "The stage's release cannot read the newest policy, version {newest}. Policy version"
        " {version} is in force."
    )
    return sentence.format(newest=answer["newest"], version=answer["version"])


def _change_line(change: Json) -> str:
    if change["before"] == ABSENT:
        return _("{what} is added: {after}").format(**change)
    if change["after"] == ABSENT:
        return _("{what} is removed: {before}").format(**change)
    return "{what}: {before} -> {after}".format(**change)


def _preview(change: _Change) -> Iterator[str]:
    """Yield what changes, each stream that is live or set to record, and the number of others."""
    if unreadable := _unreadable(change.before):
        yield unreadable
    touched = {row["what"]: row for row in change.rows}
    of_streams = [row for row in change.streams if row["stream"] in touched]
    names = {row["stream"] for row in of_streams}
    yield from (_change_line(row) for row in change.rows if row["what"] not in names)
    if not of_streams:
        yield _("No stream that the stage knows gets another rule.")
    busy = [row for row in of_streams if row.get("live") == "yes" or row["phase"] != "idle"]
    if busy:
        yield _(
            "{count} of the streams that are live or set to record would get another rule:"
        ).format(count=len(busy))
    for row in busy:
        line = _change_line(touched[row["stream"]])
        yield f"  {line} ({output.phase_word(row['phase'])})"
    if len(of_streams) > len(busy):
        more = _(
            "Further streams that would get another rule: {count}; `live-record policy diff` lists"
            " them."
        )
        yield more.format(count=len(of_streams) - len(busy))


@policy.command("mode")
@click.argument("mode", type=click.Choice([mode.value for mode in Mode]))
@of_stage(changes=True)
def set_mode(api: Api, mode: str, as_json: bool) -> None:
    """Let a stage act, or only observe.

    A stage that observes decides everything, but sends no command to Live. Only the mode in the
    stage's policy is changed. The new mode is in force within ten seconds.
    """
    before = api.policy()
    answer = api.apply_policy({**before["policy"], "mode": mode}, replaces=before["newest"])
    in_force = api.examine()["mode"]
    if in_force != mode:
        raise Failure(
            _(
                "The policy says `{mode}`, but LIVE_RECORD_MODE keeps the stage in the mode"
                " `{in_force}`. Deploy the stage without this setting."
            ).format(mode=mode, in_force=in_force)
        )
    if as_json:
        output.as_json({"mode": mode, "version": answer["version"]})
        return
    is_new = mode != before["policy"].get("mode", Mode.ACT.value)
    sentence = _("The mode will be `{mode}` within 10 s.")
    click.echo((sentence if is_new else _("The mode is `{mode}` already.")).format(mode=mode))


@policy.command("suspend")
@click.option(
    "--for",
    "lasts",
    required=True,
    help="how long no rule starts a recording, such as `2h`; `7d` at most",
)
@click.option(
    "--note", default="", help="the reason; `live-record policy show` and the console show it"
)
@of_stage(changes=True)
def suspend(api: Api, lasts: str, note: str, as_json: bool) -> None:
    """Let no rule start a recording for a while.

    Running recordings continue, also after an interruption. Streams that people or schedules ask
    for are recorded. When the suspension ends, the rules also start streams that came up meanwhile
    and are still live.
    """
    answer = api.suspend_policy(lasts, note)
    if as_json:
        output.as_json(answer)
        return
    until = shown(moment(answer["policy"]["suspended"]["until"]))
    sentence = _(
        "The suspension is in force within 10 s: until {until}, no rule starts a recording. Running"
        " recordings continue."
    )
    click.echo(sentence.format(until=until))


@policy.command("resume")
@of_stage(changes=True)
def resume(api: Api, as_json: bool) -> None:
    """Let the rules start recordings again after `policy suspend`.

    The rules also start streams that came up during the suspension and are still live.
    """
    was_suspended = "suspended" in api.policy()["policy"]
    answer = api.resume_policy()
    if as_json:
        output.as_json(answer)
    elif was_suspended:
        click.echo(_("The rules start recordings again within 10 s."))
    else:
        click.echo(_("The policy was not suspended."))


def _stream_key(policy: Policy, stream: str) -> StreamKey:
    key = StreamKey.parse(stream)
    return StreamKey(served(policy, key).streaming, key.app, key.stream)


def policy_effect(policy: Policy, key: StreamKey) -> Json:
    rule = policy.rule(key)
    number = policy.rules.index(rule) + 1 if rule in policy.rules else 0
    matching = _("rule #{number} ({name})").format(number=number, name=rule.name)
    name = matching if number else _("no rule matches")
    return {
        "stream": str(key),
        "rule": name,
        "records": rule.records_on_publish,
        "says": _sentences(policy, rule),
    }


def _sentences(policy: Policy, rule: Rule) -> list[str]:
    sentences = (
        _recorded(rule)
        if rule.records_on_publish
        else [_("published: the stream is recorded only on request")]
    )
    if rule.max_concurrent is not None:
        sentence = ngettext(
            "at most {count} stream at a time; further ones wait",
            "at most {count} streams at a time; further ones wait",
            rule.max_concurrent,
        )
        sentences.append(sentence.format(count=rule.max_concurrent))
    if rule.priority:
        sentence = _(
            "priority {priority} if the concurrency quota or the rate limit does not suffice"
        )
        sentences.append(sentence.format(priority=rule.priority))
    sentences += _aims(rule)
    if policy.mode is Mode.OBSERVE:
        sentences.append(
            _('`mode = "observe"`: decisions are only noted in the history, and no command is sent')
        )
    return sentences


def _aims(rule: Rule) -> Iterator[str]:
    """Yield the limits that the rule sets for reports: the coverage and the longest gap."""
    if rule.coverage_target is not None:
        target = _("coverage target: at least {percent} %")
        yield target.format(percent=f"{rule.coverage_target:g}")
    if rule.max_gap is not None:
        yield _("longest allowed gap: {duration}").format(duration=written(rule.max_gap))


def _recorded(rule: Rule) -> list[str]:
    interrupted = {
        OnInterruption.RESUME: _(
            "interrupted: when the stream returns, the recording is started again"
        ),
        OnInterruption.STOP: _(
            "interrupted: the recording ends, and the next publish begins another"
        ),
        OnInterruption.FINALIZE: _("interrupted: the recording ends, and its file appears at once"),
    }
    first_seconds_lost = _(
        "its first seconds are not recorded: Live reports a stream only when it has been connected"
        " for 2 s, and the start is sent after that report. With OnDemand 0 (automatic) or 1"
        " (on-demand callback) in the recording configuration, nothing is lost"
    )
    return [
        _("published: the stream is recorded"),
        first_seconds_lost,
        interrupted[rule.on_interruption],
        _longest(rule),
    ]


def _longest(rule: Rule) -> str:
    if rule.max_duration is None:
        return _("for at most the stage's LIVE_RECORD_MAX_DURATION, counted from the first start")
    sentence = _(
        "for at most {duration}, or LIVE_RECORD_MAX_DURATION if that is shorter, counted from the"
        " first start"
    )
    return sentence.format(duration=written(rule.max_duration))


def policy_changes(old: Policy, new: Policy, streams: Sequence[str]) -> Iterator[Json]:
    """Yield each difference between two policies, as a row with `what`, `before` and `after`.
    `what` names the part that differs, such as the mode, a target of forward_to, a table or a field
    of a table. For each of `streams` that gets another rule, one more row has the stream as `what`.
    """
    whole = {
        "mode": (old.mode.value, new.mode.value),
        "suspended": (_suspended(old), _suspended(new)),
        **{
            f"forward_to.{kind}": (
                old.forward_to.of(kind) or ABSENT,
                new.forward_to.of(kind) or ABSENT,
            )
            for kind in ("stream", "record", "on_demand")
        },
    }
    each = {stream: (_rule_summary(old, stream), _rule_summary(new, stream)) for stream in streams}
    yield from _differing(whole)
    yield from table_changes(old, new)
    yield from _differing(each)


def _differing(values: Mapping[str, tuple[str, str]]) -> Iterator[Json]:
    for name, (before, after) in values.items():
        if before != after:
            yield {"what": name, "before": before, "after": after}


def _suspended(policy: Policy) -> str:
    return rfc3339(policy.suspended.until) if policy.suspended else ABSENT


def _rule_summary(policy: Policy, stream: str) -> str:
    domain, app, name = stream.split("/", 2)
    if policy.streaming(domain) is None:
        return _(
            "its domain is not in the policy: no rule records the stream, but you can still stop it"
        )
    rule = policy.rule(StreamKey(domain, app, name))
    summary = [rule.on_publish.value, rule.on_interruption.value]
    if rule.max_duration:
        summary.append(_("at most {duration}").format(duration=written(rule.max_duration)))
    if rule.max_concurrent:
        summary.append(_("{count} at a time").format(count=rule.max_concurrent))
    if rule.priority:
        summary.append(_("priority {priority}").format(priority=rule.priority))
    summary += _aims(rule)
    return _(", ").join(summary)
