"""The program inside an instance: imports the handler and answers one call after another.

process.py starts it with a socket and nothing else of the emulator.
It must import the standard library only, and little of it: its start is the cold start.
A frame, in both directions, is two lengths, then JSON, then bytes.
"""

from __future__ import annotations

import _thread
import faulthandler
import importlib
import importlib.util
import json
import logging
import os
import select
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any, TextIO, cast

_LENGTHS = struct.Struct(">II")
_TIMED_OUT_EXIT_CODE = 143
_Handler = Callable[..., object]


class LoadError(Exception):
    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Wire:
    def __init__(self, fd: int) -> None:
        self._fd = fd

    def receive(self) -> tuple[dict[str, Any], bytes]:
        meta, payload = _LENGTHS.unpack(self._read_exactly(_LENGTHS.size))
        return json.loads(self._read_exactly(meta)), self._read_exactly(payload)

    def send(self, meta: Mapping[str, object], payload: bytes) -> None:
        head = json.dumps(meta).encode()
        frame = memoryview(_LENGTHS.pack(len(head), len(payload)) + head + payload)
        while frame:
            frame = frame[os.write(self._fd, frame) :]

    def _read_exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = os.read(self._fd, size)
            if not part:
                os._exit(0)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def die_when_closed(self) -> None:
        """Exit once the socket closes, so that a killed emulator leaves no process behind."""
        poll = select.poll()
        poll.register(self._fd, 0)
        poll.poll()
        os._exit(0)


class LogFormat(logging.Formatter):
    """The log format of docs/platform/function-compute.md §1.6."""

    request_id = ""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        text = super().format(record)
        return f"{at}.{record.msecs:03.0f}Z {self.request_id} [{record.levelname}] {text}"


class Context:
    """The handler's context; its shape depends on the runtime (docs/platform/function-compute.md
    §1.4)."""

    def __init__(self, config: Mapping[str, Any], request_id: str, retry_count: int) -> None:
        self.request_id = request_id
        self.region: str = config["region"]
        self.account_id: str = config["account_id"]
        self.logger: logging.Logger | None = None
        self.function = SimpleNamespace(**config["function"])
        if config["runtime"] == "python3.12":
            self._of_python312()
        else:
            self._of_python310(config, retry_count)

    def _of_python312(self) -> None:
        self.function.version_id = self.function.qualifier = "LATEST"
        self.log_project = self.log_store = ""
        self.logger = logging.getLogger()

    def _of_python310(self, config: Mapping[str, Any], retry_count: int) -> None:
        self.requestId = self.request_id
        self.credentials = SimpleNamespace(**config["credentials"])
        self.service = SimpleNamespace(
            name="", log_project="", log_store="", qualifier="LATEST", version_id="LATEST"
        )
        self.tracing = SimpleNamespace(span_context="", jaeger_endpoint="", span_baggages={})
        self.retry_count = retry_count
        self.getLogger = logging.getLogger
        self.to_json = self._to_json

    def _to_json(self) -> dict[str, object]:
        return {
            name: vars(value) if isinstance(value, SimpleNamespace) else value
            for name, value in vars(self).items()
            if not callable(value) and not isinstance(value, logging.Logger)
        }


class Runtime:
    def __init__(self, wire: Wire, config: Mapping[str, Any], log: LogFormat) -> None:
        self._wire = wire
        self._config = config
        self._log = log
        self._handlers: dict[str, _Handler] = {}

    def serve(self) -> None:
        while True:
            meta, payload = self._wire.receive()
            self._log.request_id = meta["request_id"]
            error, answer = self._answer(meta, payload)
            sys.stdout.flush()
            self._wire.send({"error": error}, answer)

    def _answer(self, meta: Mapping[str, Any], payload: bytes) -> tuple[bool, bytes]:
        """Call the handler; return whether it failed, and its payload.

        Only Exception is caught: sys.exit() ends the instance (docs/platform/function-compute.md
        §1.1).
        """
        try:
            handler = self._handler(meta["handler"])
            context = Context(self._config, meta["request_id"], meta["retry_count"])
            result = handler(payload, context) if meta["event"] else handler(context)
            return False, as_bytes(result)
        except LoadError as error:
            return True, _failure(error.kind, error)
        except Exception as error:  # noqa: BLE001 -- whatever a handler raises is its answer
            return True, _failure(type(error).__name__, error)

    def _handler(self, name: str) -> _Handler:
        if name not in self._handlers:
            self._handlers[name] = load(name)
        return self._handlers[name]


def load(name: str) -> _Handler:
    """Import a handler (docs/platform/function-compute.md §1.1 for errorType, §1.2 for the
    string)."""
    module_name, dot, function = name.rpartition(".")
    if not dot or not module_name or not function:
        raise LoadError("InvalidHandleName", f"Invalid handler '{name}'")
    module = _module(module_name)
    if not hasattr(module, function):
        missing = f"Handler '{function}' is missing on module '{module_name}'"
        raise LoadError("HandlerNotFound", missing)
    return cast("_Handler", getattr(module, function))


def _module(name: str) -> ModuleType:
    try:
        return _from_path(name) if "/" in name else importlib.import_module(name)
    except ImportError as error:
        raise LoadError(
            "ImportModuleError", f"Unable to import module '{name}': {error}"
        ) from error
    except SyntaxError as error:
        raise LoadError(
            "UserCodeSyntaxError", f"Syntax error in module '{name}': {error}"
        ) from error
    except Exception as error:
        message = f"Module initialization error in '{name}': {error!r}"
        raise LoadError("UserCodeError", message) from error


def _from_path(name: str) -> ModuleType:
    path = os.path.join(sys.path[0], name + ".py")  # noqa: PTH118 -- pathlib would slow the start
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not os.path.exists(path):  # noqa: PTH110 -- as above
        raise ImportError(f"no file {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def as_bytes(result: object) -> bytes:
    """Return text and bytes as they are, the rest as JSON (docs/platform/function-compute.md
    §1.1)."""
    if isinstance(result, bytes):
        return result
    if isinstance(result, str):
        return result.encode("utf-8", "surrogateescape")
    return json.dumps(result, indent=4, sort_keys=True, default=_to_jsonable).encode()


def _to_jsonable(value: object) -> object:
    from datetime import date
    from decimal import Decimal

    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "to_json"):
        return value.to_json()
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _failure(kind: str, error: BaseException) -> bytes:
    failure = {"errorMessage": str(error), "errorType": kind, "stackTrace": _stack(error)}
    return json.dumps(failure).encode()


def _stack(error: BaseException) -> list[list[str]]:
    return [
        [f'File "{frame.filename}"', f"line {frame.lineno}", f"in {frame.name}", frame.line or ""]
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__
    ]


def _on_timeout(_signal: int, _frame: FrameType | None) -> None:
    """Dump every thread's stack into the log and exit (docs/platform/function-compute.md §1.1)."""
    faulthandler.dump_traceback()
    os._exit(_TIMED_OUT_EXIT_CODE)


def _prepare_logging() -> LogFormat:
    log = LogFormat()
    to_log = logging.StreamHandler(sys.stdout)
    to_log.setFormatter(log)
    logging.getLogger().addHandler(to_log)
    logging.getLogger().setLevel(logging.INFO)
    return log


def main() -> None:
    fd = int(sys.argv[1])
    os.set_inheritable(fd, False)  # noqa: FBT003 -- the parameter is positional only
    wire = Wire(fd)
    _thread.start_new_thread(wire.die_when_closed, ())
    signal.signal(signal.SIGTERM, _on_timeout)
    cast("TextIO", sys.stdout).reconfigure(line_buffering=True)  # type: ignore[attr-defined] # it is a TextIOWrapper
    config, _ = wire.receive()
    if sys.flags.isolated:  # sys.path does not begin with this program's folder then
        sys.path.insert(0, "")
    sys.path[0] = config["code"]
    sys.argv = [config["code"]]
    wire.send({"error": False}, b"")
    Runtime(wire, config, _prepare_logging()).serve()


if __name__ == "__main__":
    main()
