"""Runs a Python handler as Lambda's runtime does: over the Runtime API, with the standard library alone.

Python is started as: python3 -u -B bootstrap.py. The environment variables are those that Lambda sets.
"""

import decimal
import http.client
import importlib
import json
import os
import sys
import time
import traceback

API = "/2018-06-01/runtime/"


class Failure(Exception):
    """A failure with the type that Lambda gives it."""

    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind


class Context:
    """What Lambda tells a handler about the invocation."""

    def __init__(self, headers):
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = None
        self.identity = None

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline - int(time.time() * 1000))


class RuntimeAPI:
    """The server of this execution environment. Without it there is nothing left to do."""

    def __init__(self):
        self._connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

    def call(self, method, path, body=None, headers=None):
        try:
            self._connection.request(method, API + path, body, headers or {})
            answer = self._connection.getresponse()
            return answer.headers, answer.read()
        except (OSError, http.client.HTTPException):
            os._exit(1)

    def fail(self, path, error, request_id=""):
        described = {
            "errorMessage": str(error),
            "errorType": error.kind if isinstance(error, Failure) else type(error).__name__,
            "requestId": request_id,
            "stackTrace": [] if isinstance(error, Failure) else traceback.format_tb(error.__traceback__)[1:],
        }
        print(f"[ERROR] {described['errorType']}: {described['errorMessage']}", file=sys.stderr)
        for line in described["stackTrace"]:
            print(line, end="", file=sys.stderr)
        self.call("POST", path, json.dumps(described), {"Lambda-Runtime-Function-Error-Type": described["errorType"]})


def load(handler):
    """Imports what a handler such as index.handler or package/module.handler names."""
    module, _, function = handler.rpartition(".")
    if not module or not function:
        raise Failure(
            "Runtime.MalformedHandlerName",
            f"Bad handler '{handler}': name a module and a function, such as index.handler",
        )
    try:
        loaded = importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        advice = advise(error.name, module) if isinstance(error, ModuleNotFoundError) else ""
        raise Failure("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}{advice}") from None
    except SyntaxError as error:
        raise Failure(
            "Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error.msg}, line {error.lineno}"
        ) from None
    if not callable(getattr(loaded, function, None)):
        raise Failure("Runtime.HandlerNotFound", f"Handler '{function}' missing on module '{module}'")
    return getattr(loaded, function)


def advise(missing, module):
    """Says what to do about a module that is not there."""
    if missing == module.replace("/", "."):
        return f". The function's code has no file {module}.py"
    if missing.partition(".")[0] == "lambda_tokenizer":
        return ". It comes with the tokenizer's layer: attach the layer to the function"
    return ". Put it into the folder of the function (pip install -t) or into a layer"


def number(value):
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def encode(answer):
    try:
        return json.dumps(answer, default=number, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        raise Failure("Runtime.MarshalError", f"Unable to marshal response: {error}") from None


def main():
    sys.path[0] = os.environ["LAMBDA_TASK_ROOT"]  # where this file is, there is nothing for the function
    api = RuntimeAPI()
    try:
        handler = load(os.environ["_HANDLER"])
    except Exception as error:  # whatever the module raises while it is imported
        api.fail("init/error", error)
        sys.exit(1)
    while True:
        headers, event = api.call("GET", "invocation/next")
        context = Context(headers)
        os.environ["_X_AMZN_TRACE_ID"] = headers.get("Lambda-Runtime-Trace-Id", "")
        path = f"invocation/{context.aws_request_id}/"
        try:
            answer = encode(handler(json.loads(event), context))
        except Exception as error:
            api.fail(path + "error", error, context.aws_request_id)
        else:
            api.call("POST", path + "response", answer)


main()
