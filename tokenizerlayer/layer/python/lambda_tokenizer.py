"""Client of the tokenizer extension for Lambda functions in Python. Standard library only.

    from lambda_tokenizer import tokenize, detokenize, TokenizerError

    token = tokenize("0000-0000-0000-0000")["token"]
    masked = detokenize(token)["data"]                            # ************0000
    number = detokenize(token, redaction="PLAIN_TEXT")["data"]
    once = tokenize("0000-0000-0000-0000", ttl=3600, max_uses=1, idempotency_key="order-1")["token"]
    bound = tokenize("0000-0000-0000-0000", context={"order": "1"})["token"]
    masked = detokenize(bound, context={"order": "1"})["data"]    # with another context: binding-mismatch

There are validate, metadata and revoke as well. All return the answer of the extension as a dict, take its request's other
members as keywords, and raise TokenizerError. The keyword context is the request's binding.context. Errors never hold the data.
"""

import http.client
import io
import json
import os
import time

_MAX_ANSWER = 64 * 1024  # bytes; an answer is far smaller


class TokenizerError(Exception):
    """A refusal or failure. `code` is stable; `status` is the HTTP status, 0 when the extension was not reached."""

    def __init__(self, code, status, title):
        super().__init__(f"tokenizer: {title} ({code}, {status})")
        self.code = code
        self.status = status
        self.title = title


def tokenize(data, timeout=5.0, idempotency_key=None, **options):
    """Exchange data for a token. Needs a function attached with access Tokenize. The timeout is in seconds."""
    headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
    return _call("/v1/tokenize", {"data": data, **options}, timeout, headers)


def detokenize(token, redaction="MASKED", timeout=5.0, **options):
    """Exchange a token for its data, MASKED or PLAIN_TEXT. Needs a function attached with access Detokenize."""
    return _call("/v1/detokenize", {"token": token, "redaction": redaction, **options}, timeout)


def validate(token, timeout=5.0, **options):
    """Tell whether a token could be detokenized now. Needs a function attached with access Detokenize."""
    return _call("/v1/validate", {"token": token, **options}, timeout)


def metadata(token, timeout=5.0, **options):
    """Tell what is known of a token besides its data. Needs a function attached with access Detokenize."""
    return _call("/v1/metadata", {"token": token, **options}, timeout)


def revoke(token, timeout=5.0, **options):
    """End a token, for good. Needs a function with the vault's Revoke grant."""
    return _call("/v1/revoke", {"token": token, **options}, timeout)


def _call(path, body, timeout, headers=None):
    if "context" in body:  # None as well: the extension refuses it, where leaving it out would make an unbound token
        body["binding"] = {**body.get("binding", {}), "context": body.pop("context")}
    # http.client takes no notice of HTTP_PROXY: the loopback address must never go through a proxy.
    port = int(os.environ.get("TOKENIZER_PORT") or 2774)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    end = time.monotonic() + timeout  # of the whole exchange, not only of a silent connection
    connection.response_class = lambda sock, **options: http.client.HTTPResponse(_Timed(sock, end), **options)
    own = {"Content-Type": "application/json", "X-Tokenizer-Token": os.environ.get("AWS_SESSION_TOKEN", "")}
    try:
        connection.request("POST", path, json.dumps(body).encode(), {**(headers or {}), **own})
        response = connection.getresponse()
        status, content = response.status, response.read(_MAX_ANSWER)
    except (OSError, http.client.HTTPException) as error:
        # `from None`: a traceback that shows the failed call's frames is one more place for the data to leak.
        raise TokenizerError("unreachable", 0, f"extension not reached: {type(error).__name__}") from None
    finally:
        connection.close()
    return _answer(status, content)


class _Timed(io.RawIOBase):
    """What is read from a socket until a point in time. The socket's own timeout would begin anew with each byte that comes."""

    def __init__(self, sock, end):
        self._sock, self._file, self._end = sock, sock.makefile("rb", buffering=0), end

    def makefile(self, _mode):
        return io.BufferedReader(self)

    def readable(self):
        return True

    def readinto(self, buffer):
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._sock.settimeout(left)
        return self._file.readinto(buffer)

    def close(self):
        self._file.close()
        super().close()


def _answer(status, content):
    try:
        answer = json.loads(content)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise TokenizerError("bad-answer", status, "extension did not answer with a JSON object") from None
    if status >= 300:
        # RFC 9457 problem document, of which only these two members are fixed texts.
        raise TokenizerError(str(answer.get("code", "unknown")), status, str(answer.get("title", "request refused")))
    return answer
