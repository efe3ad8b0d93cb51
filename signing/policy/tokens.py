"""What a CEL expression consists of, as far as its cost depends on it: macros that loop, what they loop over, and patterns.

The library that evaluates tells which functions an expression uses, and neither how often nor where (cel-spec doc/langdef.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

LOOPS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})
"""Macros that take a list, or an object's keys, one by one."""
COPIES: Final = frozenset({"filter", "map"})
"""Those that make a list, which the library copies for each item that is added."""

_TOKEN: Final = re.compile(
    r"(?P<space>\s+|//[^\n]*)"
    r"|(?P<string>[bB]?[rR][bB]?(?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|\"[^\"\n]*\"|'[^'\n]*')"
    r"|[bB]?(?:\"\"\"(?:\\[\s\S]|[^\\])*?\"\"\"|'''(?:\\[\s\S]|[^\\])*?'''"
    r"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<other>[\s\S])"
)
_OPENING: Final = {"(": ")", "[": "]", "{": "}"}


@dataclass(slots=True, eq=False)
class Loop:
    """A macro that loops, or the whole expression where `name` is ""."""

    name: str
    variable: str = ""
    over: str = ""
    """A `part` of what is looked at anyway (of a variable at the top, else of the item around), a `literal`, `other`."""
    mentions: int = 0
    """Names in its body."""
    roots: int = 0
    """Those of them that are variables of the policy."""
    loops: list[Loop] = field(default_factory=list)


@dataclass(slots=True)
class Tokens:
    """The parts of an expression."""

    loop: Loop
    variables: set[str]
    """Those that loops bind."""
    commas: int
    patterns: list[str | None]
    """The literals that `matches` is called with, as they stand; None for what is no literal."""


def read_tokens(expression: str, roots: frozenset[str]) -> Tokens:
    """Return the parts of an expression that is valid; `roots` are the policy's variables."""
    tokens = [(found.lastgroup or "", found[0]) for found in _TOKEN.finditer(expression) if found.lastgroup != "space"]
    whole = Loop("")
    read = Tokens(whole, set(), sum(text == "," for _, text in tokens), [])
    around: list[tuple[str, Loop]] = []
    current = whole
    for at, (kind, text) in enumerate(tokens):
        if kind == "name":
            current.mentions += 1
            current.roots += text in roots and not _is_member(tokens, at)
        elif text in _OPENING:
            around.append((_OPENING[text], current))
            called = tokens[at - 1][1] if at and tokens[at - 1][0] == "name" else ""
            if text == "(" and called in LOOPS and _is_member(tokens, at - 1):
                current = _opened(tokens, at, current, roots)
                read.variables.add(current.variable)
            elif text == "(" and called == "matches":
                read.patterns.append(_literal(tokens, at))
        elif around and text == around[-1][0]:
            current = around.pop()[1]
    return read


def walk(tokens: Tokens, size: int, widest: int) -> Iterator[tuple[Loop, int]]:
    """Yield the loops, and how often the body of each may be evaluated.

    `size` is that of the data, `widest` the length of its longest list or object. Loops over parts of parts look at each value
    once, together; any other loop is run anew for each item of the one around it.
    """
    waiting = [(loop, 1, True) for loop in tokens.loop.loops]
    while waiting:
        loop, times, is_once = waiting.pop()
        at_top = loop in tokens.loop.loops
        if loop.over == "part" and is_once:
            times = size if at_top else times
        elif loop.over == "literal":
            times, is_once = times * (tokens.commas + 1), False
        else:
            times, is_once = times * widest * (size if at_top else 1), False
        yield loop, times
        waiting.extend((one, times, is_once) for one in loop.loops)


def _opened(tokens: list[tuple[str, str]], at: int, current: Loop, roots: frozenset[str]) -> Loop:
    variable = tokens[at + 1][1] if at + 1 < len(tokens) else ""
    head = _head(tokens, at - 2)
    over = "part" if (head == current.variable if current.name else head in roots) else "other"
    if tokens[at - 3][1] == "]" and not _is_called(tokens, _opening(tokens, at - 3)):
        over = "literal"
    loop = Loop(tokens[at - 1][1], variable, over)
    current.loops.append(loop)
    return loop


def _is_called(tokens: list[tuple[str, str]], bracket: int) -> bool:
    """Say whether a bracket stands behind a value, of which it takes a part."""
    return bracket > 0 and (tokens[bracket - 1][0] in ("name", "string") or tokens[bracket - 1][1] in ")]}")


def _head(tokens: list[tuple[str, str]], dot: int) -> str:
    """Return the name that a chain of members before a dot starts with; "" where it starts with something else."""
    at = dot - 1
    while at >= 0:
        if tokens[at][1] == "]":
            at = _opening(tokens, at)
        if at < 0 or tokens[at][0] not in ("name", "other") or (tokens[at][0] == "other" and tokens[at][1] != "["):
            return ""
        if tokens[at][1] == "[":
            at -= 1
            continue
        if not _is_member(tokens, at):
            return tokens[at][1]
        at -= 2
    return ""


def _opening(tokens: list[tuple[str, str]], at: int) -> int:
    depth = 0
    while at >= 0:
        depth += (tokens[at][1] == "]") - (tokens[at][1] == "[")
        if depth == 0:
            return at
        at -= 1
    return at


def _is_member(tokens: list[tuple[str, str]], at: int) -> bool:
    return at > 0 and tokens[at - 1][1] == "."


def _literal(tokens: list[tuple[str, str]], at: int) -> str | None:
    after = tokens[at + 1 : at + 3]
    return after[0][1] if len(after) == 2 and after[0][0] == "string" and after[1][1] == ")" else None
