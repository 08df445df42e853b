"""The verbs of the API."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NoReturn, ParamSpec, Protocol, TypedDict, TypeVar, overload

from . import _arguments, _results, _transport
from ._arguments import NOT_GIVEN
from ._errors import TokenizerError, not_understood
from ._results import Detokenized, Metadata, Pong, Revoked, Sealed, Tokenized, Validity
from ._secret import Secret

Type = Literal["card", "text"]
Format = Literal["uuid", "card"]
Redaction = Literal["MASKED", "PLAIN_TEXT"]
Mask = Literal["LAST_4", "FIRST_6_LAST_4"]

_TIMEOUT = _transport.DEFAULT_TIMEOUT
_RETRIES = 2


_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")


def _bare(verb: Callable[_Arguments, _Answer]) -> Callable[_Arguments, _Answer]:
    """Let a verb's errors begin here. Tools that report errors show the variables of every function on the way, and
    those of the client hold what the request does, a Secret's text too."""

    @functools.wraps(verb)
    def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Answer:
        try:
            return verb(*args, **kwargs)
        except TokenizerError as error:
            failure = error.with_traceback(None)
        del args, kwargs
        raise failure

    return call


class LambdaContext(Protocol):
    """The context object that Lambda passes to a handler."""

    def get_remaining_time_in_millis(self) -> int:
        """Return how many milliseconds are left of the invocation."""
        ...


class _RequiredOfTokenize(TypedDict):
    data: str | Secret


class TokenizeItem(_RequiredOfTokenize, total=False):
    """An item of tokenize_batch: the arguments of tokenize, and a reference of your own."""

    type: Type
    format: Format
    ttl: int
    max_uses: int
    purpose: str
    context: Mapping[str, str]
    metadata: Mapping[str, str]
    deterministic: bool
    scope: str
    first_six: bool
    idempotency_key: str | None
    reference: str


class _RequiredOfDetokenize(TypedDict):
    token: str


class DetokenizeItem(_RequiredOfDetokenize, total=False):
    """An item of detokenize_batch: the arguments of detokenize, and a reference of your own."""

    redaction: Redaction
    mask: Mask
    context: Mapping[str, str]
    attempt: str
    reason: str
    reference: str


@_bare
def tokenize(
    data: str | Secret,
    *,
    type: Type = NOT_GIVEN,
    format: Format = NOT_GIVEN,
    ttl: int = NOT_GIVEN,
    max_uses: int = NOT_GIVEN,
    purpose: str = NOT_GIVEN,
    context: Mapping[str, str] = NOT_GIVEN,
    metadata: Mapping[str, str] = NOT_GIVEN,
    deterministic: bool = NOT_GIVEN,
    scope: str = NOT_GIVEN,
    first_six: bool = NOT_GIVEN,
    idempotency_key: str | None = None,
    request_id: str | None = None,
    timeout: float = _TIMEOUT,
    retries: int = _RETRIES,
    lambda_context: LambdaContext | None = None,
    **unknown: NoReturn,
) -> Tokenized:
    """Store data in the vault and return its token. Needs the Tokenize grant.

    deterministic and idempotency_key need the Index grant as well. ttl is in seconds. Give an idempotency_key, and the
    same call within 24 hours returns the same token, so it is safe to repeat.
    """
    _arguments.refuse_unknown(unknown)
    body = _arguments.body(
        data=data, type=type, format=format, ttl=ttl, max_uses=max_uses, purpose=purpose, context=context,
        metadata=metadata, deterministic=deterministic, scope=scope, first_six=first_six,
    )
    headers = _headers(request_id, idempotency_key)
    repeatable = "Idempotency-Key" in headers or body.get("deterministic", False)
    request = _request("/v1/tokenize", body, headers, repeatable)
    return _transport.checked(_results.tokenized, request, _transport.limits(timeout, retries, lambda_context))


@_bare
def seal(
    data: str | Secret,
    *,
    type: Type = NOT_GIVEN,
    format: Format = NOT_GIVEN,
    ttl: int = NOT_GIVEN,
    max_uses: int = NOT_GIVEN,
    purpose: str = NOT_GIVEN,
    context: Mapping[str, str] = NOT_GIVEN,
    metadata: Mapping[str, str] = NOT_GIVEN,
    first_six: bool = NOT_GIVEN,
    request_id: str | None = None,
    timeout: float = _TIMEOUT,
    retries: int = _RETRIES,
    lambda_context: LambdaContext | None = None,
    **unknown: NoReturn,
) -> Sealed:
    """Return a token for data and the put of its row, for a transaction of your own. Needs the Tokenize grant.

    Pass `put`, unchanged, to transact_write_items of boto3's DynamoDB client, together with your own row that holds the
    token. Then neither row can exist without the other.
    """
    _arguments.refuse_unknown(unknown)
    body = _arguments.body(
        data=data, type=type, format=format, ttl=ttl, max_uses=max_uses, purpose=purpose, context=context,
        metadata=metadata, first_six=first_six,
    )
    request = _request("/v1/tokenize", {**body, "store": False}, _headers(request_id), repeatable=True)
    return _transport.checked(_results.sealed, request, _transport.limits(timeout, retries, lambda_context))


@overload
def detokenize(
    token: str,
    *,
    redaction: Literal["MASKED"] = ...,
    mask: Mask = ...,
    context: Mapping[str, str] = ...,
    attempt: str = ...,
    reason: str = ...,
    request_id: str | None = ...,
    timeout: float = ...,
    retries: int = ...,
    lambda_context: LambdaContext | None = ...,
) -> Detokenized[str]: ...


@overload
def detokenize(
    token: str,
    *,
    redaction: Literal["PLAIN_TEXT"],
    context: Mapping[str, str] = ...,
    attempt: str = ...,
    reason: str = ...,
    request_id: str | None = ...,
    timeout: float = ...,
    retries: int = ...,
    lambda_context: LambdaContext | None = ...,
) -> Detokenized[Secret]: ...


@_bare
def detokenize(
    token: str,
    *,
    redaction: Redaction = NOT_GIVEN,
    mask: Mask = NOT_GIVEN,
    context: Mapping[str, str] = NOT_GIVEN,
    attempt: str = NOT_GIVEN,
    reason: str = NOT_GIVEN,
    request_id: str | None = None,
    timeout: float = _TIMEOUT,
    retries: int = _RETRIES,
    lambda_context: LambdaContext | None = None,
    **unknown: NoReturn,
) -> Detokenized[Any]:
    """Return what a token stands for, masked unless redaction is "PLAIN_TEXT". Needs the Detokenize grant.

    Each call is a use of a token with max_uses, even if its answer gets lost. Name the attempt, and a repeated call
    within 15 minutes counts once.
    """
    _arguments.refuse_unknown(unknown)
    body = _arguments.body(
        token=token, redaction=redaction, mask=mask, context=context, attempt=attempt, reason=reason
    )
    request = _request("/v1/detokenize", body, _headers(request_id), "attempt" in body)
    return _transport.checked(_results.detokenized, request, _transport.limits(timeout, retries, lambda_context))


@_bare
def validate(
    token: str,
    *,
    context: Mapping[str, str] = NOT_GIVEN,
    reason: str = NOT_GIVEN,
    request_id: str | None = None,
    timeout: float = _TIMEOUT,
    retries: int = _RETRIES,
    lambda_context: LambdaContext | None = None,
    **unknown: NoReturn,
) -> Validity:
    """Tell whether a token could be detokenized now. It counts no use. Needs the Detokenize grant."""
    _arguments.refuse_unknown(unknown)
    body = _arguments.body(token=token, context=context, reason=reason)
    request = _request("/v1/validate", body, _headers(request_id), repeatable=True)
    within = _transport.limits(timeout, retries, lambda_context)
    return _transport.checked(lambda answer: Validity(_results.member(answer, "live", bool)), request, within)


@_bare
def metadata(
    token: str,
    *,
    context: Mapping[str, str] = NOT_GIVEN,
    reason: str = NOT_GIVEN,
    request_id: str | None = None,
    timeout: float = _TIMEOUT,
    retries: int = _RETRIES,
    lambda_context: LambdaContext | None = None,
    **unknown: NoReturn,
) -> Metadata:
    """Return what is known of a token besides its data. It counts no use. Needs the Detokenize grant."""
    _arguments.refuse_unknown(unknown)
    body = _arguments.body(token=token, context=context, reason=reason)
    request = _request("/v1/metadata", body, _headers(request_id), repeatable=True)
    return _transport.checked(_results.metadata, request, _transport.limits(timeout, retries, lambda_context))


@_bare
def revoke(
    token: str,
    *,
    reason: str = NOT_GIVEN,
    request_id: str | None = None,
    timeout: float = _TIMEOUT,
    retries: int = _RETRIES,
    lambda_context: LambdaContext | None = None,
    **unknown: NoReturn,
) -> Revoked:
    """End a token for good. It is safe to repeat. Needs the Revoke grant."""
    _arguments.refuse_unknown(unknown)
    body = _arguments.body(token=token, reason=reason)
    request = _request("/v1/revoke", body, _headers(request_id), repeatable=True)
    return _transport.checked(_results.revoked, request, _transport.limits(timeout, retries, lambda_context))


@_bare
def ping(
    *,
    timeout: float = _TIMEOUT,
    retries: int = _RETRIES,
    lambda_context: LambdaContext | None = None,
    **unknown: NoReturn,
) -> Pong:
    """Tell whether the extension is ready, and which release of the layer it is. It calls neither KMS nor DynamoDB."""
    _arguments.refuse_unknown(unknown)
    request = _transport.Request("/ping", repeatable=True)
    within = _transport.limits(timeout, retries, lambda_context)
    return _transport.checked(lambda answer: Pong(_results.member(answer, "release", str)), request, within)


@_bare
def tokenize_batch(
    items: Iterable[TokenizeItem],
    *,
    request_id: str | None = None,
    timeout: float = _TIMEOUT,
    retries: int = _RETRIES,
    lambda_context: LambdaContext | None = None,
    **unknown: NoReturn,
) -> list[Tokenized | TokenizerError]:
    """Carry out tokenize for 1 to 100 items. Each result stands where its item stood.

    A result is a TokenizerError if its item was refused. The call raises one if the whole batch was
    refused, or if its answer did not arrive. Then items may have been carried out.
    """
    _arguments.refuse_unknown(unknown)
    members = _arguments.batch(items, _arguments.TOKENIZE_MEMBERS, "data")
    within = _transport.limits(timeout, retries, lambda_context)
    return _Batch("/v1/tokenize/batch", members, _results.tokenized, _headers(request_id)).carry_out(within)


@_bare
def detokenize_batch(
    items: Iterable[DetokenizeItem],
    *,
    request_id: str | None = None,
    timeout: float = _TIMEOUT,
    retries: int = _RETRIES,
    lambda_context: LambdaContext | None = None,
    **unknown: NoReturn,
) -> list[Detokenized[Any] | TokenizerError]:
    """Carry out detokenize for 1 to 100 items. Each result stands where its item stood.

    A result is a TokenizerError if its item was refused. The call raises one if the whole batch was
    refused, or if its answer did not arrive. Then items may have been carried out.
    """
    _arguments.refuse_unknown(unknown)
    members = _arguments.batch(items, _arguments.DETOKENIZE_MEMBERS, "token")
    within = _transport.limits(timeout, retries, lambda_context)
    return _Batch("/v1/detokenize/batch", members, _results.detokenized, _headers(request_id)).carry_out(within)


def _headers(request_id: str | None, idempotency_key: str | None = None) -> dict[str, str]:
    values = {
        "X-Request-Id": _arguments.header("X-Request-Id", request_id),
        "Idempotency-Key": _arguments.header("Idempotency-Key", idempotency_key),
    }
    return {name: value for name, value in values.items() if value is not None}


def _secrets(body: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(body[name] for name in ("data", "token") if name in body)


def _request(path: str, body: dict[str, Any], headers: dict[str, str], repeatable: bool) -> _transport.Request:
    return _transport.Request(path, body, headers, repeatable, secrets=_secrets(body))


class _Batch:
    """A batch under way. Items whose problem is that they came too fast are sent again, as single requests are."""

    def __init__(
        self,
        path: str,
        members: tuple[list[Any], list[Any]],
        read: Callable[[Mapping[str, Any]], Any],
        headers: dict[str, str],
    ) -> None:
        self._path, self._read, self._headers = path, read, headers
        self._bodies, self._references = members
        self._results: list[Any] = list(self._bodies)  # an item that the client refuses is its own result

    def carry_out(self, within: _transport.Limits) -> list[Any]:
        pending = [at for at, body in enumerate(self._bodies) if not isinstance(body, TokenizerError)]
        for attempt in range(within.retries + 1):
            if not pending:
                break
            if (failure := self._send(pending, within)) is not None:
                if attempt == 0:
                    raise self._placed(failure, pending)
                break  # the items have their results from before
            pending, wait = self._refused(pending, attempt)
            if attempt == within.retries or wait >= within.left():
                break
            time.sleep(wait if pending else 0)
        return self._results

    def _send(self, pending: list[int], within: _transport.Limits) -> TokenizerError | None:
        """Carry out items and keep their results, or return why none was carried out."""
        items = [self._bodies[at] for at in pending]
        request = _transport.Request(
            self._path, {"items": items}, self._headers, all(map(_is_repeatable, items)), _transport.MAX_BATCH_BODY,
            _transport.MAX_BATCH_ANSWER, tuple(secret for body in items for secret in _secrets(body)),
        )
        try:
            answer, request_id = _transport.call(request, within)
        except TokenizerError as error:
            return error.with_traceback(None)
        answers = answer.get("items")
        if not isinstance(answers, list) or len(answers) != len(items):
            return not_understood()
        for at, result in zip(pending, answers):
            self._results[at] = self._result(at, result, request_id)
        return None

    def _result(self, at: int, answer: Any, request_id: str | None) -> Any:
        body, reference = self._bodies[at], self._references[at]
        if not isinstance(answer, dict) or answer.get("reference") != reference:
            return not_understood()
        if "problem" in answer:
            error = _transport.problem(answer["problem"], None, request_id, _secrets(body))
            return error or not_understood()
        try:
            return self._read(answer)
        except TokenizerError as error:
            return error.with_traceback(None)

    def _refused(self, pending: list[int], attempt: int) -> tuple[list[int], float]:
        """Return the items to send again, and how long to wait before."""
        waits = {}
        for at in pending:
            if isinstance(result := self._results[at], TokenizerError):
                wait = _transport.pause(result, _is_repeatable(self._bodies[at]), attempt)
                if wait is not None:
                    waits[at] = wait
        return list(waits), max(waits.values(), default=0.0)

    @staticmethod
    def _placed(error: TokenizerError, pending: list[int]) -> TokenizerError:
        """Name the caller's position of an item: items that the client refused were not sent."""
        match = re.fullmatch(r"items\[(\d{1,3})\](.*)", error.field or "")
        if match and int(match[1]) < len(pending):
            error.field = f"items[{pending[int(match[1])]}]{match[2]}"
        return error


def _is_repeatable(body: Mapping[str, Any]) -> bool:
    return body.get("deterministic", False) or "idempotency_key" in body or "attempt" in body
