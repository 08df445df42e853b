"""Client of the tokenizer extension for Lambda functions in Python. It needs the standard library only.

    from lambda_tokenizer import TokenizerError, detokenize, tokenize

    token = tokenize("4111 1111 1111 1111").token
    masked = detokenize(token).data                                  # "************1111"
    number = detokenize(token, redaction="PLAIN_TEXT").data          # a Secret: it does not print
    number.reveal()                                                  # "4111111111111111"
    once = tokenize("4111 1111 1111 1111", ttl=3600, max_uses=1, idempotency_key="order-1").token
    bound = tokenize("4111 1111 1111 1111", context={"order": "1"}).token
    masked = detokenize(bound, context={"order": "1"}).data          # with another context: binding-mismatch

Every verb raises TokenizerError and nothing else. Its text can be logged: it holds no value of the request. The verbs
can be called from several threads at once.
"""

from ._errors import TokenizerError
from ._results import Card, Detokenized, Metadata, Pong, Revoked, Sealed, Tokenized, Validity
from ._secret import Secret
from ._verbs import (
    DetokenizeItem,
    LambdaContext,
    TokenizeItem,
    detokenize,
    detokenize_batch,
    metadata,
    ping,
    revoke,
    seal,
    tokenize,
    tokenize_batch,
    validate,
)

__version__ = "0.1.0"

__all__ = [
    "Card",
    "Detokenized",
    "DetokenizeItem",
    "LambdaContext",
    "Metadata",
    "Pong",
    "Revoked",
    "Sealed",
    "Secret",
    "TokenizeItem",
    "Tokenized",
    "TokenizerError",
    "Validity",
    "__version__",
    "detokenize",
    "detokenize_batch",
    "metadata",
    "ping",
    "revoke",
    "seal",
    "tokenize",
    "tokenize_batch",
    "validate",
]
