"""`live-record try`: records streams of a real account from this machine while it runs.

cli.main adds the command. It parses options, says what recording costs, and prints;
cli.trial.engine runs the deployed engine. It must leave nothing behind unless it says so.
"""

from __future__ import annotations

import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from gettext import gettext as _
from pathlib import Path

import click

from cli import texts
from cli.account import Account, Declined, account_at, words_of
from cli.confirmation import agrees
from cli.ending_signals import ending_signals
from cli.errors import Failure
from cli.option_rules import need_both, without_effect
from cli.setup.backup import Backup, load_backup
from cli.setup.configurations import ConfigTarget
from cli.trial import recording_config
from cli.trial.engine import WHO, Engine, engine
from cli.trial.lines import Lines
from cli.trial.patterns import Pattern, PatternType, policy_of
from shared.inbound.catalogue import Language
from shared.protocol import StreamKey, StreamRecord
from shared.protocol.command_errors import LiveError


@click.command("try")
@click.option(
    "--domain", required=True, help="main streaming domain, from which streams are played"
)
@click.option(
    "--stream",
    "patterns",
    multiple=True,
    required=True,
    type=PatternType(),
    help="what to record: `app/name`, a pattern such as `app/show-*`, or `app` for all streams of"
    " the application; repeatable",
)
@click.option(
    "--bucket",
    default="",
    help="OSS bucket to record into; if no manual recording configuration covers the streams, `try`"
    " adds one with this bucket, and removes it at the end",
)
@click.option(
    "--endpoint", default="", help="endpoint of the bucket, such as oss-cn-shanghai.aliyuncs.com"
)
@click.option(
    "--max-concurrent",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="largest number of streams to record at once",
)
@click.option(
    "--every",
    default=2.0,
    type=click.FloatRange(0.2),
    show_default=True,
    help="seconds between polls of the online list",
)
@click.option("--keep-recording", is_flag=True, help="let the recordings go on after Ctrl-C")
@click.option(
    "--stop",
    is_flag=True,
    help="stop the recordings of all live streams that `--stream` names, such as those that"
    " `--keep-recording` has left, and exit",
)
@click.option(
    "--live",
    envvar="LIVE_RECORD_LIVE_ENDPOINT",
    help="address of an emulator to use instead of ApsaraVideo Live",
)
@click.option("--yes", is_flag=True, help="begin without asking")
@without_effect(
    "--stop", "--bucket", "--endpoint", "--every", "--keep-recording", "--max-concurrent"
)
def try_(
    *,
    domain: str,
    patterns: tuple[Pattern, ...],
    bucket: str,
    endpoint: str,
    max_concurrent: int,
    every: float,
    keep_recording: bool,
    stop: bool,
    live: str | None,
    yes: bool,
) -> None:
    """Record streams of your own account until Ctrl-C.

    Nothing is deployed. This machine calls ApsaraVideo Live with your access key, and polls the
    online list instead of receiving callbacks. Ctrl-C also stops the recordings that this command
    has started.
    """
    need_both(bucket, endpoint)
    account = account_at(live or "")
    trial = Trial(account, domain, patterns, load_backup(f"{WHO}-{domain}", account.live))
    found = recording_config.configurations(account, domain)
    with tempfile.TemporaryDirectory(prefix="live-record-") as folder:
        if stop:
            trial.stop_left(Path(folder))
            return
        missing = list(recording_config.missing(found, patterns, domain))
        if not bucket:
            recording_config.refuse_missing(found, patterns, domain)
        recording_config.refuse_taken(found, missing)
        for line in _before(domain, patterns, missing, max_concurrent):
            click.echo(line)
        if not (yes or agrees(_("Begin?"))):
            raise click.Abort
        recording_config.add(account, trial.backup, missing, bucket, endpoint)
        trial.run(Path(folder), max_concurrent, every, keep=keep_recording)


def _before(
    domain: str,
    patterns: Sequence[Pattern],
    missing: Sequence[ConfigTarget],
    max_concurrent: int,
) -> Iterator[str]:
    """Yield the lines to print before anything is changed."""
    names = ", ".join(f"{domain}/{pattern}" for pattern in patterns)
    yield _("To record: {names}").format(names=names)
    sentence = _(
        "Alibaba Cloud charges your account: for the recording, by the largest number of streams"
        " recorded at once (at most {count} here, `--max-concurrent`); for mp4 or flv, by the"
        " hours converted; and for the files in OSS until you delete them."
    )
    yield sentence.format(count=max_concurrent)
    for target in missing:
        line = _(
            "`try` adds a manual recording configuration (OnDemand 7) of {streams}, and removes"
            " this configuration when it has stopped the recordings"
        )
        yield line.format(streams=recording_config.place_of(target))
    if missing:
        yield _(
            "If a stream is live now, push it again: Live applies the configuration from the next"
            " publish on."
        )


class Trial:
    """One run: what to record, the account, and the backup of added configurations."""

    def __init__(
        self, account: Account, domain: str, patterns: Sequence[Pattern], backup: Backup
    ) -> None:
        self._account = account
        self._domain = domain
        self._patterns = patterns
        self.backup = backup
        self._lines = Lines(click.echo, Language(texts.current_language()))

    def run(self, folder: Path, max_concurrent: int, every: float, *, keep: bool) -> None:
        """Record until a signal comes; then stop the recordings that were started, or print that
        they go on."""
        with (
            _interrupted() as is_over,
            self._engine(folder, self._patterns, max_concurrent) as running,
        ):
            click.echo(_("Recording what is published. Press Ctrl-C to end."))
            try:
                _poll(running, every, is_over)
            finally:
                self._say_left(running) if keep else self._stop_started(running)
        if not keep:
            self._remove_configurations()

    def stop_left(self, folder: Path) -> None:
        """Stop the recordings of the live streams that the patterns name, whoever started them, and
        remove the recording configurations that `try` has added."""
        with self._engine(folder, (), 1) as running:
            try:
                live = running.online()
            except LiveError as error:
                sentence = _("Live's online list cannot be read: {error}. Nothing was stopped.")
                raise Failure(sentence.format(error=words_of(error))) from None
            keys = [key for key in live if any(each.holds(key) for each in self._patterns)]
            self._stop(running, keys)
            if not keys:
                click.echo(_("None of these streams is live: there is nothing to stop."))
        self._remove_configurations()

    def _engine(
        self, folder: Path, recorded: Sequence[Pattern], max_concurrent: int
    ) -> AbstractContextManager[Engine]:
        return engine(
            folder,
            self._account,
            self._domain,
            policy=policy_of(self._domain, recorded),
            max_concurrent=max_concurrent,
            write=self._lines,
        )

    def _stop_started(self, running: Engine) -> None:
        records = list(running.wanted())
        self._stop(running, [record.key for record in records if self._is_ours(record)])
        for record in records:
            if record.is_started and not record.is_off and not self._is_ours(record):
                line = _("{stream} was being recorded already, and its recording goes on unchanged")
                click.echo(line.format(stream=record.key))

    def _is_ours(self, record: StreamRecord) -> bool:
        """Return True if a start of ours was accepted, or may have been."""
        return str(record.key) in self._lines.started or record.flight is not None

    def _stop(self, running: Engine, keys: Sequence[StreamKey]) -> None:
        unsure = [key for key in keys if _is_unsettled(running.stop(key))]
        if unsure:
            sentence = _("Live did not confirm the stop of {streams}. Send it again: {command}")
            streams = ", ".join(map(str, unsure))
            raise Failure(sentence.format(streams=streams, command=self._stop_command(unsure)))
        if keys:
            click.echo(_("Stopped: {streams}").format(streams=", ".join(map(str, keys))))

    def _say_left(self, running: Engine) -> None:
        keys = [record.key for record in running.wanted() if record.is_started]
        if not keys:
            click.echo(_("Nothing is being recorded."))
            return
        line = _(
            "The recording goes on: Live records {streams} until each stream is interrupted. After"
            " that, nothing starts the recording again. To stop it now: {command}"
        )
        streams = ", ".join(map(str, keys))
        click.echo(line.format(streams=streams, command=self._stop_command(keys)))

    def _stop_command(self, keys: Sequence[StreamKey]) -> str:
        streams = " ".join(f"--stream {key.app}/{key.stream}" for key in keys)
        where = self._account.live_option
        return f"live-record try --stop --domain {self._domain} {streams}{where}"

    def _remove_configurations(self) -> None:
        try:
            for line in recording_config.remove_added(self._account, self.backup, self._domain):
                click.echo(line)
        except Declined as declined:
            sentence = _(
                "`try` could not remove a recording configuration that it had added ({file} names"
                " it): {error}. Run the same command again to remove the configuration."
            )
            raise Failure(sentence.format(file=self.backup.path, error=declined)) from None


def _is_unsettled(record: StreamRecord) -> bool:
    return record.pending is not None or record.flight is not None


def _poll(running: Engine, every: float, is_over: Callable[[], bool]) -> None:
    while not is_over():
        until = time.monotonic() + every
        running.round(lambda until=until: time.monotonic() < until and not is_over())  # type: ignore[misc]
        while not is_over() and time.monotonic() < until:
            time.sleep(min(0.05, every))


@contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Turn the first signal to end into a flag, so that no request is cut off; restore the handlers
    at the end. A second signal ends the command at once."""
    over = threading.Event()

    def end(number: int, _frame: object) -> None:
        over.set()
        signal.signal(number, before[signal.Signals(number)])

    numbers = (signal.SIGINT, *ending_signals())
    before = {number: signal.signal(number, end) for number in numbers}
    try:
        yield over.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
