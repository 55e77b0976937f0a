"""A model of ApsaraVideo Live and of Function Compute in virtual time, written from the facts
alone: it knows nothing of the code that it judges, nor of the emulators.

Time is an int of ms since the Unix epoch, handed in with every call, never going backwards.
Nothing happens between calls: ask `next_due()`, then `callbacks_due(at)` or `due(at)`.

    live = Live(Switches.drawn(random), Account(ingest={"live.example.com": "push.example.com"}))
    # the encoder
    live.publish(at, stream) -> bool                     # False: refused, the name is in use
    live.unpublish(at, stream, *, clean=True) -> bool    # not clean: noticed only 10 s later
    # the API, as a request arrives at Live
    live.command(at, stream, "start", *, trouble=Trouble.NONE, nonce="", signed_at=None)
        -> Answer | None                                 # None: dropped, no answer ever
    live.refusal(at, *, signed_at=None) -> Answer | None # 403 or 400; ask before a query
    live.online(at, domain, *, app="", name="") -> tuple[Online, ...]
    live.undelivered(at, domain, start, end) -> tuple[NotifyRecord, ...]  # ingest or streaming
    # callbacks; take what is due before a command of the same time, or it waits and times out
    live.next_due() -> int | None
    live.callbacks_due(at) -> list[Callback]             # what leaves Live at or before `at`
    live.answered(at, callback.number, status, need_record=False)  # else 5 s, retried
    # the account
    live.set_config(at, config, domain, app="", name=""); live.delete_config(at, domain, …)
    live.expire_credentials(at); live.renew_credentials(at)
    live.break_bucket(at, domain, "AccessDenied")        # "" fixes it
    live.rotate_keys(at, stream_key=..., record_key=...) # running streams keep the old ones
    live.spend(at, calls)                                # others use the account's quota
    # the truth, for whoever checks; ask after callbacks_due(at) of the same `at`
    live.is_live(stream), live.is_dying(stream), live.is_visible(stream)
    live.is_recording(stream), live.is_paused(stream), live.is_automatic(stream)
    live.is_commandable(stream); live.live_since(stream) -> int | None
    live.intervals: list[Interval]; live.files: list[File]; live.arrived: list[Arrived]

    compute = Compute(random, quota=100, timeout_ms={"reconcile": 60_000}, ...)
    compute.invoke(at, function, payload) -> Invocation | None   # None: 429; never retried
    compute.invoke_async(at, function, payload, delay_ms=0) -> None      # 202
    compute.timer(at, function, every_ms=60_000, jitter_ms=1_000)
    compute.next_due() -> int | None
    compute.due(at) -> list[Invocation]                  # those that got an instance
    compute.finished(at, invocation, Outcome.OK)         # or ERROR, KILLED: retried if async
    compute.quota = 0                                    # 429 for all, until set again
    invocation.instance.memory                           # a dict that lives as long as the process
    invocation.deadline                                  # kill it there, by finished(…, KILLED)
"""

from __future__ import annotations

from .compute import Compute as Compute
from .compute import Instance as Instance
from .compute import Invocation as Invocation
from .compute import Outcome as Outcome
from .live import Live as Live
from .switches import Excess as Excess
from .switches import Rate as Rate
from .switches import SecondPublisher as SecondPublisher
from .switches import Switches as Switches
from .switches import WhenPaused as WhenPaused
from .terms import Account as Account
from .terms import Answer as Answer
from .terms import Arrived as Arrived
from .terms import Callback as Callback
from .terms import Config as Config
from .terms import File as File
from .terms import Interval as Interval
from .terms import NotifyRecord as NotifyRecord
from .terms import OnDemand as OnDemand
from .terms import Online as Online
from .terms import Stream as Stream
from .terms import Trouble as Trouble
