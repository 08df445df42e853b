"""Swaps a card number for a token: {"card": "4111 1111 1111 1111"} -> {"token": "..."}."""

from lambda_tokenizer import TokenizerError, tokenize  # the layer puts it on the path


def handler(event, context):
    try:
        return {"token": tokenize(event["card"]).token}
    except TokenizerError as error:
        return {"error": error.code}  # the code says what to do; no error repeats the card
