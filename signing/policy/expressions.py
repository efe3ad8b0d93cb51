"""CEL expressions as trees, read as far as their cost depends on it (cel-spec doc/langdef.md, Syntax).

The library that evaluates them shows no tree. What it takes and this doesn't (messages, optional values, macros of its own) is
refused: what can't be read here can't be reckoned.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

_LOOPS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})
"""Macros that take a list, or an object's keys, one by one."""
_DEEPEST: Final = 60
"""Parts of an expression that may stand inside one another."""

_TOKEN: Final = re.compile(
    r"(?P<space>\s+|//[^\n]*)"
    r"|(?P<literal>[bB]?[rR][bB]?(?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|\"[^\"\n]*\"|'[^'\n]*')"
    r"|[bB]?(?:\"\"\"(?:\\[\s\S]|[^\\])*?\"\"\"|'''(?:\\[\s\S]|[^\\])*?'''"
    r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    r"|(?:0[xX][0-9a-fA-F]+|(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[uU]?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<other>&&|\|\||[=!<>]=|[\s\S])"
)
_CONSTANTS: Final = frozenset({"true", "false", "null"})
_LEVELS: Final = {
    "||": 1,
    "&&": 2,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in"), 3),
    **dict.fromkeys("+-", 4),
    **dict.fromkeys("*/%", 5),
}
"""How strongly operators bind."""


class InvalidExpression(ValueError):
    """What can't be read; the message completes “the expression …”."""


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression, by `kind`; `of` are the parts of it, in their order.

    `name`, `literal`; `member` and `has` of a value; `index`; `call` (the value before the dot comes first); `loop` over a
    value, with the name of its item; `list`, `object`; `operation`, where several of the same operator in a row are one.
    """

    kind: str
    text: str = ""
    of: tuple[Node, ...] = ()
    variable: str = ""
    depth: int = 1


class Reading:
    """Reads one expression, which the library takes as well."""

    def __init__(self, source: str, functions: Collection[str]) -> None:
        """Read it. Raise InvalidExpression, also where it calls anything but `functions` and macros."""
        found = ((one.lastgroup or "", one[0]) for one in _TOKEN.finditer(source))
        self._tokens = [(kind, text) for kind, text in found if kind != "space"]
        self._functions = functions
        self._at = 0
        self._open = 0
        self.names: set[str] = set()
        """Names that stand for values, but for those that loops bind around them."""
        self.items: set[str] = set()
        """Names that loops bind."""
        self.patterns: list[str | None] = []
        """The literals that `matches` is called with, as they stand; None for what is no literal."""
        self._bound: list[str] = []
        self.tree = self._expression()
        if self._at < len(self._tokens):
            raise self._odd()

    def _text(self, ahead: int = 0) -> str:
        at = self._at + ahead
        return self._tokens[at][1] if at < len(self._tokens) else ""

    def _kind(self) -> str:
        return self._tokens[self._at][0] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        text = self._text()
        self._at += 1
        return text

    def _takes(self, text: str) -> bool:
        if self._text() != text:
            return False
        self._at += 1
        return True

    def _must(self, text: str) -> None:
        if not self._takes(text):
            raise self._odd()

    def _odd(self) -> InvalidExpression:
        at = f"“{self._text()[:40]}”" if self._text() else "its end"
        return InvalidExpression(f"can't be reckoned with at {at}")

    def _made(self, kind: str, text: str = "", of: tuple[Node, ...] = (), variable: str = "") -> Node:
        depth = 1 + max((one.depth for one in of), default=0)
        if depth > _DEEPEST:
            raise InvalidExpression(f"is nested deeper than {_DEEPEST} levels")
        return Node(kind, text, of, variable, depth)

    def _expression(self) -> Node:
        self._open += 1
        if self._open > _DEEPEST:
            raise InvalidExpression(f"is nested deeper than {_DEEPEST} levels")
        found = self._operation(1)
        if self._takes("?"):
            met = self._operation(1)
            self._must(":")
            found = self._made("operation", "?", (found, met, self._expression()))
        self._open -= 1
        return found

    def _operation(self, level: int) -> Node:
        left = self._unary()
        while (found := _LEVELS.get(self._text(), 0)) >= level and self._kind() != "literal":
            operator = self._next()
            before = left.of if (left.kind, left.text) == ("operation", operator) else (left,)
            left = self._made("operation", operator, (*before, self._operation(found + 1)))
        return left

    def _unary(self) -> Node:
        begin = self._at
        while self._text() in ("!", "-"):
            self._at += 1
        signs = self._at - begin
        found = self._value()
        while self._text() in (".", "["):
            found = self._part(found)
        return self._made("operation", "!" * signs, (found,)) if signs else found

    def _part(self, value: Node) -> Node:
        if self._next() == "[":
            key = self._expression()
            self._must("]")
            return self._made("index", of=(value, key))
        if self._kind() != "name":
            raise self._odd()
        name = self._next()
        if self._text() != "(":
            return self._made("member", name, (value,))
        if name in _LOOPS and self._text(2) == "," and _is_name(self._text(1)):
            return self._loop(name, value)
        return self._call(name, (value,))

    def _value(self) -> Node:
        kind, text = self._kind(), self._next()
        if kind == "literal" or text in _CONSTANTS:
            return self._made("literal", text)
        if kind == "name" and text != "in":
            if self._text() == "(":
                return self._has() if text == "has" else self._call(text, ())
            if text not in self._bound:
                self.names.add(text)
            return self._made("name", text)
        if text == "(":
            found = self._expression()
            self._must(")")
            return found
        if text == "[":
            return self._made("list", of=tuple(self._several("]")))
        if text == "{":
            return self._made("object", of=tuple(self._several("}")))
        self._at -= 1
        raise self._odd()

    def _several(self, end: str) -> Iterator[Node]:
        """Yield what stands between commas; of an object keys and values."""
        while not self._takes(end):
            yield self._expression()
            if end == "}":
                self._must(":")
                yield self._expression()
            if not self._takes(","):
                self._must(end)
                return

    def _has(self) -> Node:
        self._must("(")
        found = self._expression()
        self._must(")")
        if found.kind != "member":
            raise InvalidExpression("calls has with what is no member")
        return self._made("has", found.text, found.of)

    def _call(self, name: str, target: tuple[Node, ...]) -> Node:
        if name not in self._functions:
            known = ", ".join(sorted({*self._functions, *_LOOPS, "has"}))
            raise InvalidExpression(f"calls {name}, which is not there; there are {known}")
        self._must("(")
        given = tuple(self._several(")"))
        if name == "matches":
            is_literal = bool(target) and len(given) == 1 and given[0].kind == "literal"
            self.patterns.append(given[0].text if is_literal else None)
        return self._made("call", name, target + given)

    def _loop(self, name: str, over: Node) -> Node:
        self._at += 1
        variable = self._next()
        self._must(",")
        self.items.add(variable)
        self._bound.append(variable)
        bodies = tuple(self._several(")"))
        self._bound.pop()
        if not 1 <= len(bodies) <= 1 + (name == "map"):
            raise InvalidExpression(f"calls {name} with {len(bodies) + 1} arguments")
        return self._made("loop", name, (over, *bodies), variable)


def _is_name(text: str) -> bool:
    return text.isidentifier() and text.isascii() and text != "in" and text not in _CONSTANTS
