from __future__ import annotations

from dataclasses import replace
from hashlib import md5
from random import Random

import pytest

from tests.simulation.world import (
    Account,
    Answer,
    Callback,
    Compute,
    Config,
    Excess,
    Invocation,
    Live,
    OnDemand,
    Outcome,
    Rate,
    SecondPublisher,
    Stream,
    Switches,
    Trouble,
    WhenPaused,
)

T0 = 1_763_800_000_000
DELAY = 180_000
ROOM = Stream("live.example.com", "app", "room")
PLAIN = Switches()
HOST = "record.example.com"


def lots(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - lots, not keys


def a_live(switches: Switches = PLAIN, config: Config | None = None) -> Live:
    return Live(
        switches, Account(ingest={ROOM.domain: "push.example.com"}, config=config or Config())
    )


def code(live: Live, at: int, command: str, **more: object) -> str | None:
    """Return status and code of a command, None if it was not answered."""
    answer = live.command(at, ROOM, command, **more)  # type: ignore[arg-type] # the tests name them
    return None if answer is None else f"{answer.status} {answer.code}".strip()


def recorded(switches: Switches = PLAIN) -> Live:
    """Return a Live whose room has been recorded since T0."""
    live = a_live(switches)
    live.publish(T0, ROOM)
    assert code(live, T0, "start") == "200"
    return live


def callbacks_until(live: Live, until: int) -> list[Callback]:
    """Return the callbacks that leave until then, each answered 200 at once."""
    heard: list[Callback] = []
    due = live.next_due()
    while due is not None and due <= until:
        for callback in live.callbacks_due(due):
            live.answered(due, callback.number, 200)
            heard.append(callback)
        due = live.next_due()
    live.callbacks_due(until)
    return heard


def kinds(live: Live, until: int) -> list[tuple[str, int]]:
    return [(each.kind, each.at - T0) for each in callbacks_until(live, until)]


# --- commands


def test_a_start_records_and_a_second_one_is_refused() -> None:
    live = recorded()
    assert live.is_recording(ROOM)
    assert code(live, T0 + 1, "start") == "409 TaskAlreadyStarted"
    assert [each.acted for each in live.arrived] == [True, False]


def test_a_start_of_an_offline_stream_is_not_found() -> None:
    assert code(a_live(), T0, "start") == "409 StreamNotFound"


@pytest.mark.parametrize(("after", "expected"), [(3_999, "409 StreamNotFound"), (4_000, "200")])
def test_the_recorder_may_know_a_stream_only_some_time_after_it_connected(
    after: int, expected: str
) -> None:
    live = a_live(replace(PLAIN, visible_after_ms=4_000))
    live.publish(T0, ROOM)
    assert code(live, T0 + after, "start") == expected


def test_an_encoder_that_left_before_the_recorder_knew_it_is_never_found() -> None:
    live = a_live(replace(PLAIN, visible_after_ms=4_000))
    live.publish(T0, ROOM)
    live.unpublish(T0 + 3_000, ROOM)
    assert code(live, T0 + 4_000, "start") == "409 StreamNotFound"


def test_a_stop_pauses_and_the_file_comes_after_the_merge_delay() -> None:
    live = recorded()
    assert kinds(live, T0 + 60_000) == [("record_started", 500), ("publish", 2_000)]
    assert code(live, T0 + 60_000, "stop") == "200"
    assert live.is_paused(ROOM)
    assert kinds(live, T0 + 60_000 + DELAY) == [("record_paused", 60_500)]
    assert kinds(live, T0 + 61_000 + DELAY) == [("file", 61_000 + DELAY)]
    assert not live.is_paused(ROOM)
    assert [(each.start, each.stop) for each in live.files] == [(T0, T0 + 60_000)]
    assert [each.end for each in live.intervals] == [T0 + 60_000]


def test_cancel_delay_after_a_stop_writes_the_file_at_once() -> None:
    live = recorded()
    code(live, T0 + 60_000, "stop")
    assert code(live, T0 + 60_100, "cancel_delay") == "200"
    assert [each.made for each in live.files] == [T0 + 60_100]
    assert not live.is_paused(ROOM)


def test_the_delay_that_was_cancelled_does_not_end_the_next_recording() -> None:
    live = recorded()
    for command in ("stop", "cancel_delay", "start"):
        assert code(live, T0 + 60_000, command) == "200"
    live.callbacks_due(T0 + 60_000 + DELAY)
    assert (live.is_recording(ROOM), len(live.files)) == (True, 1)


def test_a_recording_cut_in_the_moment_it_began_leaves_no_file() -> None:
    live = recorded()
    assert code(live, T0, "restart") == "200"
    assert live.files == []


def test_a_restart_cuts_the_file_and_goes_on_recording() -> None:
    live = recorded()
    assert code(live, T0 + 60_000, "restart") == "200"
    assert [(each.start, each.stop) for each in live.files] == [(T0, T0 + 60_000)]
    assert live.is_recording(ROOM)


@pytest.mark.parametrize(("accepted", "expected"), [(True, "200"), (False, "409 TaskNotStarted")])
def test_a_restart_before_any_start_begins_or_is_refused(accepted: bool, expected: str) -> None:
    live = a_live(replace(PLAIN, restart_before_start=accepted))
    live.publish(T0, ROOM)
    assert code(live, T0, "restart") == expected
    assert live.is_recording(ROOM) is accepted


@pytest.mark.parametrize(
    ("switch", "expected"),
    [
        ("", "200"),
        ("StreamNotFound", "409 StreamNotFound"),
        ("TaskNotStarted", "409 TaskNotStarted"),
    ],
)
def test_a_stop_of_what_is_not_recorded_answers_as_the_switch_says(
    switch: str, expected: str
) -> None:
    live = a_live(replace(PLAIN, out_of_order=switch))
    live.publish(T0, ROOM)
    assert code(live, T0, "stop") == expected
    assert code(live, T0, "cancel_delay") == expected


@pytest.mark.parametrize(
    ("how", "expected", "recording", "files"),
    [
        (WhenPaused.RESUMES, "200", True, 0),
        (WhenPaused.NEW_FILE, "200", True, 1),
        (WhenPaused.ALREADY_STARTED, "409 TaskAlreadyStarted", False, 0),
    ],
)
def test_a_start_after_a_stop_within_the_delay(
    how: WhenPaused, expected: str, recording: bool, files: int
) -> None:
    live = recorded(replace(PLAIN, start_while_paused=how))
    code(live, T0 + 10_000, "stop")
    assert code(live, T0 + 20_000, "start") == expected
    assert (live.is_recording(ROOM), len(live.files)) == (recording, files)


@pytest.mark.parametrize(("dropped", "files"), [(False, 1), (True, 0)])
def test_a_restart_of_a_paused_task_may_lose_what_was_before(dropped: bool, files: int) -> None:
    live = recorded(replace(PLAIN, restart_drops_paused_part=dropped))
    code(live, T0 + 10_000, "stop")
    assert code(live, T0 + 20_000, "restart") == "200"
    assert (live.is_recording(ROOM), len(live.files)) == (True, files)


def test_what_no_one_knows_is_refused() -> None:
    live = a_live()
    assert code(live, T0, "pause") == "400 MalformedParam"
    elsewhere = live.command(T0, Stream("other.example.com", "app", "room"), "start")
    assert elsewhere is not None
    assert elsewhere.code == "InvalidDomain.NotFound"


# --- interruption


def test_an_interruption_stops_a_manual_recording_for_good() -> None:
    live = recorded()
    live.unpublish(T0 + 10_000, ROOM)
    live.publish(T0 + 20_000, ROOM)
    assert (live.is_live(ROOM), live.is_recording(ROOM), live.is_paused(ROOM)) == (
        True,
        False,
        True,
    )
    assert code(live, T0 + 23_000, "start") == "200"
    assert live.is_recording(ROOM)


def test_a_manual_recording_may_resume_by_itself_within_the_delay() -> None:
    live = recorded(replace(PLAIN, resumes_after_interruption=True))
    live.unpublish(T0 + 10_000, ROOM)
    live.publish(T0 + 20_000, ROOM)
    assert code(live, T0 + 23_000, "start") == "409 TaskAlreadyStarted"
    assert ("record_resumed", 20_500) in kinds(live, T0 + 23_000)
    assert live.files == []


def test_nothing_resumes_by_itself_after_the_delay() -> None:
    live = recorded(replace(PLAIN, resumes_after_interruption=True))
    live.unpublish(T0 + 10_000, ROOM)
    live.publish(T0 + 10_000 + DELAY, ROOM)
    assert (live.is_recording(ROOM), len(live.files)) == (False, 1)


@pytest.mark.parametrize(("not_found", "resumes"), [(True, True), (False, False)])
def test_a_stop_while_offline_prevents_the_resume_only_when_it_is_accepted(
    not_found: bool, resumes: bool
) -> None:
    live = recorded(replace(PLAIN, resumes_after_interruption=True, offline_is_not_found=not_found))
    live.unpublish(T0 + 10_000, ROOM)
    assert code(live, T0 + 11_000, "stop") == ("409 StreamNotFound" if not_found else "200")
    live.publish(T0 + 20_000, ROOM)
    assert live.is_recording(ROOM) is resumes


def test_an_automatic_recording_begins_alone_and_resumes_in_the_same_file() -> None:
    live = a_live(config=Config(OnDemand.AUTOMATIC))
    live.publish(T0, ROOM)
    assert live.is_automatic(ROOM)
    live.unpublish(T0 + 10_000, ROOM)
    live.publish(T0 + 20_000, ROOM)
    assert (live.is_automatic(ROOM), live.files) == (True, [])


@pytest.mark.parametrize("returns", [True, False])
def test_a_stopped_automatic_recording_may_return_with_the_next_ingest(returns: bool) -> None:
    live = a_live(replace(PLAIN, automatic_returns=returns), Config(OnDemand.AUTOMATIC))
    live.publish(T0, ROOM)
    assert code(live, T0 + 10_000, "stop") == "200"
    live.unpublish(T0 + 20_000, ROOM)
    live.publish(T0 + 20_000 + DELAY, ROOM)
    assert live.is_recording(ROOM) is returns


def test_a_long_recording_leaves_a_file_each_cycle() -> None:
    live = recorded()
    live.callbacks_due(T0 + 2 * 3_600_000)
    spans = [(each.start - T0, each.stop - T0) for each in live.files]
    assert spans == [(0, 3_600_000), (3_600_000, 7_200_000)]


# --- the ingest


def test_a_publish_is_told_after_two_seconds_and_a_shorter_connection_never() -> None:
    live = a_live()
    live.publish(T0, ROOM)
    live.unpublish(T0 + 1_999, ROOM)
    live.publish(T0 + 5_000, ROOM)
    live.unpublish(T0 + 9_000, ROOM)
    assert kinds(live, T0 + 60_000) == [("publish", 7_000), ("publish_done", 9_000)]


def test_a_short_connection_may_send_a_publish_done_alone() -> None:
    live = a_live(replace(PLAIN, done_without_publish=True))
    live.publish(T0, ROOM)
    live.unpublish(T0 + 1_000, ROOM)
    assert kinds(live, T0 + 60_000) == [("publish_done", 1_000)]


def test_an_encoder_that_dies_in_its_first_seconds_is_announced_all_the_same() -> None:
    live = a_live()
    live.publish(T0, ROOM)
    live.unpublish(T0 + 1_000, ROOM, clean=False)
    assert kinds(live, T0 + 60_000) == [("publish", 2_000), ("publish_done", 11_000)]


def test_a_dead_encoder_is_noticed_after_ten_seconds_and_keeps_its_name_until_then() -> None:
    live = recorded()
    live.unpublish(T0 + 10_000, ROOM, clean=False)
    assert (live.is_live(ROOM), live.is_dying(ROOM), live.publish(T0 + 19_999, ROOM)) == (
        True,
        True,
        False,
    )
    live.callbacks_due(T0 + 20_000)
    assert (live.is_live(ROOM), live.is_recording(ROOM)) == (False, False)
    assert live.publish(T0 + 20_000, ROOM)


def test_a_second_encoder_may_take_over_and_its_publish_comes_before_the_first_ones_end() -> None:
    live = recorded(replace(PLAIN, second_publisher=SecondPublisher.TAKES_OVER))
    callbacks_until(live, T0 + 10_000)
    assert live.publish(T0 + 10_000, ROOM)
    assert live.is_paused(ROOM)
    ends = [each for each in kinds(live, T0 + 20_000) if each[0].startswith("publish")]
    assert ends == [("publish", 12_000), ("publish_done", 13_000)]


def test_beside_a_second_encoder_a_publish_done_does_not_mean_offline() -> None:
    live = recorded(replace(PLAIN, second_publisher=SecondPublisher.BESIDE))
    live.publish(T0 + 10_000, ROOM)
    live.unpublish(T0 + 20_000, ROOM)
    assert ("publish_done", 20_000) in kinds(live, T0 + 30_000)
    assert live.is_recording(ROOM)
    assert [row.publish_time for row in live.online(T0 + 30_000, ROOM.domain)] == [T0 + 10_000]


@pytest.mark.parametrize(("sending", "seconds"), [(False, 0), (True, 2)])
def test_the_time_of_a_publish_is_its_connecting_or_its_sending(
    sending: bool, seconds: int
) -> None:
    live = a_live(replace(PLAIN, publish_time_is_sending=sending))
    live.publish(T0, ROOM)
    [callback] = callbacks_until(live, T0 + 2_000)
    assert callback.fields["time"] == str(T0 // 1000 + seconds)


# --- the online list


def test_the_online_list_lags_by_what_the_switch_says() -> None:
    live = a_live(replace(PLAIN, online_lag_ms=3_000))
    live.publish(T0, ROOM)
    live.unpublish(T0 + 10_000, ROOM)
    seen = [bool(live.online(T0 + at, ROOM.domain)) for at in (10_001, 12_999, 13_000)]
    assert seen == [True, True, False]


def test_a_lagging_list_still_shows_the_session_before() -> None:
    live = a_live(replace(PLAIN, online_lag_ms=3_000))
    live.publish(T0, ROOM)
    live.unpublish(T0 + 10_000, ROOM)
    live.publish(T0 + 11_000, ROOM)
    times = [live.online(T0 + at, ROOM.domain) for at in (12_000, 13_500, 14_000)]
    assert [[row.publish_time - T0 for row in rows] for rows in times] == [[0], [], [11_000]]


def test_the_list_can_be_asked_for_one_stream_and_for_one_application() -> None:
    live = a_live()
    live.publish(T0, ROOM)
    live.publish(T0, ROOM._replace(app="other"))
    assert len(live.online(T0, ROOM.domain)) == 2
    assert [row.stream for row in live.online(T0, ROOM.domain, app="app")] == [ROOM]
    assert [row.stream for row in live.online(T0, ROOM.domain, app="app", name="room")] == [ROOM]
    assert live.online(T0, ROOM.domain, app="app", name="none") == ()
    assert live.online(T0, "other.example.com") == ()


# --- callbacks


def signature(domain: str, timestamp: object, key: str) -> str:
    return md5(f"{domain}|{timestamp}|{key}".encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(("port", "host"), [(False, HOST), (True, f"{HOST}:443")])
def test_ingest_callbacks_sign_the_ingest_domain_and_recordings_the_callback_host(
    port: bool, host: str
) -> None:
    live = recorded(replace(PLAIN, signature_has_port=port))
    record, publish = callbacks_until(live, T0 + 2_000)
    signed = {each.kind: each.headers["ALI-LIVE-SIGNATURE"] for each in (record, publish)}
    stamp = record.headers["ALI-LIVE-TIMESTAMP"]
    assert signed["record_started"] == signature(host, stamp, "record-key-0000000")
    stamp = publish.headers["ALI-LIVE-TIMESTAMP"]
    assert signed["publish"] == signature("push.example.com", stamp, "stream-key-0000000")


def test_domain_and_application_are_named_as_each_kind_of_callback_names_them() -> None:
    record, publish = callbacks_until(recorded(), T0 + 2_000)
    assert (record.method, publish.method) == ("POST", "GET")
    assert (record.fields["domain"], record.fields["app"]) == ("live.example.com", "app")
    assert (publish.fields["app"], publish.fields["appname"]) == ("push.example.com", "app")


@pytest.mark.parametrize("with_time", [True, False])
def test_status_callbacks_carry_a_time_or_not(with_time: bool) -> None:
    [record, _] = callbacks_until(recorded(replace(PLAIN, status_time=with_time)), T0 + 2_000)
    assert ("time" in record.fields) is with_time


def test_without_status_callbacks_files_are_told_all_the_same() -> None:
    live = recorded(replace(PLAIN, status_callbacks=False))
    assert kinds(live, T0 + 10_000) == [("publish", 2_000)]
    code(live, T0 + 10_000, "restart")
    assert kinds(live, T0 + 20_000) == [("file", 11_000)]


def attempts(live: Live, status: int | None, until: int) -> list[tuple[int, int, str]]:
    """Return (attempt, ms, timestamp) of each attempt of one publish that is always answered with
    `status`; None is no answer."""
    seen = []
    while (due := live.next_due()) is not None and due <= until:
        for callback in live.callbacks_due(due):
            seen.append((callback.attempt, due - T0, callback.headers["ALI-LIVE-TIMESTAMP"]))
            if status is not None:
                live.answered(due, callback.number, status)
    return seen


def test_a_callback_that_no_one_answers_is_tried_five_more_times_and_then_listed() -> None:
    live = a_live()
    live.publish(T0, ROOM)
    seen = attempts(live, None, T0 + 60_000)
    assert [each[:2] for each in seen] == [(n, 2_000 + 6_000 * n) for n in range(6)]
    rows = live.undelivered(T0 + 60_000, "push.example.com", T0, T0 + 60_000)
    assert [(row.kind, row.at - T0) for row in rows] == [("publish", 37_000)]
    assert live.undelivered(T0 + 60_000, "push.example.com", T0, T0 + 36_999) == ()
    assert live.undelivered(T0 + 8 * 86_400_000, "push.example.com", T0, T0 + 60_000) == ()


@pytest.mark.parametrize("anew", [True, False])
def test_a_retry_is_signed_anew_or_not(anew: bool) -> None:
    live = a_live(replace(PLAIN, retry_signs_anew=anew))
    live.publish(T0, ROOM)
    assert len({stamp for *_, stamp in attempts(live, None, T0 + 60_000)}) == (6 if anew else 1)


@pytest.mark.parametrize(("retried", "count"), [(True, 6), (False, 1)])
def test_a_callback_answered_500_is_retried_or_not(retried: bool, count: int) -> None:
    live = a_live(replace(PLAIN, retries_on_error=retried))
    live.publish(T0, ROOM)
    assert len(attempts(live, 500, T0 + 60_000)) == count
    assert len(live.undelivered(T0 + 60_000, "push.example.com", T0, T0 + 60_000)) == 1


def test_an_answer_in_time_ends_it() -> None:
    live = a_live()
    live.publish(T0, ROOM)
    [callback] = live.callbacks_due(T0 + 2_000)
    live.answered(T0 + 6_999, callback.number, 200)
    assert live.next_due() is None
    assert live.callbacks_due(T0 + 60_000) == []


def test_what_was_cancelled_does_not_happen_on_the_way_to_a_later_time() -> None:
    live = a_live()
    live.publish(T0, ROOM)
    [callback] = live.callbacks_due(T0 + 2_000)
    live.answered(T0 + 3_000, callback.number, 200)
    assert live.callbacks_due(T0 + 60_000) == []


def test_an_answer_after_five_seconds_is_not_heard() -> None:
    live = a_live()
    live.publish(T0, ROOM)
    [callback] = live.callbacks_due(T0 + 2_000)
    live.answered(T0 + 7_001, callback.number, 200)
    assert [each.attempt for each in live.callbacks_due(T0 + 8_000)] == [1]


def test_the_time_of_a_failed_callback_may_be_that_of_its_first_attempt() -> None:
    live = a_live(replace(PLAIN, notify_time_is_first=True))
    live.publish(T0, ROOM)
    attempts(live, None, T0 + 60_000)
    [row] = live.undelivered(T0 + 60_000, "push.example.com", T0, T0 + 60_000)
    assert row.at == T0 + 2_000


def test_running_streams_go_on_signing_with_the_old_keys() -> None:
    live, hall = recorded(), ROOM._replace(name="hall")
    live.rotate_keys(T0, stream_key="new-stream-key-000", record_key="new-record-key-000")
    live.publish(T0, hall)
    live.command(T0, hall, "start")
    signed = [each.headers["ALI-LIVE-SIGNATURE"] for each in callbacks_until(live, T0 + 2_000)]
    early, late = T0 // 1000, T0 // 1000 + 2
    assert signed == [
        signature(HOST, early, "record-key-0000000"),
        signature(HOST, early, "new-record-key-000"),
        signature("push.example.com", late, "stream-key-0000000"),
        signature("push.example.com", late, "new-stream-key-000"),
    ]


# --- on demand


def asked(switches: Switches, status: int, need_record: bool) -> Live:
    live = a_live(switches, Config(OnDemand.CALLBACK))
    live.publish(T0, ROOM)
    [question] = live.callbacks_due(T0)
    assert question.kind == "on_demand"
    live.answered(T0 + 100, question.number, status, need_record=need_record)
    return live


@pytest.mark.parametrize("wanted", [True, False])
def test_the_on_demand_answer_decides_whether_the_stream_is_recorded(wanted: bool) -> None:
    assert asked(PLAIN, 200, wanted).is_recording(ROOM) is wanted


@pytest.mark.parametrize("records", [True, False])
def test_an_on_demand_callback_that_fails_means_recorded_or_not(records: bool) -> None:
    live = asked(replace(PLAIN, on_demand_failure_records=records), 500, need_record=False)
    assert live.is_recording(ROOM) is records


def test_an_on_demand_callback_that_fails_may_be_asked_again() -> None:
    live = asked(replace(PLAIN, on_demand_retries=True), 500, need_record=False)
    [again] = live.callbacks_due(T0 + 1_100)
    live.answered(T0 + 1_200, again.number, 200, need_record=True)
    assert live.is_recording(ROOM)


@pytest.mark.parametrize(("works", "expected"), [(True, "200"), (False, "400 CodeConfigNotFound")])
def test_a_start_under_an_on_demand_configuration_works_or_not(works: bool, expected: str) -> None:
    live = asked(replace(PLAIN, on_demand_commands=works), 200, need_record=False)
    assert code(live, T0 + 1_000, "start") == expected
    assert live.is_commandable(ROOM) is works


# --- the account


@pytest.mark.parametrize(
    ("at_once", "first", "second"),
    [
        (True, "400 CodeConfigNotFound", "400 CodeConfigNotFound"),
        (False, "200", "400 CodeConfigNotFound"),
    ],
)
def test_a_deleted_configuration_ends_at_once_or_with_the_push(
    at_once: bool, first: str, second: str
) -> None:
    live = a_live(replace(PLAIN, deletion_acts_at_once=at_once))
    live.publish(T0, ROOM)
    live.delete_config(T0, ROOM.domain)
    assert code(live, T0, "start") == first
    live.unpublish(T0 + 1_000, ROOM)
    live.publish(T0 + 2_000, ROOM)
    assert code(live, T0 + 2_000, "start") == second


def test_a_configuration_added_under_way_serves_the_next_push_only() -> None:
    live = a_live()
    live.delete_config(T0, ROOM.domain)
    live.publish(T0, ROOM)
    live.set_config(T0, Config(), ROOM.domain, app=ROOM.app)
    assert code(live, T0, "start") == "400 CodeConfigNotFound"
    live.unpublish(T0, ROOM)
    live.publish(T0, ROOM)
    assert code(live, T0, "start") == "200"


@pytest.mark.parametrize(
    ("guarded", "expected"), [(True, "400 CodeConfigNotFound"), (False, "200")]
)
def test_a_missing_configuration_may_refuse_a_stop_too(guarded: bool, expected: str) -> None:
    live = recorded(replace(PLAIN, deletion_acts_at_once=True, config_guards_all=guarded))
    live.delete_config(T0, ROOM.domain)
    assert code(live, T0 + 1_000, "stop") == expected


def test_a_failed_recording_is_told_even_without_status_callbacks() -> None:
    live = a_live(replace(PLAIN, status_callbacks=False))
    live.break_bucket(T0, ROOM.domain)
    live.publish(T0, ROOM)
    code(live, T0, "start")
    assert kinds(live, T0 + 1_000) == [("record_error", 500)]


@pytest.mark.parametrize("silent", [True, False])
def test_with_a_broken_bucket_an_accepted_start_fails_loudly_or_silently(silent: bool) -> None:
    live = a_live(replace(PLAIN, failed_start_is_silent=silent))
    live.break_bucket(T0, ROOM.domain, "BucketNotFound")
    live.publish(T0, ROOM)
    assert code(live, T0, "start") == "200"
    errors = [each.fields["error_info"] for each in callbacks_until(live, T0 + 1_000)]
    assert errors == ([] if silent else [{"code": "BucketNotFound", "message": "BucketNotFound"}])
    assert (live.is_recording(ROOM), live.is_commandable(ROOM)) == (False, False)
    live.break_bucket(T0 + 2_000, ROOM.domain, "")
    assert code(live, T0 + 2_000, "start") == "200"
    assert live.is_recording(ROOM)


def test_expired_credentials_refuse_everything_until_they_are_renewed() -> None:
    live = recorded()
    live.expire_credentials(T0 + 1_000)
    refusal = live.refusal(T0 + 1_000)
    assert isinstance(refusal, Answer)
    assert (
        code(live, T0 + 1_000, "stop")
        == "403 InvalidSecurityToken.Expired"
        == f"{refusal.status} {refusal.code}"
    )
    live.renew_credentials(T0 + 2_000)
    assert live.refusal(T0 + 2_000) is None
    assert code(live, T0 + 2_000, "stop") == "200"


def test_a_clock_more_than_fifteen_minutes_off_is_refused() -> None:
    live = recorded()
    off = T0 + 1_000 - 15 * 60_000
    assert code(live, T0 + 1_000, "stop", signed_at=off - 1) == "400 InvalidTimeStamp.Expired"
    assert code(live, T0 + 1_000, "stop", signed_at=off) == "200"


@pytest.mark.parametrize("refused", [True, False])
def test_the_same_request_twice_is_refused_or_acts_twice(refused: bool) -> None:
    live = recorded(replace(PLAIN, nonce_refused=refused))
    assert code(live, T0 + 1_000, "restart", nonce="n1") == "200"
    again = code(live, T0 + 2_000, "restart", nonce="n1")
    assert again == ("400 SignatureNonceUsed" if refused else "200")
    assert len(live.files) == (1 if refused else 2)


@pytest.mark.parametrize(
    ("trouble", "expected", "acted"),
    [
        (Trouble.ACTED_500, "500 InternalError", True),
        (Trouble.IDLE_500, "500 InternalError", False),
        (Trouble.IDLE_503, "503 ServiceUnavailable", False),
        (Trouble.THROTTLED, "400 Throttling.User", False),
    ],
)
def test_what_goes_wrong_inside_live_acted_or_did_not(
    trouble: Trouble, expected: str, acted: bool
) -> None:
    live = a_live()
    live.publish(T0, ROOM)
    assert code(live, T0, "start", trouble=trouble) == expected
    assert (live.is_recording(ROOM), live.arrived[-1].acted) == (acted, acted)


@pytest.mark.parametrize("rate", list(Rate))
def test_fifty_calls_at_once_pass_and_the_next_is_refused(rate: Rate) -> None:
    live = a_live(replace(PLAIN, rate=rate, throttling_status=429, throttling_header=True))
    live.spend(T0, 49)
    assert code(live, T0, "start") == "409 StreamNotFound"
    assert live.command(T0, ROOM, "start") == Answer(429, "Throttling.User", "R-2", 300)
    assert code(live, T0 + 1_000, "start") == "409 StreamNotFound"


@pytest.mark.parametrize(("rate", "passes"), [(Rate.BUCKET, True), (Rate.SLIDING, False)])
def test_half_a_second_later_a_bucket_has_room_and_a_sliding_second_has_none(
    rate: Rate, passes: bool
) -> None:
    live = a_live(replace(PLAIN, rate=rate))
    live.spend(T0, 50)
    assert (code(live, T0 + 500, "start") == "409 StreamNotFound") is passes


def test_calls_over_the_quota_may_be_dropped_without_an_answer() -> None:
    live = a_live(replace(PLAIN, excess=Excess.DROPPED))
    live.publish(T0, ROOM)
    live.spend(T0, 50)
    assert code(live, T0, "start") is None
    assert (live.is_recording(ROOM), live.arrived[-1].answer) == (False, None)


def test_switches_are_drawn_the_same_for_the_same_seed_and_each_both_ways() -> None:
    drawn = [Switches.drawn(lots(seed)) for seed in range(100)]
    assert drawn == [Switches.drawn(lots(seed)) for seed in range(100)]
    assert all(len({getattr(each, name) for each in drawn}) > 1 for name in Switches.names())


def test_time_never_goes_backwards() -> None:
    live = recorded()
    with pytest.raises(ValueError, match="backwards"):
        live.publish(T0 - 1, ROOM)


# --- Function Compute


def a_compute(quota: int = 2, **more: int) -> Compute:
    return Compute(lots(1), quota, {"api": 10_000}, cold_ms=(300, 300), **more)


def begun(compute: Compute, at: int, function: str = "api") -> Invocation:
    invocation = compute.invoke(at, function, "event")
    assert invocation is not None
    return invocation


def test_a_call_beyond_the_quota_is_refused_until_one_has_finished() -> None:
    compute = a_compute()
    first = begun(compute, T0)
    begun(compute, T0)
    assert compute.invoke(T0, "api", "event") is None
    compute.finished(T0 + 500, first, Outcome.OK)
    assert begun(compute, T0 + 500).instance is first.instance
    assert (compute.busy, compute.refused) == (2, 1)


def test_a_new_instance_starts_cold_and_the_deadline_counts_from_then() -> None:
    first = begun(compute := a_compute(), T0)
    assert (first.cold, first.at - T0, first.deadline - first.at) == (True, 300, 10_000)
    first.instance.memory["seen"] = 1
    compute.finished(T0 + 500, first, Outcome.ERROR)
    second = begun(compute, T0 + 600)
    assert (second.cold, second.at - T0, second.instance.memory) == (False, 600, {"seen": 1})


@pytest.mark.parametrize("how", ["killed", "idle", "recycled"])
def test_memory_goes_with_the_instance(how: str) -> None:
    compute = a_compute()
    first = begun(compute, T0)
    compute.finished(T0 + 500, first, Outcome.KILLED if how == "killed" else Outcome.OK)
    if how == "recycled":
        compute.recycle(T0 + 500)
    later = T0 + (7 * 60_000 if how == "idle" else 600)
    assert begun(compute, later).instance is not first.instance


def run(compute: Compute, until: int, outcome: Outcome) -> list[Invocation]:
    """Return the calls that begin until then, each ended with this outcome at once."""
    seen: list[Invocation] = []
    while (due := compute.next_due()) is not None and due <= until:
        for invocation in compute.due(due):
            seen.append(invocation)
            compute.finished(due, invocation, outcome)
    return seen


def test_an_asynchronous_call_that_fails_is_tried_three_more_times() -> None:
    compute = a_compute()
    compute.invoke_async(T0, "api", "event")
    assert [each.attempt for each in run(compute, T0 + 600_000, Outcome.ERROR)] == [0, 1, 2, 3]
    assert compute.lost == ["event"]


def test_an_asynchronous_call_is_given_up_when_it_is_too_old() -> None:
    compute = a_compute(age_ms=60_000, retries=8)
    compute.invoke_async(T0, "api", "event")
    assert 1 < len(run(compute, T0 + 3_600_000, Outcome.ERROR)) < 9
    assert compute.lost == ["event"]


def test_a_synchronous_call_is_never_tried_again() -> None:
    compute = a_compute()
    compute.finished(T0, begun(compute, T0), Outcome.ERROR)
    assert compute.next_due() is None


def test_a_refused_asynchronous_call_backs_off_until_it_is_too_old() -> None:
    compute = a_compute(quota=0, age_ms=10_000)
    compute.invoke_async(T0, "api", "event")
    waits = []
    while (due := compute.next_due()) is not None:
        assert compute.due(due) == []
        waits.append(due - T0)
    assert waits == [0, 500, 1_500, 3_500, 7_500]
    assert compute.lost == ["event"]


def test_a_refused_asynchronous_call_begins_once_there_is_room() -> None:
    compute = a_compute(quota=0)
    compute.invoke_async(T0, "api", "event")
    compute.due(T0)
    compute.quota = 1
    assert [each.payload for each in run(compute, T0 + 500, Outcome.OK)] == ["event"]


def test_a_timer_calls_each_minute_a_little_late() -> None:
    compute = a_compute()
    compute.timer(T0, "reconcile", "tick", jitter_ms=1_000)
    calls = run(compute, T0 + 150_000, Outcome.OK)
    assert len(calls) == 3
    begins = [each.at - T0 - (300 if each.cold else 0) for each in calls]
    assert all(0 <= begin % 60_000 <= 1_000 for begin in begins)
