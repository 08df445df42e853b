"""A text that does not print."""

from __future__ import annotations

import hmac
from typing import NoReturn

from ._errors import invalid

REDACTED = "[REDACTED]"


class Secret:
    """A text that must not leak by accident, such as a card number. Only reveal() returns it.

    repr, str, format and f-strings show "[REDACTED]". The json module and pickle refuse a Secret. It protects from
    accidents, not from code that is out to read it, and it does not erase the text from memory.
    """

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise invalid("data", "must be a string")
        self.__text = text

    def reveal(self) -> str:
        """Return the text itself. Each call is a place for a reviewer to look at."""
        return self.__text

    def __repr__(self) -> str:
        return REDACTED

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, spec: str) -> str:
        return REDACTED

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = (text.encode("utf-8", "surrogatepass") for text in (self.__text, other.__text))
        return hmac.compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash(self.__text)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")
