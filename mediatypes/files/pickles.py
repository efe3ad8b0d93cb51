"""Pickles read symbolically: what would be imported, called and set is written down, and nothing of it is done.

The machine is that of `pickle.py` (its opcodes are described in `pickletools`), with symbols in the place of objects: a
global is its name, a call is an `Instance`. Symbols are never compared or hashed, so that no nesting of them costs more than
the opcodes that made it; who walks them bounds his way (they may hold themselves).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from mediatypes.files.opcodes import Skipped, opcodes
from mediatypes.files.ranged import Cursor
from mediatypes.files.reading import Limits, Malformed, TooMuch

_GLOBALS: Final = 10_000  # names that one pickle imports
_OPCODES: Final = 5  # opcodes that are followed, for each entry of `Limits`
_MEMO: Final = {"BINGET", "LONG_BINGET", "GET"}
_PUTTING: Final = {"BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE", "FRAME"}


class Global(NamedTuple):
    """What a pickle would import: `name` of `module`; None where another object of the pickle would give them."""

    module: str | None
    name: str | None


@dataclass(slots=True, eq=False)
class Instance:
    """What a call of `made_by` with `args` would give; a dict or a set is one of these too."""

    made_by: Any
    args: Any = ()
    state: Any = None
    """What BUILD would set it to."""
    pairs: list[tuple[Any, Any]] | None = None
    """What SETITEMS would put into it."""
    elements: list[Any] | None = None
    """What APPENDS would add to it."""


@dataclass(frozen=True, slots=True, eq=False)
class Persistent:
    """An object outside of the pickle, by the id that whoever loads it understands."""

    id: Any


@dataclass(slots=True)
class Imports:
    """What pickles would import, in the order in which it comes."""

    globals: dict[Global, None] = field(default_factory=dict)
    extensions: set[int] = field(default_factory=set)
    """Codes of copyreg's registry, whose meaning only the loading process knows."""

    def add(self, found: Global) -> Global:
        """Note a global. Raise TooMuch beyond those that any pickle has."""
        self.globals.setdefault(found)
        if len(self.globals) > _GLOBALS:
            raise TooMuch(f"imports more than {_GLOBALS} names")
        return found


DICT: Final = Global("builtins", "dict")
SET: Final = Global("builtins", "set")

Built = Callable[["Machine", Instance], None]
"""Is told of each instance that has just been given its state; joblib puts an array's bytes behind such a one."""


class Machine:
    """Follows one pickle from where a cursor stands up to its STOP, and leaves the cursor there."""

    def __init__(self, cursor: Cursor, limits: Limits, imports: Imports, built: Built | None = None) -> None:
        self.cursor = cursor
        self._limits = limits
        self._most = limits.entries * _OPCODES
        self._imports = imports
        self._built = built
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Return the symbol of what the pickle would give. Raise Unreadable.

        Unpicklers differ in what they refuse: what opcodes behind a fault name is noted among the imports, up to STOP.
        """
        step = self._step
        fault: Malformed | None = None
        for count, (name, argument) in enumerate(opcodes(self.cursor)):
            if count >= self._most:
                raise TooMuch(f"is a pickle of more than {self._most} opcodes")
            try:
                step(name, argument)
            except Malformed as error:
                fault = fault or error
                self._stack = []
                step = self._note
        if fault is not None:
            raise fault
        return self._pop()

    def fork(self, cursor: Cursor, imports: Imports) -> Machine:
        """Return one that goes on as this would, and tells nobody. Of what this has, it knows the texts and changes nothing."""
        made = Machine(cursor, self._limits, imports)
        made._stack = [_known(symbol) for symbol in self._stack]
        made._marks = [[_known(symbol) for symbol in below] for below in self._marks]
        made._memo = {index: _known(symbol) for index, symbol in self._memo.items()}
        return made

    def _step(self, name: str, argument: Any) -> None:
        if name in _PUSHED:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name in _MEMO:
            if argument not in self._memo:
                raise Malformed(f"is a pickle that gets what it never put, before byte {self.cursor.position}")
            self._stack.append(self._memo[argument])
        else:
            _STEPS[name](self, argument)

    def _note(self, name: str, argument: Any) -> None:
        """Note what an opcode behind a fault would import: the stack holds only what was pushed just before it."""
        if name in _PUSHED:
            self._stack.append(argument)
        elif name not in _PUTTING:
            if name == "STACK_GLOBAL":
                self._stack = self._stack if len(self._stack) > 1 else [None, None]
                self._stack_global(argument)
            elif name in ("GLOBAL", "INST"):
                self._global(argument)
            elif name in ("EXT1", "EXT2", "EXT4"):
                self._extension(argument)
            self._stack = []

    # The stack

    def _top(self) -> Any:
        if not self._stack:
            raise Malformed(f"is a pickle whose stack is empty before byte {self.cursor.position}")
        return self._stack[-1]

    def _pop(self) -> Any:
        top = self._top()
        del self._stack[-1]
        return top

    def _push(self, symbol: Any) -> None:
        """Push onto the stack that is there once the symbol has been made of a mark's items."""
        self._stack.append(symbol)

    def _marked(self) -> list[Any]:
        if not self._marks:
            raise Malformed(f"is a pickle that misses a mark before byte {self.cursor.position}")
        items, self._stack = self._stack, self._marks.pop()
        return items

    def _mark(self, _: Any) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _drop(self, _: Any) -> None:
        if self._stack:
            del self._stack[-1]
        else:
            self._marked()

    def _drop_marked(self, _: Any) -> None:
        self._marked()

    def _nothing(self, _: Any) -> None:
        """Do what says how the pickle is written, and nothing of what it holds."""

    def _duplicate(self, _: Any) -> None:
        self._stack.append(self._top())

    def _put(self, index: Any) -> None:
        if isinstance(index, Skipped):
            raise Malformed(f"is a pickle that puts by what is no number, before byte {self.cursor.position}")
        self._memo[index] = self._top()

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._top()

    # Containers

    def _tuple(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def _append(self, items: list[Any]) -> None:
        target = self._top()
        if not items:
            return
        if isinstance(target, list):
            target.extend(items)
        elif isinstance(target, Instance):
            target.elements = target.elements or []
            target.elements.extend(items)
        elif _is_fixed(target):
            raise Malformed(f"is a pickle that adds to what takes nothing, before byte {self.cursor.position}")

    def _set(self, items: list[Any]) -> None:
        target = self._top()
        if not items:
            return
        if _is_fixed(target) or len(items) % 2:
            raise Malformed(f"is a pickle that sets items of what has none, before byte {self.cursor.position}")
        if isinstance(target, Instance):
            target.pairs = target.pairs or []
            target.pairs.extend(zip(items[::2], items[1::2], strict=True))

    def _dict(self, items: list[Any]) -> None:
        self._stack.append(Instance(DICT))
        self._set(items)

    # Imports and calls

    def _global(self, argument: tuple[str, str] | Skipped) -> None:
        # A name that is too long to be read is none that may be trusted.
        found = Global(None, None) if isinstance(argument, Skipped) else Global(*argument)
        self._stack.append(self._imports.add(found))

    def _stack_global(self, _: Any) -> None:
        name, module = self._pop(), self._pop()
        known = isinstance(name, str) and isinstance(module, str)
        self._stack.append(self._imports.add(Global(module, name) if known else Global(None, None)))

    def _extension(self, code: int) -> None:
        self._imports.extensions.add(code)
        if len(self._imports.extensions) > _GLOBALS:
            raise TooMuch(f"imports more than {_GLOBALS} names")
        self._stack.append(Global(None, None))

    def _call(self, _: Any) -> None:
        arguments, made_by = self._pop(), self._pop()
        self._stack.append(Instance(made_by, arguments))

    def _call_with_names(self, _: Any) -> None:
        named, arguments, made_by = self._pop(), self._pop(), self._pop()
        self._stack.append(Instance(made_by, arguments, pairs=named.pairs if isinstance(named, Instance) else None))

    def _old_instance(self, argument: tuple[str, str] | Skipped) -> None:
        self._global(argument)  # pickle.py imports before it looks for the mark
        made_by = self._pop()
        self._stack.append(Instance(made_by, tuple(self._marked())))

    def _old_object(self, _: Any) -> None:
        items = self._marked()
        if not items:
            raise Malformed(f"is a pickle that makes an object of nothing, before byte {self.cursor.position}")
        self._stack.append(Instance(items[0], tuple(items[1:])))

    def _build(self, _: Any) -> None:
        state = self._pop()
        target = self._top()
        if isinstance(target, Instance):
            target.state = state
            if self._built is not None:
                self._built(self, target)

    def _persistent(self, argument: Any) -> None:
        self._stack.append(Persistent(argument))


def _known(symbol: Any) -> Any:
    return symbol if isinstance(symbol, str) else Instance(None)


def _is_fixed(symbol: Any) -> bool:
    """Say whether it takes nothing: at all else (an item of a list, a byte of a bytearray) unpicklers go on."""
    is_value = symbol is None or isinstance(symbol, (bool, int, float, str, bytes, tuple))
    return is_value and not isinstance(symbol, Global)


_PUSHED: Final = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING", "SHORT_BINSTRING"),
    *(
        "BINBYTES",
        "SHORT_BINBYTES",
        "BINBYTES8",
        "BYTEARRAY8",
        "UNICODE",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
    ),
    *("FLOAT", "BINFLOAT", "NEXT_BUFFER"),
}
_CONSTANTS: Final = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_STEPS: Final[dict[str, Callable[[Machine, Any], None]]] = {
    "MARK": Machine._mark,
    "POP": Machine._drop,
    "POP_MARK": Machine._drop_marked,
    "DUP": Machine._duplicate,
    "PUT": Machine._put,
    "BINPUT": Machine._put,
    "LONG_BINPUT": Machine._put,
    "MEMOIZE": Machine._memoize,
    "TUPLE1": lambda machine, _: machine._tuple(1),
    "TUPLE2": lambda machine, _: machine._tuple(2),
    "TUPLE3": lambda machine, _: machine._tuple(3),
    "TUPLE": lambda machine, _: machine._push(tuple(machine._marked())),
    "LIST": lambda machine, _: machine._push(machine._marked()),
    "EMPTY_LIST": lambda machine, _: machine._push([]),
    "EMPTY_DICT": lambda machine, _: machine._push(Instance(DICT)),
    "EMPTY_SET": lambda machine, _: machine._push(Instance(SET)),
    "DICT": lambda machine, _: machine._dict(machine._marked()),
    "FROZENSET": lambda machine, _: machine._push(Instance(SET, elements=machine._marked())),
    "APPEND": lambda machine, _: machine._append([machine._pop()]),
    "APPENDS": lambda machine, _: machine._append(machine._marked()),
    "ADDITEMS": lambda machine, _: machine._append(machine._marked()),
    "SETITEM": lambda machine, _: machine._set([machine._pop(), machine._pop()][::-1]),
    "SETITEMS": lambda machine, _: machine._set(machine._marked()),
    "GLOBAL": Machine._global,
    "STACK_GLOBAL": Machine._stack_global,
    "EXT1": Machine._extension,
    "EXT2": Machine._extension,
    "EXT4": Machine._extension,
    "REDUCE": Machine._call,
    "NEWOBJ": Machine._call,
    "NEWOBJ_EX": Machine._call_with_names,
    "INST": Machine._old_instance,
    "OBJ": Machine._old_object,
    "BUILD": Machine._build,
    "PERSID": Machine._persistent,
    "BINPERSID": lambda machine, _: machine._persistent(machine._pop()),
    "PROTO": Machine._nothing,
    "FRAME": Machine._nothing,
    "READONLY_BUFFER": Machine._nothing,
    "STOP": Machine._nothing,
}
