"""Applies a plan to Live and to the policy, and restores the backup.

The setup command calls this module; `probe`, `try` and `emergency` use restore(). Each change must
be in the backup before it is made, and forwarding must be in force before a callback URL is
replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from gettext import gettext as _
from typing import Any

from cli.account import Account, Declined
from cli.errors import Failure
from cli.refusals import refusal
from cli.setup.backup import Backup, Entry
from cli.setup.configurations import KEY, ConfigTarget, Value, read, write
from cli.setup.handover import await_recorded
from cli.setup.plan import AUTOMATIC, MANUAL, PUSH_URL, Change, Plan, redacted
from cli.setup.stage import Stage
from shared.config.policy_cache import POLICY_AGE_MS
from shared.protocol.policy import Mode

POLICY_SETTLES_S = POLICY_AGE_MS / 1000 + 1
"""After this time every process of the stage uses the new policy."""
Say = Callable[[str], None]


@dataclass(slots=True)
class Outcome:
    """The targets that were changed (`done`) and those that were not (`left`). `notes`: sentences
    about the restored settings. `failed`: why the work stopped, "" if it did not."""

    done: list[ConfigTarget] = field(default_factory=list)
    left: list[ConfigTarget] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Applier:
    """Applies and undoes a plan.

    `wait` sleeps for the seconds that it is given. With `take_over`, `undo` also restores what
    others have changed since the setup.
    """

    stage: Stage
    account: Account
    backup: Backup
    say: Say
    wait: Callable[[float], None]
    take_over: bool = False

    def apply(self, plan: Plan) -> Outcome:
        """Make the changes of the plan in their order, stop at the first failure, and return what
        was done."""
        outcome = Outcome(left=[change.target for change in plan.changes])
        try:
            self._forward(plan.forward)
            if plan.mode is Mode.OBSERVE:
                outcome.done += self._let_live_record()
                self._set_mode(Mode.OBSERVE)
            is_mode_set = plan.mode is not Mode.ACT
            for change in plan.changes:
                if change.target.is_recording and not is_mode_set:
                    is_mode_set = self._set_mode(Mode.ACT)
                self._apply_change(change)
                outcome.done.append(outcome.left.pop(0))
                self._say_done(change.target)
            if not is_mode_set:
                self._set_mode(Mode.ACT)
        except Declined as declined:
            outcome.failed = refusal(declined, live=self.account.live)
        except Failure as failure:
            outcome.failed = failure.message
        return outcome

    def _forward(self, targets: Mapping[str, str]) -> None:
        """Add the targets to forward_to, so that the previous receivers keep getting callbacks.

        Return once every process of the stage uses the new policy.
        """
        new = {kind: url for kind, url in targets.items() if not self._forwards(kind)}
        if not new:
            return
        self.backup.forward |= new
        self.backup.store()
        self._change_policy(new)
        for kind, url in new.items():
            sentence = _("done: `forward_to.{kind}` of the policy is {url}")
            self.say(sentence.format(kind=kind, url=redacted(url)))
        self._settle()

    def _settle(self) -> None:
        sentence = _("waiting {seconds:.0f} s until the whole stage uses the new policy")
        self.say(sentence.format(seconds=POLICY_SETTLES_S))
        self.wait(POLICY_SETTLES_S)

    def _say_done(self, target: ConfigTarget) -> None:
        self.say(_("done: {target}").format(target=target))

    def _set_mode(self, mode: Mode) -> bool:
        """Set the mode of the policy; return True once the whole stage has it. Raise Failure if the
        stage's settings name another mode."""
        now = self.stage.api.policy()
        policy = {**now["policy"], "mode": mode.value}
        self.stage.api.apply_policy(policy, replaces=now["newest"])
        if self.stage.api.examine()["mode"] != mode.value:
            sentence = _(
                "the mode of the policy is `{mode}`, but the stage's setting LIVE_RECORD_MODE"
                " differs. Remove this setting, deploy the stage, and run `live-record setup`"
                " again"
            )
            raise Failure(sentence.format(mode=mode.value))
        self.say(_("done: the mode of the policy is `{mode}`").format(mode=mode.value))
        self._settle()
        return True

    def _let_live_record(self) -> list[ConfigTarget]:
        """Make the configurations automatic again that setup made manual; return them.

        Called before the mode changes. Live records each stream by itself from its next publish on;
        for those that are live now, wait until the stage records them.
        """
        done: list[ConfigTarget] = []
        for entry in tuple(reversed(self.backup.entries)):
            before, now = entry.before or {}, read(self.account, entry.target)
            was = before.get("OnDemand")
            is_ours = now is not None and now.get("OnDemand") == MANUAL
            if now is None or not is_ours or was not in (AUTOMATIC, PUSH_URL):
                continue
            write(self.account, entry.target, now, {**now, "OnDemand": was})
            self._store_as_read(entry.target)
            await_recorded(self.stage, self.account, entry.target, self.wait)
            self._say_done(entry.target)
            done.append(entry.target)
        return done

    def _forwards(self, kind: str) -> str:
        return self.stage.policy.forward_to.of(kind)

    def _change_policy(self, targets: Mapping[str, str]) -> None:
        """Merge the targets into forward_to of the newest policy; an empty target is removed."""
        now = self.stage.api.policy()
        both = {**now["policy"].get("forward_to", {}), **targets}
        policy = {name: part for name, part in now["policy"].items() if name != "forward_to"}
        if any(both.values()):
            policy["forward_to"] = {kind: url for kind, url in both.items() if url}
        self.stage.api.apply_policy(policy, replaces=now["newest"])

    def _apply_change(self, change: Change) -> None:
        if change.hands_over:
            await_recorded(self.stage, self.account, change.target, self.wait)
        self.backup.before(change.target, change.before, change.after)
        try:
            write(self.account, change.target, change.before, change.after)
        except Declined:
            if not is_applied(read(self.account, change.target), change.after):
                raise  # otherwise Live made the change, although it did not answer
        self._store_as_read(change.target)

    def _store_as_read(self, target: ConfigTarget) -> None:
        """Store the value as Live returns it, with the fields that Live filled in."""
        for entry in self.backup.entries:
            if entry.target == target:
                entry.after = read(self.account, target)
        self.backup.store()

    def undo(self) -> Outcome:
        """Restore the backup in reverse order. Return what was restored and what was left.

        Without `take_over`, an entry is left if somebody else has changed the configuration since
        the setup.
        """
        outcome = Outcome(left=[entry.target for entry in reversed(self.backup.entries)])
        try:
            for entry in tuple(reversed(self.backup.entries)):
                result = restore(self.account, self.backup, entry, take_over=self.take_over)
                self.say(result)
                outcome.notes.append(result)
                if entry not in self.backup.entries:
                    outcome.left.remove(entry.target)
                    outcome.done.append(entry.target)
            if not outcome.left and self.backup.forward:
                outcome.notes += self._remove_forwarding()
        except Declined as declined:
            outcome.failed = refusal(declined, live=self.account.live)
        except Failure as failure:
            outcome.failed = failure.message
        return outcome

    def _remove_forwarding(self) -> list[str]:
        """Remove the forward_to targets that the take-over added; return lines about it."""
        now = self.stage.api.policy()["policy"].get("forward_to", {})
        ours = {kind: "" for kind, url in self.backup.forward.items() if now.get(kind) == url}
        if ours:
            self._change_policy(ours)
        self.backup.forward = {}
        self.backup.store()
        sentence = _("restored: `forward_to` of the policy; removed from it: {kinds}")
        done = [sentence.format(kinds=", ".join(ours))] if ours else []
        for line in done:
            self.say(line)
        return done


def restore(account: Account, backup: Backup, entry: Entry, *, take_over: bool = False) -> str:
    """Write the earlier value of the entry to Live, drop the entry from the backup, and return a
    line about that. Raise Declined if Live refuses.

    If somebody else has changed the configuration since, leave it and the entry as they are, unless
    `take_over` is set.
    """
    now, before = read(account, entry.target), entry.before
    if not take_over and not is_applied(now, entry.after) and now != before:
        sentence = _(
            "not restored: {target}, because somebody else has changed it since. To restore it"
            " anyway, pass `--take-over`"
        )
        return sentence.format(target=entry.target)
    hides_key = entry.target.kind == "record" and _hides_key(before)
    if hides_key and before is not None and now is not None and "NotifyReqAuth" in now:
        before = {**before, "NotifyReqAuth": now["NotifyReqAuth"]}
    write(account, entry.target, now, before)
    backup.drop(entry)
    if hides_key:
        sentence = _(
            "restored: {target}, except for its key, which Live does not return. Set the key again"
        )
        return sentence.format(target=entry.target)
    return _("restored: {target}").format(target=entry.target)


def _hides_key(value: Value | None) -> bool:
    return value is not None and not {"NotifyReqAuth", KEY} & value.keys()


def is_applied(now: Value | None, wanted: Value | None) -> bool:
    """Return True if `now`, what Live returns, has all of `wanted`. `now` may have more fields, and
    may lack a key, because Live does not always return it."""
    if now is None or wanted is None:
        return now is wanted
    readable = {name for name in wanted if name not in (KEY, "NotifyReqAuth")} | (
        {KEY, "NotifyReqAuth"} & now.keys() & wanted.keys()
    )
    return all(_fits(now.get(name), wanted[name]) for name in readable)


def _fits(now: Any, wanted: Any) -> bool:  # noqa: ANN401 - whatever a configuration holds
    if isinstance(wanted, list) and isinstance(now, list):
        return len(now) == len(wanted) and all(map(_fits, now, wanted))
    if isinstance(wanted, Mapping) and isinstance(now, Mapping):
        return all(_fits(now.get(name), value) for name, value in wanted.items())
    return str(now) == str(wanted)
