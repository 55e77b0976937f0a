"""Every callback that Live sends, over the real HTTP edge, in any order: what sections 2 to 5 of
docs/platform/live.md say, row by row, and what users suffer from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.journey import INGEST, Stage, stage

pytestmark = pytest.mark.slow
DOMAIN = "live.example.com"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage(tmp_path_factory.mktemp("stage")) as running:
        yield running


def recorded(here: Stage, stream: str) -> None:
    here.publish(stream)
    here.ask(stream, "start")
    here.until(lambda: here.status(stream)["confirmed"] is True)


def until_live_again(here: Stage, stream: str) -> None:
    """Wait until a poll has found the stream live and it is recorded."""
    here.until(lambda: here.status(stream)["session"]["state"] == "live")
    here.until_phase(stream, "recording")


# --- section 2: the stream comes and goes -------------------------------------------------------


def test_wrong_domain_kind_a_callback_signed_over_the_streaming_domain_is_refused(
    here: Stage,
) -> None:
    assert here.ingest("kind", signed=DOMAIN).status_code == 401
    assert here.history("kind") == []


def test_wrong_domain_kind_a_callback_that_names_the_application_as_its_domain_is_refused(
    here: Stage,
) -> None:
    assert here.ingest("kind", app="app", appname=INGEST).status_code == 401


def test_a_callback_of_a_domain_bound_to_nothing_of_ours_is_ignored(here: Stage) -> None:
    other = "push.elsewhere.com"
    answer = here.ingest("kind", signed=other, app=other)

    assert (answer.status_code, "ignored" in answer.json()) == (200, True)


def test_same_second_two_publishes_of_one_second_are_one_session(here: Stage) -> None:
    here.ask("second", "start")
    at = here.publish("second")["time"]
    here.until(lambda: here.status("second")["confirmed"] is True)
    sent = here.sent("second")

    assert here.ingest("second", time=at).status_code == 200
    assert (here.history("second")[-1], here.sent("second")) == ("published_twice", sent)


def test_same_second_publish_and_publish_done_share_a_signature_and_both_count(
    here: Stage,
) -> None:
    at = here.now_s()
    here.ingest("instant", time=at)
    here.ingest("instant", action="publish_done", time=at)

    assert "unpublished" in here.history("instant")


def test_late_publish_done_of_the_session_before_does_not_touch_the_next(here: Stage) -> None:
    recorded(here, "late")
    began = int(here.live.state("late")["sessions"][-1]["time"])
    here.ingest("late", action="publish_done", time=began - 6)

    assert "unpublished_late" in here.history("late")
    assert here.status("late")["phase"] == "recording"


def test_late_publish_of_the_session_before_changes_nothing(here: Stage) -> None:
    recorded(here, "latepub")
    began = int(here.live.state("latepub")["sessions"][-1]["time"])
    sent = here.sent("latepub")
    here.ingest("latepub", time=began - 30)

    assert here.history("latepub")[-1] == "published_late"
    assert here.sent("latepub") == sent


def test_a_publish_done_that_is_overtaken_by_the_next_publish_ends_nothing(here: Stage) -> None:
    recorded(here, "overtaken")
    here.live.detour("delay", event="publish_done", stream="overtaken", delay_ms=20_000)
    here.live.unpublish("overtaken")
    here.live.advance(10)
    here.publish("overtaken")
    here.live.advance(10)
    here.until(lambda: "unpublished_late" in here.history("overtaken"))

    here.until(lambda: here.records("overtaken"))


def test_a_callback_that_is_delivered_late_still_starts_the_recording(here: Stage) -> None:
    here.ask("delayed", "start")
    here.live.detour("delay", event="publish", stream="delayed", delay_ms=20_000)
    here.live.publish("delayed")
    here.live.advance(20)

    here.until(lambda: here.records("delayed"))


def test_a_callback_lost_for_good_is_learnt_from_the_list_within_90_s(here: Stage) -> None:
    here.ask("lost", "start")
    here.live.detour("drop", event="publish", stream="lost")
    here.live.publish("lost")
    here.live.advance(60)
    here.reconcile()

    here.until(lambda: here.records("lost"))


def test_a_stream_nobody_asked_for_is_left_alone(here: Stage) -> None:
    here.publish("stranger")

    assert (here.sent("stranger"), here.status("stranger")["phase"]) == ([], "idle")
    assert here.history("stranger")[-1] == "rule_ignores"


def test_a_reconnect_inside_the_merge_delay_is_started_anew(here: Stage) -> None:
    recorded(here, "inside")
    here.unpublish("inside")
    here.live.advance(60)
    here.publish("inside")

    here.until(lambda: here.records("inside"))
    assert here.live.state("inside")["files"] == []


def test_a_reconnect_outside_the_merge_delay_is_started_anew_in_a_new_file(here: Stage) -> None:
    recorded(here, "outside")
    here.unpublish("outside")
    here.live.advance(181)
    here.publish("outside")

    here.until(lambda: here.records("outside"))
    assert len(here.live.state("outside")["files"]) == 1


def test_an_encoder_blip_after_an_explicit_stop_is_not_recorded(here: Stage) -> None:
    recorded(here, "blip")
    here.ask("blip", "stop")
    here.until(lambda: not here.records("blip"))
    here.unpublish("blip")
    here.live.advance(10)
    here.publish("blip")

    assert here.sent("blip")[-1] == "stop"
    assert not here.records("blip")


def test_a_forged_end_stops_nothing(here: Stage) -> None:
    recorded(here, "forged")
    here.forge_end("forged")
    here.live.advance(5)
    here.reconcile()
    until_live_again(here, "forged")

    assert "stop" not in here.sent("forged")
    assert here.records("forged")


def test_a_publish_replayed_with_a_later_time_ends_nothing(here: Stage) -> None:
    here.publish("replayed")
    here.ask("replayed", "start", on_interruption="stop")
    here.until(lambda: here.status("replayed")["confirmed"] is True)
    here.live.advance(60)
    assert here.ingest("replayed").status_code == 200
    here.live.advance(5)
    here.reconcile()
    here.until_told("replayed", "published_unseen")
    until_live_again(here, "replayed")

    assert "stop" not in here.sent("replayed")
    assert here.records("replayed")


def test_a_refused_second_publisher_leaves_the_recording_alone(here: Stage) -> None:
    recorded(here, "second-publisher")
    here.ingest("second-publisher", action="publish_done", time=here.now_s())
    here.live.advance(5)
    here.reconcile()

    until_live_again(here, "second-publisher")
    assert here.records("second-publisher")


# --- section 2.1: exceptions and switches -------------------------------------------------------


@pytest.mark.parametrize("signed", [True, False])
def test_an_exception_callback_is_accepted_and_changes_nothing(here: Stage, signed: bool) -> None:
    stream = f"exception-{signed}"
    recorded(here, stream)
    here.live.switch(remarks_carry_signature=signed)
    before = len(here.live.calls()["callbacks"])
    here.live.exception(stream, code=2001)
    here.until(lambda: _status_of(here, "exception", before) == [200])
    here.live.switch(remarks_carry_signature=True)

    assert ("exception" in here.history(stream)) is signed
    assert here.status(stream)["phase"] == "recording"


def _status_of(here: Stage, event: str, since: int) -> list[int]:
    answer = here.live.calls()["callbacks"][since:]
    return [call["status"] for call in answer if call["event"] == event and call["status"]]


def test_dual_stream_one_publish_done_does_not_mean_offline(here: Stage) -> None:
    recorded(here, "dual")
    here.live.switch_publisher("dual", wait=True)
    here.until(lambda: {"switched", "unpublished"} <= set(here.history("dual")))
    here.live.advance(5)
    here.reconcile()
    until_live_again(here, "dual")

    assert "stop" not in here.sent("dual")
    assert here.records("dual")


# --- section 3: who is let in -------------------------------------------------------------------


def test_several_keys_are_accepted_while_they_are_changed(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    keys = {"LIVE_RECORD_STREAM_KEYS": "next-stream-key-000,dev-stream-key-0000"}
    with stage(tmp_path_factory.mktemp("keys"), **keys) as here:
        assert here.publish("old")["callback"]["status"] == 200
        here.live.notify(stream_key="next-stream-key-000")
        assert here.publish("new")["callback"]["status"] == 200
        here.live.notify(stream_key="third-stream-key-00")
        assert here.publish("unknown")["callback"]["status"] == 401


@pytest.mark.parametrize("host", ["host", "host_with_port"])
def test_a_recording_callback_may_be_signed_with_the_port_or_without(
    here: Stage, host: str
) -> None:
    here.live.switch(record_signature_host=host)
    recorded(here, f"signed-{host}")
    here.until(lambda: "confirmed" in here.history(f"signed-{host}"))
    here.live.switch(record_signature_host="host")


# --- section 4: what the recording does ---------------------------------------------------------


def test_a_start_is_confirmed_by_lives_own_report(here: Stage) -> None:
    recorded(here, "confirmed")

    here.until(lambda: here.status("confirmed")["confirmed"] is True)


def test_a_stop_ends_in_a_file_which_is_listed(here: Stage) -> None:
    recorded(here, "filed")
    here.live.advance(30)
    here.ask("filed", "stop", finalize=True)
    here.until(lambda: len(_files(here, "filed")) == 1)

    assert _files(here, "filed") == [one["uri"] for one in here.live.state("filed")["files"]]


def test_a_long_recording_leaves_a_file_for_every_cycle(here: Stage) -> None:
    place = {"domain": DOMAIN, "app": "app", "stream": "cycles"}
    here.live.post("recording", {**place, "on_demand": 7, "cycle_seconds": 60})
    recorded(here, "cycles")
    here.live.advance(3 * 60 + 1)

    here.until(lambda: len(_files(here, "cycles")) == 3)
    assert here.status("cycles")["phase"] == "recording"


def test_a_file_told_twice_is_kept_once(here: Stage) -> None:
    recorded(here, "twofold")
    here.live.detour("duplicate", event="file", stream="twofold")
    here.ask("twofold", "stop", finalize=True)
    here.until(lambda: here.history("twofold").count("file") >= 1 and _told_twice(here))

    assert len(_files(here, "twofold")) == 1


def _told_twice(here: Stage) -> bool:
    answer = here.live.calls()["callbacks"]
    return [one["status"] for one in answer if one["stream"] == "twofold"].count(200) >= 4


def _files(here: Stage, stream: str) -> list[str]:
    body = here.call("GET", here.url(stream, "/files")).json()["files"]
    return [one["uri"] for one in body]


def test_a_recording_that_breaks_is_started_again(here: Stage) -> None:
    recorded(here, "breaks")
    here.live.record_error("breaks", code="AccessDenied", message="denied")

    here.until(lambda: here.sent("breaks") == ["start", "start"])
    here.until(lambda: here.records("breaks"))


def test_errors_in_a_row_fail_the_session_and_the_next_publish_tries_anew(here: Stage) -> None:
    recorded(here, "broken")
    for _ in range(3):
        here.until(lambda: here.records("broken"))
        here.live.record_error("broken", code="AccessDenied", message="denied")
    here.until_phase("broken", "failed")
    assert "OSS" in here.status("broken")["reason"]["text"]

    here.unpublish("broken")
    here.live.advance(10)
    here.publish("broken")
    here.until(lambda: here.records("broken"))


@pytest.mark.parametrize("event", ["transformat_error", "record_force_transcode_fail"])
def test_a_file_that_is_lost_later_does_not_fail_the_session(here: Stage, event: str) -> None:
    stream = event.replace("_", "-")
    recorded(here, stream)
    here.live.record_event(stream, event, event=event, error_info={"code": "C", "message": "m"})
    here.until(lambda: "file_failed" in here.history(stream))

    assert here.status(stream)["phase"] == "recording"


def test_a_recording_to_vod_has_an_id_instead_of_a_uri(here: Stage) -> None:
    here.live.record_event(
        "vod", "file", EventType="AddLiveRecordVideoComplete", VideoId="v-1", Status="success"
    )

    here.until(lambda: _files(here, "vod") == ["vod:v-1"])


def test_an_event_that_nobody_knows_is_accepted(here: Stage) -> None:
    before = len(here.live.calls()["callbacks"])
    here.live.record_event("sung", "file", event="record_sung")

    here.until(lambda: _status_of(here, "file", before) == [200])
    assert here.history("sung") == []


def test_a_recording_nobody_asked_us_for_is_reported_and_left_alone(here: Stage) -> None:
    here.live.post(
        "recording", {"domain": DOMAIN, "app": "app", "stream": "theirs", "on_demand": 0}
    )
    # A report of a stream that nobody knows is not kept: this one must not overtake the publish.
    here.live.detour("delay", event="record_started", stream="theirs", delay_ms=20_000)
    here.publish("theirs")
    here.until_told("theirs", "published")
    here.live.advance(20)
    here.until_phase("theirs", "unmanaged")

    here.reconcile()
    assert here.sent("theirs") == []


# --- section 5: asked as the stream begins ------------------------------------------------------


def asking(here: Stage, stream: str) -> None:
    configuration = {"domain": DOMAIN, "app": "app", "stream": stream, "on_demand": 1}
    here.live.post("recording", configuration)


def test_live_asks_and_a_wanted_stream_is_recorded_from_its_beginning(here: Stage) -> None:
    asking(here, "wanted")
    here.ask("wanted", "start")
    before = len(here.live.calls()["callbacks"])
    here.publish("wanted")
    here.until(lambda: here.records("wanted") and _status_of(here, "on_demand", before) == [200])


def test_live_asks_and_a_stream_that_nobody_wants_is_not_recorded(here: Stage) -> None:
    asking(here, "unwanted")
    before = len(here.live.calls()["callbacks"])
    here.publish("unwanted")
    here.until(lambda: _status_of(here, "on_demand", before) == [200])

    assert not here.records("unwanted")


def test_a_question_that_was_lost_is_repaired_by_the_publish(here: Stage) -> None:
    asking(here, "unasked")
    here.ask("unasked", "start")
    here.live.detour("drop", event="on_demand", stream="unasked")
    here.publish("unasked")

    here.until(lambda: here.records("unasked"))


@pytest.mark.parametrize("signs", [True, False])
def test_a_rule_answers_whether_or_not_the_question_is_signed(here: Stage, signs: bool) -> None:
    app = f"classroom-{signs}".lower()
    here.live.switch(on_demand_carries_signature=signs)
    here.live.post("recording", {"domain": DOMAIN, "app": "classroom", "on_demand": 1})
    before = len(here.live.calls()["callbacks"])
    here.live.publish(app, app="classroom", wait=True)
    here.until(lambda: len(_status_of(here, "on_demand", before)) > 0)
    here.live.switch(on_demand_carries_signature=False)

    assert _status_of(here, "on_demand", before) == [200]
