"""Swaps a card number for a token: {"card": "4111 1111 1111 1111"} -> {"token": "..."}."""

from lambda_tokenizer import tokenize  # the layer puts it on the path


def handler(event, context):
    return {"token": tokenize(event["card"]).token}
