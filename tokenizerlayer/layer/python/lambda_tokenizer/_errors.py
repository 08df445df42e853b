"""The one type of error that the client raises."""

from __future__ import annotations

# The codes of docs/api.md, with the words that begin an error's text and the HTTP status.
KINDS = {
    "invalid-request": ("invalid request", 400),
    "unauthorized": ("unauthorized", 401),
    "forwarded-request": ("forwarded request refused", 403),
    "permission-denied": ("permission denied", 403),
    "binding-mismatch": ("binding mismatch", 403),
    "token-not-found": ("token not found", 404),
    "no-such-endpoint": ("no such endpoint", 404),
    "idempotency-key-reused": ("idempotency key reused", 409),
    "request-in-flight": ("same request in flight", 409),
    "token-revoked": ("token revoked", 410),
    "token-expired": ("token expired", 410),
    "token-used-up": ("token used up", 410),
    "request-too-large": ("request too large", 413),
    "rate-limited": ("rate limited", 429),
    "integrity": ("stored row failed verification", 500),
    "internal-error": ("internal error", 500),
    "unavailable": ("store or key service unavailable", 503),
    "not-configured": ("tokenizer is not configured", 503),
}


class TokenizerError(Exception):
    """A refusal or a failure. Its text can be logged: it holds no value of the request.

    code: names the kind of error for programs, such as "token-not-found". docs/api.md has the table.
    status: the HTTP status of the kind, such as 404.
    detail: what to do about it; "" if the kind says it all.
    field: the member of the request that is wrong, as the loopback API calls it, such as "max_uses"; None if none is.
    retry_after: how many seconds to wait before you try again; None if this is not known.
    request_id: names the request in the extension's log; None if the request did not get that far.
    """

    code: str
    status: int
    detail: str
    field: str | None
    retry_after: int | None
    request_id: str | None

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        field: str | None = None,
        retry_after: int | None = None,
        request_id: str | None = None,
    ) -> None:
        title, status = KINDS.get(code, KINDS["internal-error"])
        super().__init__(": ".join(part for part in (title, field, detail) if part))
        self.code = code if code in KINDS else "internal-error"
        self.status = status
        self.detail = detail
        self.field = field
        self.retry_after = retry_after
        self.request_id = request_id

    def __reduce__(self) -> tuple[object, ...]:
        members = {"field": self.field, "retry_after": self.retry_after, "request_id": self.request_id}
        return _restore, (self.code, self.detail, members)


def _restore(code: str, detail: str, members: dict[str, object]) -> TokenizerError:
    return TokenizerError(code, detail, **members)  # type: ignore[arg-type]


def invalid(field: str, detail: str) -> TokenizerError:
    """The error for an argument that the client refuses itself."""
    return TokenizerError("invalid-request", detail, field=field)


def not_understood() -> TokenizerError:
    """The error for an answer that is not the extension's."""
    return TokenizerError(
        "internal-error", "the answer is not understood: check that the tokenizer listens on this port"
    )
