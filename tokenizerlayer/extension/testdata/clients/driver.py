"""Carries out the vectors with the Python client: reads JSON from standard input, and writes what came of each call.

A string like "<name>" in an argument is the token that an earlier call of the vector has saved.
"""

import json
import os
import socket
import sys
import time
from dataclasses import is_dataclass
from datetime import datetime

import lambda_tokenizer as client

SPECIAL = {
    "nan": float("nan"), "infinity": float("inf"), "surrogate": "\ud800", "bytes": b"4111111111111111",
    "long": "x" * 40000, "many": [{"data": "4111111111111111"}] * 101, "large": [{"data": "x" * 12000}] * 100,
}
now, hours_ahead = time.time, 0
time.time = lambda: now() + hours_ahead * 3600


class Context:
    def __init__(self, milliseconds):
        self.get_remaining_time_in_millis = lambda: milliseconds


def argument(value, saved):
    if isinstance(value, dict):
        if "$" in value:
            return SPECIAL[value["$"]]
        return {name: argument(member, saved) for name, member in value.items()}
    if isinstance(value, list):
        return [argument(member, saved) for member in value]
    return saved.get(value, value) if isinstance(value, str) else value


def shown(value):
    """Return a result as the vectors have it: without members that are not there."""
    if isinstance(value, client.TokenizerError):
        return {"error": failure(value)}
    if isinstance(value, list):
        return [shown(member) for member in value]
    if isinstance(value, client.Secret):
        return {"secret": value.reveal()}
    if is_dataclass(value):
        return shown({name: getattr(value, name) for name in value.__dataclass_fields__})
    if isinstance(value, dict) and "Put" in value:
        return "the put of " + value["Put"]["TableName"]
    if isinstance(value, dict):
        return {name: shown(member) for name, member in value.items() if member is not None}
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return value


def failure(error):
    chain = error.__cause__ is None and error.__context__ is None
    told = {name: getattr(error, name) for name in ("code", "status", "detail", "field", "retry_after")}
    return {name: member for name, member in told.items() if member} | ({} if chain else {"chain": True})


def run(call, saved):
    verb, arguments = call["verb"], argument(call.get("arguments", {}), saved)
    if verb == "await":  # an end of the server's connections, which this one tells by its own
        with socket.create_connection(("127.0.0.1", int(os.environ["BARRIER"]))) as connection:
            connection.recv(1)
        return {}
    if "lambda_remaining_ms" in arguments:
        arguments["lambda_context"] = Context(arguments.pop("lambda_remaining_ms"))
    positional = [arguments.pop(name) for name in ("data", "token", "items") if name in arguments]
    try:
        result = getattr(client, verb)(*positional, **arguments)
    except client.TokenizerError as error:
        return {"error": failure(error), "text": str(error) + repr(error)}
    if "save" in call:
        saved[f"<{call['save']}>"] = result.token
    return {"result": shown(result), "text": "" if isinstance(result, list) else repr(result)}


outcomes = []
for vector in json.load(sys.stdin):
    os.environ.update(vector["environment"])
    hours_ahead, saved = 0, {}
    outcomes.append([])
    for call in vector["calls"]:
        hours_ahead += call.get("hours_later", 0)
        outcomes[-1].append(run(call, saved))
json.dump(outcomes, sys.stdout)
