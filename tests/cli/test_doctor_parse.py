"""What Live answers, as doctor reads it: also where Live spells it otherwise or leaves it out."""

from __future__ import annotations

from typing import Any

import pytest

from cli.doctor import parse
from cli.doctor.snapshot import Format, Identity


def notified(kind: str, at: int, result: str = "success", content: str = "{}") -> dict[str, Any]:
    return {
        "DomainName": "live.example.com",
        "AppName": "app",
        "StreamName": "room",
        "NotifyType": kind,
        "NotifyTime": f"2026-11-22T10:00:{at:02}Z",
        "NotifyResult": result,
        "NotifyContent": content,
        "Description": "no answer",
    }


@pytest.mark.parametrize("name", ["OnDemond", "OnDemand"])
def test_the_mode_is_read_however_it_is_spelt(name: str) -> None:
    row = {"DomainName": "live.example.com", "OssBucket": "b", name: 7, "DelayTime": 180}
    (read,) = parse.recordings({"LiveAppRecordList": {"LiveAppRecord": [row]}})

    assert (read.on_demand, read.delay_ms, read.app, read.stream) == (7, 180_000, "*", "*")


def test_the_names_of_segments_are_read_beside_those_of_files() -> None:
    m3u8 = {"Format": "m3u8", "OssObjectPrefix": "files/", "SliceOssObjectPrefix": "segments/"}
    formats = {"RecordFormatList": {"RecordFormat": [m3u8, {"Format": "mp4"}]}}
    (read,) = parse.recordings({"LiveAppRecordList": {"LiveAppRecord": [formats]}})

    assert read.formats == (Format("m3u8", "files/", "segments/"), Format("mp4", "", ""))


@pytest.mark.parametrize("answer", [{}, {"LiveAppRecordList": {}}, {"LiveAppRecordList": None}])
def test_a_list_that_is_left_out_is_empty(answer: dict[str, Any]) -> None:
    assert parse.recordings(answer) == []


@pytest.mark.parametrize(
    ("value", "signs"), [("yes", True), (True, True), ("no", False), (False, False), (None, None)]
)
def test_whether_it_signs_is_read_in_every_form(value: object, signs: bool | None) -> None:
    row = {"NotifyUrl": "https://fc.example.com/x", "NotifyReqAuth": value}
    read = parse.record_callback("live.example.com", {"LiveRecordNotifyConfig": row})

    assert read is not None
    assert read.signs is signs


@pytest.mark.parametrize("row", [None, {}, {"NotifyUrl": ""}])
def test_an_empty_configuration_is_none(row: object) -> None:
    assert parse.stream_callback("push.example.com", {"LiveStreamsNotifyConfig": row}) is None


@pytest.mark.parametrize(
    ("arn", "name"),
    [
        ("acs:ram::1:user/ada", "ada"),
        ("acs:ram::1:assumed-role/ops/ada", "ops"),
        ("acs:ram::1:root", ""),
    ],
)
def test_whose_a_key_is_is_read_from_its_arn(arn: str, name: str) -> None:
    assert parse.identity({"IdentityType": "x", "Arn": arn}) == Identity("x", name)


def test_a_lost_callback_is_told_until_the_next_of_its_kind_arrives() -> None:
    lost, later = notified("record_started", 1, "failed"), notified("record_started", 2)
    other = notified("record_paused", 3)

    assert [record.kind for record in parse.lost([lost, other])] == ["record_started"]
    assert parse.lost([lost, later, other]) == []


def test_a_broken_recording_is_told_until_something_else_is() -> None:
    content = '{"error_info": {"code": "BucketNotFound"}}'
    error, later = notified("record_error", 1, content=content), notified("record_started", 2)

    assert [(record.stream, record.code) for record in parse.broken([error])] == [
        ("live.example.com/app/room", "BucketNotFound")
    ]
    assert parse.broken([error, later]) == []


@pytest.mark.parametrize("content", ["", "[]", "no JSON", '{"error_info": 7}'])
def test_an_error_that_cannot_be_read_is_told_by_its_kind(content: str) -> None:
    (record,) = parse.broken([notified("record_error", 1, content=content)])

    assert record.code == "record_error"


def test_records_are_read_oldest_first_from_both_kinds_of_answer() -> None:
    late, early = notified("x", 2), notified("y", 1)
    ingest = {"NotifyRecordsInfo": {"LiveStreamNotifyRecordsInfo": [late, early]}}

    assert parse.notified(ingest) == [early, late]
    assert parse.notified({"CallbackList": [late, early]}) == [early, late]
