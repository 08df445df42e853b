"""Carries requests to the extension: connections that are kept, one deadline for the whole call, and retries."""

from __future__ import annotations

import http.client
import io
import json
import os
import random
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ._errors import TokenizerError, invalid, not_understood

DEFAULT_TIMEOUT = 5.0  # seconds
_MAX_TIMEOUT = 900.0  # seconds: no invocation lasts longer
_MAX_RETRIES = 5
_MAX_BODY = _MAX_ANSWER = 32 * 1024  # bytes
MAX_BATCH_BODY = 1024 * 1024  # bytes
MAX_BATCH_ANSWER = 4 * 1024 * 1024  # bytes
# A connection that was idle for longer is not used again. The extension closes one after 15 minutes, perhaps at the
# very moment in which an environment is thawed and the next request is sent. A new one takes 0.1 ms.
_MAX_IDLE = 60.0  # seconds
_MAX_KEPT = 8  # connections
_PORT = re.compile(r"[0-9]{1,5}")
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
_SECONDS = re.compile(r"[0-9]{1,6}")


@dataclass
class Request:
    """One request to the extension, without its deadline."""

    path: str
    body: dict[str, Any] | None = None  # None for GET
    headers: dict[str, str] = field(default_factory=dict)
    # Whether it can be carried out twice without harm, though nobody knows whether the first time succeeded.
    repeatable: bool = False
    most: int = _MAX_BODY  # of the body, in bytes
    limit: int = _MAX_ANSWER  # of the answer, in bytes
    secrets: tuple[str, ...] = ()  # what no error may show

    @property
    def method(self) -> str:
        return "GET" if self.body is None else "POST"


@dataclass(frozen=True)
class Limits:
    """How long a call may take, and how often it is tried again."""

    end: float  # by time.monotonic
    retries: int

    def left(self) -> float:
        """Return how many seconds are left."""
        return self.end - time.monotonic()


def limits(timeout: object, retries: object, lambda_context: object) -> Limits:
    """Check what bounds a call."""
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool) or not 0 < timeout <= _MAX_TIMEOUT:
        raise invalid("timeout", "must be a number of seconds, more than 0 and at most 900")
    if not isinstance(retries, int) or isinstance(retries, bool) or not 0 <= retries <= _MAX_RETRIES:
        raise invalid("retries", "must be a whole number from 0 to 5")
    seconds = float(timeout)
    if lambda_context is not None:
        remaining = getattr(lambda_context, "get_remaining_time_in_millis", None)
        milliseconds = remaining() if callable(remaining) else None
        if not isinstance(milliseconds, (int, float)) or isinstance(milliseconds, bool) or milliseconds != milliseconds:
            raise invalid("lambda_context", "must be the context object that Lambda passes to the handler")
        # The function needs the rest to handle a call that fails.
        seconds = min(seconds, milliseconds / 1000 - min(0.25, milliseconds / 10000))
    return Limits(time.monotonic() + seconds, retries)


def call(request: Request, within: Limits) -> tuple[dict[str, Any], str | None]:
    """Return the answer and the request's id. Only this function raises, so no cause hangs on the error."""
    outcome = _call(request, within)
    if isinstance(outcome, TokenizerError):
        raise outcome
    return outcome


def _call(request: Request, within: Limits) -> tuple[dict[str, Any], str | None] | TokenizerError:
    again_on_fresh = True
    attempt = 0
    while True:
        outcome = _attempt(request, within)
        if not isinstance(outcome, _Failure):
            return outcome
        if outcome.lost and again_on_fresh and (outcome.unsent or request.repeatable):
            again_on_fresh = False  # nobody answered on this connection: once more on another
            continue
        wait = pause(outcome.error, request.repeatable, attempt) if outcome.answered else None
        if wait is None or attempt >= within.retries or wait >= within.left():
            return outcome.error
        time.sleep(wait)
        attempt += 1


def pause(error: TokenizerError, repeatable: bool, attempt: int) -> float | None:
    """Return how long to wait before a request that was refused is sent again, or None if it must not be."""
    refused_at_once = error.code == "rate-limited"  # nothing was done
    if not refused_at_once and not (error.code == "unavailable" and repeatable):
        return None
    if error.retry_after:
        return error.retry_after * (1 + 0.1 * random.random())
    return 0.05 * 2**attempt * (0.5 + random.random())


@dataclass
class _Failure:
    error: TokenizerError
    lost: bool = False  # the connection ended before an answer began
    unsent: bool = False  # and the request did not reach the extension as a whole
    answered: bool = False  # it is the extension that refuses


_NO_TIME = "the extension did not answer in time"
_NO_CONNECTION = (
    "the extension cannot be reached: check that the layer is attached to this function, "
    "or that the development server runs on this port"
)
_INTERRUPTED = "the extension's answer was interrupted"


def _unavailable(detail: str, **how: bool) -> _Failure:
    return _Failure(TokenizerError("unavailable", detail), **how)


def _attempt(request: Request, within: Limits) -> tuple[dict[str, Any], str | None] | _Failure:
    port, session = _port(), _session()
    for setting in (port, session):
        if isinstance(setting, TokenizerError):
            return _Failure(setting)
    content = _content(request)
    if len(content) > request.most:
        return _Failure(TokenizerError("request-too-large", f"a body has at most {request.most} bytes"))
    if within.left() <= 0:
        return _unavailable(_NO_TIME)
    connection = _pool.take(port)
    fresh = connection is None
    if connection is None:
        connection = _connect(port, within)
        if isinstance(connection, _Failure):
            return connection
    exchange = _Exchange(connection, within, request.limit)
    try:
        failure = exchange.run(_head(request, port, session, len(content)) + content, request.method)
        kept = failure is None and exchange.reusable
    except BaseException:
        connection.close()  # such as KeyboardInterrupt, in the middle of an answer
        raise
    if kept:
        _pool.keep(port, connection)
    else:
        connection.close()
    if failure is not None:
        failure.unsent = failure.unsent and not fresh
        return failure
    return _answer(request, exchange, (*request.secrets, session))


def _port() -> Any:
    text = os.environ.get("TOKENIZER_PORT") or "2774"
    if not _PORT.fullmatch(text) or not 1 <= int(text) <= 65535:
        return TokenizerError(
            "not-configured",
            "is not a port: set it to a number from 1 to 65535, or remove it for 2774",
            field="TOKENIZER_PORT",
        )
    return int(text)


def _session() -> Any:
    text = os.environ.get("AWS_SESSION_TOKEN", "")
    if not text:
        detail = "is not set: Lambda sets it for every function, and the development server prints it"
    elif not re.fullmatch(r"[\x21-\x7e]+", text):
        detail = "must be printable ASCII without spaces, as Lambda sets it"
    else:
        return text
    return TokenizerError("not-configured", detail, field="AWS_SESSION_TOKEN")


def _content(request: Request) -> bytes:
    if request.body is None:
        return b""
    return json.dumps(request.body, allow_nan=False, ensure_ascii=False).encode("utf-8")


def _head(request: Request, port: int, session: str, size: int) -> bytes:
    lines = [
        f"{request.method} {request.path} HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"X-Tokenizer-Token: {session}",
        *(f"{name}: {value}" for name, value in request.headers.items()),
    ]
    if request.body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {size}"]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _connect(port: int, within: Limits) -> Any:
    # A plain socket takes no notice of proxies, through which no card may travel.
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=max(within.left(), 0.001))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    except TimeoutError:
        return _unavailable(_NO_TIME)
    except OSError:
        return _unavailable(_NO_CONNECTION)


class _Exchange:
    """A request and its answer on one connection."""

    def __init__(self, connection: socket.socket, within: Limits, limit: int) -> None:
        self._connection, self._within, self._limit = connection, within, limit
        self.status, self.content = 0, b""
        self.request_id: str | None = None
        self.retry_after: int | None = None
        self.problem = self.reusable = self.too_large = False

    def run(self, message: bytes, method: str) -> _Failure | None:
        reader = _Timed(self._connection, self._within)
        sent = False
        try:
            self._connection.settimeout(max(self._within.left(), 0.001))
            self._connection.sendall(message)
            sent = True
            response = http.client.HTTPResponse(reader, method=method)  # type: ignore[arg-type]
            try:
                return self._read(response)
            finally:
                response.close()
        except TimeoutError:
            return _unavailable(_NO_TIME)
        except OSError:
            if reader.received:
                return _unavailable(_INTERRUPTED) if self.status else _Failure(not_understood())
            return _unavailable(_NO_CONNECTION, lost=True, unsent=not sent)
        except http.client.IncompleteRead:
            return _unavailable(_INTERRUPTED)
        except Exception:  # http.client has many for what is no HTTP, and some quote it
            if reader.received:
                return _Failure(not_understood())
            return _unavailable(_NO_CONNECTION, lost=True)

    def _read(self, response: http.client.HTTPResponse) -> _Failure | None:
        response.begin()
        self.status = response.status
        self.content = response.read(self._limit + 1)
        if response.length:  # less came than was announced
            if len(self.content) <= self._limit:
                return _unavailable(_INTERRUPTED)
        self.too_large = len(self.content) > self._limit
        self.reusable = response.isclosed() and not response.will_close and not self.too_large
        self.problem = response.getheader("Content-Type", "").split(";")[0].strip() == "application/problem+json"
        if _REQUEST_ID.fullmatch(request_id := response.getheader("X-Request-Id", "")):
            self.request_id = request_id
        if _SECONDS.fullmatch(seconds := response.getheader("Retry-After", "")):
            self.retry_after = int(seconds)
        return None


class _Timed(io.RawIOBase):
    """What a socket receives until the deadline. The socket's own timeout would begin anew with each byte."""

    def __init__(self, connection: socket.socket, within: Limits) -> None:
        self._connection, self._within = connection, within
        self.received = False

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self._within.left()
        if left <= 0:
            raise TimeoutError
        self._connection.settimeout(left)
        size = self._connection.recv_into(buffer)
        self.received = self.received or size > 0
        return size


class _Pool:
    """Connections that are not in use, the one that was used last at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[tuple[int, socket.socket, float, float]] = []
        if hasattr(os, "register_at_fork"):  # a child must not write to its parent's connections
            os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        kept, self._lock, self._kept = self._kept, threading.Lock(), []
        for _, connection, _, _ in kept:
            connection.close()  # it stays open in the parent

    def take(self, port: int) -> socket.socket | None:
        """Return a connection that is as good as new, or None."""
        while True:
            with self._lock:
                if not self._kept:
                    return None
                kept_port, connection, ticks, clock = self._kept.pop()
            # Both clocks: one of them may stand still while the environment is frozen.
            idle = max(time.monotonic() - ticks, abs(time.time() - clock))
            if kept_port == port and idle < _MAX_IDLE and _is_silent(connection):
                return connection
            connection.close()

    def keep(self, port: int, connection: socket.socket) -> None:
        """Keep a connection for a later request."""
        with self._lock:
            if len(self._kept) < _MAX_KEPT:
                self._kept.append((port, connection, time.monotonic(), time.time()))
                return
        connection.close()


def _is_silent(connection: socket.socket) -> bool:
    """Tell whether a connection is open and nobody has sent anything on it."""
    try:
        connection.settimeout(0)
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


_pool = _Pool()


def _answer(request: Request, exchange: _Exchange, secrets: tuple[str, ...]) -> Any:
    if exchange.too_large:
        detail = f"the extension's answer exceeds {request.limit} bytes"
        return _Failure(TokenizerError("internal-error", detail))
    answer = _object(exchange.content)
    request_id = exchange.request_id
    if request_id and _shows(request_id, secrets):
        request_id = None
    if exchange.status == 200:
        return _Failure(not_understood()) if answer is None else (answer, request_id)
    if not exchange.problem or (error := problem(answer, exchange.retry_after, request_id, secrets)) is None:
        detail = f"status {exchange.status} without a problem document: check that the tokenizer listens on this port"
        return _Failure(TokenizerError("internal-error", detail))
    return _Failure(error, answered=True)


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def problem(
    document: object, retry_after: int | None, request_id: str | None, secrets: tuple[str, ...]
) -> TokenizerError | None:
    """Read a problem document (RFC 9457), or return None if it is none of the extension's.

    Something else than the extension may listen on the port and send back what it got. So a text that holds a value of
    the request is left out.
    """
    if not isinstance(document, dict):
        return None
    code = document.get("code")
    if not isinstance(code, str) or not code:
        return None
    detail, where = (_harmless(document.get(name), secrets) for name in ("detail", "field"))
    if retry_after is None:
        seconds = document.get("retry_after")
        if isinstance(seconds, int) and not isinstance(seconds, bool) and 0 < seconds < 10**6:
            retry_after = seconds
    return TokenizerError(code, detail, field=where or None, retry_after=retry_after or None, request_id=request_id)


def _harmless(text: object, secrets: tuple[str, ...]) -> str:
    if not isinstance(text, str) or len(text) > 1024 or not text.isprintable() or _shows(text, secrets):
        return ""
    return text


def _shows(text: str, secrets: tuple[str, ...]) -> bool:
    return any(len(secret) >= 8 and secret in text for secret in secrets)


def checked(read: Callable[[dict[str, Any]], Any], request: Request, within: Limits) -> Any:
    """Carry out a call and read its answer."""
    answer, request_id = call(request, within)
    try:
        return read(answer)
    except TokenizerError as error:
        failure = error
    failure.request_id = request_id
    raise failure.with_traceback(None)
