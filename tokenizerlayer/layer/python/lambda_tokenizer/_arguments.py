"""Checks arguments and builds the bodies of requests.

What would be lost or change its meaning on the way is refused here: a limit of None would be no limit at all. The
extension checks everything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

from ._errors import TokenizerError, invalid
from ._secret import Secret

NOT_GIVEN: Any = type("NotGiven", (), {"__repr__": lambda self: "NOT_GIVEN"})()

_MAX_INTEGER = 2**53 - 1  # the largest that every reader of JSON keeps as it is
_REQUIRED = ("data", "token")
_OPTION = re.compile(r"(?!(.*[0-9]){3})[A-Za-z_][A-Za-z0-9_]{0,39}")  # with more digits it may be a card number
_HEADER = re.compile(r"[\x21-\x7e]+")  # no space: HTTP would strip one at the end


def refuse_unknown(names: Mapping[Any, object]) -> None:
    """Refuse options that there are not. A name that no option could have may be a value, so it is not shown."""
    for name in names:
        if isinstance(name, str) and _OPTION.fullmatch(name):
            raise invalid(name, "is not an option: remove it")
        raise invalid("", "there is an option that is not known: remove it")


def _given(name: str, value: object) -> object:
    if value is None:
        raise invalid(name, "must not be null: leave it out")
    return value


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def string(name: str, value: object) -> str:
    """Return a text that can be written as UTF-8."""
    if not isinstance(value if name in _REQUIRED else _given(name, value), str):
        raise invalid(name, "must be a string")
    text = str.__str__(value)  # type: ignore[arg-type]
    if not _is_utf8(text):
        raise invalid(name, "must be UTF-8")
    return text


def data(value: object) -> str:
    """Return the text of a str or a Secret."""
    return string("data", value.reveal() if isinstance(value, Secret) else value)


def integer(name: str, value: object) -> int:
    """Return a whole number. 60.0 is one; 0.5, nan and True are none."""
    _given(name, value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_INTEGER:
        raise invalid(name, "must be a whole number")
    return int(value)


def boolean(name: str, value: object) -> bool:
    """Return a bool."""
    if not isinstance(_given(name, value), bool):
        raise invalid(name, "must be true or false")
    return bool(value)


def texts(name: str, value: object) -> dict[str, str]:
    """Return a mapping of texts."""
    if not isinstance(_given(name, value), Mapping):
        raise invalid(name, "must be an object of strings")
    items: dict[Any, Any] = dict(cast("Mapping[Any, Any]", value))
    if not all(isinstance(key, str) and isinstance(text, str) for key, text in items.items()):
        raise invalid(name, "must be an object of strings")
    items = {str.__str__(key): str.__str__(text) for key, text in items.items()}
    if not all(_is_utf8(key) and _is_utf8(text) for key, text in items.items()):
        raise invalid(name, "its names and values must be UTF-8")
    return items


def header(name: str, value: object) -> str | None:
    """Return the value of a header, or None if there is to be none."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise invalid(name, "must be a string")
    if not _HEADER.fullmatch(value):
        raise invalid(name, "must be printable ASCII without spaces")
    return str.__str__(value)  # an enum, say, that is a str formats as something else than its text


_CHECKS = {
    "data": lambda _, value: data(value),
    "token": string,
    "type": string,
    "format": string,
    "ttl": integer,
    "max_uses": integer,
    "deterministic": boolean,
    "scope": string,
    "metadata": texts,
    "first_six": boolean,
    "redaction": string,
    "mask": string,
    "attempt": string,
    "reason": string,
    "idempotency_key": string,
    "reference": string,
}


def body(**members: object) -> dict[str, Any]:
    """Return a request's body of the members that are given. Purpose and context become its binding."""
    checked: dict[str, Any] = {}
    binding: dict[str, Any] = {}
    for name, value in members.items():
        if value is NOT_GIVEN:
            continue
        if name == "purpose":
            binding["purpose"] = string("binding.purpose", value)
        elif name == "context":
            binding["context"] = texts("binding.context", value)
        else:
            checked[name] = _CHECKS[name](name, value)
    if binding:
        checked["binding"] = binding
    return checked


TOKENIZE_MEMBERS = frozenset(
    ("data", "type", "format", "ttl", "max_uses", "purpose", "context", "metadata", "deterministic", "scope")
    + ("first_six", "idempotency_key", "reference")
)
DETOKENIZE_MEMBERS = frozenset(("token", "context", "redaction", "mask", "attempt", "reason", "reference"))


def batch(items: object, allowed: frozenset[str], required: str) -> tuple[list[Any], list[Any]]:
    """Return the bodies of a batch's items and their references. A body that is refused is a TokenizerError."""
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Iterable):
        raise invalid("items", "must be a list of objects")
    bodies, references = [], []
    for position, item in enumerate(items):
        if position == 100:
            raise invalid("items", "must have 1 to 100 items")
        if not isinstance(item, Mapping):
            raise invalid(f"items[{position}]", "must be an object")
        reference = item.get("reference")
        references.append(None if "reference" not in item else string(f"items[{position}].reference", reference))
        bodies.append(_item(item, allowed, required))
    if not bodies:
        raise invalid("items", "must have 1 to 100 items")
    given = [reference for reference in references if reference is not None]
    for position, reference in enumerate(references):
        if reference is not None and given.count(reference) > 1 and reference in references[:position]:
            raise invalid(f"items[{position}].reference", "is used twice")
    return bodies, references


def _item(item: Mapping[str, object], allowed: frozenset[str], required: str) -> Any:
    try:
        refuse_unknown({name: None for name in item if name not in allowed})
        members = {name: value for name, value in item.items() if name != "idempotency_key" or value is not None}
        return body(**{required: None, **members})
    except TokenizerError as error:
        return error.with_traceback(None)
