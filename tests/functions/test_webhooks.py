"""Webhooks: what changes is told to each receiver of the policy, and no receiver harms another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from msgspec.structs import replace
from standardwebhooks import Webhook

from emulator.webhook_receiver import WebhookReceiver
from functions import notify
from functions.event_view import FAMILIES
from shared.inbound.function_compute import answer_any
from shared.invocation.invocation import Invocation
from shared.outbox.endpoint import PAUSE_AFTER_MS
from shared.outbox.event import EventType
from shared.outbox.task import OF_STAGE, OUTBOX_MAX_BYTES, NewTask, TaskKind, size_of
from shared.protocol import Command, FileLeft, Published, Reported, TimePassed, Unpublished
from shared.protocol.command_errors import Throttled
from tests.conftest import KEY, NOON, Clock
from tests.functions.test_notify import TIMER
from tests.support.reconciling import InlineWorkers
from tests.support.scripted_stage import Stage

SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
OLD = "whsec_YWJjZGVmZ2hpamFiY2RlZmdoaWphYmNkZWZnaGlqYWI="
PASS_S = 7
"""s of a run that has time for one look at each queue."""
RULE = """
[[domain]]
streaming = "live.example.com"
[[rule]]
on_publish = "record"
"""


@dataclass
class Told:
    """A stage with receivers in its policy, and runs of notify."""

    stage: Stage
    receiver: WebhookReceiver

    def run(self, seconds: float = PASS_S) -> Any:  # noqa: ANN401 - JSON
        call = Invocation(self.stage.app, SimpleNamespace(request_id="1-77"), seconds=seconds)
        answer: Any = answer_any(
            lambda trigger: notify.respond(call, trigger), TIMER, None, log=call.app.log
        )
        return msgspec.json.decode(answer["body"])

    def publish(self) -> None:
        self.stage.happens(Published(self.stage.clock.now))

    def types(self, path: str = "/crm") -> list[str]:
        return [each.payload["type"] for each in self.receiver.of(path)]

    def pass_ms(self, ms: int) -> None:
        self.stage.clock.pass_ms(ms)


def telling(tmp_path: Path, clock: Clock, receiver: WebhookReceiver, *hooks: str) -> Told:
    policy = tmp_path / "policy.toml"
    written = "\n".join(f"[[webhook]]\n{hook}" for hook in hooks)
    policy.write_text(RULE + written.replace("ADDRESS", receiver.address))
    stage = Stage(
        tmp_path,
        clock,
        LIVE_RECORD_POLICY=str(policy),
        LIVE_RECORD_WEBHOOK_HOSTS="127.0.0.1",
        LIVE_RECORD_WEBHOOK_SECRETS=f"crm:{SECRET},old:{OLD}",
    )
    stage.app = replace(
        stage.app,
        workers=InlineWorkers,
        wait=lambda seconds: clock.pass_ms(round(seconds * 1_000)),
    )
    return Told(stage, receiver)


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver(SECRET, checks_time=False) as there:
        yield there


CRM = 'name = "crm"\nurl = "ADDRESS/crm"'
ERP = 'name = "erp"\nurl = "ADDRESS/erp"\nsecrets = ["crm"]'


@pytest.fixture
def crm(tmp_path: Path, clock: Clock, receiver: WebhookReceiver) -> Told:
    return telling(tmp_path, clock, receiver, CRM)


def test_what_changes_is_told_with_one_id_and_a_sequence_that_rises(crm: Told) -> None:
    crm.publish()
    crm.run()
    arrived = crm.receiver.of("/crm")
    assert {"session.started", "recording.requested"} <= set(crm.types())
    sequences = [each.payload["sequence"] for each in arrived]
    assert len(set(sequences)) == len(sequences)
    assert all(each.is_genuine for each in arrived)
    assert [each.payload["id"] for each in arrived] == [each.id for each in arrived]
    assert arrived[0].payload["data"]["stream"] == str(KEY)
    assert arrived[0].payload["stage"] == "dev"
    crm.run()
    assert len(crm.receiver.of("/crm")) == len(arrived)


def test_a_signature_is_what_another_implementation_verifies(crm: Told) -> None:
    crm.stage.clock.now = time.time_ns() // 1_000_000
    crm.publish()
    crm.run()
    for each in crm.receiver.of("/crm"):
        assert Webhook(SECRET).verify(each.body, each.headers)["id"] == each.id


def test_while_a_secret_is_replaced_each_of_two_signs(
    tmp_path: Path, clock: Clock, receiver: WebhookReceiver
) -> None:
    stage = telling(tmp_path, clock, receiver, f'{CRM}\nsecrets = ["old", "crm"]')
    stage.publish()
    stage.run()
    signed = [each.headers["webhook-signature"].split(" ") for each in receiver.of("/crm")]
    assert {len(each) for each in signed} == {2}
    assert all(each.is_genuine for each in receiver.of("/crm"))


def test_a_stage_without_receivers_stores_no_event(
    tmp_path: Path, clock: Clock, receiver: WebhookReceiver
) -> None:
    stage = telling(tmp_path, clock, receiver)
    stage.publish()
    assert stage.stage.store.open_tasks(after="", limit=9) == []


def test_only_what_somebody_wants_is_stored(
    tmp_path: Path, clock: Clock, receiver: WebhookReceiver
) -> None:
    others = 'match = { stream = "other" }'
    stage = telling(tmp_path, clock, receiver, f'{CRM}\nevents = ["session.*"]', f"{ERP}\n{others}")
    stage.publish()
    stage.run()
    assert stage.types("/crm") == ["session.started"]
    assert receiver.of("/erp") == []


def test_each_payload_is_as_its_schema_says(crm: Told) -> None:
    crm.publish()
    crm.stage.happens(FileLeft("record/a.mp4", NOON, NOON + 1_000, 1_000))
    crm.pass_ms(60_000)
    crm.stage.happens(Unpublished(crm.stage.clock.now))
    crm.stage.stop()
    crm.run()
    _, schemas = msgspec.json.schema_components(FAMILIES.values(), ref_template="#/$defs/{name}")
    for each in crm.receiver.of("/crm"):
        family = FAMILIES[each.payload["type"].partition(".")[0]].__name__
        jsonschema_rs.validate({**schemas[family], "$defs": schemas}, each.payload)
    assert {"file.created", "recording.withdrawn"} <= set(crm.types())


def test_the_events_of_one_ms_have_ids_in_the_order_of_the_changes(crm: Told) -> None:
    crm.publish()
    crm.pass_ms(65_536 - NOON % 65_536)  # an id has the order in five hexadecimal digits
    names = [f"record/{number}.mp4" for number in (3, 1, 2, 0)]
    for name in names:
        crm.stage.happens(FileLeft(name, NOON, NOON + 1_000, 1_000))
    crm.run()
    files = [each for each in crm.receiver.of("/crm") if each.payload["type"] == "file.created"]

    in_order = sorted(files, key=lambda each: each.id)
    assert [each.payload["data"]["uri"] for each in in_order] == names


def test_a_receiver_that_fails_gets_it_again_under_the_same_id(crm: Told) -> None:
    crm.receiver.behave("/crm", "status:503", "status:200")
    crm.publish()
    crm.run()
    first = len(crm.receiver.of("/crm"))
    crm.pass_ms(5_000)
    crm.run()
    ids = [each.id for each in crm.receiver.of("/crm")]
    assert ids[first] == ids[0]
    assert len(ids) == len(set(ids)) + 1


@pytest.mark.parametrize(
    ("how", "why"),
    [("redirect", "status 302"), ("close", "no answer: "), ("status:404", "status 404")],
)
def test_what_is_no_success_is_retried_and_listed(crm: Told, how: str, why: str) -> None:
    crm.receiver.behave("/crm", how)
    crm.publish()
    crm.run()
    left = crm.stage.ask("GET", "/v1/deliveries", query={"state": "open"}).json["deliveries"]
    assert {each["kind"] for each in left} == {"webhook"}
    assert all(each["why"].startswith(why) for each in left)


def test_410_ends_a_receiver_and_what_is_left_for_it(crm: Told) -> None:
    crm.receiver.behave("/crm", "gone")
    crm.publish()
    crm.run()
    sent = len(crm.receiver.of("/crm"))
    dead = crm.stage.ask("GET", "/v1/deliveries").json["deliveries"]
    assert {each["why"] for each in dead} <= {"status 410", "the receiver is ended: status 410"}
    crm.stage.stop()
    assert crm.run()["webhooks"]["skipped"] >= 1
    assert len(crm.receiver.of("/crm")) == sent


def test_a_receiver_that_takes_nothing_for_five_days_is_paused(crm: Told) -> None:
    crm.receiver.behave("/crm", "status:500")
    crm.publish()
    crm.run()
    crm.pass_ms(PAUSE_AFTER_MS)
    crm.run()
    crm.stage.stop()
    assert crm.run()["webhooks"]["skipped"] >= 1
    assert any('"webhook.failing"' in line and "paused" in line for line in crm.stage.lines)


def test_another_url_of_the_name_is_a_receiver_that_nothing_is_known_of(
    tmp_path: Path, clock: Clock, receiver: WebhookReceiver
) -> None:
    stage = telling(tmp_path, clock, receiver, CRM)
    receiver.behave("/crm", "gone")
    stage.publish()
    stage.run()
    moved = telling(tmp_path, clock, receiver, CRM.replace("/crm", "/new"))
    moved.stage.stop()
    moved.run()
    assert "recording.withdrawn" in moved.types("/new")


def test_a_receiver_that_is_down_delays_no_other(
    tmp_path: Path, clock: Clock, receiver: WebhookReceiver
) -> None:
    stage = telling(tmp_path, clock, receiver, CRM, ERP)
    receiver.behave("/crm", "status:500")
    stage.publish()
    stage.run()
    assert set(stage.types("/erp")) == set(stage.types("/crm"))


def test_what_is_left_for_a_receiver_that_is_gone_fails_for_good(
    tmp_path: Path, clock: Clock, receiver: WebhookReceiver
) -> None:
    stage = telling(tmp_path, clock, receiver, CRM)
    receiver.behave("/crm", "status:500")
    stage.publish()
    stage.run()
    clock.pass_ms(5_000)
    without = telling(tmp_path, clock, receiver)
    without.run()
    dead = without.stage.ask("GET", "/v1/deliveries").json["deliveries"]
    assert {each["why"] for each in dead} == {"the policy names no webhook crm"}


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("webhook_hosts", "no answer: the receiver's host is not in LIVE_RECORD_WEBHOOK_HOSTS"),
        ("webhook_secrets", "no answer: LIVE_RECORD_WEBHOOK_SECRETS has no secret of the name crm"),
    ],
)
def test_what_the_environment_does_not_allow_is_not_sent(crm: Told, setting: str, why: str) -> None:
    nothing: Any = () if setting == "webhook_hosts" else {}
    settings = replace(crm.stage.app.settings, **{setting: nothing})
    crm.stage.app = replace(crm.stage.app, settings=settings)
    crm.publish()
    crm.run()
    left = crm.stage.ask("GET", "/v1/deliveries", query={"state": "open"}).json["deliveries"]
    of_stream = [each for each in left if each["stream"]]  # the alert about it waits, too
    assert {each["why"] for each in of_stream} == {why.removeprefix("no answer: ")}
    assert crm.receiver.arrived == []
    problems = crm.stage.ask("GET", "/v1/health", token="").json["problems"]
    is_shown = "receivers_unset" in [problem["code"] for problem in problems]
    assert is_shown is (setting == "webhook_secrets")


def test_a_gap_is_opened_with_its_cause_and_closed_with_its_length(crm: Told) -> None:
    slow_down = [Throttled("Throttling.User", "slow down")] * 9
    crm.stage.live.answers(Command.START, *slow_down)
    crm.publish()
    crm.pass_ms(30_000)
    crm.stage.live.script.clear()
    crm.stage.happens(TimePassed())
    crm.stage.happens(Reported("record_started", True, crm.stage.clock.now))
    crm.run()
    gaps = [each.payload for each in crm.receiver.of("/crm") if "gap." in each.body]
    opened, *_, closed = gaps
    assert (opened["type"], closed["type"]) == ("gap.opened", "gap.closed")
    assert opened["data"]["reason"]["code"] == "throttled"
    assert opened["data"]["since"] == closed["data"]["since"]
    assert closed["data"]["ms"] >= 30_000


def test_every_type_of_event_has_a_schema() -> None:
    _, schemas = msgspec.json.schema_components(FAMILIES.values())
    described = {
        kind
        for family in FAMILIES.values()
        for kind in schemas[family.__name__]["properties"]["type"]["enum"]
    }
    assert described == {kind.value for kind in EventType}


def test_metrics_count_what_receivers_took_and_refused(crm: Told) -> None:
    def counted() -> dict[str, str]:
        lines = crm.stage.ask("GET", "/v1/metrics").text.splitlines()
        return dict(line.split(" ", 1) for line in lines if line.startswith("live_record_webhook"))

    crm.receiver.behave("/crm", "status:503", "status:200")
    crm.publish()
    crm.run()
    taken = len(crm.receiver.of("/crm")) - 1
    found = counted()
    assert found['live_record_webhooks_total{result="taken"}'] == str(taken)
    assert found['live_record_webhooks_total{result="refused"}'] == "1"
    assert found['live_record_webhook_receivers{state="active"}'] == "1"
    crm.receiver.behave("/crm", "gone")
    crm.pass_ms(5_000)
    crm.run()
    crm.stage.stop()
    crm.run()
    found = counted()
    assert found['live_record_webhook_receivers{state="ended"}'] == "1"
    assert int(found['live_record_webhooks_total{result="skipped"}']) > 0


# --- alerts ---------------------------------------------------------------------------------------


def test_an_alert_is_an_event_when_it_is_raised_escalated_acknowledged_and_resolved(
    tmp_path: Path, clock: Clock, receiver: WebhookReceiver
) -> None:
    rules = (
        f'{CRM}\nevents = ["alert.*"]\n[[notify]]\nsink = "night"\nafter = "2m"',
        f'{ERP}\nevents = ["alert.*"]\nmatch = {{ stream = "other" }}',
    )
    crm = telling(tmp_path, clock, receiver, *rules)
    crm.stage.live.answers(Command.START, *[Throttled("Throttling.User", "slow down")] * 99)
    crm.publish()
    for _ in range(4):
        crm.pass_ms(60_000)
        crm.run()
    (alert,) = (
        one
        for one in crm.stage.ask("GET", "/v1/alerts").json["alerts"]
        if one["condition"] == "not_recorded"
    )
    crm.stage.ask("POST", f"/v1/alerts/{alert['id']}/ack", {"note": "on it"})
    crm.stage.live.script.clear()
    crm.pass_ms(60_000)
    crm.stage.happens(TimePassed())
    crm.stage.happens(Reported("record_started", recording=True, time=clock.now))
    for _ in range(2):
        crm.pass_ms(60_000)
        crm.run()
    payloads = [each.payload for each in receiver.of("/crm")]
    lost = [each for each in payloads if each["data"]["condition"] == "not_recorded"]
    kinds = ["raised", "escalated", "acknowledged", "resolved"]
    assert [each["type"] for each in lost] == [f"alert.{kind}" for kind in kinds]
    assert {each["data"]["alert"] for each in lost} == {alert["id"]}
    assert {each["data"]["stream"] for each in lost} == {str(KEY)}
    assert lost[0]["data"]["text"].startswith("Live throttled start")
    assert (lost[1]["data"]["sink"], lost[2]["data"]["by"]) == ("night", "ops")
    assert [each["data"].get("note") for each in lost] == [None, None, "on it", None]
    _, schemas = msgspec.json.schema_components([FAMILIES["alert"]], ref_template="#/$defs/{name}")
    for each in payloads:
        jsonschema_rs.validate({**schemas["AlertEvent"], "$defs": schemas}, each)
    # A receiver of other streams gets the alerts of the stage alone.
    of_others = [each.payload["data"] for each in receiver.of("/erp")]
    assert of_others
    assert not any("stream" in data for data in of_others)


# --- what there is no room for --------------------------------------------------------------------


def test_what_has_no_room_is_counted_and_reported_wherever_it_was(crm: Told) -> None:
    """A receiver is down for two days: it gets what the cap holds, and the rest is counted."""
    crm.receiver.behave("/crm", "status:503")
    stage, most = crm.stage, OUTBOX_MAX_BYTES
    fill = NewTask("fill", TaskKind.VERIFY_FILE, "x" * (most - size_of("") - 6_000))
    assert stage.store.add_tasks(OF_STAGE, (fill,)) == 0
    crm.publish()
    for _ in range(6):
        crm.pass_ms(8 * 3_600_000)
        stage.happens(Unpublished(stage.clock.now))
        stage.happens(Published(stage.clock.now))
        crm.run()
    outbox = stage.store.outbox()
    assert outbox.dropped > 0
    assert outbox.open_bytes <= most
    open_codes = [one["condition"] for one in stage.ask("GET", "/v1/alerts").json["alerts"]]
    assert "tasks_dropped" in open_codes
    problems = stage.ask("GET", "/v1/health").json["problems"]
    (problem,) = (one for one in problems if one["code"] == "tasks_dropped")
    assert str(outbox.dropped) in problem["text"]
    # Once it answers, it gets all that was kept.
    crm.receiver.behave("/crm", "status:200")
    kept = {one.task.id for one in stage.store.open_tasks(after="", limit=999)} - {"fill"}
    crm.pass_ms(6 * 3_600_000)
    arrived = len(crm.receiver.of("/crm"))
    crm.run()
    got = {f"{each.id}-crm" for each in crm.receiver.of("/crm")[arrived:]}
    assert kept
    assert got >= kept
    assert stage.store.outbox().dropped == outbox.dropped


def test_what_has_no_room_at_the_hand_over_is_counted_and_reported(
    tmp_path: Path, clock: Clock, receiver: WebhookReceiver
) -> None:
    stage = telling(tmp_path, clock, receiver, CRM, ERP)
    stage.publish()
    left_bytes = OUTBOX_MAX_BYTES - stage.stage.store.outbox().open_bytes
    fill = NewTask("fill", TaskKind.VERIFY_FILE, "x" * (left_bytes - size_of("")))
    assert stage.stage.store.add_tasks(OF_STAGE, (fill,)) == 0
    stage.run()
    assert stage.stage.store.outbox().dropped > 0
    stage.pass_ms(60_000)
    stage.run()
    alerts = stage.stage.ask("GET", "/v1/alerts").json["alerts"]
    assert "tasks_dropped" in [one["condition"] for one in alerts]


# --- tests of a receiver, and what is known of it -----------------------------------------------


def listed(crm: Told) -> Any:  # noqa: ANN401 - JSON
    (webhook,) = crm.stage.ask("GET", "/v1/webhooks").json["webhooks"]
    return webhook


def test_a_test_is_sent_by_notify_and_its_answer_is_listed(crm: Told) -> None:
    got = crm.stage.ask("POST", "/v1/webhooks/crm/test", {})
    assert got.status == 202
    assert listed(crm)["test"] is None
    crm.run()
    (arrived,) = crm.receiver.of("/crm")
    assert (arrived.payload["type"], arrived.id) == ("webhook.test", got.json["id"])
    assert arrived.is_genuine
    assert listed(crm)["test"] == {
        "id": got.json["id"],
        "at": arrived.payload["timestamp"],
        "is_taken": True,
        "status": 200,
        "why": "",
        "took_ms": 0,
    }


def test_a_receiver_that_was_given_up_is_active_again_once_it_takes_a_test(crm: Told) -> None:
    crm.receiver.behave("/crm", "gone")
    crm.publish()
    crm.run()
    assert (listed(crm)["state"], listed(crm)["why"]) == ("ended", "status 410")
    for how, state in (("status:500", "ended"), ("status:200", "active")):
        crm.receiver.behave("/crm", how)
        crm.stage.ask("POST", "/v1/webhooks/crm/test", {})
        crm.run()
        assert listed(crm)["state"] == state
    crm.stage.stop()
    crm.run()
    assert "recording.withdrawn" in crm.types()


def test_a_list_shows_no_path_which_may_be_a_secret(crm: Told) -> None:
    assert listed(crm)["address"] == "http://127.0.0.1"


def test_only_a_receiver_of_the_policy_is_tested(crm: Told) -> None:
    assert crm.stage.ask("POST", "/v1/webhooks/erp/test", {}).status == 404


def test_a_policy_that_is_applied_is_an_event_of_the_stage(crm: Told) -> None:
    policy = crm.stage.ask("GET", "/v1/policy").json["policy"]
    crm.stage.ask("POST", "/v1/policy/apply", {"policy": policy, "replaces": 0})
    crm.run()
    (arrived,) = crm.receiver.of("/crm")
    assert arrived.payload["type"] == "stage.policy_applied"
    assert arrived.payload["data"] == {"version": 1}
