"""What a type checker accepts and refuses. Each ignore comment stands where it must report an error."""

from lambda_tokenizer import (
    Detokenized,
    Sealed,
    Secret,
    Tokenized,
    TokenizeItem,
    TokenizerError,
    detokenize,
    detokenize_batch,
    seal,
    tokenize,
    tokenize_batch,
)

made: Tokenized = tokenize(Secret("4111 1111 1111 1111"), ttl=3600, max_uses=1, purpose="refund", context={"order": "1"})
tokenize("4111 1111 1111 1111", idempotency_key=None)
sealed: Sealed = seal("4111 1111 1111 1111")
masked: str = detokenize(made.token).data
number: Secret = detokenize(made.token, redaction="PLAIN_TEXT", attempt="charge-1").data
items: list[TokenizeItem] = [{"data": "4111 1111 1111 1111", "reference": "a", "ttl": 60}]
for result in tokenize_batch(items):
    print(result.code if isinstance(result, TokenizerError) else result.token)
for shown in detokenize_batch([{"token": made.token, "redaction": "PLAIN_TEXT"}]):
    print(shown.data if isinstance(shown, Detokenized) else shown.retry_after)

tokenize("4111 1111 1111 1111", ttls=5)  # pyright: ignore
tokenize("4111 1111 1111 1111", ttl=None)  # pyright: ignore
tokenize("4111 1111 1111 1111", context=None)  # pyright: ignore
tokenize("4111 1111 1111 1111", format="short")  # pyright: ignore
tokenize(4111111111111111)  # pyright: ignore
detokenize(made.token, redaction="PLAIN")  # pyright: ignore
wrong: str = detokenize(made.token, redaction="PLAIN_TEXT").data  # pyright: ignore
tokenize_batch([{"reference": "a"}])  # pyright: ignore
tokenize_batch([{"data": "4111 1111 1111 1111", "ttls": 5}])  # pyright: ignore
