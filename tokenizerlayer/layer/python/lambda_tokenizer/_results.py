"""What the verbs return. The repr of a result shows neither plain text nor tokens."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar

from ._errors import not_understood
from ._secret import Secret


@dataclass(frozen=True)
class Card:
    """What is known of a card number without the number itself."""

    brand: str  # such as "visa"; "unknown" if no table has it
    last_four: str
    length: int
    first_six: str | None = None  # only if asked for, and only of cards with 15 digits or more


@dataclass(frozen=True)
class Tokenized:
    """A token that is stored."""

    token: str = field(repr=False)
    expires_at: datetime | None = None  # None for a token without a ttl
    deduplicated: bool | None = None  # of a deterministic token: whether it existed already
    card: Card | None = None  # None for a text
    reference: str | None = None  # of a batch's item


@dataclass(frozen=True)
class Sealed:
    """A token that is not stored yet. Until `put` is committed, the token opens nothing."""

    token: str = field(repr=False)
    put: dict[str, Any] = field(repr=False)  # for TransactItems of boto3's DynamoDB client
    expires_at: datetime | None = None
    card: Card | None = None


Shown = TypeVar("Shown", str, Secret)


@dataclass(frozen=True)
class Detokenized(Generic[Shown]):
    """What a token stands for: a str if it is masked, a Secret if it is plain text."""

    data: Shown
    redaction: str
    reference: str | None = None  # of a batch's item


@dataclass(frozen=True)
class Validity:
    """Whether a token can be detokenized."""

    live: bool


@dataclass(frozen=True)
class Metadata:
    """What is known of a token besides its data."""

    type: str
    created_at: datetime
    purpose: str | None = None
    expires_at: datetime | None = None
    max_uses: int | None = None  # None for a token without a limit
    uses: int = 0  # always 0 for a token without a limit
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Revoked:
    """A token that has ended."""

    existed: bool  # whether the vault had a row of the token
    in_backups_until: datetime  # when the last backup that holds the sealed row is gone


@dataclass(frozen=True)
class Pong:
    """The extension is ready."""

    release: str  # the digest of the layer's content


_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z")


def member(answer: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return a member of an answer, which must have it."""
    value = answer.get(name)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise not_understood()
    return value


def optional(answer: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return a member of an answer, or None if it has none."""
    return None if answer.get(name) is None else member(answer, name, kind)


def time_of(answer: Mapping[str, Any], name: str) -> datetime:
    """Return a member that is a point in time."""
    if not (match := _TIME.fullmatch(member(answer, name, str))):
        raise not_understood()
    try:
        when = datetime.fromisoformat(match[1])
    except ValueError:
        when = None
    if when is None:
        raise not_understood()
    return when.replace(tzinfo=timezone.utc)


def _expiry(answer: Mapping[str, Any]) -> datetime | None:
    return None if answer.get("expires_at") is None else time_of(answer, "expires_at")


def _card(answer: Mapping[str, Any]) -> Card | None:
    facts = optional(answer, "card", dict)
    if facts is None:
        return None
    return Card(
        member(facts, "brand", str), member(facts, "last_four", str), member(facts, "length", int),
        optional(facts, "first_six", str),
    )


def _token(answer: Mapping[str, Any]) -> str:
    token: str = member(answer, "token", str)
    if not token:
        raise not_understood()
    return token


def tokenized(answer: Mapping[str, Any]) -> Tokenized:
    """Read the answer of tokenize."""
    deduplicated, reference = optional(answer, "deduplicated", bool), optional(answer, "reference", str)
    return Tokenized(_token(answer), _expiry(answer), deduplicated, _card(answer), reference)


def sealed(answer: Mapping[str, Any]) -> Sealed:
    """Read the answer of tokenize with "store": false. boto3 takes bytes as they are, where JSON has base64."""
    row = member(answer, "row", dict)
    item = {name: _attribute(value) for name, value in member(row, "item", dict).items()}
    put = {
        "TableName": member(row, "table_name", str),
        "Item": item,
        "ConditionExpression": member(row, "condition_expression", str),
    }
    return Sealed(_token(answer), {"Put": put}, _expiry(answer), _card(answer))


def _attribute(value: Any) -> dict[str, Any]:
    if isinstance(value, dict) and len(value) == 1:
        (kind, content), = value.items()
        if kind in ("S", "N") and isinstance(content, str):
            return {kind: content}
        if kind == "B" and isinstance(content, str) and (binary := _base64(content)) is not None:
            return {kind: binary}
    raise not_understood()


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def detokenized(answer: Mapping[str, Any]) -> Detokenized[Any]:
    """Read the answer of detokenize."""
    data, redaction = member(answer, "data", str), member(answer, "redaction", str)
    if not data or redaction not in ("MASKED", "PLAIN_TEXT"):
        raise not_understood()
    shown = data if redaction == "MASKED" else Secret(data)
    return Detokenized(shown, redaction, optional(answer, "reference", str))


def metadata(answer: Mapping[str, Any]) -> Metadata:
    """Read the answer of metadata."""
    texts = optional(answer, "metadata", dict) or {}
    if not all(isinstance(text, str) for text in texts.values()):
        raise not_understood()
    return Metadata(
        type=member(answer, "type", str),
        created_at=time_of(answer, "created_at"),
        purpose=optional(answer, "purpose", str),
        expires_at=_expiry(answer),
        max_uses=optional(answer, "max_uses", int),
        uses=optional(answer, "uses", int) or 0,
        metadata=texts,
    )


def revoked(answer: Mapping[str, Any]) -> Revoked:
    """Read the answer of revoke."""
    return Revoked(member(answer, "existed", bool), time_of(answer, "in_backups_until"))
