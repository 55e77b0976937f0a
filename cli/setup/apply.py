"""Putting a plan into force, and putting back what stood there before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.account import Account, Declined
from cli.errors import Failure
from cli.setup.backup import Entry, Kept
from cli.setup.configurations import KEY, Place, Value, read, write
from cli.setup.plan import Change, Plan, shown
from cli.setup.stage import Stage
from shared.config.policy_cache import POLICY_AGE_MS

SETTLES = POLICY_AGE_MS / 1000 + 1
"""s until every process of the stage forwards by the new policy."""
Say = Callable[[str], None]


@dataclass(slots=True)
class Outcome:
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """`wait` sleeps for so many seconds; `take_over`: also over what others have changed since."""

    stage: Stage
    account: Account
    kept: Kept
    say: Say
    wait: Callable[[float], None]
    take_over: bool = False

    def apply(self, plan: Plan) -> Outcome:
        """As far as it comes: what failed is the last of it, and nothing after it was tried."""
        outcome = Outcome(left=[str(change.place) for change in plan.changes])
        try:
            self._forward(plan.forward)
            for change in plan.changes:
                self._put(change)
                outcome.done.append(outcome.left.pop(0))
                self.say(f"done: {change.place}")
        except (Declined, Failure) as error:
            outcome.failed = str(error)
        return outcome

    def _forward(self, targets: Mapping[str, str]) -> None:
        """Before anything is replaced, whoever had the callbacks must keep getting them."""
        new = {kind: url for kind, url in targets.items() if not self._forwards(kind)}
        if not new:
            return
        self.kept.forward |= new
        self.kept.store()
        self._change_policy(new)
        for kind, url in new.items():
            self.say(f"done: forward_to.{kind} of the policy is {shown(url)}")
        self.say(f"waiting {SETTLES:.0f} s until all of the stage forwards by it")
        self.wait(SETTLES)

    def _forwards(self, kind: str) -> str:
        return self.stage.policy.forward_to.of(kind)

    def _change_policy(self, targets: Mapping[str, str]) -> None:
        """An empty target is taken out. It is the newest policy that is changed."""
        now = self.stage.api.policy()
        both = {**now["policy"].get("forward_to", {}), **targets}
        policy = {name: part for name, part in now["policy"].items() if name != "forward_to"}
        if any(both.values()):
            policy["forward_to"] = {kind: url for kind, url in both.items() if url}
        self.stage.api.apply_policy(policy, replaces=now["version"])

    def _put(self, change: Change) -> None:
        self.kept.before(change.place, change.before, change.after)
        try:
            write(self.account, change.place, change.before, change.after)
        except Declined:
            if not holds(read(self.account, change.place), change.after):
                raise  # it may have acted although no answer came
        self._remember(change.place)

    def _remember(self, place: Place) -> None:
        """As Live tells it, with what it filled in of its own."""
        for entry in self.kept.entries:
            if entry.place == place:
                entry.after = read(self.account, place)
        self.kept.store()

    def undo(self) -> Outcome:
        """In the reverse order; what others have changed since is left, and said."""
        outcome = Outcome(left=[str(entry.place) for entry in reversed(self.kept.entries)])
        try:
            for entry in tuple(reversed(self.kept.entries)):
                said = put_back(self.account, self.kept, entry, take_over=self.take_over)
                self.say(said)
                (outcome.done if said.startswith("put back") else outcome.left).append(said)
                outcome.left.remove(str(entry.place))
            if not outcome.left and self.kept.forward:
                outcome.done += self._forward_no_more()
        except (Declined, Failure) as error:
            outcome.failed = str(error)
        return outcome

    def _forward_no_more(self) -> list[str]:
        """Only where it is still what the take-over put there; what was done, to be said."""
        now = self.stage.api.policy()["policy"].get("forward_to", {})
        ours = {kind: "" for kind, url in self.kept.forward.items() if now.get(kind) == url}
        if ours:
            self._change_policy(ours)
        self.kept.forward = {}
        self.kept.store()
        done = [f"put back: forward_to of the policy, without {', '.join(ours)}"] if ours else []
        for line in done:
            self.say(line)
        return done


def put_back(account: Account, kept: Kept, entry: Entry, *, take_over: bool = False) -> str:
    """What to say of it: it begins with "put back" unless somebody else has changed it since.

    Raises Declined."""
    now, before = read(account, entry.place), entry.before
    if not take_over and not holds(now, entry.after) and now != before:
        return (
            f"left: {entry.place} was changed since by somebody else (--take-over puts it back"
            " all the same)"
        )
    hides_key = entry.place.kind == "record" and _hides_key(before)
    if hides_key and before is not None and now is not None and "NotifyReqAuth" in now:
        before = {**before, "NotifyReqAuth": now["NotifyReqAuth"]}
    write(account, entry.place, now, before)
    kept.drop(entry)
    but = ", but for its key, which Live did not tell: set it" if hides_key else ""
    return f"put back: {entry.place}{but}"


def _hides_key(value: Value | None) -> bool:
    return value is not None and not {"NotifyReqAuth", KEY} & value.keys()


def holds(now: Value | None, wanted: Value | None) -> bool:
    """Whether all of `wanted` stands there; Live may have filled in more, or keep a key to
    itself."""
    if now is None or wanted is None:
        return now is wanted
    told = {name for name in wanted if name not in (KEY, "NotifyReqAuth")} | (
        {KEY, "NotifyReqAuth"} & now.keys() & wanted.keys()
    )
    return all(_fits(now.get(name), wanted[name]) for name in told)


def _fits(now: Any, wanted: Any) -> bool:  # noqa: ANN401 - whatever a configuration holds
    if isinstance(wanted, list) and isinstance(now, list):
        return len(now) == len(wanted) and all(map(_fits, now, wanted))
    if isinstance(wanted, Mapping) and isinstance(now, Mapping):
        return all(_fits(now.get(name), value) for name, value in wanted.items())
    return str(now) == str(wanted)
