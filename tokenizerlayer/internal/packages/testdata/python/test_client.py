"""Tests of what only Python has. The vectors beside the extension test what the clients have in common."""

import contextlib
import copy
import enum
import inspect
import json
import os
import pickle
import socket
import threading
import traceback
import typing
import unittest
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from unittest import mock

import lambda_tokenizer
from lambda_tokenizer import Secret, TokenizerError, _transport, detokenize, ping, seal, tokenize, tokenize_batch, validate

CARD = "4111111111111111"
TOKEN = "f81d4fae-7dec-41d0-a765-00a0c91e6bf6"
VERBS = ("tokenize", "seal", "detokenize", "validate", "metadata", "revoke", "ping", "tokenize_batch", "detokenize_batch")


class Server:
    """Answers each request by its path, on as many connections as there are."""

    def __init__(self, answers):
        self._answers, self.connections, self.requests = answers, 0, 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        port = str(self._listener.getsockname()[1])
        self._environment = mock.patch.dict(os.environ, {"TOKENIZER_PORT": port, "AWS_SESSION_TOKEN": "the-session-token"})
        self._environment.start()
        return self

    def __exit__(self, *_):
        self._environment.stop()
        self._listener.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(ConnectionResetError), connection, connection.makefile("rb") as reader:
            while line := reader.readline():
                length = 0
                while (header := reader.readline().strip()):
                    if header.lower().startswith(b"content-length:"):
                        length = int(header.split(b":")[1])
                body = json.loads(reader.read(length) or b"{}")
                with self._lock:
                    self.requests += 1
                answer = json.dumps(self._answers(line.split()[1].decode(), body)).encode()
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))


class SecretTest(unittest.TestCase):
    def test_shows_its_text_to_reveal_only(self):
        secret = Secret(CARD)
        shown = [str(secret), repr(secret), f"{secret}", f"{secret:>20}", f"{secret!r}", "%s" % secret, str([secret])]
        shown += [str(vars(lambda_tokenizer.Detokenized(secret, "PLAIN_TEXT"))), "{}".format(secret)]
        self.assertNotIn("4111", "".join(shown))
        self.assertEqual(secret.reveal(), CARD)

    def test_is_not_serialized(self):
        for dump in (json.dumps, pickle.dumps, lambda secret: pickle.dumps({"a": [secret]}, protocol=5)):
            with self.assertRaises(TypeError) as caught:
                dump(Secret(CARD))
            self.assertNotIn("4111", str(caught.exception))

    def test_compares_and_copies(self):
        self.assertEqual(Secret(CARD), copy.deepcopy(Secret(CARD)))
        self.assertNotEqual(Secret(CARD), Secret("4"))
        self.assertNotEqual(Secret(CARD), CARD)
        self.assertEqual(len({Secret(CARD), copy.copy(Secret(CARD))}), 1)

    def test_holds_nothing_but_text(self):
        with self.assertRaises(TokenizerError):
            Secret(4111111111111111)


class ErrorTest(unittest.TestCase):
    def test_survives_pickle(self):
        error = TokenizerError("rate-limited", "too fast", field="token", retry_after=1, request_id="r-1")
        again = pickle.loads(pickle.dumps(error))
        self.assertEqual((str(again), vars(again)), (str(error), vars(error)))

    def test_has_no_cause_that_quotes_the_request(self):
        with mock.patch.dict(os.environ, {"TOKENIZER_PORT": "1", "AWS_SESSION_TOKEN": "the-session-token"}):
            for call in (
                lambda: tokenize(CARD),
                lambda: tokenize(CARD, idempotency_key=CARD + "\n"),
                lambda: tokenize("\ud800" + CARD, type="text"),
                lambda: tokenize(CARD, max_uses=10**5000),
                lambda: tokenize(CARD, context={"order": b"1"}),
            ):
                with self.assertRaises(TokenizerError) as caught:
                    call()
                error = caught.exception
                self.assertIsNone(error.__cause__)
                self.assertIsNone(error.__context__)
                text = "".join(traceback.format_exception_only(error)) + repr(error) + repr(error.args)
                self.assertNotIn("4111", text)
                self.assertNotIn("the-session-token", text)

    def test_has_a_traceback_whose_variables_do_not_show_the_request(self):
        card = Secret(CARD)
        with Server(lambda path, body: {}):
            for call in (
                lambda: tokenize(card),
                lambda: tokenize(card, ttl=None),
                lambda: tokenize(Secret(CARD + "\ud800")),
                lambda: seal(card),
                lambda: tokenize_batch([{"data": card}]),
                lambda: tokenize_batch([{"data": card, "reference": "a"}, {"data": card, "reference": "a"}]),
            ):
                with self.assertRaises(TokenizerError) as caught:
                    try:
                        call()
                    except TokenizerError as error:
                        report = traceback.TracebackException.from_exception(error, capture_locals=True)
                        raise
                shown = [variables for frame in report.stack[1:] for variables in (frame.locals or {}).items()]
                self.assertNotIn("4111", repr(shown))
                self.assertNotIn("the-session-token", repr(shown))

    def test_shows_no_option_that_may_be_a_card_number(self):
        for name, field in (("c" + CARD, ""), ("a123", ""), ("a12", "a12")):
            with self.assertRaises(TokenizerError) as caught:
                tokenize(CARD, **{name: 1})
            self.assertEqual(caught.exception.field or "", field)


class ArgumentTest(unittest.TestCase):
    def test_a_header_has_the_text_of_an_enum(self):
        class Key(str, enum.Enum):
            FIRST = "order-1"

            def __format__(self, spec):
                return "another\r\nX-Another: 1"

        with mock.patch.object(_transport, "call", return_value=({"token": TOKEN}, None)) as call:
            tokenize(CARD, idempotency_key=Key.FIRST, request_id=Key.FIRST)
        head = _transport._head(call.call_args[0][0], 1, "the-session-token", 1)
        self.assertEqual(head.count(b"order-1\r\n"), 2)
        self.assertNotIn(b"nother", head)

    def test_texts_are_what_they_hold(self):
        class Empty(str):
            def __iter__(self):
                return iter("")

        with self.assertRaises(TokenizerError) as caught:
            tokenize(CARD, metadata={"a": Empty("\ud800")})
        self.assertEqual(caught.exception.field, "metadata")


class ResultTest(unittest.TestCase):
    def test_repr_shows_neither_token_nor_data(self):
        row = {"table_name": "T", "item": {"Hash_Key": {"S": TOKEN}, "Format": {"N": "3"}, "C": {"B": "AAEC"}}}
        row["condition_expression"] = "attribute_not_exists(Hash_Key)"
        with Server(lambda path, body: {"token": TOKEN, "row": row, "data": CARD, "redaction": "PLAIN_TEXT"}):
            results = [tokenize(CARD), seal(Secret(CARD)), detokenize(TOKEN, redaction="PLAIN_TEXT")]
        self.assertNotIn(TOKEN, repr(results))
        self.assertNotIn(CARD, repr(results))
        put = {"TableName": "T", "Item": {"Hash_Key": {"S": TOKEN}, "Format": {"N": "3"}, "C": {"B": b"\0\1\2"}}}
        put["ConditionExpression"] = "attribute_not_exists(Hash_Key)"
        self.assertEqual(results[1].put, {"Put": put})

    def test_an_item_of_a_batch_may_be_a_whole_float(self):
        seen = []
        with Server(lambda path, body: seen.append(body) or {"items": [{"token": TOKEN}]}):
            tokenize_batch(iter([{"data": CARD, "ttl": 3600.0, "max_uses": 2}]))
        self.assertEqual(seen, [{"items": [{"data": CARD, "ttl": 3600, "max_uses": 2}]}])


class ConcurrencyTest(unittest.TestCase):
    def test_threads_do_not_share_an_exchange(self):
        with Server(lambda path, body: {"data": "*" + body["token"], "redaction": "MASKED"}) as server:
            tokens = [f"token-{number}" for number in range(200)]
            with ThreadPoolExecutor(8) as pool:
                shown = [result.data for result in pool.map(detokenize, tokens)]
            self.assertEqual(shown, ["*" + token for token in tokens])
            self.assertLessEqual(server.connections, 8)

    @unittest.skipUnless(hasattr(os, "fork"), "this system has no fork")
    def test_a_child_does_not_use_its_parents_connections(self):
        with Server(lambda path, body: {"live": True}) as server:
            validate(TOKEN)
            child = os.fork()
            if child == 0:
                os._exit(0 if validate(TOKEN).live else 1)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
            self.assertTrue(validate(TOKEN).live)
            self.assertEqual(server.connections, 2)

    def test_an_interrupted_call_closes_its_connection(self):
        with Server(lambda path, body: {"live": True}) as server:
            with mock.patch("http.client.HTTPResponse.begin", side_effect=KeyboardInterrupt):
                with self.assertRaises(KeyboardInterrupt):
                    validate(TOKEN)
            self.assertTrue(validate(TOKEN).live)
            self.assertEqual(server.connections, 2)


class SignatureTest(unittest.TestCase):
    def test_every_name_is_exported_and_every_hint_resolves(self):
        self.assertLessEqual(set(VERBS), set(lambda_tokenizer.__all__))
        for name in lambda_tokenizer.__all__:
            member = getattr(lambda_tokenizer, name)
            if inspect.isfunction(member):
                hints = typing.get_type_hints(member)
                self.assertEqual(set(hints) - {"return"}, set(inspect.signature(member).parameters), name)
        for result in (lambda_tokenizer.Tokenized, lambda_tokenizer.Metadata, lambda_tokenizer.Sealed):
            self.assertEqual(set(typing.get_type_hints(result)), {field.name for field in fields(result)})

    def test_every_verb_is_bounded_alike(self):
        for name in VERBS:
            parameters = inspect.signature(getattr(lambda_tokenizer, name)).parameters
            self.assertEqual((parameters["timeout"].default, parameters["retries"].default), (5.0, 2), name)

    def test_ends_before_the_invocation_does(self):
        for remaining, seconds in ((10_000, 5.0), (3_000, 2.75), (100, 0.09)):
            context = mock.Mock(get_remaining_time_in_millis=lambda remaining=remaining: remaining)
            with mock.patch("time.monotonic", return_value=1000.0):
                self.assertAlmostEqual(_transport.limits(5.0, 2, context).left(), seconds)

    def test_refuses_an_object_that_is_no_lambda_context(self):
        for other in (object(), 5, {"deadline": 1}, mock.Mock(get_remaining_time_in_millis=lambda: None)):
            with self.assertRaises(TokenizerError) as caught:
                ping(lambda_context=other)
            self.assertEqual(caught.exception.field, "lambda_context")


if __name__ == "__main__":
    unittest.main()
