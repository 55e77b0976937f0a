"""Loads the Lua scripts of RedisStore from the folder `lua`. Each is one atomic step.

RedisStore runs them by their digest. Importing this module reads no file: a stage on SQLite has no
use for them, and a script is read when it is first run.

Rules for a script, which tests/store/test_scripts.py checks as far as a test can:

- It names a key only as KEYS[n], with a literal n: the proxy of a managed cluster refuses any other
  form (Tair, `script_check_enable`). Data of several streams is under one key, and all keys of a
  stage share one hash tag.
- It checks before it writes, and an engine without memory refuses its first write, so that nothing
  is ever half done. A script that a full engine must run begins with when_full.lua.
- Constants are arguments. The engine runs the files unchanged: preludes, then script.
"""

from __future__ import annotations

import hashlib
from functools import cache, cached_property
from pathlib import Path

FOLDER = Path(__file__).with_name("lua")
CLOCK = ("clock",)
WATCHED_CLOCK = ("clock", "watch_clock")
"""Preludes of a script that notices when the clock steps; the store state is its second key."""
RATE_LIMIT = ("clock", "rate_limit")
"""Preludes of a script that reads or takes slots; the rate limit is its first key."""
ALWAYS = ("clock", "when_full")
NEW_TASKS = ("clock", "new_tasks")
NEW_TASKS_ALWAYS = ("clock", "when_full", "new_tasks")
"""Preludes of a script that adds tasks; its first six keys are those of tasks, dead letters and
counts."""
RATE_LIMIT_ALWAYS = (*ALWAYS, "rate_limit")
WATCHED_CLOCK_ALWAYS = (*ALWAYS, "watch_clock")
"""Preludes of a script that reads slots or watches the clock even if the engine is full."""


class Script:
    """A Lua script: one file of the folder, after the preludes that it needs.

    `repeatable`: running the script again, because its first answer was lost, does no harm. A save
    has a token by which the engine recognizes it. The other repeatable scripts only read, or set
    the same values again, or take something that may go unused: a slot, or due streams and tasks,
    which are offered again after the hold.
    """

    def __init__(
        self, name: str, preludes: tuple[str, ...] = (), *, repeatable: bool = True
    ) -> None:
        self.name = name
        self.files = (*preludes, name)
        self.uses_rate_limit = "rate_limit" in preludes
        self.watches_clock = "watch_clock" in preludes
        self.repeatable = repeatable

    @cached_property
    def text(self) -> str:
        """Return the text that the engine runs. Raise FileNotFoundError if a file was not
        deployed."""
        return "".join(map(_read, self.files))

    @cached_property
    def digest(self) -> str:
        """Return the SHA-1 of the text, by which EVALSHA names the script."""
        return hashlib.sha1(self.text.encode()).hexdigest()  # noqa: S324 - the protocol's


@cache
def _read(name: str) -> str:
    return FOLDER.joinpath(f"{name}.lua").read_text(encoding="utf-8")


LOAD = Script("load", WATCHED_CLOCK)
SAVE_OR_CLAIM = Script("save_or_claim", RATE_LIMIT)
TAKE_DUE = Script("take_due", ALWAYS)
POSTPONE = Script("postpone", ALWAYS)
QUEUE_STATE = Script("queue_state", CLOCK)
WRONG_COUNT = Script("wrong_count", CLOCK)
TAKE_SLOT = Script("take_slot", RATE_LIMIT_ALWAYS)
DELAY_SLOTS = Script("delay_slots", RATE_LIMIT_ALWAYS)
RATE_LIMIT_USE = Script("rate_limit_use", RATE_LIMIT)
NOW = Script("now", CLOCK)
REGISTER = Script("register", WATCHED_CLOCK_ALWAYS)
IS_AMONG_FIRST = Script("is_among_first", CLOCK)
MAY_WAKE_ONE = Script("may_wake_one", RATE_LIMIT_ALWAYS, repeatable=False)
"""Not repeatable: it would find its own wake-up noted, and nobody would be woken."""
TOUCH = Script("touch", ALWAYS)
TRY_WRITE = Script("touch", CLOCK)
"""Like TOUCH, but a full engine refuses it."""
AGE_MS = Script("age_ms", CLOCK)
AGES = Script("ages", CLOCK)
NOTE_SIZE = Script("note_size", ALWAYS)
SIZES = Script("sizes", CLOCK)
PUT_POLICY = Script("put_policy", CLOCK, repeatable=False)
"""Not repeatable: it would take its own version for another operator's."""
IN_FORCE = Script("in_force")
PUT_SCHEDULE = Script("put_schedule", CLOCK, repeatable=False)
"""Not repeatable: it would take its own document for another operator's."""
DUE_SCHEDULES = Script("due_schedules", CLOCK)
MOVE_MISPLACED = Script("move_misplaced", ALWAYS)
ACCEPT = Script("accept")
TAKE_TASKS = Script("take_tasks", ALWAYS)
ADD_TASKS = Script("add_tasks", NEW_TASKS)
SETTLE_TASKS = Script("settle_tasks", NEW_TASKS_ALWAYS)
REDRIVE = Script("redrive", CLOCK, repeatable=False)
"""Not repeatable: it would not find the dead letter that it has reopened."""
DROP_DEAD_LETTERS = Script("drop_dead_letters", ALWAYS)
OUTBOX = Script("outbox", CLOCK)
PUT_ALERTS = Script("put_alerts", NEW_TASKS_ALWAYS, repeatable=False)
"""Not repeatable: it would take its own version for another run's."""
