"""Carries out the deeds of the plan: of encoders, people and circumstances."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from shared.config.path_tokens import path_token_of
from shared.inbound import live_callbacks
from shared.protocol import StreamKey
from tests.simulation.forgeries import Forger, headers
from tests.simulation.plan import DOMAIN, LASTS, UNPROVED, Deed, Do
from tests.simulation.requests import TOKEN, Request, body_of
from tests.simulation.run_log import ask_text
from tests.simulation.world import Stream

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

UNSTORABLE = "\ud800.mp4"
LATE_AFTER_A_STEP_MS = 90_000
"""ms after a step of the store's clock within which all that it put off is done."""
NEXT_KEYS = ("stream-key-1111111", "record-key-1111111")


class Strangers:
    def __init__(self, sim: Simulation) -> None:
        self.sim = sim
        self.forger = Forger(sim)

    def do(self, deed: Deed) -> None:
        sim = self.sim
        stream = sim.plan.streams[deed.stream] if deed.stream >= 0 else None
        if deed.do not in (Do.ASK, Do.ASK_TWICE, Do.REPLAY, *UNPROVED):
            name = stream.name if stream else ""
            sim.tell("it happens", deed.do.value, name, f"for {deed.ms} ms" if deed.ms else "")
        _DOES[deed.do](self, deed)

    def _stream(self, deed: Deed) -> Stream:
        return self.sim.plan.streams[deed.stream]

    def publish(self, deed: Deed) -> None:
        self.sim.live.publish(self.sim.clock.now, self._stream(deed))
        self.sim.judge.came(self._stream(deed))

    def unpublish(self, deed: Deed) -> None:
        clean = deed.do is Do.UNPUBLISH
        self.sim.live.unpublish(self.sim.clock.now, self._stream(deed), clean=clean)

    def ask(self, deed: Deed) -> None:
        twice = deed.do is Do.ASK_TWICE
        self.sim.ask(deed, once=twice)
        if twice:
            self.sim.after(deed.ms, lambda: self.sim.ask(deed, once=True))

    def foreign_start(self, deed: Deed) -> None:
        sim, stream = self.sim, self._stream(deed)
        sim.live.command(sim.clock.now, stream, "start")
        if sim.live.arrived[-1].acted:
            sim.judge.watch(StreamKey(*stream)).ours = False

    # --- made-up callbacks ----------------------------------------------------------------------

    def forge(self, deed: Deed) -> None:
        self.forger.send(deed)

    def garbage(self, _deed: Deed) -> None:
        request = Request(
            "record_events",
            path=f"/callbacks/record/{path_token_of('record', TOKEN)}",
            headers=self.forger.pair("record"),
            body=b'{"domain": ["',
            genuine="garbage",
        )
        self.sim.invoke(request, None)

    def unstorable(self, deed: Deed) -> None:
        """Have Live report a lost file whose name is half a character, and list it as undelivered
        from then on."""
        account, second = self.sim.live.account, self.sim.clock.now // 1000
        stream = self._stream(deed)
        fields = {
            "domain": stream.domain,
            "app": stream.app,
            "stream": stream.name,
            "event": "transformat_error",
            "file_info": {"uri": UNSTORABLE},
        }
        signature = live_callbacks.sign(account.host, second, account.record_key)
        path = f"/callbacks/record/{path_token_of('record', TOKEN)}"
        key = StreamKey(*stream)
        body = body_of(fields)
        self.sim.wire.list_undelivered(body.decode())
        self.sim.invoke(
            Request("record_events", path, headers(second, signature), fields, body, key), None
        )

    # --- circumstances --------------------------------------------------------------------------

    def full(self, deed: Deed) -> None:
        self.sim.store_is_full(deed.ms)
        self.sim.trouble(deed.ms)

    def outage(self, deed: Deed) -> None:
        self.sim.store_is_down(deed.ms)
        self.sim.trouble(deed.ms)

    def failover(self, deed: Deed) -> None:
        self.sim.fail_over(deed.ms)
        self.sim.trouble()

    def crowded(self, deed: Deed) -> None:
        sim, quota = self.sim, self.sim.compute.quota
        sim.compute.quota = 0
        sim.trouble(deed.ms)
        sim.after(deed.ms, lambda: setattr(sim.compute, "quota", quota))

    def no_timer(self, deed: Deed) -> None:
        self.sim.timer_is_missed(deed.ms)
        self.sim.trouble(deed.ms)

    def break_record(self, deed: Deed) -> None:
        """Make the record unreadable for a while, or until a person stops its stream."""
        sim, key = self.sim, StreamKey(*self._stream(deed))
        if not sim.break_record(key):
            return
        if deed.ask is None:
            sim.after(deed.ms, lambda: sim.repair_record(key))
        else:
            sim.after(deed.ms, lambda: sim.stop_unreadable(deed))

    def policy(self, deed: Deed) -> None:
        copy = self.sim.store.get_policy()
        self.sim.store.put_policy(deed.text, replaces=copy.version if copy else 0)

    def observe(self, deed: Deed) -> None:
        self.sim.observe(deed.ms)

    def no_config(self, deed: Deed) -> None:
        sim = self.sim
        sim.live.delete_config(sim.clock.now, DOMAIN)
        config = sim.plan.config
        sim.after(deed.ms, lambda: sim.live.set_config(sim.clock.now, config, DOMAIN))

    def no_credentials(self, deed: Deed) -> None:
        sim = self.sim
        sim.live.expire_credentials(sim.clock.now)
        sim.trouble(deed.ms + 300_000)
        sim.after(deed.ms, lambda: sim.live.renew_credentials(sim.clock.now))

    def no_bucket(self, deed: Deed) -> None:
        sim = self.sim
        sim.live.break_bucket(sim.clock.now, DOMAIN)
        sim.after(deed.ms, lambda: sim.live.break_bucket(sim.clock.now, DOMAIN, ""))

    def new_keys(self, _deed: Deed) -> None:
        stream_key, record_key = NEXT_KEYS
        self.sim.live.rotate_keys(self.sim.clock.now, stream_key=stream_key, record_key=record_key)

    def spend(self, deed: Deed) -> None:
        self.sim.live.spend(self.sim.clock.now, deed.ms)
        self.sim.trouble()

    def clock_steps(self, deed: Deed) -> None:
        """Let the store's clock be wrong for a while, or for good."""
        sim, step = self.sim, int(deed.text) * 60_000
        sim.set_clock(-step if deed.do is Do.CLOCK_BACK else step)
        if deed.ms < LASTS:
            sim.after(deed.ms, sim.set_clock, 0)

    def emptied(self, deed: Deed) -> None:
        self.sim.empty_store()
        self.sim.after(deed.ms, self.sim.accept_store)

    def schedule(self, deed: Deed) -> None:
        self.sim.timetables.do(deed)

    def refusing(self, deed: Deed) -> None:
        self.sim.store_takes_no_writes(deed.ms)
        self.sim.trouble(deed.ms)


_DOES: Mapping[Do, Callable[[Strangers, Deed], None]] = {
    Do.PUBLISH: Strangers.publish,
    Do.UNPUBLISH: Strangers.unpublish,
    Do.VANISH: Strangers.unpublish,
    Do.ASK: Strangers.ask,
    Do.ASK_TWICE: Strangers.ask,
    Do.FOREIGN_START: Strangers.foreign_start,
    **dict.fromkeys((*UNPROVED, Do.REPLAY), Strangers.forge),
    Do.GARBAGE: Strangers.garbage,
    Do.OUTAGE: Strangers.outage,
    Do.FULL: Strangers.full,
    Do.FAILOVER: Strangers.failover,
    Do.CROWDED: Strangers.crowded,
    Do.NO_TIMER: Strangers.no_timer,
    Do.POLICY: Strangers.policy,
    Do.OBSERVE: Strangers.observe,
    Do.NO_CONFIG: Strangers.no_config,
    Do.NO_CREDENTIALS: Strangers.no_credentials,
    Do.NO_BUCKET: Strangers.no_bucket,
    Do.NEW_KEYS: Strangers.new_keys,
    Do.SPEND: Strangers.spend,
    Do.BREAK_RECORD: Strangers.break_record,
    Do.UNSTORABLE: Strangers.unstorable,
    Do.CLOCK_BACK: Strangers.clock_steps,
    Do.CLOCK_FORWARD: Strangers.clock_steps,
    Do.EMPTIED: Strangers.emptied,
    Do.REFUSING: Strangers.refusing,
    **dict.fromkeys((Do.SCHEDULE, Do.UNSCHEDULE, Do.SKIP), Strangers.schedule),
}
__all__ = ["Strangers", "ask_text"]
