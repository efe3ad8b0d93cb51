"""What an evaluation of an expression costs at most: time, and the memory that values take which it makes.

The library copies a value that a member is taken of, what an operator or a function works on, and, for each item that `map` and
`filter` add, the list that they have made so far. So the cost depends on how large values are, and these grow with `+`, lists,
objects and `map`. Sizes and costs are linear in how large the items of the loops around are. Items of a list together are
as large as the list, so that loops over parts of parts cost what there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any, Final, NamedTuple

from signing.policy.expressions import Node

Form = tuple[int, ...]
"""A constant, and a factor for the size of the item of each loop around, from the outermost."""

_MADE: Final = 10
"""Steps for each value that is put into a list, an object or a longer text: it takes memory as well."""
_TURN: Final = 3
"""Steps for one turn of a loop."""
_COPIES: Final = frozenset({"filter", "map"})


class Value(NamedTuple):
    """How large a value is: its values with their text, and its longest list or object; and what it is, where that is given."""

    size: Form
    widest: int
    given: Any = None

    @property
    def most(self) -> int:
        """How many items it has at most."""
        return len(self.given) if isinstance(self.given, dict | list | tuple) else self.widest


@dataclass(frozen=True, slots=True)
class Search:
    """What `matches` costs: once, and for each unit of size of the text."""

    once: int
    each: int


@dataclass(slots=True)
class Weighing:
    """Reckons with what the variables hold, of which each is as large as all are together."""

    given: Mapping[str, Any]
    size: int
    widest: int
    search: Search
    _largest: list[int] = field(default_factory=lambda: [1])
    """How large an item of each loop around may be."""
    _items: dict[str, Value] = field(default_factory=dict)

    def cost(self, tree: Node) -> int:
        """Return the steps that a whole expression takes, with those that bring its value back."""
        cost, value = self._weighed(tree)
        return self._most(cost) + _MADE * self._most(value.size)

    def _weighed(self, node: Node) -> tuple[Form, Value]:
        match node.kind:
            case "literal":
                return (1,), Value((1 + len(node.text) // 16,), 0)
            case "name":
                variable = Value((self.size,), self.widest, self.given.get(node.text))
                return (1,), self._items.get(node.text, variable)
            case "loop":
                return self._loop(node)
        parts = [self._weighed(one) for one in node.of]
        cost, values = _sum((1,), *(cost for cost, _ in parts)), [value for _, value in parts]
        whole = _sum(*(value.size for value in values))
        match node.kind:
            case "member":
                around = values[0].given
                given = around.get(node.text) if isinstance(around, dict) else None
                return _sum(cost, whole), values[0]._replace(given=given)
            case "has" | "index":
                return _sum(cost, *(value.size for value in values[1:])), (
                    values[0]._replace(given=None) if node.kind == "index" else _SCALAR
                )
            case "list" | "object":
                widest = max(len(values), *(value.widest for value in values), 0)
                return _sum(cost, _times(_MADE, whole)), Value(_sum((1 + len(values),), whole), widest)
            case "call":
                return self._called(node, _sum(cost, whole), values)
        return self._operated(node.text, cost, values)

    def _called(self, node: Node, cost: Form, values: list[Value]) -> tuple[Form, Value]:
        whole = _sum(*(value.size for value in values))
        if node.text == "matches":
            return _sum(cost, (self.search.once,), _times(self.search.each, whole)), _SCALAR
        if node.text in ("bytes", "string"):  # what is no UTF-8 becomes three bytes, a number up to 330
            return _sum(cost, _times(_MADE, whole)), Value(_sum((25,), _times(3, whole)), 0)
        return cost, _SCALAR

    def _operated(self, operator: str, cost: Form, values: list[Value]) -> tuple[Form, Value]:
        match operator:
            case "&&" | "||":
                return _sum(cost, (len(values),)), _SCALAR
            case "?":
                return cost, Value(_greater(values[1].size, values[2].size), max(values[1].widest, values[2].widest))
        found = values[0]
        for other in values[1:]:
            both = _sum(found.size, other.size)
            match operator:
                case "+":
                    cost = _sum(cost, _times(_MADE, both))
                    found = Value(both, found.widest + other.widest)
                case "==" | "!=" | "<" | "<=" | ">" | ">=":
                    less = min(found.size, other.size, key=self._most)
                    cost, found = _sum(cost, (1,), less), _SCALAR
                case _:
                    cost, found = _sum(cost, (1,), both), _SCALAR
        if len(values) == 1:  # signs
            return _sum(cost, (len(operator),), found.size), _SCALAR
        return cost, found

    def _loop(self, node: Node) -> tuple[Form, Value]:
        cost, over = self._weighed(node.of[0])
        largest = self._most(over.size)
        most = min(over.most, largest)
        item: Form = (*(0 for _ in self._largest), 1)
        before = self._items.get(node.variable)
        self._items[node.variable] = Value(item, over.widest)
        self._largest.append(largest)
        bodies = [self._weighed(body) for body in node.of[1:]]
        self._largest.pop()
        if before is None:
            del self._items[node.variable]
        else:
            self._items[node.variable] = before
        turn = _sum((_TURN,), item, *(cost for cost, _ in bodies))
        cost = _sum(cost, over.size, self._over(turn, over, most))
        if node.text not in _COPIES:
            return cost, _SCALAR
        last = bodies[-1][1]
        made = Value(item, over.widest) if node.text == "filter" else last
        size = _sum((1,), self._over(made.size, over, most))
        return _sum(cost, _times(max(most, _MADE), size)), Value(size, max(most, made.widest))

    def _over(self, turn: Form, over: Value, most: int) -> Form:
        """Return the sum over all turns of a loop. There are as many as there are items, and no more than these are large."""
        *outer, item = (*turn, *(0 for _ in range(len(self._largest) + 1 - len(turn))))
        constant, *rest = outer
        turns = over.size if any(over.size[1:]) else (most,)
        return _sum(_times(constant, turns), _times(most, (0, *rest)), _times(item, over.size))

    def _most(self, form: Form) -> int:
        return sum(factor * largest for factor, largest in zip(form, self._largest, strict=False))


_SCALAR: Final = Value((1,), 0)


def _sum(*forms: Form) -> Form:
    return tuple(map(sum, zip_longest(*forms, fillvalue=0)))


def _times(factor: int, form: Form) -> Form:
    return tuple(factor * one for one in form)


def _greater(one: Form, other: Form) -> Form:
    return tuple(map(max, *zip(*zip_longest(one, other, fillvalue=0), strict=True)))
