"""The console in a real browser: an evening that goes wrong, attacks, and a stage that is gone."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest

from cli.local.encoder import Encoder
from cli.local.stack import TOKEN, running
from emulator.live import Remote
from shared.config.tokens import digest_of
from shared.store import open_store
from tests.support.browser import Browser, Opened, browsing
from tests.support.journey import CLASSES_ARE_RECORDED, Stage
from tests.support.receiver import receiving

pytestmark = [pytest.mark.prove, pytest.mark.xdist_group("browser")]
READER = "reader-token-0000"
TOKENS = f"dev:read+control+policy+tokens:{TOKEN},eye:read:{READER}"
REPORTED_AFTER_S = 21
"""A stream that is lost for 20 s is critical."""
STALE_AFTER_S = 10.0
NOTE = "<b>'; $(id)</b>"
TO_TYPE = ['on_publish = "on_request"', "live-record setup"]
"""What a reader types, of the cause CodeConfigNotFound."""
SHOW = {
    "streams": ["live.example.com/app/room9"],
    "start": "2030-01-01T19:00:00",
    "end": "2030-01-01T21:00:00",
    "timezone": "Asia/Shanghai",
    "rrule": "FREQ=WEEKLY;BYDAY=TU",
}
PLAIN = "<>='"
NASTY = "<img src=x onerror=document.title='hit'>\u202egpj.\u2066exe"


@dataclass
class Evening:
    stage: Stage
    browser: Browser

    @property
    def rtmp(self) -> str:
        return self.stage.stack.rtmp

    def push(self, stream: str) -> Encoder:
        return Encoder(f"{self.rtmp}/app/{stream}?vhost=push.example.com")


@pytest.fixture(scope="module")
def evening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    folder = tmp_path_factory.mktemp("stage")
    policy = folder / "policy.toml"
    policy.write_text(CLASSES_ARE_RECORDED)
    settings = {"LIVE_RECORD_API_TOKENS": TOKENS}
    with ExitStack() as block:
        stack = block.enter_context(
            running(folder / "stack", rtmp_port=0, policy=policy, settings=settings)
        )
        browser = block.enter_context(browsing(stack.fc))
        yield Evening(Stage(stack, Remote(stack.live)), browser)


def row_of(stream: str) -> str:
    return f'.wall .row:has-text("{stream}")'


def heal(stage: Stage) -> None:
    stage.live.ask("DELETE", "fail", b"")


def seconds_lost(opened: Opened, stream: str) -> int:
    minutes, seconds = opened.page.inner_text(f"{row_of(stream)} .lost time").split(":")
    return int(minutes) * 60 + int(seconds)


@pytest.mark.parametrize(
    ("language", "width_px", "scheme"), [("en", 1_440, "light"), ("zh", 380, "dark")]
)
def test_an_evening(evening: Evening, language: str, width_px: int, scheme: str) -> None:
    """Pushed and refused, started by hand, cut and not taken up again, healed, played, stopped."""
    stage, stream = evening.stage, f"class-{language}"
    stage.live.fail(code="CodeConfigNotFound", status=400, command="start", times=99)
    with evening.browser.window(language=language, width_px=width_px, scheme=scheme) as opened:
        opened.sign_in(TOKEN)
        assert opened.violations() == []
        with evening.push(stream) as encoder:
            assert encoder.refusal == ""
            becomes_red(evening, opened, stream)
            codes = opened.page.query_selector_all(f"{row_of(stream)} .why code")
            assert [each.inner_text() for each in codes] == TO_TYPE
            heal(stage)
            starts_by_hand(opened, stream)
            encoder.cut()
        stage.until_phase(stream, "waiting")
        stage.live.fail(code="InternalError", status=500, command="start", times=999)
        with evening.push(stream):
            becomes_red(evening, opened, stream)
            counts_up(opened, stream)
            heal(stage)
            stage.live.advance(60)
            stage.fire("reconcile")
            opened.wait_for(".verdict.good")
            plays_its_file(evening, opened, stream)
            stops_after_ten_seconds(evening, opened, stream)
        assert opened.errors == []
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width_px


def becomes_red(evening: Evening, opened: Opened, stream: str) -> None:
    opened.wait_for(row_of(stream))
    evening.stage.live.advance(REPORTED_AFTER_S)
    opened.wait_for(f".wall .critical:has-text('{stream}')")
    opened.wait_for(".verdict.critical")
    assert opened.violations() == []


def starts_by_hand(opened: Opened, stream: str) -> None:
    opened.page.click(row_of(stream))
    opened.page.click("dialog .buttons button.start")
    opened.page.fill("dialog .ask input", "started by hand")
    assert "/start'" in opened.page.text_content("dialog pre")
    assert opened.violations() == []
    opened.page.click("dialog button.main")
    opened.wait_for("dialog .standing.good")
    opened.close_panel()
    opened.wait_for(".verdict.good p")  # never green without a time


def counts_up(opened: Opened, stream: str) -> None:
    first = seconds_lost(opened, stream)
    opened.until(lambda: seconds_lost(opened, stream) > first)
    assert first >= REPORTED_AFTER_S


def plays_its_file(evening: Evening, opened: Opened, stream: str) -> None:
    opened.open_stream(f"live.example.com/app/{stream}")
    opened.wait_for("dialog .gapList li")
    opened.page.click("dialog .buttons button.restart")
    opened.page.fill("dialog .ask input", NOTE)
    opened.page.click("dialog button.main")
    is_sent(opened)
    opened.wait_for("dialog .files li")
    assert NOTE in opened.page.inner_text("dialog .history")
    evening.stage.fire("files")
    opened.wait_for("dialog .verdict-verified")
    assert opened.violations() == []
    opened.page.click("dialog .files button")
    opened.until(lambda: opened.page.evaluate("document.querySelector('video').currentTime") > 0)


def is_sent(opened: Opened) -> None:
    """Wait until what was asked for is announced, and the ten seconds are over."""
    opened.wait_for("dialog .going")
    opened.page.wait_for_selector("dialog .going", state="detached")


def stops_after_ten_seconds(evening: Evening, opened: Opened, stream: str) -> None:
    stage, note = evening.stage, "下播 </script>"
    opened.page.click("dialog .buttons button.stop")
    opened.page.fill("dialog .ask input", note)
    opened.page.click("dialog button.main.stop")
    opened.wait_for("dialog .going")
    assert stage.status(stream)["wanted"] is True
    stage.until(lambda: stage.status(stream)["wanted"] is False)
    assert stage.status(stream)["intent"]["note"] == note


@pytest.mark.parametrize(("language", "width_px"), [("en", 1_440), ("zh", 380)])
def test_an_alert_is_acknowledged_and_an_occurrence_skipped(
    evening: Evening, language: str, width_px: int
) -> None:
    stage, name = evening.stage, f"alarm-{language}"
    schedules = f"{stage.stack.fc}/v1/schedules"
    stage.live.fail(code="CodeConfigNotFound", status=400, command="start", times=99)
    stage.publish(name)
    stage.ask(name, "start")
    stage.live.advance(REPORTED_AFTER_S)
    stage.fire("notify")
    refused = stage.call("PUT", f"{schedules}/{name}", json={**SHOW, "title": "\u202egpj.exe"})
    assert refused.status_code == 400
    put = stage.call("PUT", f"{schedules}/{name}", json={**SHOW, "title": f"<i>{name}</i>"})
    assert put.status_code == 200, put.text
    first = put.json()["next"][0]["id"]
    url = f"sqlite:///{stage.stack.folder}/records.db"
    with closing(open_store(url, rate=50, clock=lambda: 0)) as store:
        store.put_schedule("later", "{}", None, replaces=store.get_schedule("later"))
    with evening.browser.window(language=language, width_px=width_px) as opened:
        opened.sign_in(TOKEN)
        opened.page.click("button.alerts")
        mine = f".alertList li.critical:has-text('{name}')"
        opened.page.fill(f"{mine} input", NOTE)
        assert '"note":' in opened.page.text_content(f"{mine} pre")
        opened.page.click(f"{mine} .ack")
        is_sent(opened)
        opened.wait_for(f"{mine} .hint q")
        assert opened.page.inner_text(f"{mine} .hint q") == NOTE
        assert opened.violations() == []
        opened.close_panel()
        opened.page.click(".tools .schedules")
        opened.wait_for("dialog .fault:has-text('later')")
        show = f".schedules > li:has-text('<i>{name}</i>')"
        opened.page.fill(f"{show} form:has(.skip) input", NOTE)
        assert '"note":' in opened.page.text_content(f"{show} form:has(.skip) pre")
        opened.page.click(f"{show} .skip")
        opened.wait_for("dialog .going")
        assert opened.violations() == []
        stage.until(
            lambda: stage.call("GET", f"{schedules}/{name}").json()["next"][0]["id"] != first
        )
        assert opened.errors == []
    heal(stage)
    stage.ask(name, "stop")
    stage.call("DELETE", f"{schedules}/{name}")


def test_a_policy_is_suspended_and_what_came_up_meanwhile_is_recorded_afterwards(
    evening: Evening,
) -> None:
    stage, stream = evening.stage, "class-late"
    with evening.browser.window(language="zh", width_px=380, scheme="dark") as opened:
        opened.sign_in(TOKEN)
        opened.page.click(".tools .suspension")
        opened.page.fill("dialog .ask input", NOTE)
        assert "/v1/policy/suspend'" in opened.page.text_content("dialog form pre")
        opened.page.click("dialog .main.stop")
        opened.wait_for("dialog .going")
        assert opened.violations() == []
        opened.close_panel()
        opened.wait_for(".suspended q")
        assert opened.page.inner_text(".suspended q") == NOTE
        assert opened.violations() == []
        stage.publish(stream)
        assert stage.history(stream) == ["published", "policy_suspended"]
        opened.page.click(".suspended")
        opened.page.click("dialog section .main")
        opened.close_panel()
        opened.page.wait_for_selector(".suspended", state="detached")
        stage.until(lambda: stage.records(stream))
        stage.live.advance(60)
        opened.page.click(".tools .today")
        opened.wait_for(f"dialog .listed li:has-text('{stream}')")
        assert opened.violations() == []
        with scheduled(stage, stream) as name:
            opened.page.click(f"dialog .listed li:has-text('{stream}') button")
            opened.wait_for(f"dialog .facts li:has-text('{name}')")
        assert opened.errors == []
    stage.unpublish(stream)


@contextmanager
def scheduled(stage: Stage, stream: str) -> Iterator[str]:
    """Yield the name of a schedule that records the stream in an hour."""
    name = f"show-of-{stream}"
    begins = datetime.fromtimestamp(stage.now_s(), timezone.utc).replace(tzinfo=None)
    times = [(begins + timedelta(hours=n)).isoformat() for n in (1, 2)]
    show = {"start": times[0], "end": times[1], "timezone": "UTC"}
    body = {**show, "streams": [f"live.example.com/app/{stream}"]}
    url = f"{stage.stack.fc}/v1/schedules/{name}"
    assert stage.call("PUT", url, json=body).status_code == 200
    yield name
    stage.call("DELETE", url)


def test_leaving_before_the_ten_seconds_sends_nothing_and_says_so(evening: Evening) -> None:
    stage = evening.stage
    stage.publish("leaver")
    stage.record("leaver")
    with evening.browser.window() as opened:
        opened.sign_in(TOKEN)
        opened.open_stream("live.example.com/app/leaver")
        for way in ("take back", "leave"):
            opened.page.click("dialog .buttons button.stop")
            opened.page.click("dialog button.main.stop")
            opened.wait_for("dialog .going")
            if way == "take back":
                opened.page.click("dialog .going button")
                opened.wait_for("dialog .news")
        opened.page.on("dialog", lambda dialog: dialog.accept())
        opened.page.reload()
        opened.wait_for(".news:has-text('leaver')")
        assert stage.status("leaver")["wanted"] is True
        assert "asked_stop" not in stage.history("leaver")
        assert opened.errors == []


def test_names_and_notes_are_text_whatever_is_in_them(evening: Evening) -> None:
    name = f"live.example.com/app/{quote(NASTY, safe=PLAIN)}"
    with evening.browser.window() as opened:
        opened.sign_in(TOKEN)
        opened.open_stream(name)
        opened.page.click("dialog .buttons button.start")
        opened.page.fill("dialog .ask input", NOTE)
        command = opened.page.text_content("dialog pre")
        opened.page.click("dialog button.main")
        opened.wait_for("dialog .answer")
        opened.wait_for("dialog .facts q")
        shown = opened.page.inner_text("dialog")
        opened.page.reload()
        opened.page.click(".rest .waiting")
        opened.wait_for("dialog .listed li")
        listed = opened.page.inner_text("dialog")

        assert "\u202e" not in command + shown + listed
        assert "'\\''; $(id)" in command
        for text in (shown, listed):
            assert "<img%20src=x%20onerror=document.title='hit'>%E2%80%AEgpj.%E2%81%A6exe" in text
        assert NOTE in shown
        assert opened.page.query_selector("img") is None
        assert opened.page.title() != "hit"
        assert opened.errors == []


def test_a_token_that_may_only_read_presses_every_button(evening: Evening) -> None:
    stage = evening.stage
    stage.publish("watched")
    stage.record("watched")
    with evening.browser.window() as opened:
        opened.sign_in(READER)
        opened.open_stream("live.example.com/app/watched")
        buttons = opened.page.query_selector_all("dialog .actions button")
        assert [button.is_disabled() for button in buttons] == [True] * 4
        opened.page.evaluate(
            "document.querySelectorAll('button').forEach(each => each.disabled = false)"
        )
        for action in ("start", "stop", "extend", "restart"):
            opened.page.evaluate(
                f"document.querySelector('dialog .buttons > button.{action}').disabled = false"
            )
            opened.page.click(f"dialog .buttons > button.{action}")
            opened.page.click("dialog button.main")
            if action != "start":
                is_refused(opened)
            opened.wait_for("dialog .actions .fault")
        opened.close_panel()
        opened.page.click(".tools .suspension")
        press(opened, "dialog form .main")
        opened.close_panel()
        find_many(opened, "live.example.com/app/watch*")
        press(opened, "dialog .buttons .stop")
        opened.wait_for("dialog .going >> nth=1")
        is_refused(opened)
        assert stage.status("watched")["intent"]["generation"] == 1
        overview = stage.call("GET", f"{stage.stack.fc}/v1/overview").json()
        assert overview["suspended"] is None


def test_a_token_that_may_only_read_acknowledges_pauses_and_skips(evening: Evening) -> None:
    stage = evening.stage
    stage.live.fail(code="CodeConfigNotFound", status=400, command="start", times=99)
    stage.publish("unheard")
    stage.ask("unheard", "start")
    stage.live.advance(REPORTED_AFTER_S)
    stage.fire("notify")
    with scheduled(stage, "unheard") as name, evening.browser.window() as opened:
        before = alerts_and_schedule(stage, name)
        opened.sign_in(READER)
        opened.page.click("button.alerts")
        press(opened, ".alertList .ack")
        is_refused(opened)
        opened.close_panel()
        opened.page.click(".tools .schedules")
        press(opened, ".schedules .pause")
        opened.wait_for("dialog [role=alert].fault")
        press(opened, ".schedules .skip")
        is_refused(opened)
        assert alerts_and_schedule(stage, name) == before
    heal(stage)
    stage.ask("unheard", "stop")


def alerts_and_schedule(stage: Stage, name: str) -> list[object]:
    """Return who acknowledged which alert, and what pausing and skipping would change."""
    alerts = stage.call("GET", f"{stage.stack.fc}/v1/alerts").json()["alerts"]
    assert alerts
    schedule = stage.call("GET", f"{stage.stack.fc}/v1/schedules/{name}").json()
    taken = [(row["id"], row["acknowledged_by"]) for row in alerts]
    return [*taken, schedule["paused"], schedule["exdates"]]


def is_refused(opened: Opened) -> None:
    """Wait until the stage has refused what was sent after ten seconds."""
    is_sent(opened)
    opened.wait_for("dialog .news:has-text('▲')")


def press(opened: Opened, selector: str) -> None:
    """Press a button that is disabled, as somebody may who changes the page."""
    opened.wait_for(f"{selector}:disabled")
    opened.page.evaluate(f"document.querySelector('{selector}').disabled = false")
    opened.page.click(selector)


def find_many(opened: Opened, pattern: str) -> None:
    """Preview the streams that fit the pattern."""
    opened.page.click(".tools .bulk")
    opened.page.fill("#pattern", pattern)
    opened.page.press("#pattern", "Enter")
    opened.wait_for("dialog .listed li")


def test_many_are_started_after_a_preview_and_one_of_them_is_extended(evening: Evening) -> None:
    stage, streams = evening.stage, [f"many-{number}" for number in range(3)]
    for stream in streams:
        stage.publish(stream)
    with evening.browser.window(width_px=380) as opened:
        opened.sign_in(TOKEN)
        find_many(opened, "live.example.com/app/many-*")
        assert len(opened.page.query_selector_all("dialog .listed li")) == len(streams)
        commands = [found.text_content() for found in opened.page.query_selector_all("dialog pre")]
        assert [command.split()[1] for command in commands] == ["start", "stop"]
        assert opened.violations() == []
        opened.page.click("dialog .buttons .start")
        opened.close_panel()
        opened.wait_for(".going")
        stage.until(lambda: all(map(stage.records, streams)))
        stage.ask(streams[0], "start", max_duration="2h")
        stage.until(lambda: stage.status(streams[0])["until"] is not None)
        before = stage.status(streams[0])["until"]
        opened.open_stream(f"live.example.com/app/{streams[0]}")
        opened.page.click("dialog .buttons .extend")
        assert "/extend'" in opened.page.text_content("dialog .ask pre")
        opened.page.fill("dialog .ask input", NOTE)
        opened.page.click("dialog button.main")
        opened.wait_for("dialog .going")
        assert stage.status(streams[0])["until"] == before
        opened.wait_for("dialog .actions .answer")
        assert stage.status(streams[0])["until"] != before
        opened.wait_for("dialog .history q")
        assert opened.page.inner_text("dialog .history q") == NOTE
        assert opened.errors == []


def test_a_session_is_over_when_its_token_is_revoked(evening: Evening) -> None:
    stage = evening.stage
    tokens = f"{stage.stack.fc}/v1/tokens"
    token = {"name": "tv", "digest": digest_of("tv-token-0000").hex(), "scopes": ["read"]}
    assert stage.call("POST", tokens, json=token).status_code == 200
    with evening.browser.window() as opened:
        opened.sign_in("tv-token-0000")
        assert stage.call("DELETE", f"{tokens}/tv").status_code == 200
        stage.live.advance(11)
        opened.wait_for(".signin .fault")
        assert opened.page.query_selector(".verdict") is None


def test_no_other_page_frames_it(evening: Evening) -> None:
    with receiving() as elsewhere, evening.browser.window() as opened:
        elsewhere.body = f'<html><iframe src="{evening.browser.url}"></iframe></html>'.encode()
        opened.page.goto(elsewhere.address)
        opened.until(lambda: any("frame-ancestors" in each for each in opened.errors))
        assert all(each.query_selector("#app") is None for each in opened.page.frames)


def test_a_stage_that_does_not_answer_turns_it_grey_within_ten_seconds(evening: Evening) -> None:
    emulator = evening.stage.stack.pids[-1]
    with evening.browser.window() as opened:
        opened.sign_in(TOKEN)
        answered = opened.page.evaluate("performance.now()")
        os.kill(emulator, signal.SIGSTOP)
        try:
            began = time.monotonic()
            opened.wait_for("html.stale .old")
            greyed = opened.page.evaluate("performance.now()")
            assert opened.page.query_selector(".verdict.good, .verdict.critical") is None
            age = opened.page.inner_text(".old")
        finally:
            os.kill(emulator, signal.SIGCONT)
        assert (greyed - answered) / 1000 < STALE_AFTER_S + 2
        assert time.monotonic() - began < STALE_AFTER_S + 5
        assert "0:1" in age
        opened.wait_for("html:not(.stale)")
