"""A function that turns a card into a token. The layer brings the module lambda_tokenizer."""

from lambda_tokenizer import tokenize


def handler(event, context):
    """Answer with the token, which can be stored where the card would have been."""
    return {"token": tokenize(event["card"]).token}
